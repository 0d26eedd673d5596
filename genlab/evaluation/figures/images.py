"""Images in mosaics and rows: samples, their twins, what lies between two, and enlarged ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from genlab.batch import squared_distances
from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference
from genlab.evaluation.figures.style import panels
from genlab.evaluation.images import enlarged

__all__ = [
    "image_panel",
    "image_rows_figure",
    "image_samples",
    "interpolation_figure",
    "mosaic",
    "nearest",
    "sample_grid",
    "show_mosaic",
    "super_resolution_figure",
]

FRAME = 0.55
"""Grey between images."""
SIDE = 8
"""Rows and columns of a grid."""
STEPS = 9
"""Images on a way from one to another, both included."""


def sample_grid(
    model: Density, context: Shaped[Tensor, "k ..."] | None, *, generator: torch.Generator
) -> tuple[Float[Tensor, "n c h w"], Shaped[Tensor, "n ..."] | None]:
    """Samples that fill a grid of `SIDE` columns, and their contexts.

    Under labels there is a row for each class; under other contexts a column for each of the first
    ones that are given.
    """
    n, rows = SIDE * SIDE, context
    if model.context_encoder.labels:
        labels = torch.arange(model.context_encoder.labels, device=model.device)
        n, rows = SIDE * len(labels), labels.repeat_interleave(SIDE)
    elif context is not None:
        n = SIDE * min(SIDE, len(context))
        rows = context[:SIDE].repeat(SIDE, 1)[:n]
    return draw_samples(model, n, rows, generator=generator), rows


def image_panel(model: Density, context: Shaped[Tensor, "k ..."] | None) -> Figure:
    """A grid of samples alone, of the same noise at each call."""
    context = None if context is None else context[:SIDE].to(model.device)
    with inference(model):
        samples, _ = sample_grid(model, context, generator=torch.Generator().manual_seed(0))
    return image_samples(samples, None)


def image_samples(
    samples: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"] | None
) -> Figure:
    """A grid of samples and, in the same places, the training images nearest to them.

    Samples that all have a twin there were learned by heart.

    Args:
        samples: Of the model.
        training: What it was trained on; None where that has no end.
    """
    if training is None:
        figure, (axis,) = panels(1, 1, side=5.2)
        show_mosaic(axis, samples, columns=SIDE, title="Model samples")
        return figure
    height = 5.4 * max(1.0, len(samples) / SIDE**2)
    figure, (left, right) = panels(1, 2, side=5.2, height=height)
    show_mosaic(left, samples, columns=SIDE, title="Model samples")
    twins = training[nearest(samples, training)]
    show_mosaic(right, twins, columns=SIDE, title="Nearest training images")
    return figure


def nearest(
    samples: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"]
) -> Int[Tensor, " n"]:
    """The row of ``training`` at the least Euclidean distance from each sample."""
    x = torch.nan_to_num(samples.cpu().float()).clamp(0, 1).flatten(1)
    y = training.flatten(1)
    return squared_distances(x, y).argmin(1)


def interpolation_figure(
    model: Any,
    images: Float[Tensor, "k c h w"],
    context: Shaped[Tensor, "k ..."] | None,
    *,
    paint: Callable[[Tensor], Tensor] | None = None,
    rows: int = 6,
) -> Figure | None:
    """True images at both ends, and what the model decodes on the way between their codes.

    Codes are latents of a flow or means of an autoencoder's encoder, and the way is an arc about
    the origin (White, "Sampling generative networks", 2016, arXiv:1609.04468): a chord would leave
    the shell that the base has its mass in. Under labels both ends are of one class. None for a
    model whose context is a vector, as both ends have their own.

    Args:
        model: A density with ``codes`` and ``decode``, under `inference`.
        images: True ones, on its device.
        context: Their labels, or None.
        paint: Makes pictures of what are no images; None for images.
        rows: Pairs.
    """
    if model.context_encoder.context_dim:
        return None
    first, second = _pairs(context, len(images), rows)
    if not len(first):
        return None
    label = None if context is None else context[first]
    ends = [model.codes(images[one], label) for one in (first, second)]
    along = torch.linspace(0, 1, STEPS, dtype=ends[0].dtype, device=ends[0].device)
    codes = arc(ends[0], ends[1], along).flatten(0, 1)
    labels = None if label is None else label.repeat_interleave(STEPS)
    ways = model.decode(codes, labels).view(-1, STEPS, *model.event_shape)
    shown = torch.cat((images[first, None], ways, images[second, None]), 1).flatten(0, 1)
    figure, (axis,) = panels(1, 1, side=8.0, height=8.0 / (STEPS + 2) * len(first) + 0.4)
    kind = "image" if paint is None else "field"
    title = f"True {kind}, the way between the codes of both, true {kind}"
    show_mosaic(axis, paint(shown) if paint else shown, columns=STEPS + 2, title=title)
    return figure


def arc(
    a: Float[Tensor, "n *latent"], b: Float[Tensor, "n *latent"], t: Float[Tensor, " k"]
) -> Float[Tensor, "n k *latent"]:
    """``(sin((1 - t) w) a + sin(t w) b) / sin w`` with the angle w between a and b."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    cosine = torch.cosine_similarity(flat_a, flat_b, dim=1).clamp(-0.9999, 0.9999)
    angle = cosine.acos()[:, None]
    parts = [(s * angle).sin() / angle.sin() for s in (1 - t, t)]
    way = parts[0][..., None] * flat_a[:, None] + parts[1][..., None] * flat_b[:, None]
    shaped: Tensor = way.unflatten(2, a.shape[1:])
    return shaped


