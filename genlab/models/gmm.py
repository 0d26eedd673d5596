"""Mixtures of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch, weighted_mean
from genlab.bijections.elementwise_affine import Standardise
from genlab.bijections.periodic_convolution import Hartley
from genlab.bounds import NonNegative, NonNegativeInt, Positive, PositiveInt
from genlab.densities.density import Circular, Density, EventShape
from genlab.densities.mixture_parameters import AnyMixtures, MixtureParameters, Start, starts
from genlab.densities.mixtures import Covariance, Mixtures, wide
from genlab.densities.turns import widest
from genlab.densities.wrapped_mixtures import WrappedMixtures
from genlab.nn.angles import wrap_columns
from genlab.nn.context import Context

__all__ = ["GMM"]

# Options that a mixture shares with its marginals and conditionals.
SHARED = ("max_components", "covariance", "rank", "start", "restarts", "tolerance")
ROWS_AT_ONCE = 8192


class GMM(Density):
    """``p(x) = sum_k w_k N(x; mu_k, Sigma_k)``, of angles wound round their circles.

    With a context vector, a joint mixture over ``(c, x)`` that is conditioned exactly:
    ``p(x | c) = p(c, x) / p(c)`` is a mixture whose weights and means depend on c. With labels, one
    mixture a class.

    Angles have wrapped normals ``sum_n N(x + 2 pi n; mu_k, Sigma_k)``, by EM with n latent too
    (`genlab.densities.WrappedMixtures`).

    References: Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM
    algorithm", 1977, doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> import genlab, torch
    >>> model = genlab.models.GMM(2, components=3)
    >>> model.log_prob(torch.randn(5, 2)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample, or the length of a vector; arrays are flattened.
        components: Number of Gaussians, for each class; "auto": as many as lower the BIC.
        max_components: The most that "auto" takes.
        covariance: A matrix for each Gaussian ("full"), one for all ("tied"), a diagonal for each
            ("diag"), a number for each ("spherical"), or a diagonal and a matrix of low rank for
            each ("low_rank"): a mixture of factor analysers, for hundreds of dimensions.
        rank: That rank.
        basis: What a covariance is diagonal in, or of low rank: the ``points`` of an array, or, for
            fields, ``fourier``, their waves as `genlab.bijections.Hartley` writes them.
        start: Where centres begin: at rows far from each other ("kmeans++"), or any ("random").
        restarts: Starts that are tried, for a few passes over the first rows; up to eight times as
            many for each number that "auto" tries, where these rows are few.
        tolerance: EM has converged when a pass gains no more, in nats a row.
        covariance_floor: Smallest variance in any direction, in standardised units.
        circular: Coordinates that are angles, in radians; no deviation of a component is above pi,
            and in more than four angles that are not independent no direction is so wide either
            (`genlab.densities.turns.widest`).
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ValueError: The number of Gaussians is open where their covariance is of low rank, or angles
            are given a covariance that they do not have.

    Attributes:
        joint_angles: Coordinates of the joint rows ``(c, x)`` that are angles.
        growing: Whether the number of Gaussians is open.
        joint: Whether what is maximised, and so what criteria count, is the density of the context
            too, as by EM.
        mixture: The parameters, of one mixture a class, in standardised units.
    """

    clusters = True
    knows_angles: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        components: PositiveInt | Literal["auto"] = "auto",
        max_components: PositiveInt = 128,
        covariance: Covariance = "full",
        rank: PositiveInt = 8,
        basis: Literal["points", "fourier"] = "points",
        start: Start = "kmeans++",
        restarts: PositiveInt = 4,
        tolerance: NonNegative = 2e-5,
        covariance_floor: Positive = 1e-6,
        circular: Circular = (),
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape, circular=circular, context_dim=context_dim, labels=labels)
        if components == "auto" and covariance == "low_rank":
            raise ValueError("components=auto: expected a number, as covariance is low_rank")
        self.joint_angles = tuple(context_dim + i for i in self.circular)
        if self.joint_angles and covariance == "low_rank":
            raise ValueError(
                "covariance=low_rank: of angles, expected full, tied, diag or spherical"
            )
        self.growing = components == "auto"
        self.max_components = max_components
        self.covariance = covariance
        self.rank = rank
        self.basis = Hartley(self.event_shape) if basis == "fourier" else None
        self.joint = True
        self.start = start
        self.restarts = restarts
        self.tolerance = tolerance
        self.covariance_floor = covariance_floor
        # A joint mixture's floor means the same in each direction.
        self.context_encoder.standardise = True
        self.mixture = MixtureParameters(
            max(labels, 1),
            1 if components == "auto" else components,
            context_dim + math.prod(self.event_shape),
            covariance=covariance,
            floor=covariance_floor,
            rank=rank,
            growing=self.growing,
        )

    @property
    def widest(self) -> float:
        """The largest deviation that a Gaussian may have in angles; without angles infinite."""
        if not self.joint_angles:
            return math.inf
        matrices = self.covariance in ("full", "tied")
        return widest(len(self.joint_angles)) if matrices else math.pi

    @property
    def _wound(self) -> AnyMixtures | WrappedMixtures:
        """The Gaussians that densities are of, round the circles of angles."""
        mixtures: AnyMixtures = self.mixture()
        if not self.joint_angles:
            return mixtures
        assert isinstance(mixtures, Mixtures)
        return WrappedMixtures(mixtures, self.joint_angles)

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        log_weights, log_normal = self._given(self._wound, self._joint(x, context))
        log_p = (log_weights + log_normal).logsumexp(1)
        if context is not None and self.context_encoder.labels:
            return log_p.gather(0, context.argmax(1)[None])[0]
        return log_p[0]

    def _given(
        self, mixtures: AnyMixtures | WrappedMixtures, rows: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "classes k #n"], Float[Tensor, "classes k n"]]:
        """Log-weights given the context of each row, and log-densities of the event given it."""
        known = self.context_encoder.context_dim
        of_context, of_event = mixtures.log_gaussians(rows, given=known)
        log_weights = mixtures.log_weights[..., None]
        if known:
            log_weights = (log_weights + of_context).log_softmax(1)
        return log_weights, of_event

    def _joint(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, "n d"]:
        """The event, flattened, after the context where that is a vector."""
        x = (x if self.basis is None else self.basis(x)[0]).flatten(1)
        if context is None or self.context_encoder.labels:
            return x
        return wrap_columns(torch.cat((context, x), 1), self._known_angles)

    @property
    def _known_angles(self) -> tuple[int, ...]:
        """Coordinates of a context vector that are angles."""
        return tuple(i for i in self.joint_angles if i < self.context_encoder.context_dim)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        mixtures = self._wound if self._known_angles else self.mixture()
        known = self.context_encoder.context_dim
        noise = torch.randn(
            (n, *self.event_shape), dtype=self.dtype, device=self.device, generator=generator
        )
        rows = self._joint(noise, context)
        which = self._choose(mixtures, rows, context, generator)
        if isinstance(mixtures, WrappedMixtures):
            rows = mixtures.unwound(rows, which, given=known, generator=generator)
            mixtures = mixtures.mixtures
        return self._event(mixtures.complete(rows, which, given=known))

    @property
    def noise(self) -> int | None:
        # One tells which Gaussian.
        return None if self.context_encoder.dim else 1 + math.prod(self.event_shape)

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        mixtures: AnyMixtures = self.mixture()
        shares = mixtures.log_weights[0].exp().to(u).cumsum(0)
        which = torch.searchsorted(shares / shares[-1], u[:, 0].contiguous())
        normal = torch.special.ndtri(u[:, 1:]).to(self.dtype)
        return self._event(mixtures.complete(normal, which))

    def _event(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n *event"]:
        """The events of rows without context, as `_joint` wrote them."""
        x = rows.view(-1, *self.event_shape)
        return x if self.basis is None else self.basis.generate(x)

    def _choose(
        self,
        mixtures: AnyMixtures | WrappedMixtures,
        rows: Float[Tensor, "n d"],
        context: Context,
        generator: torch.Generator | None,
    ) -> Int[Tensor, " n"]:
        """The Gaussian that each sample comes from, numbered through all classes."""
        log_weights = mixtures.log_weights
        if context is None:
            n = max(len(rows), 1)  # it draws no 0 of them
            return torch.multinomial(log_weights[0].exp(), n, True, generator=generator)[
                : len(rows)
            ]
        label = torch.zeros_like(context[:, 0], dtype=torch.long)
        if self.context_encoder.labels:
            label = context.argmax(1)
            log_weights = log_weights[label]
        else:
            log_weights = self._given(mixtures, rows)[0][0].mT
        chosen = torch.multinomial(log_weights.exp(), 1, generator=generator)[:, 0]
        return label * mixtures.log_weights.shape[1] + chosen

    def _initialise(self, x: Float[Tensor, "n *event"], context: Context) -> None:
        count = self.mixture.logits.shape[1]
        weight = self._classes(context, x)
        self.mixture.load(self.starts(self._joint(x, context), weight, count))

    def starts(
        self, rows: Float[Tensor, "n d"], weight: Float[Tensor, "g n"], components: int
    ) -> AnyMixtures:
        """A mixture to start from for each weighting of standardised rows, drawn at random."""
        return starts(
            rows,
            weight,
            components,
            self.start,
            self.covariance,
            floor=self.covariance_floor,
            ceiling=self.widest**2,
            rank=self.rank,
            angles=self.joint_angles,
        )

    @torch.no_grad()
    def standardised(
        self, batch: Batch
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "classes n"], Float[Tensor, " n"]]:
        """The joint rows that the mixtures are fitted to, how much each counts in each class, and
        the log-determinant of the way of x from data units to these rows.
        """
        context = self.context_encoder(batch.context, len(batch.x), batch.x.dtype)
        x, log_det = batch.x, batch.x.new_zeros(len(batch.x))
        if self.door is not None:
            x = self.door.encode(x)
        if self.preprocessing is not None:
            x, log_det = self.preprocessing(x, context)
        weight = self._classes(context, x)
        if batch.weight is not None:
            weight = weight * batch.weight
        return self._joint(x, context), weight, log_det.to(x)

    def _classes(
        self, context: Context, x: Float[Tensor, "n *event"]
    ) -> Float[Tensor, "classes n"]:
        if context is None or not self.context_encoder.labels:
            return x.new_ones(1, len(x))
        return context.mT

    @property
    def degrees_of_freedom(self) -> int:
        """Number of free parameters, those of the context's density included."""
        return self.mixture.degrees_of_freedom

    def aic(self, data: Batch) -> float:
        """Akaike's criterion ``2 parameters - 2 log L`` on the rows that the mixture was fitted to.

        L is what was maximised: with a context vector, EM's is that of ``(c, x)``. Weighted rows
        count as Kish's effective number of them, in both criteria.
        """
        _, log_likelihood = self._log_likelihood(data)
        return 2 * (self.degrees_of_freedom - log_likelihood)

    def bic(self, data: Batch) -> float:
        """The Bayesian criterion ``parameters log n - 2 log L`` (Schwarz 1978,
        doi:10.1214/aos/1176344136).
        """
        rows, log_likelihood = self._log_likelihood(data)
        return self.degrees_of_freedom * math.log(rows) - 2 * log_likelihood

    @torch.no_grad()
    def _log_likelihood(self, data: Batch) -> tuple[float, float]:
        """The effective number of rows, and as many times their mean log-density."""
        some = (b.cast(self.device, self.dtype) for b in data.split(ROWS_AT_ONCE))
        log_p = wide(torch.cat([self.log_prob(b.x, b.context) + self._of_context(b) for b in some]))
        weight = torch.ones_like(log_p) if data.weight is None else wide(data.weight).to(log_p)
        rows = (weight.sum().square() / weight.square().sum()).item()
        return rows, rows * weighted_mean(log_p, weight).item()

    def _of_context(self, batch: Batch) -> Float[Tensor, " n"]:
        """``log p(c)`` in data units, where EM fits it too; 0 elsewhere."""
        if not self.context_encoder.context_dim or not self.joint:
            return batch.x.new_zeros(len(batch.x))
        mixtures = self._wound
        rows, _, _ = self.standardised(batch)
        of_context, _ = mixtures.log_gaussians(rows, given=self.context_encoder.context_dim)
        log_p = (mixtures.log_weights[..., None] + of_context).logsumexp(1)[0]
        return log_p - self.context_encoder.log_scale.sum()

    def extra_repr(self) -> str:
        components = self.mixture.logits.shape[1]
        return f"{super().extra_repr()}, components={components}, covariance={self.covariance}"

    def metrics(
        self,
        test: Batch | None = None,
        training: Batch | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Mapping[str, float]:
        """``model/components``, and ``model/aic`` and ``model/bic`` of a training set."""
        numbers = {"model/components": float(self.mixture.logits.isfinite().sum())}
        if training is not None:
            numbers |= {"model/aic": self.aic(training), "model/bic": self.bic(training)}
        return numbers

    @torch.no_grad()
    def moments(
        self,
    ) -> tuple[
        Float[Tensor, "classes k"], Float[Tensor, "classes k d"], Float[Tensor, "classes k d d"]
    ]:
        """Weights, means and covariances in data units, the context vector before the event."""
        mixtures, (shift, scale) = self.mixture(), self._units()
        covariances = mixtures.covariances * scale * scale[:, None]
        return mixtures.log_weights.exp(), shift + scale * mixtures.means, covariances

    def marginal(self, keep: Sequence[int]) -> GMM:
        """The density of some coordinates of the event, in the order given: again a mixture."""
        return self._derived(keep, ())

    def conditional(self, given: Sequence[int]) -> GMM:
        """The density of the other coordinates given some, whose values are its context.

        ``gmm.conditional([1]).log_prob(x[:, :1], x[:, 1:])`` is ``log p(x_0 | x_1)``. A context
        vector that this density has itself comes before them.
        """
        rest = [i for i in range(math.prod(self.event_shape)) if i not in given]
        return self._derived(rest, given)

    @torch.no_grad()
    def _derived(self, keep: Sequence[int], given: Sequence[int]) -> GMM:
        dim, known = math.prod(self.event_shape), self.context_encoder.context_dim
        chosen = [*given, *keep]
        if not keep or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(dim)):
            raise ValueError(
                f"coordinates: expected different ones of 0 to {dim - 1}, got given={list(given)} "
                f"and keep={list(keep)}"
            )
        order = [*range(known), *(known + i for i in chosen)]
        whole: AnyMixtures = self.mixture()
        mixtures = type(whole)(*map(wide, whole)).marginal(order)
        derived = GMM(
            (len(keep),),
            components=mixtures.means.shape[1],
            covariance_floor=min(self.covariance_floor, mixtures.narrowest),
            circular=[i for i, one in enumerate(keep) if one in self.circular],
            context_dim=known + len(given),
            labels=self.context_encoder.labels,
            **{name: getattr(self, name) for name in SHARED},
        ).to(self.device, self.dtype)
        derived.joint = self.joint
        derived.joint_angles = tuple(i for i, one in enumerate(order) if one in self.joint_angles)
        derived.mixture.load(mixtures)
        parts = (part[order].tensor_split([known + len(given)]) for part in self._units())
        derived.preprocessing = Standardise((len(keep),), untouched=derived.circular).to(
            self.mixture.means
        )
        units = (derived.context_encoder, derived.preprocessing)
        for unit, shift, scale in zip(units, *parts, strict=True):
            if len(shift):
                unit.mean.copy_(shift)
                unit.log_scale.copy_(scale.log())
        return derived

    def _units(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        """Shift and scale from standardised units to those of the context and the event."""
        event = self.preprocessing
        if self.basis is not None:
            raise ValueError("basis=fourier: moments and marginals are those of points; use points")
        if not isinstance(event, Standardise | None):
            raise ValueError(f"preprocessing: expected Standardise, got {type(event).__name__}")
        shift = torch.zeros(math.prod(self.event_shape)).to(self.mixture.means)
        log_scale = shift
        if event is not None:
            shift, log_scale = event.mean.flatten(), event.log_scale.flatten()
        if self.context_encoder.context_dim:
            shift = torch.cat((self.context_encoder.mean, shift))
            log_scale = torch.cat((self.context_encoder.log_scale, log_scale))
        return shift, log_scale.exp()
