"""Quantised images in memory, and where they come from: scikit-learn, files of IDX, a folder."""

from __future__ import annotations

import gzip
import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.data.downloads import obtain
from genlab.data.image_facts import HELD_OUT, height_and_width, listed, pixels
from genlab.errors import UserError
from genlab.randomness import generator

__all__ = ["Digits", "IDXFiles", "ImageFolder", "ImageSource", "Images", "Splits"]

IDX_NAMES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
VALIDATION = 10_000
"""The last so many training images of these are validated on."""


class Images(NamedTuple):
    """n images, a byte a number.

    Attributes:
        levels: ``[n, channels, height, width]``.
        labels: The class of each, or None.
    """

    levels: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | None

    def rows(self, index: slice | Int[Tensor, " m"]) -> Images:
        """The chosen images."""
        return Images(self.levels[index], None if self.labels is None else self.labels[index])

    def shuffled(self, name: str) -> Images:
        """All of them, in an order that is fixed by the name of the set."""
        return self.rows(torch.randperm(len(self.levels), generator=generator(0, name)))

    def split(self, *, validation: int, test: int) -> Splits:
        """The first to validate on, those behind them to test on, the others to train on."""
        held_out = validation + test
        return Splits(
            self.rows(slice(held_out, None)),
            self.rows(slice(validation)),
            self.rows(slice(validation, held_out)),
        )


class Splits(NamedTuple):
    """What a model learns from, is chosen by, and is judged by; they have nothing in common."""

    train: Images
    validation: Images
    test: Images


class ImageSource(ABC):
    """A set of images with its usual split."""

    @abstractmethod
    def read(self) -> Splits:
        """Read all images.

        Raises:
            UserError: They are not where they should be, or damaged.
        """


class Digits(ImageSource):
    """1,797 images of 8x8 in 17 grey levels (Alpaydin, Kaynak, UCI repository, 1998).

    They stand in the order of their writers; one fixed shuffle splits them into 1,237 to train on,
    200 to validate and 360 to test on.
    """

    def read(self) -> Splits:
        # scikit-learn takes seconds to import: only who needs it waits.
        from sklearn.datasets import load_digits

        bunch = load_digits()
        levels = torch.from_numpy(bunch.images).to(torch.uint8)[:, None]
        whole = Images(levels, torch.from_numpy(bunch.target).long())
        return whole.shuffled("digits").split(validation=200, test=360)


class IDXFiles(ImageSource):
    """Four gzipped IDX files (LeCun, Cortes, Burges, 1998): 50,000 + 10,000 + 10,000 images.

    They are taken from ``root``, or ``root/name``, where they lie there. Those that do not are
    downloaded to ``root/name``, from the first mirror that has them, and kept; a file counts only
    with the published MD5 sum.

    Args:
        name: What the set is called.
        root: Folder of data sets.
        mirrors: Addresses that end in a slash.
        md5: The sum of each of the four files.
    """

    def __init__(
        self, *, name: str, root: str, mirrors: Sequence[str], md5: Mapping[str, str]
    ) -> None:
        self.name = name
        self.root = Path(root)
        self.mirrors = mirrors
        self.md5 = md5

    def read(self) -> Splits:
        train, test = (self._images(*names) for names in IDX_NAMES.values())
        return Splits(train.rows(slice(-VALIDATION)), train.rows(slice(-VALIDATION, None)), test)

    def _images(self, images: str, labels: str) -> Images:
        levels = read_idx(self._find(images))[:, None]
        return Images(levels, read_idx(self._find(labels)).long())

    def _find(self, file: str) -> Path:
        checksum = f"md5:{self.md5[file]}"
        return obtain(
            file, self.root, self.name, mirrors=self.mirrors, checksum=checksum, together=self.md5
        )


def read_idx(path: Path) -> UInt8[Tensor, "..."]:
    """An array of bytes: a magic number that tells its axes, their lengths, then the numbers."""
    content = gzip.decompress(path.read_bytes())
    (axes,) = struct.unpack(">xxxB", content[:4])
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    array = np.frombuffer(content, np.uint8, math.prod(shape), offset=4 + 4 * axes)
    return torch.from_numpy(array.reshape(shape).copy())


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
        return whole.shuffled("image folder").split(validation=held_out, test=held_out)


def _tensor(array: UInt8[np.ndarray, "h w c"]) -> UInt8[Tensor, "c h w"]:
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()