def _pairs(
    context: Shaped[Tensor, " k"] | None, n: int, rows: int
) -> tuple[Int[Tensor, " r"], Int[Tensor, " r"]]:
    """Different images two by two, of one class where there are labels."""
    if context is None:
        index = torch.arange(2 * min(rows, n // 2))
        return index[::2], index[1::2]
    pairs: list[Tensor] = []
    for label in context.unique():
        members = (context == label).nonzero().flatten()[:2]
        pairs += [members] if len(members) == 2 else []
    chosen = torch.cat([context.new_zeros(0, 2), *(pair[None] for pair in pairs[:rows])])
    return chosen[:, 0], chosen[:, 1]


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


def mosaic(images: Float[Tensor, "n c h w"], *, columns: int) -> Float[np.ndarray, "H W ..."]:
    """Images row by row in one array, a thin line between them; grey, or RGB of three channels.

    Of other numbers of channels the mean is shown.

    Args:
        images: Values in [0, 1]; what lies outside is cut off, what is no number is black.
        columns: Images in a row; places without one are left grey.
    """
    values = torch.nan_to_num(images.detach().cpu().float()).clamp(0, 1)
    if values.shape[1] != 3:
        values = values.mean(1, keepdim=True)
    n, channels, height, width = values.shape
    line = max(1, height // 32)
    rows = math.ceil(n / columns)
    cells = torch.full((rows * columns, channels, height + line, width + line), FRAME)
    cells[:n, :, :height, :width] = values
    whole = cells.view(rows, columns, channels, height + line, width + line)
    flat = whole.permute(0, 3, 1, 4, 2).reshape(rows * (height + line), -1, channels)
    image = flat[:-line, :-line].numpy()
    return image if channels == 3 else image[..., 0]


def show_mosaic(
    axis: Axes, images: Float[Tensor, "n c h w"], *, columns: int, title: str = ""
) -> None:
    """Draw a mosaic with sharp pixels and without axes."""
    axis.imshow(
        mosaic(images, columns=columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest"
    )
    axis.set_box_aspect(None)
    axis.set_axis_off()
    if title:
        axis.set_title(title, fontsize=14)


def image_rows_figure(
    images: Float[Tensor, "rows columns c h w"], *, names: Sequence[str], title: str = ""
) -> Figure:
    """A named row for each row of images, grey ones of one channel or coloured ones of three.

    Args:
        images: Values in [0, 1]; others are shown from the lowest to the highest.
        names: What each row is.
        title: What the columns are.
    """
    values = images.detach().cpu().double().numpy()
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    values = np.clip(np.nan_to_num((values - low) / (high - low)), 0, 1)
    rows, columns, channels = values.shape[:3]
    figure, axes = panels(rows, columns, side=0.9, height=0.9)
    for axis, image in zip(axes, values.reshape(-1, *values.shape[2:]), strict=True):
        colours = image.transpose(1, 2, 0) if channels == 3 else image[0]
        axis.imshow(colours, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
    for axis, name in zip(axes[::columns], names, strict=True):
        axis.set_ylabel(name, fontsize=14, rotation=0, ha="right", va="center")
    if title:
        figure.suptitle(title, fontsize=14)
    return figure
