"""Figures of a continuous flow's way to the data: particles on their paths, and the density."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from genlab.densities.inference import inference, spawn
from genlab.evaluation.figures.style import (
    DENSITY,
    Window,
    panels,
    position_colours,
    scatter,
    window_of,
)
from genlab.evaluation.figures.turns import mark_turns, with_turns
from genlab.models.continuous import ContinuousFlow
from genlab.nn.context import Context

__all__ = ["animate_paths", "density_at", "paths_figure", "to_data"]

TIMES = 10
PARTICLES = 400
# Points on a particle's way: enough for a curve to look smooth.
POINTS = 41
FRAMES = 48
SECONDS = 4.0
# How long the last frame stays, in frames.
REST = 16


def density_at(
    model: ContinuousFlow, t: float, window: Window, size: int
) -> Float[np.ndarray, "size size"]:
    """The density at time t at the centres of ``size x size`` cells, row y upwards, column x.

    ``log p_t(x) = log p_0(x(0)) - int_0^t div v``: the flow is followed back from the time t, by
    the solver that samples.

    Args:
        model: A continuous flow in the plane; the caller has put it under `inference`.
        t: The time, in [0, 1].
        window: What to show, in data units.
        size: Cells a side.
    """
    points = window.grid(size).to(model.device, model.dtype)
    x, _, log_p = model.prepare(points, None)
    if t > 0:
        ode = model.ode.between(0.0, t)
        ode.evaluation = ode.solver
        x, log_det = ode(x)
        log_p = log_p + log_det
    density = (log_p + model.base.log_prob(x)).exp()
    return density.double().cpu().reshape(size, size).numpy()


def paths_figure(
    model: ContinuousFlow, *, generator: torch.Generator, size: int = 64, degrees: bool = False
) -> Figure:
    """Particles on their ways, and the density at ten times from 0 to 1.

    A particle's colour tells where it started; its way ends in a dot.

    Args:
        model: A continuous flow in the plane, without a context.
        generator: Source of randomness, on any device.
        size: Grid points a side of each density.
        degrees: Whether angles are shown in degrees, not in radians.
    """
    with inference(model, generator):
        ways = _ways(model, generator, POINTS)
        window = _window(model, ways)
        times = torch.linspace(0, 1, TIMES, dtype=torch.float64).tolist()
        densities = [density_at(model, t, window, size) for t in times]
    figure = Figure(figsize=(15.5, 4.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    # Two columns for the ways, over both rows; five for the densities.
    grid = figure.add_gridspec(2, 7)
    large = figure.add_subplot(grid[:, :2])
    _draw_ways(large, model, ways)
    window.frame(large)
    large.set_title("Ways from t = 0 to t = 1", fontsize=14)
    _dress(large)
    mark_turns([large], model.circular, degrees=degrees)
    for index, (t, density) in enumerate(zip(times, densities, strict=True)):
        axis = figure.add_subplot(grid[index // 5, 2 + index % 5])
        _draw_density(axis, density, window)
        axis.set_title(f"t = {t:.2f}", fontsize=12)
        _dress(axis)
        axis.set_xticks([])
        axis.set_yticks([])
    return figure


def animate_paths(
    model: ContinuousFlow, path: Path, *, generator: torch.Generator, size: int = 64
) -> None:
    """Write the particles and the density from t = 0 to t = 1 as a GIF.

    Args:
        model: A continuous flow in the plane, without a context.
        path: Where to, replaced if there is one.
        generator: Source of randomness, on any device.
        size: Grid points a side of the density.
    """
    with inference(model, generator):
        ways = _ways(model, generator, FRAMES, particles=2000)
        window = _window(model, ways)
        times = torch.linspace(0, 1, FRAMES, dtype=torch.float64).tolist()
        densities = [density_at(model, t, window, size) for t in times]
    colours = position_colours(ways[0])
    figure, (left, right) = panels(1, 2, side=3.6, dpi=100)
    writer = PillowWriter(fps=round(FRAMES / SECONDS))
    with writer.saving(figure, str(path), dpi=100):
        for index in [*range(FRAMES), *[FRAMES - 1] * REST]:
            for axis in (left, right):
                axis.clear()
            scatter(left, ways[index], colours)
            window.frame(left)
            left.set_title(f"Particles, t = {times[index]:.2f}", fontsize=13)
            _draw_density(right, densities[index], window)
            right.set_title("Density", fontsize=13)
            writer.grab_frame()


def _ways(
    model: ContinuousFlow, generator: torch.Generator, points: int, *, particles: int = PARTICLES
) -> Float[Tensor, "k n 2"]:
    z = model.base.sample(particles, generator=spawn(generator, model.device))
    ways = model.trajectories(z, torch.linspace(0, 1, points, dtype=torch.float64))
    return to_data(model, ways.flatten(0, 1)).view_as(ways)


def to_data(
    model: ContinuousFlow, x: Float[Tensor, "n *event"], context: Context = None
) -> Float[Tensor, "n *event"]:
    """From the units that the model works in to those of the data, under an encoded context."""
    if model.preprocessing is not None:
        x = model.preprocessing.generate(x, context)
    return x if model.door is None else model.door.generate(x)


def _window(model: ContinuousFlow, ways: Float[Tensor, "k n 2"]) -> Window:
    """The window that holds nearly all of the particles, at both ends of their ways."""
    window = window_of(torch.cat([ways[0], ways[-1]]), square=True)
    return with_turns(window, model.circular)


def _draw_ways(axis: Axes, model: ContinuousFlow, ways: Float[Tensor, "k n 2"]) -> None:
    colours = position_colours(ways[0])
    lines = ways.detach().cpu().double().movedim(0, 1).numpy()
    if model.circular:
        # Piece by piece, without those that an angle's cut lies in.
        pieces = np.stack([lines[:, :-1], lines[:, 1:]], 2)
        whole = np.abs(np.diff(pieces, axis=2))[..., 0, list(model.circular)].max(-1) < math.pi
        colours_of = colours[:, None].repeat(pieces.shape[1], 1)
        lines, colours_of = pieces[whole], colours_of[whole]
    else:
        colours_of = colours
    axis.add_collection(
        LineCollection(list(lines), colors=colours_of, linewidths=0.6, alpha=0.7, rasterized=True),
        autolim=False,
    )
    scatter(axis, ways[-1], colours, alpha=1.0)


def _draw_density(axis: Axes, density: Float[np.ndarray, "size size"], window: Window) -> None:
    axis.imshow(
        density,
        origin="lower",
        extent=window.extent,
        cmap=DENSITY,
        vmin=0,
        interpolation="bicubic",
        aspect="auto",
    )


def _dress(axis: Axes) -> None:
    axis.set_box_aspect(1)
    axis.tick_params(labelsize=9, color="0.4", labelcolor="0.25")
    axis.spines[:].set_color("0.4")
