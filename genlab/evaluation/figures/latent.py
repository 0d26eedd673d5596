"""Where a flow sends the data."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import inference, log_probs
from genlab.evaluation.figures.density import model_density
from genlab.evaluation.figures.style import panels, position_colours, scatter
from genlab.evaluation.figures.window import Window, window_of

__all__ = ["add_contours", "latent_figure"]


def latent_figure(
    x: Float[Tensor, "n 2"],
    z: Float[Tensor, "n 2"],
    base_samples: Float[Tensor, "m 2"],
    base: Density,
    *,
    window: Window,
) -> Figure:
    """Data, the same points in the latent, and samples of the base.

    A point keeps its colour, which tells where in the data it lies. Contours of the base's density
    hold 50, 90 and 99 % of its mass: a perfect flow fills them with data as with base samples.

    Args:
        x: True samples.
        z: Their images in the latent.
        base_samples: Samples of the base.
        base: The density that the latent should have.
        window: What to show of the data.
    """
    colours = position_colours(x)
    latent = window_of(base_samples, square=True, margin=0.14)
    figure, (left, middle, right) = panels(1, 3, side=4.4)
    scatter(left, x, colours, alpha=0.8)
    window.frame(left)
    left.set_title("Data x", fontsize=14)
    for axis, points, shade, title in (
        (middle, z, colours, "Data in the latent, z = f(x)"),
        (right, base_samples, "0.55", "Base"),
    ):
        scatter(axis, points, shade, alpha=0.8)
        add_contours(axis, base, base_samples, latent)
        latent.frame(axis)
        axis.set_title(title, fontsize=14)
    return figure


def add_contours(
    axis: Axes, base: Density, base_samples: Float[Tensor, "m 2"], window: Window
) -> None:
    """Contours of a density that hold 50, 90 and 99 % of its mass, as its samples tell."""
    density = model_density(base, window, 100)
    with inference(base):
        log_p = log_probs(base, base_samples)
    parts = log_p.new_tensor([0.01, 0.1, 0.5])
    levels = np.unique(torch.quantile(log_p, parts).exp().numpy())
    levels = levels[(levels > density.min()) & (levels < density.max())]
    if len(levels):
        axis.contour(
            density, levels, origin="lower", extent=window.extent, colors="0.1", linewidths=1.0
        )
