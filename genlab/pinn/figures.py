"""Figures of a solve: its stages, and its errors against its costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.style import MODEL, TRUTH, panels
from genlab.pde import Problem
from genlab.pinn.least_squares_learner import JUMPY
from genlab.pinn.panels import (
    RESIDUAL,
    as_graphs,
    name_axes,
    show_logarithm,
    show_points,
    slabs,
    top_of,
)
from genlab.pinn.stages import Stage

__all__ = ["animate_stages", "curves_figure", "stage_figure", "stages_figure"]

FRAMES_A_SECOND = 2
BINS = 40
ERROR = r"Error $\log_{10}\,|u - u^*|$"


def stage_figure(stage: Stage, problem: Problem) -> Figure:
    """A stage in one row: residual and points, target and sampler, error, weights.

    Of three coordinates: residual and points at some values of the third one, and the weights. In
    other dimensions: the points in the first one or two coordinates, and the weights.

    Args:
        stage: What to show.
        problem: The PDE, for its domain and the names of its coordinates.
    """
    figure, axes = panels(1, _columns(stage), side=3.7, height=3.5, dpi=100)
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
    columns = max(map(_columns, stages))
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
    as_graphs(axes)
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


def _columns(stage: Stage) -> int:
    """The panels of a stage."""
    if stage.residual is None:
        return 2
    return 5 if stage.residual.ndim == 2 else stage.residual.shape[2] + 1


def _draw(axes: Sequence[Axes], stage: Stage, problem: Problem) -> None:
    """The panels of a stage; what they share is told at the first."""
    for axis in axes:
        axis.locator_params(nbins=5)
    _weights(axes[-1], stage)
    if stage.residual is None:
        if problem.dim == 1:
            axes[0].hist(stage.x[:, 0].numpy(), bins=BINS, range=problem.domain.box[0], color=TRUTH)
            axes[0].set_title("New points", fontsize=12)
        else:
            show_points(axes[0], stage.x[:, :2])
            axes[0].set_title("Points, two coordinates", fontsize=12)
            axes[0].set(xlim=problem.domain.box[0], ylim=problem.domain.box[1])
        name_axes(axes[0], problem)
        return
    if stage.indicator is None:
        _slices(axes[:-1], stage.residual, stage, problem)
        return
    show_logarithm(axes[0], stage.residual, problem, rf"{RESIDUAL} and the new points")
    show_points(axes[0], stage.x)
    top = top_of(stage.indicator)
    show_logarithm(axes[1], stage.indicator, problem, r"Target $\log_{10}\,h/Z$", top, 4)
    if stage.density is None:
        _absent(axes[2], "the sampler has no density")
    else:
        show_logarithm(axes[2], stage.density, problem, r"Sampler $\log_{10}\,q$", top, 4)
    if stage.error is None:
        _absent(axes[3], "the solution is not known")
    else:
        show_logarithm(axes[3], stage.error, problem, ERROR)
    for axis in axes[1:4]:
        axis.set_ylabel("")


def _slices(
    axes: Sequence[Axes],
    residual: Float[Tensor, "size size slices"],
    stage: Stage,
    problem: Problem,
) -> None:
    """The residual at values of the third coordinate, with the points that are nearest to each."""
    for i, (axis, slab) in enumerate(zip(axes, slabs(problem, len(axes)), strict=True)):
        title = f"{RESIDUAL} and points, {slab.place(problem)}"
        show_logarithm(axis, residual[..., i], problem, title, top_of(residual))
        show_points(axis, slab.of(stage.x))
        if i > 0:
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
