"""The turns round their circles that Gaussians reach, whose share of them is not lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.densities.mixtures import Mixtures, precision_root, wide

__all__ = ["MOST", "REACH", "Turns", "turns", "widest"]

REACH = 6.0
"""Deviations from the mean at which a turn is left out: beyond a plane there lie 1e-9 of it."""
MOST = 3**7
"""Turns of one Gaussian at most: in more angles it may be less wide."""
FEW = 3
"""Angles up to which a Gaussian has the turns beside the nearest too, which decide far from it."""
SWEEPS = 8  # over the coordinates, in search of the nearest point of a turn


Turns = list[tuple[Int[Tensor, " _"], Float[Tensor, "_ _ _"]]]
"""Blocks of b Gaussians with m turns each: their numbers ``[b]``, and ``2 pi n``, ``[b, m, d]``."""


@cache
def widest(angles: int) -> float:
    """The largest deviation in any direction, at most pi, that takes `MOST` turns at most.

    The turn n begins ``pi (2 |n| - 1)`` from the mean, so that the squared distances of all turns
    are sums of 0, 1, 9 and 25, in half turns. A Gaussian that is nowhere wider than a round one has
    no turn that this has not.

    >>> [round(widest(angles), 2) for angles in (1, 4, 7, 20)]
    [3.14, 3.14, 1.57, 0.91]

    Args:
        angles: Number of angles.
    """
    limit = math.ceil(REACH**2)
    one = np.zeros(limit, dtype=np.int64)
    for n in range(-3, 4):
        one[max(2 * abs(n) - 1, 0) ** 2] += 1
    counts = np.eye(1, limit, dtype=np.int64)[0]
    for _ in range(angles):
        counts = np.minimum(np.convolve(counts, one)[:limit], MOST + 1)
    too_many = (counts.cumsum() > MOST).nonzero()[0]
    if not len(too_many):
        return math.pi
    # A little less, so that rounding does not decide whether these turns begin at REACH.
    return (1 - 1e-9) * math.pi * math.sqrt(too_many[0]) / REACH


@torch.no_grad()
def turns(mixtures: Mixtures, angles: Sequence[int]) -> Turns:
    """The turns that matter of Gaussians that reach beyond the one about their mean.

    Those with a point less than `REACH` deviations from the mean, found angle by angle: a turn of
    the first angles that is too far by itself takes part in none. In many angles most Gaussians are
    so narrow that the turn about the mean is all. Of up to `FEW` angles there are those beside it,
    too, so that a log-density is right in all its tails; of more it may be too low in those of a
    thin and oblique Gaussian, which hold no mass.

    >>> narrow, wide = 10 * torch.eye(4), torch.diag(torch.tensor([1.0, 10.0, 10.0, 10.0]))
    >>> roots = torch.stack((narrow, wide))[None]
    >>> two = Mixtures(torch.zeros(1, 2), torch.zeros(1, 2, 4), roots)
    >>> [(which, away)] = turns(two, range(4))  # the second alone, round the first angle
    >>> which, away[0, :, 0]
    (tensor([1]), tensor([-6.2832,  0.0000,  6.2832]))

    Args:
        mixtures: ``[G, K]``, with matrices for roots. Of a Gaussian wider than `widest` the turns
            are those of one of its shape that is not.
        angles: Coordinates that are angles.

    Returns:
        All Gaussians with more than one turn, numbered through.
    """
    if not angles:
        return []
    index = torch.as_tensor(angles, dtype=torch.long)
    covariances = wide(mixtures.covariances).flatten(0, 1)[:, index[:, None], index]
    excess = torch.linalg.eigvalsh(covariances)[:, -1] / widest(len(angles)) ** 2
    covariances = covariances / excess.clamp(min=1)[:, None, None]
    reach = REACH * covariances.diagonal(dim1=-2, dim2=-1).sqrt() / math.pi
    few = len(angles) <= FEW
    reaching = ((reach > 1).any(1) | few) & wide(mixtures.log_weights).flatten().isfinite()
    owner = reaching.nonzero()[:, 0]
    if not len(owner):
        return []
    roots = precision_root(covariances)
    each = torch.arange(-3.0, 4.0).to(roots)
    found = roots.new_zeros(len(owner), 0)
    for i in range(len(angles)):
        owner = owner.repeat_interleave(len(each))
        more = each.repeat(len(found))
        found = torch.cat((found.repeat_interleave(len(each), 0), more[:, None]), 1)
        beside = few & (found.abs() <= 1).all(1)
        near = (2 * more.abs() - 1 < reach[owner, i]) | beside
        owner, found, beside = owner[near], found[near], beside[near]
        near = _distance(roots[owner, : i + 1, : i + 1], 2 * math.pi * found) < REACH
        owner, found = owner[near | beside], found[near | beside]
    away = roots.new_zeros(len(found), mixtures.means.shape[-1])
    away[:, index] = 2 * math.pi * found
    return _blocks(owner, away.to(mixtures.means))


def _blocks(owner: Int[Tensor, " m"], away: Float[Tensor, "m d"]) -> Turns:
    """The turns of Gaussians, which follow each other, by how many of them each has."""
    which, counts = owner.unique_consecutive(return_counts=True)
    every = counts.repeat_interleave(counts)
    return [
        (
            which[counts == count].to(away.device),
            away[(every == count).to(away.device)].unflatten(0, (-1, count)),
        )
        for count in counts.unique().tolist()
        if count > 1
    ]


def _distance(roots: Float[Tensor, "m i i"], centres: Float[Tensor, "m i"]) -> Float[Tensor, " m"]:
    """Deviations between 0 and all of ``[c - pi, c + pi]^i``, or a little less.

    All of it lies beyond the plane ``a y = min a y``, whose distance is ``min a y / |W x|`` for
    ``a = W^T W x``: its own where x is its nearest point, which coordinate descent finds.

    Args:
        roots: ``W``.
        centres: ``c``.
    """
    low, high = centres - math.pi, centres + math.pi
    x = torch.zeros_like(centres).clamp(low, high)
    precisions = roots.mT @ roots
    for _ in range(SWEEPS):
        for j in range(x.shape[1]):
            slope = torch.linalg.vecdot(precisions[:, j], x)
            step = slope / precisions[:, j, j]
            x[:, j] = (x[:, j] - step).clamp(low[:, j], high[:, j])
    z = (roots @ x[..., None])[..., 0]
    a = (precisions @ x[..., None])[..., 0]
    plane = torch.linalg.vecdot(a, centres) - math.pi * a.abs().sum(1)
    distance: Tensor = plane / z.norm(dim=1).clamp(min=torch.finfo(z.dtype).tiny)
    return distance
