"""What each latent coordinate of an autoencoder does to the data."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.image_rows import image_rows_figure
from genlab.evaluation.figures.style import panels
from genlab.evaluation.figures.window import Window
from genlab.models.vae import VAE

__all__ = ["traversal_figure"]

REACH = 2.5
"""How far a traversal goes to both sides, in standard deviations of the prior."""


def traversal_figure(
    model: VAE,
    draws: Float[Tensor, "n l"],
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    *,
    window: Window | None,
) -> Figure:
    """The decoded mean along one latent coordinate after the other, in the way of the data.

    Args:
        model: The autoencoder.
        draws: Codes to start from.
        order: The latent coordinates, the busiest first.
        context: One row for all, of a conditional model.
        window: What to show of data in the plane; None for other data.
    """
    if window is not None:
        return _plane(model, draws, order, context, window)
    if len(model.event_shape) == 3:
        return _images(model, order, context)
    return _curves(model, order, context)


def _plane(
    model: VAE,
    draws: Float[Tensor, "n l"],
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    window: Window,
    *,
    most: int = 3,
    lines: int = 40,
    steps: int = 200,
) -> Figure:
    """The decoded path of one coordinate from end to end, for codes that differ in the others."""
    sweep = torch.linspace(-REACH, REACH, steps).to(draws)
    shown = order[:most].tolist()
    figure, axes = panels(1, len(shown), side=4.4)
    for axis, coordinate in zip(axes, shown, strict=True):
        z = draws[:lines].repeat_interleave(steps, 0)
        z[:, coordinate] = sweep.repeat(len(draws[:lines]))
        path = model.decode(z, context).cpu().double().reshape(-1, steps, 2)
        segments = torch.stack([path[:, :-1], path[:, 1:]], 2).reshape(-1, 2, 2)
        collection = LineCollection(
            list(segments.numpy()),
            array=sweep[1:].cpu().repeat(len(path)).numpy(),
            cmap="viridis",
            linewidths=1.0,
            alpha=0.7,
            rasterized=True,
        )
        axis.add_collection(collection, autolim=False)
        window.frame(axis)
        axis.set_title(f"$z_{{{coordinate + 1}}}$ from {-REACH} (dark) to {REACH}", fontsize=14)
    return figure


def _curves(
    model: VAE,
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    *,
    most: int = 4,
    curves: int = 5,
    steps: int = 100,
) -> Figure:
    """The first coordinates of the decoded mean as functions of one latent, the others at 0."""
    shown = order[:most].tolist()
    figure, axes = panels(1, len(shown), side=3.6)
    for axis, coordinate in zip(axes, shown, strict=True):
        sweep, x = _sweep(model, coordinate, context, steps)
        for number, values in enumerate(x.flatten(1)[:, :curves].T.tolist(), 1):
            axis.plot(sweep, values, label=f"$x_{{{number}}}$")
        axis.set_xlabel(f"$z_{{{coordinate + 1}}}$", fontsize=12)
    axes[0].set_title("Decoded mean", fontsize=14)
    axes[0].legend(fontsize=10, frameon=False)
    return figure


def _images(
    model: VAE,
    order: Int[Tensor, " l"],
    context: Shaped[Tensor, "1 ..."] | None,
    *,
    most: int = 8,
    steps: int = 11,
) -> Figure:
    """Decoded images along one latent a row, the others at 0."""
    shown = order[:most].tolist()
    rows = [_sweep(model, coordinate, context, steps)[1] for coordinate in shown]
    names = [f"$z_{{{coordinate + 1}}}$" for coordinate in shown]
    return image_rows_figure(torch.stack(rows), names=names)


def _sweep(
    model: VAE, coordinate: int, context: Shaped[Tensor, "1 ..."] | None, steps: int
) -> tuple[Float[np.ndarray, " s"], Float[Tensor, "s *event"]]:
    """Values of one latent coordinate, and what they are decoded to where the others are 0."""
    sweep = torch.linspace(-REACH, REACH, steps)
    z = torch.zeros(steps, model.latent_dim)
    z[:, coordinate] = sweep
    return sweep.numpy(), model.decode(z.to(model.device), context).cpu()
