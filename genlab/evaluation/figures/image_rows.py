"""Images in rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.figures.style import panels

__all__ = ["image_rows_figure"]


def image_rows_figure(
    images: Float[Tensor, "rows columns c h w"], *, names: Sequence[str]
) -> Figure:
    """A named row for each row of images, grey ones of one channel or coloured ones of three.

    Args:
        images: Values in [0, 1]; others are shown from the lowest to the highest.
        names: What each row is.
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
        axis.set_ylabel(name, fontsize=9)
    return figure
