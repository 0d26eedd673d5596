"""Figures of a solve: its stages, its errors against its costs, and its solution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.style import DENSITY, MODEL, TRUTH, add_colourbar, panels
from genlab.pde import Problem
from genlab.pinn.least_squares_learner import JUMPY
from genlab.pinn.stages import Stage

__all__ = [
    "animate_stages",
    "curves_figure",
    "line_figure",
    "solution_figure",
    "stage_figure",
    "stages_figure",
]

OUTSIDE = "0.85"
SOLUTION = colormaps["viridis"].with_extremes(bad=OUTSIDE)
MASS = DENSITY.with_extremes(bad=OUTSIDE)
FRAMES_A_SECOND = 2
BINS = 40
RESIDUAL = r"$\log_{10}\,r^2$"
ERROR = r"Error $\log_{10}\,|u - u^*|$"
# What has no logarithm is shown as the lowest that there is.
SMALLEST = 1e-30


def stage_figure(stage: Stage, problem: Problem) -> Figure:
    """A stage in one row: residual and points, target and sampler, error, weights.

    In other dimensions than two: the points in the first one or two coordinates, and the weights.

    Args:
        stage: What to show.
        problem: The PDE, for its domain and the names of its coordinates.
    """
    plane = stage.residual is not None
    figure, axes = panels(1, 5 if plane else 2, side=3.7, height=3.5, dpi=100)
    figure.suptitle(f"Step {stage.step}: {len(stage.x)} points", fontsize=14)
    _draw(axes, stage, problem)
    return figure


def stages_figure(stages: Sequence[Stage], problem: Problem, *, most: int = 5) -> Figure:
    """Some stages below each other, the first and the last among them.

    Args:
        stages: All stages.
        problem: The PDE, for its domain and the names of its coordinates.
        most: The number of rows at most.
    """
    chosen = np.unique(np.linspace(0, len(stages) - 1, min(most, len(stages))).round().astype(int))
    columns = 5 if stages[0].residual is not None else 2
    figure, axes = panels(len(chosen), columns, side=3.7, height=3.5, dpi=80)
    for row, index in enumerate(chosen):
        own = axes[row * columns : (row + 1) * columns]
        _draw(own, stages[index], problem)
        own[0].set_ylabel(f"step {stages[index].step}\n{own[0].get_ylabel()}", fontsize=12)
    return figure


def curves_figure(
    history: Sequence[Mapping[str, float]], jumps: Sequence[tuple[int, float]] = ()
) -> Figure:
    """Relative error and residual against steps, residual evaluations and seconds.

    Args:
        history: A row for each validation.
        jumps: By steps, the loss on fresh points over that on those just left, where it was looked
            at: a panel of its own, with a line above which points are redrawn sooner.
    """
    figure, axes = panels(1, 4 if jumps else 3, side=4.4, height=3.8)
    costs = {"step": "steps", "evaluations": "residual evaluations", "seconds": "seconds"}
    names = {
        "relative_l2": ("relative L2 error", MODEL),
        "residual": ("mean squared residual", TRUTH),
    }
    for axis, (cost, label) in zip(axes[:3], costs.items(), strict=True):
        for name, (title, colour) in names.items():
            # Some have no solution to be measured against, or one of 0, or are exact.
            rows = [row for row in history if 0 < row.get(name, math.nan) < math.inf]
            if not rows:
                continue
            axis.plot(
                [row[cost] for row in rows],
                [row[name] for row in rows],
                color=colour,
                marker=".",
                label=title,
            )
        if axis.lines:
            axis.set_yscale("log")
        axis.set_xlabel(label, fontsize=12)
    if axes[0].lines:
        axes[0].legend(fontsize=10, frameon=False)
    if jumps:
        _jumps(axes[3], jumps)
    _as_graphs(axes)
    return figure


def solution_figure(
    u: Float[Tensor, "size size"],
    exact: Float[Tensor, "size size"] | None,
    residual: Float[Tensor, "size size"],
    points: Float[Tensor, "n 2"],
    problem: Problem,
    *,
    name: str = "u",
) -> Figure:
    """The solution beside the exact one, their difference, and the residual with the last points.

    Args:
        u: The network on a grid over the domain's box, row by row along the last coordinate, NaN
            outside the domain.
        exact: The solution on the same grid, where it is known.
        residual: ``r^2`` on the same grid.
        points: The last points.
        problem: The PDE, for its domain and the names of its coordinates.
        name: That of the component, where there are several.
    """
    figure, axes = panels(1, 2 if exact is None else 4, side=4.2, height=3.9)
    shown = u if exact is None else exact
    low, high = (float(end) for end in (_finite(shown).min(), _finite(shown).max()))
    _field(axes[0], u, problem, f"Network ${name}$", SOLUTION, (low, high))
    if exact is not None:
        _field(axes[1], exact, problem, f"Exact ${name}^*$", SOLUTION, (low, high))
        _logarithm(
            axes[2], (u - exact).abs(), problem, rf"Error $\log_{{10}}\,|{name} - {name}^*|$"
        )
    _logarithm(axes[-1], residual, problem, rf"{RESIDUAL} and the last points")
    _dots(axes[-1], points)
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
    x, u, residual = x.cpu(), u.cpu(), residual.cpu()
    exact = None if exact is None else exact.cpu()
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
        _name(axis, problem)
    _as_graphs(axes)
    return figure


def animate_stages(stages: Sequence[Stage], problem: Problem, path: Path) -> None:
    """Write the stages as a GIF, one frame each.

    Args:
        stages: Of a problem in the plane.
        problem: The PDE, for its domain and the names of its coordinates.
        path: Where to, replaced if there is one.
    """
    writer = PillowWriter(fps=FRAMES_A_SECOND)
    frames = [stage_figure(stage, problem) for stage in stages]
    figure = frames[0]
    with writer.saving(figure, str(path), dpi=70):
        for frame in [*frames, *frames[-1:] * FRAMES_A_SECOND]:
            writer.fig = frame
            writer.grab_frame()


def _jumps(axis: Axes, jumps: Sequence[tuple[int, float]]) -> None:
    steps, values = zip(*jumps, strict=True)
    axis.plot(steps, values, color=MODEL, marker=".", linewidth=0.8)
    axis.axhline(JUMPY, color="black", linestyle="--", linewidth=0.8)
    axis.set_yscale("log")
    axis.set_ylim(min(0.5, *values), max(2 * JUMPY, *values))
    axis.set_xlabel("steps", fontsize=12)
    axis.set_ylabel("loss on fresh points\n/ on those just left", fontsize=12)


def _as_graphs(axes: Sequence[Axes]) -> None:
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_box_aspect(0.75)


def _draw(axes: Sequence[Axes], stage: Stage, problem: Problem) -> None:
    """The panels of a stage; what they share is told at the first."""
    for axis in axes:
        axis.locator_params(nbins=5)
    if stage.residual is None or stage.indicator is None:
        if problem.dim == 1:
            axes[0].hist(stage.x[:, 0].numpy(), bins=BINS, range=problem.domain.box[0], color=TRUTH)
            axes[0].set_title("New points", fontsize=12)
        else:
            _dots(axes[0], stage.x[:, :2])
            axes[0].set_title("Points, two coordinates", fontsize=12)
            axes[0].set(xlim=problem.domain.box[0], ylim=problem.domain.box[1])
        _name(axes[0], problem)
        _weights(axes[1], stage)
        return
    _logarithm(axes[0], stage.residual, problem, rf"{RESIDUAL} and the new points")
    _dots(axes[0], stage.x)
    top = float(_finite(stage.indicator).max().clamp_min(SMALLEST).log10())
    _logarithm(axes[1], stage.indicator, problem, r"Target $\log_{10}\,h/Z$", top=top, decades=4)
    if stage.density is None:
        _absent(axes[2], "the sampler has no density")
    else:
        _logarithm(axes[2], stage.density, problem, r"Sampler $\log_{10}\,q$", top=top, decades=4)
    if stage.error is None:
        _absent(axes[3], "the solution is not known")
    else:
        _logarithm(axes[3], stage.error, problem, ERROR)
    _weights(axes[4], stage)
    for axis in axes[1:4]:
        axis.set_ylabel("")


def _weights(axis: Axes, stage: Stage) -> None:
    # The first and the last bin hold what lies beyond them too.
    weight = stage.weight.clamp(1e-3, 10).log10().numpy()
    axis.hist(weight, bins=np.linspace(-3, 1, 41).tolist(), color=MODEL)
    axis.set_title("Points by weight", fontsize=12)
    axis.set_xlabel(r"$\log_{10}\,1/(|\Omega|\,q)$", fontsize=10)


def _absent(axis: Axes, text: str) -> None:
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color="0.4")
    axis.set(xticks=[], yticks=[])


def _field(
    axis: Axes,
    values: Float[Tensor, "size size"],
    problem: Problem,
    title: str,
    colours: Colormap,
    limits: tuple[float, float],
) -> None:
    image = axis.imshow(
        values.T.numpy(),  # the first coordinate goes to the right
        origin="lower",
        extent=(*problem.domain.box[0], *problem.domain.box[1]),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
    )
    axis.set_title(title, fontsize=12)
    _name(axis, problem)
    add_colourbar(image, axis)


def _name(axis: Axes, problem: Problem) -> None:
    axis.set_xlabel(problem.coordinates[0], fontsize=10)
    if problem.dim > 1:
        axis.set_ylabel(problem.coordinates[1], fontsize=10)


def _logarithm(
    axis: Axes,
    values: Float[Tensor, "size size"],
    problem: Problem,
    title: str,
    *,
    top: float | None = None,
    decades: int = 6,
) -> None:
    """A field of many orders of magnitude, the upper ones of them."""
    logarithm = values.clamp_min(SMALLEST).log10()
    top = float(_finite(logarithm).max()) if top is None else top
    _field(axis, logarithm, problem, title, MASS, (top - decades, top))


def _finite(values: Tensor) -> Tensor:
    finite = values[values.isfinite()]
    return finite if len(finite) else torch.zeros(1)


def _dots(axis: Axes, points: Float[Tensor, "n 2"]) -> None:
    x, y = points.numpy().T
    size = float(np.clip(2500 / max(len(x), 1), 1.2, 5.0))
    axis.scatter(x, y, s=size, c="#39d0ff", linewidths=0, alpha=0.8, rasterized=True)
