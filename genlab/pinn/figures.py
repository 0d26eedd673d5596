"""Figures of a solve: its stages, its errors against its costs, and its solution."""

from __future__ import annotations

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
from genlab.pde import Domain
from genlab.pinn.stage import Stage

__all__ = ["animate_stages", "curves_figure", "solution_figure", "stage_figure", "stages_figure"]

OUTSIDE = "0.85"
SOLUTION = colormaps["viridis"].with_extremes(bad=OUTSIDE)
MASS = DENSITY.with_extremes(bad=OUTSIDE)
FRAMES_A_SECOND = 2
# What has no logarithm is shown as the lowest that there is.
SMALLEST = 1e-30


def stage_figure(stage: Stage, domain: Domain) -> Figure:
    """A stage in one row: residual and points, target and sampler, error, weights.

    In other dimensions than two: the points in the first two coordinates, and the weights.

    Args:
        stage: What to show.
        domain: Where the PDE holds.
    """
    plane = stage.residual is not None
    figure, axes = panels(1, 5 if plane else 2, side=3.7, height=3.5, dpi=100)
    figure.suptitle(f"Step {stage.step}: {len(stage.x)} points", fontsize=14)
    _draw(axes, stage, domain)
    return figure


def stages_figure(stages: Sequence[Stage], domain: Domain, *, most: int = 5) -> Figure:
    """Some stages below each other, the first and the last among them.

    Args:
        stages: All stages.
        domain: Where the PDE holds.
        most: The number of rows at most.
    """
    chosen = np.unique(np.linspace(0, len(stages) - 1, min(most, len(stages))).round().astype(int))
    columns = 5 if stages[0].residual is not None else 2
    figure, axes = panels(len(chosen), columns, side=3.7, height=3.5, dpi=80)
    for row, index in enumerate(chosen):
        own = axes[row * columns : (row + 1) * columns]
        _draw(own, stages[index], domain)
        own[0].set_ylabel(f"step {stages[index].step}", fontsize=13)
    return figure


