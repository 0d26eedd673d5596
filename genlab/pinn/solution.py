"""The solution of a problem, as figures: u, its error, the residual and the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.style import MODEL, TRUTH, panels
from genlab.pde import Grid, Problem
from genlab.pinn.judge import centred
from genlab.pinn.network import Network
from genlab.pinn.panels import (
    SOLUTION,
    as_graphs,
    finite,
    name_axes,
    show_field,
    show_logarithm,
    show_points,
    slabs,
    top_of,
)

__all__ = ["Field", "line_figure", "solution_figure", "solution_figures"]

SIZE = 200
SLICES, SIDE = 4, 100
"""Of three coordinates: slices, and points a side of each."""


class Field(NamedTuple):
    """A component of ``u`` over a plane.

    >>> from genlab.pde import Peak
    >>> field = Field("u", torch.zeros(2, 2), None, "r", torch.ones(2, 2), torch.rand(5, 2))
    >>> len(solution_figure([field], Peak()).axes)  # without a solution, no error
    2

    Attributes:
        name: That of the component.
        u: The network on a grid over the domain's box, row by row along the second coordinate, NaN
            outside the domain.
        exact: The solution on the same grid, where it is known.
        equation: The name of the residual.
        residual: Its square on the same grid.
        points: The last points, or those that are near.
        place: Of three coordinates the value of the third one, in words.
    """

    name: str
    u: Float[Tensor, "size size *slices"]
    exact: Float[Tensor, "size size *slices"] | None
    equation: str
    residual: Float[Tensor, "size size *slices"]
    points: Float[Tensor, "n d"]
    place: str = ""


@torch.no_grad()
def solution_figures(network: Network, points: Float[Tensor, "n d"]) -> dict[str, Figure]:
    """The solution of up to three coordinates; none of more.

    In the plane a component has a row of one figure. Of three coordinates each has a figure, with a
    row for each of some values of the third one, and the points that are nearest to it.

    >>> from genlab.pde import Kovasznay
    >>> figures = solution_figures(Network(Kovasznay(), hidden=[4]), torch.rand(5, 2))
    >>> [(name, len(figure.axes)) for name, figure in figures.items()]
    [('solution', 12)]

    Args:
        network: ``u``.
        points: The last points.
    """
    problem, dim = network.problem, network.problem.dim
    if dim > 3:
        return {}
    grid = Grid(problem.domain, SIZE) if dim < 3 else Grid(problem.domain, SIDE, slices=SLICES)
    frame, one = network.frame(network.cast(grid.x)), grid.x.new_ones(len(grid.x))
    u, r = network(frame.x).cpu(), network.residual(frame).cpu()
    u = centred(problem, u, one.to(u))
    exact = centred(problem, problem.exact(grid.x), one) if problem.has_exact else None
    squares, number = r.square().view(len(r), -1), len(problem.components)
    equations = [f"r_{i + 1}" for i in range(number)] if number > 1 else ["r"]
    if squares.shape != u.shape:  # no equation for each component: all of them together
        squares, equations = squares.sum(1, keepdim=True).expand_as(u), ["|r|"] * number
    figures: dict[str, Figure] = {}
    rows: list[Field] = []
    for i, name in enumerate(problem.components):
        truth = None if exact is None else exact[:, i]
        if dim == 1:
            figures[name] = line_figure(grid.x[:, 0], u[:, i], truth, squares[:, i], problem)
            continue
        field = Field(
            name,
            grid.field(u[:, i]),
            None if truth is None else grid.field(truth),
            equations[i],
            grid.field(squares[:, i]),
            points,
        )
        if dim == 3:
            figures[name] = solution_figure(_sliced(field, problem), problem)
        rows.append(field)
    if dim == 2:
        return {"solution": solution_figure(rows, problem)}
    alone = number == 1
    return {"solution" if alone else f"solution_{name}": each for name, each in figures.items()}


def _sliced(field: Field, problem: Problem) -> list[Field]:
    """The slices of a field of three coordinates, each with the points of its slab."""
    return [
        field._replace(
            u=field.u[..., i],
            exact=None if field.exact is None else field.exact[..., i],
            residual=field.residual[..., i],
            points=slab.of(field.points),
            place=slab.place(problem),
        )
        for i, slab in enumerate(slabs(problem, SLICES))
    ]


def solution_figure(fields: Sequence[Field], problem: Problem) -> Figure:
    """The solution beside the exact one, their difference, and the residual with points; by rows.

    Rows of one component have the same colours.

    Args:
        fields: A row each.
        problem: The PDE, for its domain and the names of its coordinates.
    """
    known = fields[0].exact is not None
    figure, axes = panels(len(fields), 4 if known else 2, side=3.5, height=3.3)
    for axis in axes:
        axis.locator_params(nbins=5)
    width = len(axes) // len(fields)
    for row, field in enumerate(fields):
        own, name = axes[row * width : (row + 1) * width], field.name
        alike = [other for other in fields if other.name == name]
        shown = torch.stack([other.u if other.exact is None else other.exact for other in alike])
        limits = float(finite(shown).min()), float(finite(shown).max())
        show_field(own[0], field.u, problem, f"Network ${name}$", SOLUTION, limits)
        if field.exact is not None:
            show_field(own[1], field.exact, problem, f"Exact ${name}^*$", SOLUTION, limits)
            errors = [(one.u - one.exact).abs() for one in alike if one.exact is not None]
            top = max(map(top_of, errors))
            error = rf"Error $\log_{{10}}\,|{name} - {name}^*|$"
            show_logarithm(own[2], (field.u - field.exact).abs(), problem, error, top)
        top = max(top_of(other.residual) for other in alike)
        title = rf"$\log_{{10}}\,{field.equation}^2$ and the last points"
        show_logarithm(own[-1], field.residual, problem, title, top)
        show_points(own[-1], field.points)
        for axis in own[1:]:
            axis.set_ylabel("")
        if field.place:
            own[0].set_ylabel(f"{field.place}\n{own[0].get_ylabel()}", fontsize=12)
    return figure


def line_figure(
    x: Float[Tensor, " size"],
    u: Float[Tensor, " size"],
    exact: Float[Tensor, " size"] | None,
    residual: Float[Tensor, " size"],
    problem: Problem,
) -> Figure:
    """The solution of an ordinary differential equation with the exact one, and the residual.

    Args:
        x: Where.
        u: The network.
        exact: The solution, where it is known.
        residual: ``r^2``.
        problem: The equation, for the name of its coordinate.
    """
    figure, axes = panels(1, 2, side=4.4, height=3.6)
    if exact is not None:
        axes[0].plot(x, exact, color=TRUTH, linewidth=4, alpha=0.4, label="exact $u^*$")
    axes[0].plot(x, u, color=MODEL, label="network $u$")
    axes[0].legend(fontsize=10, frameon=False)
    axes[1].plot(x, residual, color=TRUTH, label="$r^2$")
    if exact is not None:
        axes[1].plot(x, (u - exact).abs(), color=MODEL, label="$|u - u^*|$")
    axes[1].set_yscale("log")
    axes[1].legend(fontsize=10, frameon=False)
    for axis in axes:
        name_axes(axis, problem)
    as_graphs(axes)
    return figure
