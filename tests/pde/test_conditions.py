"""Conditions: the rows of a function that meets them are zero, those of another one are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genlab.errors import UserError
from genlab.pde import (
    Box,
    Condition,
    Dirichlet,
    Faces,
    Initial,
    Measured,
    Neumann,
    Periodic,
    Robin,
    differentiate,
    jets_of,
)

BOX = Box([(-1.0, 2.0), (0.0, 3.0)])
FACES, BEGIN = Faces(BOX), Faces(BOX, [(1, "low")])


def u(x: Tensor) -> Tensor:
    return x[:, 0] ** 2 * x[:, 1] + 3 * x[:, 1]


def two(x: Tensor) -> Tensor:
    return torch.stack((u(x), (x[:, 0] - x[:, 1]).sin()), 1)


def outward(x: Tensor) -> Tensor:
    """The normal derivative of u, side by side."""
    slope_x, slope_y = 2 * x[:, 0] * x[:, 1], x[:, 0] ** 2 + 3
    left, right, low = x[:, 0] == -1, x[:, 0] == 2, x[:, 1] == 0
    sides = torch.where(right, slope_x, torch.where(low, -slope_y, slope_y))
    return torch.where(left, -slope_x, sides)


def rows(condition: Condition, function: Callable[[Tensor], Tensor]) -> Tensor:
    x = condition.sample(40, generator=torch.Generator().manual_seed(0)).double()
    jets = jets_of(differentiate(function, x, 2, condition.order))
    return condition.rows(jets, condition.target(x), condition.normals(x))


def rate(x: Tensor) -> Tensor:
    return x[:, 0] ** 2 + 3


MET = {
    "dirichlet": (Dirichlet(FACES, u), u),
    "dirichlet of two": (Dirichlet(FACES, two), two),
    "neumann": (Neumann(FACES, outward), u),
    "robin": (Robin(FACES, lambda x: 2 * u(x) - outward(x), a=2.0, b=-1.0), u),
    "initial": (Initial(BEGIN, lambda x: 0 * x[:, 0]), u),
    "initial rate": (Initial(BEGIN, lambda x: 0 * x[:, 0], rate), u),
    "periodic": (Periodic(BOX, 0), lambda x: torch.sin(2 * torch.pi * x[:, 0] / 3) * x[:, 1]),
    "measured": (Measured(torch.ones(40, 2), u(torch.ones(40, 2)), sigma=0.1, weight=1.0), u),
}


@pytest.mark.parametrize("name", MET)
def test_rows_vanish_where_a_condition_is_met_and_nowhere_else(name: str) -> None:
    condition, function = MET[name]
    met = rows(condition, function)
    assert len(met) == 40
    torch.testing.assert_close(met, torch.zeros_like(met), atol=1e-12, rtol=0)
    other = rows(
        condition,
        lambda x: function(x) + 0.5 + (x**2 + x).sum(1).view(-1, *[1] * (function(x).ndim - 1)),
    )
    assert (other.view(40, -1).abs().min(0).values > 0.1).all()


def test_normals_of_a_box_point_outwards() -> None:
    x = FACES.sample(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normal = FACES.normal(x)
    torch.testing.assert_close(normal.norm(dim=1), torch.ones(200).double())
    assert not BOX.contains(x + 1e-6 * normal).any()
    assert BOX.contains(x - 1e-6 * normal).all()


def test_a_wave_has_two_columns_at_first_and_two_sides_two() -> None:
    assert rows(Initial(BEGIN, lambda x: 0 * x[:, 0], rate), u).shape == (40, 2)
    assert rows(Periodic(BOX, 0), u).shape == (40, 2)
    both = Initial(BEGIN, two, two)
    assert rows(both, two).shape == (40, 4)


def test_what_a_square_counts() -> None:
    assert Dirichlet(FACES, u, weight=3.0).count(50, 100.0) == pytest.approx(6.0)
    data = Measured(torch.ones(4, 2), torch.ones(4), sigma=0.1, weight=1e-3)
    assert data.count(4, 100.0) == 1e-3


def test_sides_that_are_not_there_are_refused() -> None:
    with pytest.raises(UserError, match=r"^coordinate=2: expected one of 0 to 1"):
        Periodic(BOX, 2)
