"""Images made of smaller ones."""

from __future__ import annotations

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import interpolate

from genlab.densities.density import Density
from genlab.densities.inference import draw_samples
from genlab.evaluation.figures.mosaic import show_mosaic
from genlab.evaluation.figures.style import panels

__all__ = ["enlarged", "super_resolution_figure"]


def super_resolution_figure(
    model: Density,
    truth: Float[Tensor, "k c h w"],
    context: Float[Tensor, "k _"],
    *,
    generator: torch.Generator,
    columns: int = 10,
    draws: int = 3,
) -> Figure:
    """Rows: the small image that is given, images that the model makes of it, the true one.

    Args:
        model: A density of images given smaller ones, under `inference`.
        truth: True images, on its device.
        context: The small images, flattened.
        generator: Source of randomness, on any device.
        columns: Images beside each other.
        draws: Samples for each.
    """
    truth, context = truth[:columns], context[:columns]
    samples = draw_samples(model, draws * len(truth), context.repeat(draws, 1), generator=generator)
    shown = torch.cat((enlarged(context, model.event_shape), samples, truth))
    figure, (axis,) = panels(1, 1, side=0.8 * columns, height=0.8 * (draws + 2) + 0.6)
    title = f"Given, {draws} samples of the model, true"
    show_mosaic(axis, shown, columns=len(truth), title=title)
    return figure


def enlarged(
    context: Float[Tensor, "n _"], event_shape: tuple[int, ...]
) -> Float[Tensor, "n c h w"]:
    """Flattened small images at full size, each pixel a square of copies."""
    channels, height, width = event_shape
    factor = round((channels * height * width / context.shape[1]) ** 0.5)
    small = context.view(len(context), channels, height // factor, width // factor)
    return interpolate(small, size=(height, width), mode="nearest")
