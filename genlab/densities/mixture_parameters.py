"""The trainable parameters of mixtures, and where they start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.densities.mixtures import Covariance, LowRankMixtures, Mixtures
from genlab.errors import UserError
from genlab.nn.angles import AngleFeatures

__all__ = ["AnyMixtures", "MixtureParameters", "Start", "kmeans_plus_plus", "random_rows", "starts"]


AnyMixtures = Mixtures | LowRankMixtures


class MixtureParameters(nn.Module):
    """``G`` mixtures of ``K`` Gaussians on R^D, to be descended on or to be loaded.

    Each Gaussian is held by the lower triangular ``W`` of ``Sigma = (W^T W)^{-1}``: given those
    before it, a coordinate has the deviation ``1 / W_ii = e^scale + sqrt(floor) / 2``, so that no
    gradient step makes a likelihood grow without bound.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> import genlab
    >>> parameters = genlab.densities.MixtureParameters(1, 3, 2, covariance="full", floor=1e-6)
    >>> parameters().means.shape
    torch.Size([1, 3, 2])

    Args:
        groups: Number of mixtures G.
        components: Number of Gaussians K in each.
        dim: Number of coordinates D.
        covariance: ``full`` (W for each Gaussian), ``tied`` (one for each mixture), ``diag`` (its
            diagonal for each Gaussian), ``spherical`` (one number for each) or ``low_rank`` (see
            `LowRankMixtures`).
        floor: Smallest variance that is to be loaded.
        rank: Factors of each Gaussian where the covariance is of low rank.
        growing: Let a saved state bring its own number of Gaussians.

    Attributes:
        logits: Log-weights up to a constant, ``[G, K]``.
        means: ``[G, K, D]``.
        scales: ``[G, K, D]``, ``[G, 1, D]`` for tied and ``[G, K, 1]`` for spherical covariances.
        shears: ``W_ij`` below the diagonal, row by row, ``[G, K or 1, D (D - 1) / 2]``; None for
            diagonal and spherical covariances, and those of low rank.
        factors: ``F`` of covariances of low rank, whose ``s`` are ``e^scale + sqrt(floor) / 2``,
            ``[G, K, D, Q]``; None for others.
    """

    logits: nn.Parameter
    means: nn.Parameter
    scales: nn.Parameter
    shears: nn.Parameter | None
    factors: nn.Parameter | None

    def __init__(
        self,
        groups: int,
        components: int,
        dim: int,
        *,
        covariance: Covariance,
        floor: float,
        rank: int = 0,
        growing: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.covariance = covariance
        self.rank = rank
        self.thinnest = 0.5 * math.sqrt(floor)
        self.growing = growing
        for name, shape in self._shapes(groups, components).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        if covariance not in ("full", "tied"):
            self.shears = None
        if covariance != "low_rank":
            self.factors = None

    def _shapes(self, groups: int, components: int) -> dict[str, tuple[int, ...]]:
        own = 1 if self.covariance == "tied" else components
        shapes = {
            "logits": (groups, components),
            "means": (groups, components, self.dim),
            "scales": (groups, own, 1 if self.covariance == "spherical" else self.dim),
        }
        if self.covariance in ("full", "tied"):
            shapes["shears"] = (groups, own, self.dim * (self.dim - 1) // 2)
        if self.covariance == "low_rank":
            shapes["factors"] = (groups, components, self.dim, self.rank)
        return shapes

    def forward(self) -> AnyMixtures:
        """The mixtures that the parameters stand for."""
        deviations = self.scales.exp() + self.thinnest
        log_weights = self.logits.log_softmax(1)
        if self.factors is not None:
            return LowRankMixtures(log_weights, self.means, deviations, self.factors)
        diagonal = deviations.reciprocal()
        if self.shears is None:
            return Mixtures(log_weights, self.means, diagonal.expand_as(self.means))
        roots = diagonal.diag_embed()
        roots[(..., *self._below)] = self.shears
        return Mixtures(log_weights, self.means, roots)

    @torch.no_grad()
    def load(self, mixtures: AnyMixtures) -> None:
        """Take over mixtures of the same form, with any number of components."""
        self._assign("logits", mixtures.log_weights)
        self._assign("means", mixtures.means)
        if isinstance(mixtures, LowRankMixtures):
            self._assign("scales", (mixtures.deviations - self.thinnest).log())
            self._assign("factors", mixtures.factors)
            return
        own = slice(1 if self.covariance == "tied" else None)
        diagonal = mixtures.diagonal[:, own, : self.scales.shape[2]]
        self._assign("scales", (diagonal.reciprocal() - self.thinnest).log())
        if self.shears is not None:
            self._assign("shears", mixtures.roots[(..., *self._below)])

    @property
    def per_gaussian(self) -> int:
        """Free parameters of one Gaussian, its weight included."""
        own = {
            "full": self.dim * (self.dim + 1) // 2,
            "tied": 0,
            "diag": self.dim,
            "spherical": 1,
            # A rotation of the factors changes nothing.
            "low_rank": self.dim * (self.rank + 1) - self.rank * (self.rank - 1) // 2,
        }
        return 1 + self.dim + own[self.covariance]

    @property
    def degrees_of_freedom(self) -> int:
        """Number of free parameters; Gaussians of weight 0 have none."""
        shared = self.dim * (self.dim + 1) // 2 if self.covariance == "tied" else 0
        gaussians = int(self.logits.isfinite().sum())
        return gaussians * self.per_gaussian + len(self.logits) * (shared - 1)

    @property
    def _below(self) -> Tensor:
        return torch.tril_indices(self.dim, self.dim, -1, device=self.means.device)

    def _assign(self, name: str, value: Tensor) -> None:
        parameter = getattr(self, name)
        # An optimiser knows the parameter itself: it stays, whatever its shape becomes.
        parameter.data = value.to(parameter, copy=True).contiguous()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(f"{prefix}logits")
        if self.growing and saved is not None:
            for name, shape in self._shapes(len(self.logits), saved.shape[1]).items():
                parameter = getattr(self, name)
                parameter.data = parameter.new_empty(shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


Start = Literal["kmeans++", "random"]


def starts(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "g n"],
    components: int,
    start: Start,
    covariance: Covariance,
    *,
    floor: float,
    ceiling: float = math.inf,
    rank: int = 0,
    angles: Sequence[int] = (),
) -> AnyMixtures:
    """Equal round Gaussians about such rows, one mixture for each of ``g`` weightings.

    Their variance is the mean squared distance of a coordinate to that of the nearest centre.

    Args:
        x: Rows to fit.
        weight: Non-negative weights of the rows.
        components: Gaussians in each mixture.
        start: How the centres are drawn, from torch's global generator.
        covariance: The form that the covariances are to have.
        floor: Their smallest variance.
        ceiling: Their largest one.
        rank: Factors of covariances of low rank: half of the variance lies along ways from the
            centre to rows, drawn at random.
        angles: Coordinates that are angles: rows are as far apart as their points on the circles.

    Raises:
        UserError: There are no rows, or some that are no numbers, or whose squares are none.
    """
    Batch(x).refuse_unusable()
    if not x.square().sum().isfinite():
        raise UserError(
            f"data: the squares of values up to {x.abs().max():.3g} are too large for {x.dtype}; "
            "use `standardise=True`"
        )
    draw = {"kmeans++": kmeans_plus_plus, "random": random_rows}[start]
    seen = AngleFeatures([i in angles for i in range(x.shape[1])])
    points = seen(x) if angles else x
    means = draw(points, weight, components)
    nearest = _squared_distances(points, means).amin(1)
    means = seen.coordinates(means) if angles else means
    mass = weight.sum(1).clamp(min=torch.finfo(x.dtype).tiny)
    variance = (weight * nearest).sum(1) / mass / x.shape[1]
    diagonal = variance.clamp(floor, ceiling).rsqrt()[:, None, None].expand_as(means)
    log_weights = torch.full_like(means[..., 0], -math.log(components))
    if covariance == "low_rank":
        deviations = diagonal.reciprocal() * math.sqrt(0.5)
        ways = random_rows(x, weight, components * rank).unflatten(1, (components, rank))
        ways = torch.nn.functional.normalize(ways - means[:, :, None], dim=-1).mT
        factors = deviations[..., None] * math.sqrt(x.shape[1] / rank) * ways
        return LowRankMixtures(log_weights, means, deviations.clamp(min=floor**0.5), factors)
    own = diagonal[:, :1] if covariance == "tied" else diagonal
    return Mixtures(
        log_weights,
        means,
        own.diag_embed() if covariance in ("full", "tied") else diagonal,
    )


def random_rows(
    x: Float[Tensor, "n d"], weight: Float[Tensor, "g n"], count: int
) -> Float[Tensor, "g count d"]:
    """``count`` rows for each of ``g`` weightings, drawn by weight from torch's global generator.

    Args:
        x: Rows to draw from.
        weight: Non-negative; a weighting without mass draws from all rows alike.
        count: Rows to draw; more of them than there are repeat.
    """
    return x[torch.multinomial(_drawable(weight), count, replacement=True)]


def kmeans_plus_plus(
    x: Float[Tensor, "n d"], weight: Float[Tensor, "g n"], count: int
) -> Float[Tensor, "g count d"]:
    """Rows that are far from each other, for each of ``g`` weightings.

    The first is drawn by weight, each further one by weight times squared distance to the nearest
    chosen so far; of ``2 + log count`` candidates the one that leaves the least is kept (Arthur,
    Vassilvitskii, "k-means++: the advantages of careful seeding", 2007, and its greedy variant).

    Args:
        x: Rows to draw from.
        weight: Non-negative; a weighting without mass draws from all rows alike.
        count: Centres of each weighting; they repeat where there are fewer distinct rows.
    """
    candidates = 2 + int(math.log(count))
    weight = _drawable(weight)
    chosen = [random_rows(x, weight, 1)]
    nearest = _squared_distances(x, chosen[0])[:, 0]
    for _ in range(count - 1):
        potential = weight * nearest
        left = potential.sum(1, keepdim=True) > 0
        rows = x[torch.multinomial(torch.where(left, potential, weight), candidates, True)]
        after = torch.minimum(nearest[:, None], _squared_distances(x, rows))
        best = (after * weight[:, None]).sum(2).argmin(1)
        every = torch.arange(len(weight), device=x.device)
        chosen.append(rows[every, best][:, None])
        nearest = after[every, best]
    return torch.cat(chosen, 1)


def _squared_distances(
    x: Float[Tensor, "n d"], centres: Float[Tensor, "g k d"]
) -> Float[Tensor, "g k n"]:
    """``|x - c|^2``, not through the square's expansion, which would lose small distances."""
    return torch.cdist(centres, x, compute_mode="donot_use_mm_for_euclid_dist").square()


def _drawable(weight: Float[Tensor, "g n"]) -> Float[Tensor, "g n"]:
    return torch.where(weight.sum(1, keepdim=True) > 0, weight, torch.ones_like(weight))
