"""A user's own images, from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.data.image_facts import HELD_OUT, height_and_width, listed, pixels
from genlab.data.images import Images, ImageSource, Splits
from genlab.errors import UserError
from genlab.randomness import generator

__all__ = ["ImageFolder"]


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
        self.size = None if size is None else height_and_width(size)
        self.grey = grey

    def read(self) -> Splits:
        files, names = listed(self.path)
        arrays = [_tensor(pixels(file, self.size, self.grey)) for file in files]
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


def _tensor(array: UInt8[np.ndarray, "h w c"]) -> UInt8[Tensor, "c h w"]:
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()
