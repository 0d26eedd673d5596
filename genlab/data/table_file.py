"""A table in a file: the names of its columns, and their numbers in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from genlab.data.array_file import ArrayFile
from genlab.data.columns import Columns
from genlab.data.csv_file import CSVFile
from genlab.data.parquet_file import ParquetFile
from genlab.errors import UserError, first_few, nearest, no_such_file
from genlab.runs.settings import checksum

__all__ = ["TEXTS", "TableFile"]

ARRAYS = (".npy", ".npz")
TEXTS = (".csv", ".tsv", ".txt")
READ = (*TEXTS, *ARRAYS, ".parquet")


class TableFile:
    """A file of rows: text with or without a header, NPY, NPZ (an array x), or Parquet.

    Args:
        path: Where it lies.
        key: What the user set to name it, for messages.
        header: Whether the first line of a text holds names; None for what it shows.
        expected: Names of its columns, where they are known: a line of numbers among which all of
            these are is one of names.

    Raises:
        UserError: There is no such file, or it is of another kind.
    """

    def __init__(
        self, path: Path, key: str, *, header: bool | None = None, expected: Sequence[str] = ()
    ) -> None:
        self.path = path
        option = key.startswith("-")
        self.where = f"{key} {path}" if option else f"{key}={path}"
        kind = path.suffix.lower()
        if kind not in READ:
            raise UserError(f"{self.where}: expected a file that ends in {' or '.join(READ)}")
        if not path.is_file():
            raise UserError(f"{self.where}: {no_such_file(path, READ)}")
        self._reader: ArrayFile | CSVFile | ParquetFile
        if kind in ARRAYS:
            self._reader = ArrayFile(path, self.where, expected)
        elif kind != ".parquet":
            self._reader = CSVFile(
                path, self.where, header=header, expected=expected, settable=not option
            )
        elif find_spec("pyarrow") is not None:
            self._reader = ParquetFile(path, self.where)
        else:
            raise UserError(f"{self.where}: Parquet takes the package pyarrow; pip install pyarrow")

    @cached_property
    def header(self) -> tuple[str, ...] | None:
        """The names that the file gives its columns; None where it gives none."""
        names = self._reader.names or ()
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise UserError(
                f"{self.where}: several columns are called {twins[0]!r}; give each its own name"
            )
        return names or None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns: those of the header, or ``x1, x2, ...``."""
        return self.header or tuple(f"x{number + 1}" for number in range(self._reader.width))

    @property
    def index(self) -> tuple[str, ...]:
        """The columns that only number or name the rows, as the file shows."""
        return self._reader.index

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was decided in reading that the user may want to decide otherwise."""
        return self._reader.remarks

    def checksum(self) -> str:
        """Tells whether the file is the same as before: the start of its SHA-256."""
        return checksum(self.path)

    @property
    def types(self) -> dict[str, str]:
        """Types of numbers by the names of columns, where the file has one for each."""
        return self._reader.types

    def read(
        self, wanted: Sequence[str], *orders: Sequence[str], by_level: Sequence[str] | None = ()
    ) -> Columns:
        """Some columns, by the names in the header, or else by their place among all.

        Args:
            wanted: The columns to read, in the order to return them.
            orders: What all columns of a file without a header may be called; the first that names
                as many as there are counts.
            by_level: The columns that are read by their different values; None for those that hold
                text.

        Raises:
            UserError: A column is missing, or the file is damaged.
        """
        width = self._reader.width
        own = self.header or next((names for names in orders if len(names) == width), None)
        if own is None:
            first = orders[0]
            told = f"expected {len(first)} columns ({first_few(first)})"
            raise UserError(f"{self.where}: {told}, got {width}")
        missing = [name for name in wanted if name not in own]
        if missing:
            raise UserError(f"{self.where}: no column {missing[0]!r}; {nearest(missing[0], own)}")
        return self._reader.columns([own.index(name) for name in wanted], wanted, by_level)
