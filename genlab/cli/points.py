"""Points of a user's own: read from CSV, NPY or NPZ, and written back to them."""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genlab.errors import UserError
from genlab.runs.files import atomic_path

__all__ = ["Points", "column_names", "read_points", "read_rows", "write_table"]

READ = (".csv", ".npy", ".npz")


@dataclass(frozen=True)
class Points:
    """Points of a user's file.

    Attributes:
        x: ``[n, *event]``, float64.
        columns: Names of the flat columns, from the file's header or made up.
    """

    x: NDArray[np.float64]
    columns: tuple[str, ...]


def read_points(path: Path, event_shape: Sequence[int]) -> Points:
    """Read points of shape ``event_shape``, one a row; rows may be flat.

    Raises:
        UserError: The file is missing or unreadable, holds something that is no finite number, or
            rows of another length.
    """
    if path.suffix not in READ:
        raise UserError(f"-i {path}: expected a file that ends in {' or '.join(READ)}")
    if not path.is_file():
        raise UserError(f"-i {path}: no such file")
    header, array = _read_csv(path) if path.suffix == ".csv" else ((), _read_numpy(path))
    if array.size == 0:
        raise UserError(f"-i {path}: holds no points")
    size = math.prod(event_shape)
    rows = array.reshape(len(array), -1) if array.ndim > 1 or size == 1 else array.reshape(1, -1)
    if rows.shape[1] != size:
        raise UserError(
            f"-i {path}: expected {size} columns, as the model's samples have shape "
            f"{list(event_shape)}; got {rows.shape[1]}"
        )
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, column = bad[0]
        raise UserError(f"-i {path}: point {row + 1}, column {column + 1} is not a finite number")
    return Points(rows.reshape(len(rows), *event_shape), header or column_names(size))


def read_rows(path: Path, columns: Sequence[str]) -> Points:
    """Read columns of a table by name; a file without names holds just these.

    Raises:
        UserError: The file is missing or unreadable, or a column is missing or not all numbers.
    """
    from genlab.data.table_file import TableFile

    file = TableFile(path, "-i")
    return Points(file.read(columns, columns).finite(file.where), tuple(columns))


def column_names(size: int) -> tuple[str, ...]:
    """``x1, x2, ...``"""
    return tuple(f"x{number + 1}" for number in range(size))


def write_table(path: Path, columns: Sequence[str], rows: NDArray[np.floating]) -> None:
    """Write rows as CSV, with just the digits that give the same numbers back.

    Raises:
        RunError: The disk refused the write.
    """
    with atomic_path(path) as temporary:
        np.savetxt(temporary, rows, "%s", ",", header=",".join(columns), comments="")


def _read_csv(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The header, empty where there is none, and the rows."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"-i {path}: not a text file in UTF-8") from error
    first = _cells(lines[0]) if lines else []
    header = () if all(map(_is_number, first)) else tuple(first)
    if any(map(_is_number, header)):
        raise UserError(f"-i {path}: line 1 is neither a header nor numbers: {lines[0]}")
    start = 1 if header else 0
    if not any(line.strip() for line in lines[start:]):
        raise UserError(f"-i {path}: holds no points")
    try:
        table = np.loadtxt(lines[start:], delimiter=",", ndmin=2, comments=None, quotechar='"')
    except ValueError as error:
        raise UserError(f"-i {path}: {_first_mistake(lines, start)}") from error
    return header, table


def _first_mistake(lines: Sequence[str], start: int) -> str:
    """The first line that is not as many numbers as the lines before it, in words."""
    columns = len(_cells(lines[0]))
    for number, line in enumerate(lines[start:], start + 1):
        cells = _cells(line)
        for column, cell in enumerate(cells, 1):
            if line.strip() and not _is_number(cell):
                return f"line {number}, column {column}: {cell!r} is not a number"
        if line.strip() and len(cells) != columns:
            return f"line {number}: expected {columns} columns, got {len(cells)}"
    return "not a table of numbers"


def _cells(line: str) -> list[str]:
    return [
        cell.strip() for cell in next(csv.reader([line.lstrip("# ")], skipinitialspace=True), [])
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_numpy(path: Path) -> NDArray[np.float64]:
    try:
        with path.open("rb") as file:
            array = _array(path, np.load(file, allow_pickle=False))
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"-i {path}: not an array that numpy can read") from error
    if array.dtype.kind not in "fiub":
        raise UserError(f"-i {path}: expected numbers, got an array of {array.dtype}")
    return np.atleast_1d(array).astype(np.float64)


def _array(path: Path, loaded: NDArray[np.generic] | np.lib.npyio.NpzFile) -> NDArray[np.generic]:
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        return loaded
    names = loaded.files
    if "x" not in names and len(names) != 1:
        raise UserError(f"-i {path}: expected an array named x, found {', '.join(names)}")
    return loaded["x" if "x" in names else names[0]]
