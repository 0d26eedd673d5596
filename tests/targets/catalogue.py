"""Every target with a density: how to make it, and where and how finely to integrate it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from genlab import targets
from genlab.targets import ExactTarget

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Case:
    """A target in the plane, a rectangle (left, right, bottom, top), and its entropy as tabled.

    ``cells`` coarse cells a side each hold ``fine x fine`` points of a midpoint rule.
    """

    make: Callable[[], ExactTarget]
    box: Box
    entropy: float | None
    fine: int = 10
    cells: tuple[int, int] = (20, 20)
    smooth: bool = True
    everywhere: bool = True


def square(half: float) -> Box:
    return (-half, half, -half, half)


# Entropies to the four digits that they are tabulated with.
RIDGE = 2.8379
RAMACHANDRAN = {
    "general": 1.6288,
    "glycine": 2.3887,
    "proline": 0.5483,
    "pre_proline": 1.1456,
}
CASES: dict[str, Case] = {
    "eight_gaussians": Case(targets.EightGaussians, square(5.2), 2.8319),
    "checkerboard": Case(
        targets.Checkerboard, square(4), 3.4657, cells=(16, 16), smooth=False, everywhere=False
    ),
    "circles": Case(targets.Circles, square(4.5), 3.2681),
    "rings": Case(targets.Rings, square(3.6), 2.6232),
    "moons": Case(targets.Moons, square(4.2), 2.3939),
    "swissroll": Case(targets.SwissRoll, square(4), 2.6696),
    "pinwheel": Case(targets.Pinwheel, square(5.5), 2.3178),
    "two_spirals": Case(targets.TwoSpirals, square(4), 2.6455, fine=8),
    "crescent": Case(targets.Crescent, (-5, 5, -3, 13), RIDGE - 1, cells=(20, 40)),
    "cubed": Case(targets.Cubed, (-5, 5, -30, 30), RIDGE, cells=(20, 40)),
    "sine": Case(targets.Sine, (-5, 5, -4, 4), RIDGE - 1),
    "abs": Case(targets.Abs, (-5, 5, -3, 6), RIDGE - 1.5),
    "sign": Case(targets.Sign, (-5, 5, -7, 7), RIDGE - 1.5, smooth=False),
    "four_circles": Case(targets.FourCircles, square(3.8), 2.8708),
    "diamond": Case(targets.Diamond, square(4), 2.3861, fine=20),
    "u1": Case(targets.U1, square(4.5), 2.6600),
    "u2": Case(targets.U2, (-4, 4, -4, 4), 2.5821, everywhere=False),
    "u3": Case(targets.U3, (-4, 4, -7, 4), 2.6267, everywhere=False),
    "u4": Case(targets.U4, (-4, 4, -7, 4), 2.8101, everywhere=False),
    "banana": Case(targets.Banana, (-10, 10, -6, 30), 3.5310),
    "double_well": Case(targets.DoubleWell, (-3.5, 3.5, -6, 6), 1.7186),
    "mueller_brown": Case(targets.MuellerBrown, (-2, 1.5, -0.8, 2.4), -1.7638, everywhere=False),
    "torus": Case(targets.Torus, square(math.pi), None, everywhere=False),
    **{
        residue: Case(
            partial(targets.Ramachandran, residue),
            square(math.pi),
            entropy,
            fine=9,
            smooth=False,
            everywhere=False,
        )
        for residue, entropy in RAMACHANDRAN.items()
    },
    "gaussian": Case(lambda: targets.Gaussian(2), square(6), RIDGE + math.log(0.6)),
    "pinwheel of three arms": Case(
        lambda: targets.Pinwheel(arms=3, radial=0.2, tangential=0.15, rate=0.5), square(5), None
    ),
}


def midpoints(case: Case) -> tuple[Tensor, float]:
    """Points ``[cells x * fine, cells y * fine, 2]`` of the midpoint rule, and the area of each."""
    left, right, bottom, top = case.box
    nx, ny = (case.fine * count for count in case.cells)
    dx, dy = (right - left) / nx, (top - bottom) / ny
    x = left + dx * (torch.arange(nx, dtype=torch.float64) + 0.5)
    y = bottom + dy * (torch.arange(ny, dtype=torch.float64) + 0.5)
    return torch.stack(torch.meshgrid(x, y, indexing="ij"), 2), dx * dy


def cell_masses(case: Case, log_prob: Callable[[Tensor], Tensor]) -> Tensor:
    """Mass of each coarse cell by the midpoint rule, ``[cells x, cells y]``."""
    points, area = midpoints(case)
    p = log_prob(points.reshape(-1, 2)).exp().reshape(points.shape[:2]) * area
    (kx, ky), fine = case.cells, case.fine
    return p.reshape(kx, fine, ky, fine).sum((1, 3))
