"""Where the centres of a mixture start: rows of the data, random or far from each other."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.low_rank import LowRankMixtures
from genlab.densities.mixture_parameters import AnyMixtures
from genlab.densities.mixtures import Covariance, Mixtures
from genlab.errors import UserError

__all__ = ["Start", "kmeans_plus_plus", "random_rows", "starts"]

Start = Literal["kmeans++", "random"]


def starts(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "g n"],
    components: int,
    start: Start,
    covariance: Covariance,
    *,
    floor: float,
    rank: int = 0,
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
        rank: Factors of covariances of low rank: half of the variance lies along ways from the
            centre to rows, drawn at random.

    Raises:
        UserError: There are no rows, or some that are no numbers, or whose squares are none.
    """
    Batch(x).refuse_unusable()
    if not x.square().sum().isfinite():
        raise UserError(
            f"data: the squares of values up to {x.abs().max():.3g} are too large for {x.dtype}; "
            "use data.standardise=true"
        )
    draw = {"kmeans++": kmeans_plus_plus, "random": random_rows}[start]
    means = draw(x, weight, components)
    nearest = _squared_distances(x, means).amin(1)
    mass = weight.sum(1).clamp(min=torch.finfo(x.dtype).tiny)
    variance = (weight * nearest).sum(1) / mass / x.shape[1]
    diagonal = variance.clamp(min=floor).rsqrt()[:, None, None].expand_as(means)
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
