"""A user's own images, from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.data.images import Images, ImageSource, Splits
from genlab.errors import UserError
from genlab.randomness import generator

__all__ = ["ImageFolder", "folder_facts"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
HELD_OUT = 10
"""One image in so many is validated on, and as many are tested on."""


class ImageFolder(ImageSource):
    """All images below a folder, ``FOLDER/CLASS/*.png`` or, without classes, ``FOLDER/*.png``.

    One fixed shuffle of their names in order leaves a tenth to validate and a tenth to test on.

    Args:
        path: The folder.
        size: Height and width that images are scaled and cropped to; None where all are alike.
        grey: One channel instead of three.
    """

    def __init__(
        self, path: str, *, size: Sequence[PositiveInt] | None = None, grey: bool = False
    ) -> None:
        self.path = Path(path)
        self.size = None if size is None else _height_and_width(size)
        self.grey = grey

    def read(self) -> Splits:
        files, names = _listed(self.path)
        arrays = [_read(file, self.size, self.grey) for file in files]
        for file, array in zip(files, arrays, strict=True):
            if array.shape != arrays[0].shape:
                raise UserError(
                    f"path={self.path}: {file.name} has another size than {files[0].name}; "
                    "set `size=[HEIGHT,WIDTH]`"
                )
        labels = None
        if names:
            numbers = {name: number for number, name in enumerate(names)}
            labels = torch.tensor([numbers[file.parent.name] for file in files])
        whole = Images(torch.stack(arrays), labels)
        held_out = max(1, len(files) // HELD_OUT)
        whole = whole.rows(torch.randperm(len(files), generator=generator(0, "image folder")))
        return Splits(
            whole.rows(slice(2 * held_out, None)),
            whole.rows(slice(held_out)),
            whole.rows(slice(held_out, 2 * held_out)),
        )


def folder_facts(path: str, *, size: Sequence[int] | None, grey: bool) -> dict[str, Any]:
    """The shape of the first image, and the number of classes.

    Raises:
        UserError: There are too few images in the folder, or the first one is none.
    """
    files, names = _listed(Path(path))
    first = _read(files[0], None if size is None else _height_and_width(size), grey)
    return {"event_shape": list(first.shape), "classes": len(names)}


def _listed(folder: Path) -> tuple[list[Path], list[str]]:
    """The files, in order, and the names of the classes; none where images lie in the folder."""
    if not folder.is_dir():
        raise UserError(f"path={folder}: no such folder")
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES]
    names: list[str] = []
    if not files:
        inner = [one for one in sorted(folder.iterdir()) if one.is_dir()]
        files = [
            file
            for one in inner
            for file in sorted(one.iterdir())
            if file.suffix.lower() in SUFFIXES
        ]
        names = sorted({file.parent.name for file in files})
    if len(files) < HELD_OUT:
        raise UserError(
            f"path={folder}: expected at least {HELD_OUT} images, in it or in a folder for "
            f"each class, found {len(files)} ({', '.join(SUFFIXES)})"
        )
    return files, names


def _read(file: Path, size: tuple[int, int] | None, grey: bool) -> UInt8[Tensor, "c h w"]:
    try:
        with Image.open(file) as image:
            plain = image.convert("L" if grey or image.mode in ("1", "L") else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"`path`: {file} is no image ({error})") from None
    pixels = np.array(plain if size is None else ImageOps.fit(plain, (size[1], size[0])))
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1).contiguous()


def _height_and_width(size: Sequence[int]) -> tuple[int, int]:
    if len(size) != 2:
        raise UserError(f"size={list(size)}: expected [HEIGHT,WIDTH]")
    return size[0], size[1]
