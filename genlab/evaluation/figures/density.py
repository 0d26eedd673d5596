"""The true density beside the model's: the figure that a 2-D run is judged by."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import batches, device_of, inference, log_probs
from genlab.evaluation.figures.style import DENSITY, DIFFERENCE, add_colourbar, panels
from genlab.evaluation.figures.window import Window
from genlab.targets.target import Target

__all__ = [
    "density_figure",
    "density_panel",
    "model_density",
    "sample_density",
    "show_density",
    "target_density",
]

BATCH = 10_000
TITLES = {
    "exact": "Model density",
    "lower_bound": "Model density, a lower bound",
    "estimate": "Model density, an estimate",
}


def model_density(model: Density, window: Window, size: int) -> Float[np.ndarray, "size size"]:
    """The model's density at the centres of ``size x size`` cells, row y upwards, column x."""
    with inference(model):
        log_p = log_probs(model, window.grid(size), batch_size=BATCH)
    return log_p.exp().reshape(size, size).numpy()


def target_density(target: Target, window: Window, size: int) -> Float[np.ndarray, "size size"]:
    """The exact density at the centres of ``size x size`` cells, row y upwards, column x.

    Where it is known up to a constant only, the window is taken to hold all of the mass.
    """
    grid = window.grid(size).to(device_of(target))
    with torch.no_grad():
        if target.has_density:
            log_p = torch.cat([target.log_prob(grid[rows]) for rows in batches(len(grid), BATCH)])
        else:
            log_p = -torch.cat([target.energy(grid[rows]) for rows in batches(len(grid), BATCH)])
            log_p = log_p.log_softmax(0) - math.log(window.area / size**2)
    return log_p.exp().reshape(size, size).cpu().numpy()


def sample_density(
    samples: Float[Tensor, "n 2"], window: Window, size: int
) -> Float[np.ndarray, "size size"]:
    """Share of the samples in each of ``size x size`` cells over its area, row y upwards."""
    x, y = samples.detach().cpu().double().numpy().T
    edges = [np.linspace(*window.extent[2:], size + 1), np.linspace(*window.extent[:2], size + 1)]
    counts, *_ = np.histogram2d(y, x, bins=edges)
    share: Float[np.ndarray, "size size"] = counts / max(len(x), 1)
    return share * size**2 / window.area


def density_figure(
    model: Density,
    target: Target | None,
    *,
    window: Window,
    samples: Float[Tensor, "n 2"] | None,
    size: int = 200,
) -> Figure:
    """True density, model density on the same colours, and their difference.

    Where the true density is unknown, a histogram of true samples stands for it, and there is no
    difference. Densities above the largest true one share its colour.

    Args:
        model: A density on the plane.
        target: What it should be, or None.
        window: What to show.
        samples: True samples, used where the density is unknown; else they may be None.
        size: Grid points a side.
    """
    exact = target is not None and target.has_energy
    if target is not None and exact:
        truth = target_density(target, window, size)
    else:
        assert samples is not None
        # About four samples a cell if they were spread evenly: fine enough, and not all noise.
        truth = sample_density(samples, window, int(np.clip(0.5 * len(samples) ** 0.5, 16, 100)))
    density = model_density(model, window, size)
    top = _top(truth)
    figure, axes = panels(1, 3 if exact else 2, side=4.4, height=4.1)
    show_density(axes[0], truth, window, top=top, title="True density" if exact else "True samples")
    title = TITLES[model.likelihood]
    add_colourbar(show_density(axes[1], density, window, top=top, title=title), axes[1])
    if exact:
        _difference(axes[2], density - truth, window, top)
    return figure


def density_panel(
    model: Density,
    target: Target,
    *,
    size: int = 100,
    truth: Float[np.ndarray, "size size"] | None = None,
) -> Figure:
    """True and model density on a coarse grid: the figure to log while training.

    Where the true density is unknown, the model's is alone.

    Args:
        model: A density on the plane.
        target: What it should be; shown on ``[-bound, bound]^2``.
        size: Grid points a side.
        truth: `target_density` on the same grid, to compute it only once; computed here if None.
    """
    window = Window(-target.bound, target.bound, -target.bound, target.bound)
    density = model_density(model, window, size)
    if truth is None and target.has_energy:
        truth = target_density(target, window, size)
    top = _top(density if truth is None else truth)
    figure, axes = panels(1, 1 if truth is None else 2, side=3.2, dpi=100)
    if truth is not None:
        show_density(axes[0], truth, window, top=top, title="True density")
    show_density(axes[-1], density, window, top=top, title=TITLES[model.likelihood])
    return figure


def show_density(
    axis: Axes, values: Float[np.ndarray, "size size"], window: Window, *, top: float, title: str
) -> AxesImage:
    """Draw a density on a grid; all above ``top`` share its colour."""
    axis.set_title(title, fontsize=14)
    return axis.imshow(
        values, origin="lower", extent=window.extent, cmap=DENSITY, vmin=0, vmax=top, aspect="auto"
    )


def _top(values: Float[np.ndarray, "size size"]) -> float:
    """The largest finite density, 1 where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _difference(
    axis: Axes, values: Float[np.ndarray, "size size"], window: Window, top: float
) -> None:
    # At least a tenth of the peak, so that noise stays pale; at most the peak, so that no spike of
    # the model hides the rest.
    limit = float(np.clip(_top(np.abs(values)), 0.1 * top, top))
    axis.set_title("Model \N{MINUS SIGN} true", fontsize=14)
    image = axis.imshow(
        values,
        origin="lower",
        extent=window.extent,
        cmap=DIFFERENCE,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
    )
    add_colourbar(image, axis)
