"""Many images as one."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

__all__ = ["mosaic", "show_mosaic"]

FRAME = 0.55
"""Grey between images."""


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
    line = max(1, height // 16)
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
