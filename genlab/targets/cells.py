"""Densities that are constant on the cells of a grid."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from genlab.errors import nearest
from genlab.targets.exact import ExactTarget
from genlab.targets.quadrature import Rectangle

__all__ = ["CellDensity", "Checkerboard", "ImageDensity", "uniform_in_cells"]


def uniform_in_cells(
    n: int, cells: int, generator: torch.Generator | None, device: torch.device
) -> Float[Tensor, "n 2"]:
    """Uniform places in ``[0, 1)^2`` that stay in their cell when its number is added in float32.

    Args:
        n: Number of places.
        cells: Number of cells along a side: the more there are, the coarser is float32 within one.
        generator: Source of randomness.
        device: Where to draw.
    """
    margin = min(0.25, cells * 2.0**-23)
    return torch.rand(n, 2, generator=generator, device=device).clamp(margin, 1 - margin)


class CellDensity(ExactTarget):
    """``p`` constant on each of ``k x k`` equal cells of a rectangle, in proportion to a weight.

    Args:
        weight: Not negative and not all zero; row by row along the second coordinate.
        box: The rectangle.
    """

    log_density: Float[Tensor, "k k"]
    cumulative: Float[Tensor, " cells"]
    low: Float[Tensor, " 2"]
    side: Float[Tensor, " 2"]

    def __init__(self, weight: Float[Tensor, "k k"], box: Rectangle) -> None:
        super().__init__()
        self.cells = len(weight)
        edges = torch.tensor(box, dtype=torch.float64)
        side = (edges[:, 1] - edges[:, 0]) / self.cells
        log_area = float(side.log().sum())
        p = weight.double() / weight.double().sum()
        self.bound = float(edges.abs().max())
        self.entropy = float(torch.special.entr(p).sum()) + log_area
        self.register_buffer("log_density", p.log() - log_area, persistent=False)
        cumulative = p.flatten().cumsum(0)
        self.register_buffer("cumulative", cumulative / cumulative[-1], persistent=False)
        self.register_buffer("low", edges[:, 0].clone(), persistent=False)
        self.register_buffer("side", side, persistent=False)
        # A place in a cell, as a share of its side, that float32 does not carry into the next one.
        self.margin = min(0.25, 2.0**-23 * self.bound / float(side.min()))

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        uniform = torch.rand(n, 3, dtype=torch.float64, generator=generator, device=self.device)
        cell = torch.searchsorted(self.cumulative, uniform[:, 2].contiguous(), right=True)
        place = torch.stack((cell // self.cells, cell % self.cells), 1)
        place = place + uniform[:, :2].clamp(self.margin, 1 - self.margin)
        return (self.low + self.side * place).float()

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        place = ((x.double() - self.low) / self.side).floor()
        inside = ((place >= 0) & (place < self.cells)).all(1)
        row, column = place.clamp(0, self.cells - 1).long().unbind(1)
        return torch.where(inside, self.log_density[row, column], -math.inf).to(x)


class Checkerboard(ExactTarget):
    """Uniform on eight squares of side 2 in ``[-4, 4)^2`` (toy of FFJORD, Grathwohl et al. 2019).

    ``p(x) = 1/32`` where ``floor(x1 / 2) + floor(x2 / 2)`` is even.

    References: arXiv:1810.01367.

    >>> import genlab
    >>> target = genlab.targets.Checkerboard()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__()
        self.entropy = math.log(32)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        column = torch.randint(-2, 2, (n,), generator=generator, device=self.device)
        pair = torch.randint(-1, 1, (n,), generator=generator, device=self.device)
        row = 2 * pair + column.remainder(2)
        cells = torch.stack((column, row), 1)
        return 2 * (cells + uniform_in_cells(n, 4, generator, self.device))

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        cells = (x / 2).floor()
        dark = cells.sum(1).remainder(2) == 0
        inside = ((x >= -4) & (x < 4)).all(1)
        return torch.where(dark & inside, x.new_tensor(-math.log(32)), -math.inf)


PICTURES = ("china", "flower")


class ImageDensity(ExactTarget):
    """Piecewise constant on the pixels of an image: ``p(x) = p_ij / area of a pixel``.

    ``p_ij`` is proportional to the grey level (ITU-R 601 luma), so black pixels lie outside the
    support. The longer side spans ``[-4, 4]``, pixels are square, and the image stands upright.

    >>> import genlab
    >>> target = genlab.targets.ImageDensity("china")
    >>> target.sample(5).shape
    torch.Size([5, 2])

    Args:
        picture: ``"china"`` or ``"flower"`` of scikit-learn; not read if there is a path.
        path: The user's own image file.
        invert: Let dark pixels be the likely ones, as for ink on paper.

    Raises:
        ValueError: There is no such picture, the file is none, or no pixel of it has any weight.
    """

    log_density: Float[Tensor, "rows columns"]
    cumulative: Float[Tensor, " pixels"]

    def __init__(self, picture: str, *, path: str | None = None, invert: bool = False) -> None:
        super().__init__()
        grey = _bundled(picture) if path is None else _own(Path(path).expanduser())
        weight = torch.from_numpy(grey.max() - grey if invert else grey)
        if not weight.max() > 0:
            source = f"picture={picture}" if path is None else f"path={path}"
            raise ValueError(f"{source}: an image of one colour leaves no density to learn")
        self.rows, self.columns = weight.shape
        self.cell = 2 * self.bound / max(weight.shape)
        p = weight / weight.sum()
        self.entropy = float(torch.special.entr(p).sum()) + 2 * math.log(self.cell)
        self.register_buffer("log_density", p.log() - 2 * math.log(self.cell), persistent=False)
        cumulative = p.reshape(-1).cumsum(0)
        self.register_buffer("cumulative", cumulative / cumulative[-1], persistent=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        uniform = torch.rand(n, dtype=torch.float64, generator=generator, device=self.device)
        pixel = torch.searchsorted(self.cumulative, uniform, right=True)
        place = torch.stack((pixel % self.columns, self.rows - 1 - pixel // self.columns), 1)
        place = place + uniform_in_cells(n, max(self.rows, self.columns), generator, self.device)
        middle = torch.tensor((self.columns / 2, self.rows / 2), device=self.device)
        return self.cell * (place - middle)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        column = (x[:, 0] / self.cell + self.columns / 2).floor()
        row = self.rows - 1 - (x[:, 1] / self.cell + self.rows / 2).floor()
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        nearest_pixel = (
            row.clamp(0, self.rows - 1).long(),
            column.clamp(0, self.columns - 1).long(),
        )
        return torch.where(inside, self.log_density.to(x)[nearest_pixel], -math.inf)


def _bundled(picture: str) -> NDArray[np.float64]:
    if picture not in PICTURES:
        raise ValueError(
            f"picture={picture}: no such picture; {nearest(picture, PICTURES)}, "
            "or give a file as path"
        )
    # scikit-learn takes seconds to import: only who needs it waits.
    from sklearn.datasets import load_sample_image

    return _grey(Image.fromarray(load_sample_image(f"{picture}.jpg")))


def _own(path: Path) -> NDArray[np.float64]:
    try:
        with Image.open(path) as image:
            return _grey(image)
    except FileNotFoundError:
        raise ValueError(f"path={path}: no such file") from None
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"path={path}: expected an image file, but {error}") from None


def _grey(image: Image.Image) -> NDArray[np.float64]:
    """Grey levels ``[rows, columns]``, float64; images of more than 8 bits keep them."""
    if image.mode not in ("F", "I", "I;16"):
        image = image.convert("RGB").convert("L")
    return np.asarray(image, dtype=np.float64)
