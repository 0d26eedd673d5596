"""What images tell before they are read: their shape, their classes, and the context they make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from genlab.errors import UserError

__all__ = ["HELD_OUT", "context_facts", "height_and_width", "image_facts", "listed", "pixels"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
HELD_OUT = 10
"""One image in so many is validated on, and as many are tested on."""


def image_facts(**node: Any) -> dict[str, Any]:
    """What follows from the user's files, and from ``condition``: the widths of the context.

    Args:
        **node: The options of `genlab.data.ImageData`.

    Raises:
        UserError: There are too few images, or a condition does not fit them.
    """
    found: dict[str, Any] = {}
    if "path" in node:
        found = _folder_facts(node["path"], size=node["size"], grey=node["grey"])
    known: dict[str, Any] = found | {key: value for key, value in node.items() if value is not None}
    return found | context_facts(
        known["event_shape"], known["classes"], known.get("condition"), known["factor"]
    )


def context_facts(
    event_shape: Sequence[int], classes: int, condition: str | None, factor: int
) -> dict[str, int]:
    """``labels`` and ``context_dim`` that a condition makes of these images.

    Raises:
        UserError: They have no labels, or cannot be made smaller by the factor.
    """
    if condition == "label" and not classes:
        raise UserError("condition=label: these images have no labels")
    if condition != "low_resolution":
        return {"labels": classes if condition == "label" else 0, "context_dim": 0}
    channels, height, width = event_shape
    if factor < 2 or height % factor or width % factor:
        raise UserError(
            f"factor={factor}: expected a number above 1 that divides {height} and {width}"
        )
    return {"labels": 0, "context_dim": channels * (height // factor) * (width // factor)}


def _folder_facts(path: str, *, size: Sequence[int] | None, grey: bool) -> dict[str, Any]:
    """The shape of the first image, and the number of classes.

    Raises:
        UserError: There are too few images in the folder, or the first one is none.
    """
    files, names = listed(Path(path))
    first = pixels(files[0], None if size is None else height_and_width(size), grey)
    height, width, channels = first.shape
    return {"event_shape": [channels, height, width], "classes": len(names)}


def listed(folder: Path) -> tuple[list[Path], list[str]]:
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


def pixels(file: Path, size: tuple[int, int] | None, grey: bool) -> UInt8[np.ndarray, "h w c"]:
    """The levels of an image, scaled and cropped where a size is given.

    Raises:
        UserError: The file is no image.
    """
    try:
        with Image.open(file) as image:
            plain = image.convert("L" if grey or image.mode in ("1", "L") else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"`path`: {file} is no image ({error})") from None
    array = np.array(plain if size is None else ImageOps.fit(plain, (size[1], size[0])))
    return array.reshape(*array.shape[:2], -1)


def height_and_width(size: Sequence[int]) -> tuple[int, int]:
    """A size of two numbers.

    Raises:
        UserError: There are more or fewer.
    """
    if len(size) != 2:
        raise UserError(f"size={list(size)}: expected [HEIGHT,WIDTH]")
    return size[0], size[1]
