"""Fitting a Gaussian mixture by passes over the data, with as many Gaussians as its BIC wants."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.mixture_parameters import AnyMixtures
from genlab.densities.mixtures import Covariance, Mixtures, precision_root, wide
from genlab.errors import RunError, UserError
from genlab.models.gmm import GMM
from genlab.objectives.expectation_maximisation import Statistics, collapsed, sweep
from genlab.objectives.mixture_starts import better_nearby, likeliest_starts, maximised

__all__ = ["MixtureFit", "expected_log_gaussians", "halves", "replace"]

# Numbers of Gaussians that a search for their number starts from.
STARTS = (1, 4, 16, 64)
# Rows for each parameter that such a start needs.
ROWS = 4
# Passes after which a cut is judged.
CUT = 8
# Numbers that are prepared at once.
PIECE = 2**18
# How many times the tolerance a pass may still gain when a mixture goes on to be cut.
SETTLED = 50.0

Phase = Literal["settle", "cut", "converge"]


class MixtureFit:
    """EM on a mixture, pass by pass; any number of batches makes a pass.

    An open number of Gaussians is found by cutting them in two (as Ueda and others, "SMEM algorithm
    for mixture models", 2000, and Pelleg, Moore, "X-means", 2000). When EM has settled, the two
    halves of each Gaussian are fitted by EM to the rows of the whole, with its responsibilities
    frozen. By Jensen's inequality the mixture then gains at least what the halves gain together, so
    those cuts are kept whose gain exceeds their price in the BIC, ``parameters / 2 log n`` nats.
    The search ends when none is kept, or the BIC did not fall.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x (EM), doi:10.1162/089976600300015088 (SMEM).

    >>> import genlab
    >>> model, source = genlab.models.GMM(2), torch.Generator().manual_seed(0)
    >>> rows = Batch(genlab.targets.EightGaussians().sample(2000, generator=source))
    >>> fit = MixtureFit(model)
    >>> fit.start(rows)
    >>> while not fit.done:
    ...     for batch in rows.split(500):
    ...         fit.observe(batch)
    ...     loss = fit.advance()
    >>> fit.present.means.shape
    torch.Size([1, 8, 2])

    Args:
        model: The mixture, initialised. It holds the present parameters after each pass.

    Attributes:
        present: The parameters, in float64.
        done: Whether EM has converged.
    """

    def __init__(self, model: GMM) -> None:
        self.model = model
        self.present: AnyMixtures = _wide(model)
        self._begin_search()
        self._begin_pass()

    def _begin_search(self) -> None:
        self.phase: Phase = "settle" if self.model.growing else "converge"
        self.children: Mixtures | None = None
        self.best: AnyMixtures | None = None
        self.best_bic = math.inf
        self.loss = math.inf
        self.passes = 0
        self.done = False

    def _begin_pass(self) -> None:
        self.statistics: Statistics | None = None
        self.of_children: Statistics | None = None
        self.log_det = self.unusable = self.present.means.new_zeros(())

    def start(self, batch: Batch) -> None:
        """Choose where to begin, by trial on some rows: the best of several starts.

        An open number of Gaussians is searched for on these rows alone: a mixture grows from
        several numbers, and others of about as many are started anew.
        """
        if not self.model.growing:
            if self.model.restarts > 1:
                self._place(self._best_start(batch, self.present.means.shape[1]))
            return
        parameters = self.model.mixture.per_gaussian * len(self.present.means)
        affordable = len(batch.x) // (ROWS * parameters)
        found = []
        for count in STARTS:
            if count == 1 or count <= min(affordable, self.model.max_components):
                self._place(self._best_start(batch, count))
                self._begin_search()
                while self.phase != "converge":
                    self.observe(batch)
                    self.advance()
                found.append((self.best_bic, self.present))
        self._place(min(found, key=lambda one: one[0])[1])
        self._place(better_nearby(self.model, self._growing, batch))
        self._begin_search()

    def _best_start(self, batch: Batch, count: int) -> AnyMixtures:
        """Of the model's ``restarts`` starts the most likely one after a few steps of EM."""
        x, weight, _ = self.model.standardised(batch)
        return likeliest_starts(self.model, x, weight, count, tries=self.model.restarts)

    def _like(self, parts: Iterable[Tensor]) -> AnyMixtures:
        """Mixtures of the kind of the present ones."""
        return type(self.present)(*parts)

    def observe(self, batch: Batch) -> None:
        """Add some rows to the present pass, in memory that does not grow with their number."""
        size = max(1, PIECE // self.present.means.shape[-1])
        # A pass over no rows is one too, where several processes share few.
        for rows in batch.split(size) if len(batch.x) else (batch,):
            x, weight, log_det = self.model.standardised(rows)
            statistics, of_children = sweep(
                self.present, x, weight, self.children, angles=self.model.joint_angles
            )
            self.statistics = statistics.plus(self.statistics)
            if of_children is not None:
                self.of_children = of_children.plus(self.of_children)
            self.log_det = self.log_det + wide(weight.sum(0) @ log_det)
            self.unusable = self.unusable + wide((~x.isfinite().all(1)).sum())

    def reduce(self, total: Callable[[Tensor], Tensor]) -> None:
        """Let several processes share a pass: ``total`` sums a tensor over all of them."""
        assert self.statistics is not None
        self.statistics = Statistics(*map(total, self.statistics))
        if self.of_children is not None:
            self.of_children = Statistics(*map(total, self.of_children))
        self.log_det, self.unusable = total(self.log_det), total(self.unusable)

    def advance(self) -> Float[Tensor, ""]:
        """End the pass and take the M-step, or go over to the next phase.

        Returns:
            The loss in nats a row, ``-log p`` of x and a context vector in data units, of the
            parameters before the step.

        Raises:
            UserError: The data hold what is no number, or weigh nothing.
            RunError: Some are so far off that their density is 0 in the type of the model.
        """
        statistics, of_children = self.statistics, self.of_children
        assert statistics is not None
        self._refuse_unusable(statistics)
        loss = -(statistics.log_likelihood.sum() + self.log_det) / statistics.mass.sum()
        gain, self.loss = self.loss - loss.item(), loss.item()
        if not math.isfinite(self.loss):
            raise RunError(
                f"the loss of EM became {self.loss:g}: the squares of some values are too large "
                "for their type\ntry `standardise=True`, or `precision='64-true'`"
            )
        if self.phase == "cut":
            assert of_children is not None
            self._fit_halves(statistics, of_children)
        elif self.phase == "settle" and gain <= SETTLED * self.model.tolerance:
            self._cut_or_converge(statistics)
        elif self.phase == "converge" and gain <= self.model.tolerance:
            self.done = True
        else:
            self._place(self._maximise(self.present, statistics))
        self._begin_pass()
        # Only here: `self.loss` goes on in runs that were stopped before these units counted.
        encoder = self.model.context_encoder
        return loss + encoder.log_scale.sum() if encoder.context_dim else loss

    def _refuse_unusable(self, statistics: Statistics) -> None:
        if self.unusable > 0:
            raise UserError(
                f"data: {int(self.unusable)} rows hold NaN or infinite values; leave them out"
            )
        if not statistics.mass.sum() > 0:
            raise UserError("data: no row has a positive weight")

    def _maximise(self, mixtures: AnyMixtures, statistics: Statistics) -> AnyMixtures:
        return maximised(self.model, mixtures, statistics)

    def _place(self, mixtures: AnyMixtures) -> None:
        self.present = mixtures
        self.model.mixture.load(mixtures)

    def _cut_or_converge(self, statistics: Statistics) -> None:
        """Cut a mixture that is better than all before, or go back to the best."""
        rows = statistics.rows.sum()
        log_likelihood = statistics.log_likelihood.sum() / statistics.mass.sum() * rows
        bic = float(self.model.degrees_of_freedom * rows.log() - 2 * log_likelihood)
        if bic >= self.best_bic:
            assert self.best is not None
            self._place(self.best)
            self._converge()
            return
        self.best, self.best_bic = self.present, bic
        if (self._room() > 0).any():
            self.children = halves(self._growing, self.model.covariance)
            self.phase, self.passes = "cut", 0
        else:
            self._converge()

    def _fit_halves(self, statistics: Statistics, of_children: Statistics) -> None:
        """A step of EM on the halves; after the last one, keep the cuts that pay."""
        assert self.children is not None
        self.passes += 1
        if self.passes <= CUT:
            children = self._maximise(self.children, of_children)
            assert isinstance(children, Mixtures)
            self.children = children
            return
        cut = self._worthwhile(statistics, of_children)
        if cut.any():
            self._place(replace(self._growing, self.children, cut, self.model.covariance))
            self.children, self.phase, self.loss = None, "settle", math.inf
        else:
            self._converge()

    def _worthwhile(self, statistics: Statistics, of_children: Statistics) -> Bool[Tensor, "g k"]:
        """The cuts that lower the BIC, the best ones where not all find room.

        No half may have fewer rows than parameters: a handful of points can have any likelihood.
        """
        shape = statistics.counts.shape
        a_unit = (statistics.rows / statistics.mass.where(statistics.mass > 0, 1.0))[:, None]
        price = self.model.mixture.per_gaussian
        gain = of_children.log_likelihood.view(shape) - expected_log_gaussians(
            self._growing, statistics
        )
        gain = gain * a_unit - 0.5 * price * statistics.rows.clamp(min=1).log()[:, None]
        supported = of_children.counts.amin(1).view(shape) * a_unit >= price
        gain = gain.where(supported, -math.inf)
        rank = gain.argsort(1, descending=True).argsort(1)
        return (gain > 0) & (rank < self._room())

    def _room(self) -> Int[Tensor, "g 1"]:
        """The number of Gaussians that each mixture may still grow by."""
        present = self.present.log_weights.isfinite().sum(1, keepdim=True)
        return self.model.max_components - present

    @property
    def _growing(self) -> Mixtures:
        """The present mixtures, where their number is open: never those of low rank."""
        assert isinstance(self.present, Mixtures)
        return self.present

    def _converge(self) -> None:
        self.children, self.phase, self.loss = None, "converge", math.inf

    def scalars(self) -> dict[str, float]:
        """``train/components``: the number of Gaussians."""
        return {"train/components": self.model.metrics()["model/components"]}

    def failures(self) -> list[str]:
        """The fate of the Gaussians that are none any more, for people to read."""
        # Where the number is open, those that one class has less than another are no failures.
        empty = ~self.present.log_weights.isfinite() & (not self.model.growing)
        thin = collapsed(self.present, floor=self.model.covariance_floor)
        floor = self.model.covariance_floor
        return [
            *_named(empty, "without any rows"),
            *_named(thin, f"collapsed: flat to covariance_floor={floor:g} in some direction"),
        ]

    def state_dict(self) -> dict[str, Any]:
        """All that the fit goes on from, between two passes."""
        return {
            "phase": self.phase,
            "present": list(self.present),
            "children": None if self.children is None else list(self.children),
            "best": None if self.best is None else list(self.best),
            "best_bic": self.best_bic,
            "loss": self.loss,
            "passes": self.passes,
            "done": self.done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        for name, value in state.items():
            if isinstance(value, list):
                value = self._like(part.to(self.present.means.device) for part in value)
            setattr(self, name, value)


def _wide(model: GMM) -> AnyMixtures:
    mixtures: AnyMixtures = model.mixture()
    return type(mixtures)(*map(wide, mixtures))


def _named(which: Bool[Tensor, "g k"], what: str) -> list[str]:
    if not which.any():
        return []
    places = which.nonzero().tolist()
    several = len(which) > 1
    names = (f"{k} of class {g}" if several else str(k) for g, k in places)
    return [f"component{'s' if len(places) > 1 else ''} {', '.join(names)} {what}"]


def halves(mixtures: Mixtures, covariance: Covariance) -> Mixtures:
    """Each Gaussian cut in two across its longest axis: mixtures of two, ``[G K, 2]``.

    The half of ``N(mu, Sigma)`` on one side of a plane through its centre has the mean
    ``mu + sqrt(2 / pi) a`` and the covariance ``Sigma - (2 / pi) a a^T``, where ``a = sqrt(l) v``
    for a plane across the eigenvector v of the largest eigenvalue l.

    Args:
        mixtures: What is cut, ``[G, K]``.
        covariance: The form of the covariances.
    """
    covariances, means = mixtures.covariances.flatten(0, 1), mixtures.means.flatten(0, 1)
    values, vectors = torch.linalg.eigh(covariances)
    across = vectors[..., -1] * (2 / math.pi * values[..., -1:]).sqrt()
    half = covariances - across[:, :, None] * across[:, None, :]
    if covariance in ("full", "tied"):
        own = 2 if covariance == "full" else 1
        roots = precision_root(half)[:, None].expand(-1, own, -1, -1)
    else:
        variances = half.diagonal(dim1=-2, dim2=-1)
        if covariance == "spherical":
            variances = variances.mean(-1, keepdim=True).expand_as(variances)
        roots = variances.rsqrt()[:, None].expand(-1, 2, -1)
    return Mixtures(
        means.new_full((len(means), 2), -math.log(2)),
        torch.stack((means - across, means + across), 1),
        roots,
    )


def expected_log_gaussians(mixtures: Mixtures, statistics: Statistics) -> Float[Tensor, "g k"]:
    """``sum_i r log N(x_i; mu, Sigma)`` over the rows that the statistics were summed over."""
    square = statistics.second
    if mixtures.roots.ndim == 4:
        # tr sum r z (x - mu)^T W^T = sum r |z|^2.
        square = (square * mixtures.roots).sum(-1)
    dim = mixtures.means.shape[-1]
    log_scale = mixtures.diagonal.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
    return statistics.counts * log_scale - 0.5 * square.sum(-1)


def replace(
    mixtures: Mixtures, children: Mixtures, split: Bool[Tensor, "g k"], covariance: Covariance
) -> Mixtures:
    """The mixtures with some of their Gaussians replaced by the two children of each.

    Mixtures that end with fewer Gaussians than others are filled up with ones of weight 0.

    Args:
        mixtures: ``[G, K]``.
        children: A mixture of two for each Gaussian, ``[G K, 2]``.
        split: Which to replace.
        covariance: The form of the covariances; a tied one stays.
    """
    shape = split.shape
    alive = mixtures.log_weights.isfinite() & ~split
    present = torch.cat((alive, split, split), 1)
    first, second = (part.view(shape) + mixtures.log_weights for part in children.log_weights.T)
    log_weights = torch.cat((mixtures.log_weights, first, second), 1)
    log_weights = log_weights.where(present, -math.inf)
    order = present.byte().argsort(dim=1, descending=True, stable=True)[:, : present.sum(1).max()]

    def merged(own: Tensor, of_children: Tensor) -> Tensor:
        parts = (part.unflatten(0, shape) for part in of_children.unbind(1))
        index = order.view(*order.shape, *[1] * (own.ndim - 2))
        return torch.cat((own, *parts), 1).take_along_dim(index, 1)

    return Mixtures(
        log_weights.gather(1, order),
        merged(mixtures.means, children.means),
        mixtures.roots if covariance == "tied" else merged(mixtures.roots, children.roots),
    )
