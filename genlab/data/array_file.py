"""A file of numpy as a table without names."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.columns import Columns
from genlab.errors import UserError

__all__ = ["ArrayFile"]


class ArrayFile:
    """An array of numbers, a row for each entry of its first axis.

    Args:
        path: NPY, or NPZ with an array x or a single one.
        where: The same in words, for messages.
        expected: Names of its columns, where they are known: then rows may have any shape, and an
            array of as many numbers is one row.
    """

    names: tuple[str, ...] | None = None
    index: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __init__(self, path: Path, where: str, expected: Sequence[str]) -> None:
        self.path = path
        self.where = where
        self.expected = expected

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self._rows.shape[1])

    def columns(self, places: Sequence[int], names: Sequence[str]) -> Columns:
        """Some columns, by their places from 0."""
        return Columns(np.asarray(self._rows[:, places], dtype=np.float64), {})

    @cached_property
    def _rows(self) -> Any:
        array = self._array()
        most = 2 if not self.expected else array.ndim
        if array.dtype.kind not in "fiub" or not 1 <= array.ndim <= most:
            raise UserError(
                f"{self.where}: expected rows of numbers, got {array.dtype} of shape "
                f"{list(array.shape)}"
            )
        if not array.size:
            raise UserError(f"{self.where}: holds no rows")
        if array.ndim == 1 and len(self.expected) > 1:
            return array.reshape(1, -1)
        return array.reshape(len(array), -1)

    def _array(self) -> Any:
        try:
            if self.path.suffix.lower() == ".npy":
                return np.load(self.path, mmap_mode="r", allow_pickle=False)
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = arrays.files
                if "x" in found or len(found) == 1:
                    return arrays["x" if "x" in found else found[0]]
        except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.where}: not an array that numpy can read") from error
        raise UserError(f"{self.where}: expected an array named x, found {', '.join(found)}")
