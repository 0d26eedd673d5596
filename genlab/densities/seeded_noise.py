"""Noise for importance sampling, such that a log-density stays a function of its point."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["row_shifts", "shifted_normals", "uniform_points"]

LOW_32 = 0xFFFFFFFF


def uniform_points(k: int, dim: int) -> Float[Tensor, "k dim"]:
    """k points that fill ``[0, 1)^dim`` evenly, always the same ones: Sobol's, scrambled."""
    engine = torch.quasirandom.SobolEngine(dim, scramble=True, seed=0)
    points: Tensor = engine.draw(k, dtype=torch.float64)
    return points


def row_shifts(x: Float[Tensor, "n *event"], dim: int) -> Float[Tensor, "n dim"]:
    """A pseudo-random point of ``[0, 1)^dim`` for each row of x: a hash of the row's bits.

    Equal rows have equal shifts, whatever stands beside them; different rows have shifts as good as
    independent. Rows are hashed in float32: a sum of one hash for each number and its place
    (Zobrist, "A new hashing method with application for game playing", 1970), hashed again.
    """
    # Adding 0 turns -0 into 0: the two are equal.
    bits = (x.detach().flatten(1).float() + 0.0).view(torch.int32).long()
    rows = _mixed(_mixed(bits) + _places(bits.shape[1], x.device)).sum(1)
    hashed = _mixed(_mixed(rows)[:, None] + _places(dim, x.device))
    return (hashed / 2.0**32).to(torch.promote_types(x.dtype, torch.float32))


def shifted_normals(
    points: Float[Tensor, "k dim"], shifts: Float[Tensor, "n dim"]
) -> Float[Tensor, "k n dim"]:
    """``Phi^-1((u_j + s_i) mod 1)``: standard normal for each j, even as a set for each i.

    A randomly shifted set of points stays an even one, and each of its points is uniform, so means
    over it are unbiased (Cranley, Patterson, "Randomization of number theoretic methods for
    multiple integration", 1976, doi:10.1137/0713071).
    """
    u = (points.to(shifts)[:, None] + shifts).frac()
    eps = torch.finfo(u.dtype).eps
    normals: Tensor = torch.special.ndtri(u.clamp(eps, 1 - eps))
    return normals


def _places(n: int, device: torch.device) -> Int[Tensor, " n"]:
    """Numbers far apart, one for each place."""
    return torch.arange(1, n + 1, device=device) * 0x9E3779B9


def _mixed(h: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """MurmurHash3's finaliser on the lower 32 bits (Appleby, 2011)."""
    h = h & LOW_32
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & LOW_32
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & LOW_32
    return h ^ (h >> 16)