def curves_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Relative error and residual against steps, residual evaluations and seconds.

    Args:
        history: A row for each validation.
    """
    figure, axes = panels(1, 3, side=4.4, height=3.6)
    costs = {"step": "steps", "evaluations": "residual evaluations", "seconds": "seconds"}
    names = {
        "relative_l2": ("relative L2 error", MODEL),
        "residual": ("mean squared residual", TRUTH),
    }
    for axis, (cost, label) in zip(axes, costs.items(), strict=True):
        for name, (title, colour) in names.items():
            rows = [row for row in history if name in row]
            axis.plot(
                [row[cost] for row in rows],
                [row[name] for row in rows],
                color=colour,
                marker=".",
                label=title,
            )
        axis.set_yscale("log")
        axis.set_xlabel(label, fontsize=12)
        axis.grid(alpha=0.3)
        axis.set_box_aspect(0.75)
    axes[0].legend(fontsize=10, frameon=False)
    return figure


def solution_figure(
    u: Float[Tensor, "size size"],
    exact: Float[Tensor, "size size"] | None,
    residual: Float[Tensor, "size size"],
    points: Float[Tensor, "n 2"],
    domain: Domain,
) -> Figure:
    """The solution beside the exact one, their difference, and the residual with the last points.

    Args:
        u: The network on a grid over the domain's box, row by row along the last coordinate, NaN
            outside the domain.
        exact: The solution on the same grid, where it is known.
        residual: ``r^2`` on the same grid.
        points: The last points.
        domain: Where the PDE holds.
    """
    figure, axes = panels(1, 2 if exact is None else 4, side=4.2, height=3.9)
    shown = u if exact is None else exact
    low, high = (float(end) for end in (_finite(shown).min(), _finite(shown).max()))
    _field(axes[0], u, domain, "Network u", SOLUTION, (low, high))
    if exact is not None:
        _field(axes[1], exact, domain, "Exact u*", SOLUTION, (low, high))
        _logarithm(axes[2], (u - exact).abs(), domain, "|u \N{MINUS SIGN} u*|, log10")
    _logarithm(axes[-1], residual, domain, "r\N{SUPERSCRIPT TWO}, log10, and the last points")
    _dots(axes[-1], points)
    return figure


def animate_stages(stages: Sequence[Stage], domain: Domain, path: Path) -> None:
    """Write the stages as a GIF, one frame each.

    Args:
        stages: Of a problem in the plane.
        domain: Where the PDE holds.
        path: Where to, replaced if there is one.
    """
    writer = PillowWriter(fps=FRAMES_A_SECOND)
    frames = [stage_figure(stage, domain) for stage in stages]
    figure = frames[0]
    with writer.saving(figure, str(path), dpi=70):
        for frame in [*frames, *frames[-1:] * FRAMES_A_SECOND]:
            writer.fig = frame
            writer.grab_frame()


def _draw(axes: Sequence[Axes], stage: Stage, domain: Domain) -> None:
    """The panels of a stage."""
    if stage.residual is None or stage.indicator is None:
        _dots(axes[0], stage.x[:, :2])
        axes[0].set_title("Points, two coordinates", fontsize=12)
        axes[0].set(xlim=domain.box[0], ylim=domain.box[1])
        _weights(axes[1], stage)
        return
    _logarithm(axes[0], stage.residual, domain, "r\N{SUPERSCRIPT TWO}, log10, and the new points")
    _dots(axes[0], stage.x)
    top = float(_finite(stage.indicator).max().clamp_min(SMALLEST).log10())
    _logarithm(axes[1], stage.indicator, domain, "Target h/Z, log10", top=top, decades=4)
    if stage.density is None:
        _absent(axes[2], "the sampler has no density")
    else:
        _logarithm(axes[2], stage.density, domain, "Sampler q, log10", top=top, decades=4)
    if stage.error is None:
        _absent(axes[3], "the solution is not known")
    else:
        _logarithm(axes[3], stage.error, domain, "|u \N{MINUS SIGN} u*|, log10")
    _weights(axes[4], stage)


def _weights(axis: Axes, stage: Stage) -> None:
    # The first and the last bin hold what lies beyond them too.
    weight = stage.weight.clamp(1e-3, 10).log10().numpy()
    axis.hist(weight, bins=np.linspace(-3, 1, 41).tolist(), color=MODEL)
    axis.set_title("Weights 1/(|\N{GREEK CAPITAL LETTER OMEGA}| q), log10", fontsize=12)


def _absent(axis: Axes, text: str) -> None:
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color="0.4")
    axis.set(xticks=[], yticks=[])


def _field(
    axis: Axes,
    values: Float[Tensor, "size size"],
    domain: Domain,
    title: str,
    colours: Colormap,
    limits: tuple[float, float],
) -> None:
    image = axis.imshow(
        values.T.numpy(),  # the first coordinate goes to the right
        origin="lower",
        extent=(*domain.box[0], *domain.box[1]),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
    )
    axis.set_title(title, fontsize=12)
    add_colourbar(image, axis)


def _logarithm(
    axis: Axes,
    values: Float[Tensor, "size size"],
    domain: Domain,
    title: str,
    *,
    top: float | None = None,
    decades: int = 6,
) -> None:
    """A field of many orders of magnitude, the upper ones of them."""
    logarithm = values.clamp_min(SMALLEST).log10()
    top = float(_finite(logarithm).max()) if top is None else top
    _field(axis, logarithm, domain, title, MASS, (top - decades, top))


def _finite(values: Tensor) -> Tensor:
    finite = values[values.isfinite()]
    return finite if len(finite) else torch.zeros(1)


def _dots(axis: Axes, points: Float[Tensor, "n 2"]) -> None:
    x, y = points.numpy().T
    size = float(np.clip(1500 / max(len(x), 1), 0.5, 6.0))
    axis.scatter(x, y, s=size, c="#39d0ff", linewidths=0, alpha=0.8, rasterized=True)
