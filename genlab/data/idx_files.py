"""MNIST, and what comes in the same four files."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from genlab.data.downloads import obtain
from genlab.data.images import Images, ImageSource, Splits

__all__ = ["IDXFiles"]

NAMES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
VALIDATION = 10_000
"""The last so many training images are validated on."""


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
        train, test = (self._images(*names) for names in NAMES.values())
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
