"""A file of numpy as a table: rows without names, or an array for each column."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.columns import Columns, numbered
from genlab.errors import UserError, first_few

__all__ = ["ArrayFile"]


class ArrayFile:
    """An array of numbers, a row for each entry of its first axis; or an array for each column.

    Args:
        path: NPY, or NPZ with an array x, a single one, or one for each column.
        where: The same in words, for messages.
        expected: Names of its columns, where they are known: then rows may have any shape, and an
            array of as many numbers is one row.
    """

    index: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __init__(self, path: Path, where: str, expected: Sequence[str]) -> None:
        self.path = path
        self.where = where
        self.expected = expected

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of columns that have an array each; None where there is one of rows."""
        return None if self._apart is None else tuple(self._apart)

    @property
    def types(self) -> dict[str, str]:
        """Types of numbers by the names of columns."""
        found = self._apart or {}
        return {name: one.dtype.name for name, one in found.items() if one.dtype.kind in "iuf"}

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self._rows.shape[1]) if self._apart is None else len(self._apart)

    def columns(
        self, places: Sequence[int], names: Sequence[str], by_level: Sequence[str] | None = ()
    ) -> Columns:
        """Some columns, by their places from 0."""
        values: list[np.ndarray] = []
        text: dict[str, str] = {}
        levels: dict[str, list[Any]] = {}
        apart = None if self._apart is None else list(self._apart.values())
        for place, name in zip(places, names, strict=True):
            column = self._rows[:, place] if apart is None else apart[place]
            worded = column.dtype.kind not in "fiub"
            counted = worded if by_level is None else name in by_level
            if counted:
                column, levels[name] = numbered(np.asarray(column))
            elif worded:
                text[name] = str(column[0])
                column = np.full(len(column), np.nan)
            values.append(np.asarray(column, dtype=np.float64))
        return Columns(np.stack(values, 1), text, levels)

    @cached_property
    def _apart(self) -> dict[str, np.ndarray] | None:
        """The columns of an NPZ that has an array for each."""
        if self.path.suffix.lower() != ".npz":
            return None
        with self._opened() as arrays:
            # Of a table that is known to have a column x that is one array among others.
            named = "x" in self.expected and {*self.expected} <= {*arrays.files}
            if ("x" in arrays.files and not named) or len(arrays.files) < 2:
                return None
            columns = dict(arrays)
        first, *others = (one.shape for one in columns.values())
        even = len(first) == 1 and first[0] > 0 and all(shape == first for shape in others)
        return columns if even else None

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
        with self._opened() as arrays:
            if isinstance(arrays, np.ndarray):
                return arrays
            found = arrays.files
            if "x" in found or len(found) == 1:
                return arrays["x" if "x" in found else found[0]]
            shapes = [f"{name} {list(arrays[name].shape)}" for name in found]
        raise UserError(
            f"{self.where}: expected an array x of rows, or columns of one length; "
            f"found {first_few(shapes)}"
        )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The array of an NPY, or the archive of an NPZ."""
        try:
            if self.path.suffix.lower() == ".npy":
                yield np.load(self.path, mmap_mode="r", allow_pickle=False)
                return
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                yield arrays
        except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            # Of other faults numpy names options of its own.
            held = re.match("Object arrays|.* Python objects", str(error))
            reason = " (it holds Python objects)" if held else ""
            raise UserError(f"{self.where}: not an array that numpy can read{reason}") from error
