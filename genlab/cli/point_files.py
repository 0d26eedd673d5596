"""Points of a user's own: read from a table in a file, and written back to one."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genlab.errors import UserError, first_few
from genlab.runs.files import atomic_path

if TYPE_CHECKING:
    from genlab.data import DataModule

__all__ = [
    "PointTable",
    "column_names",
    "read_points",
    "read_rows",
    "score_name",
    "write_columns",
    "write_table",
]


@dataclass(frozen=True)
class PointTable:
    """Points of a user's file.

    Attributes:
        x: ``[n, *event]``, float64; categories by their numbers.
        columns: Names of the flat columns, from the file's header or made up.
    """

    x: NDArray[np.float64]
    columns: tuple[str, ...]


def read_points(path: Path, event_shape: Sequence[int]) -> PointTable:
    """Read points of shape ``event_shape``, one a row; rows may be flat.

    Columns are those called ``x1, x2, ...`` where the file has them, or else all but an index.

    Raises:
        UserError: The file is missing or unreadable, holds something that is no finite number, or
            rows of another length.
    """
    from genlab.data.table_file import TableFile

    names = column_names(math.prod(event_shape))
    file = TableFile(path, "-i", expected=names)
    if file.header is not None and not set(names) <= set(file.header):
        found = tuple(name for name in file.header if name not in file.index)
        if len(found) != len(names):
            raise UserError(
                f"{file.where}: expected {len(names)} columns, as the model's samples have shape "
                f"{list(event_shape)}; got {len(found)} ({first_few(found)}); those called "
                f"{' ... '.join(dict.fromkeys((names[0], names[-1])))} are taken out of others"
            )
        names = found
    x = file.read(names, names).finite(file.where)
    return PointTable(x.reshape(len(x), *event_shape), names)


def read_rows(path: Path, data: DataModule) -> PointTable:
    """Read the columns that a run on a table knows, by name.

    A file without names holds just these, those of the condition or the classes last, or all of the
    table's.

    Args:
        path: The file.
        data: What the run was trained on.

    Raises:
        UserError: The file is missing or unreadable, or a column is missing, or holds what it
            cannot.
    """
    from genlab.data.table_file import TableFile

    label = () if data.label_column is None else (data.label_column,)
    columns = (*(data.file_columns or data.columns or ()), *data.context_columns, *label)
    file = TableFile(path, "-i", header=data.header, expected=columns)
    orders: tuple[Sequence[str], ...] = (columns, data.names)
    if file.checksum() in data.checksums:
        orders = (data.names,)
    table = file.read(columns, *orders, by_level=[*data.categories])
    table.finite(file.where)
    x = table.levelled(file.where, columns, data.categories)
    if data.transforms is not None:
        data.transforms.refuse_outside(file.where, x)
    return PointTable(x, columns)


def column_names(size: int) -> tuple[str, ...]:
    """``x1, x2, ...``"""
    return tuple(f"x{number + 1}" for number in range(size))


def score_name(columns: Container[str]) -> str:
    """What a column of scores is called beside those of the points, one of which may hold scores.

    >>> score_name(["x1", "x2"]), score_name(["x1", "log_prob"])
    ('log_prob', 'model_log_prob')
    """
    name = "log_prob"
    while name in columns:
        name = f"model_{name}"
    return name


def write_table(path: Path, columns: Sequence[str], rows: NDArray[np.floating]) -> None:
    """Write rows as CSV, with just the digits that give the same numbers back.

    Raises:
        RunError: The disk refused the write.
    """
    header = io.StringIO()
    csv.writer(header, lineterminator="").writerow(columns)
    with atomic_path(path) as temporary:
        np.savetxt(
            temporary, rows, "%s", ",", header=header.getvalue(), comments="", encoding="utf-8"
        )


def write_columns(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of the same length, each in the type that it has, as the file's name says.

    A CSV has just the digits that give the same numbers back; an NPZ has an array for each column.

    Args:
        path: It ends in .csv, .parquet or .npz.
        columns: The columns by name.

    Raises:
        UserError: Parquet is asked for, and its package is missing.
        RunError: The disk refused the write.
    """
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            import pandas as pd

            pd.DataFrame(dict(columns)).to_parquet(temporary, index=False)
        elif path.suffix == ".npz":
            with zipfile.ZipFile(temporary, "w") as archive:
                for name, column in columns.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, column, allow_pickle=False)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(columns)
                writer.writerows(zip(*(one.astype(str) for one in columns.values()), strict=True))
