"""A table in a file: the names of its columns, and their numbers in double precision."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from genlab.errors import UserError, nearest

__all__ = ["Columns", "TableFile"]

TEXT = (".csv", ".tsv", ".txt")
ARRAYS = (".npy", ".npz")
READ = (*TEXT, *ARRAYS, ".parquet")


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Attributes:
        values: Their numbers, NaN where a cell is empty or holds text.
        text: For each column with cells that are no numbers, the first such cell.
    """

    values: Float[np.ndarray, "n c"]
    text: dict[str, str]

    def finite(self, where: str) -> Float[np.ndarray, "n c"]:
        """The numbers, all of them.

        Raises:
            UserError: There are no rows, or a cell is none of a finite number.
        """
        if not len(self.values):
            raise UserError(f"{where}: holds no rows")
        for name, cell in self.text.items():
            raise UserError(f"{where}: column {name!r} holds text ({cell!r})")
        bad = np.argwhere(~np.isfinite(self.values))
        if len(bad):
            row, column = bad[0] + 1
            raise UserError(f"{where}: row {row}, column {column} is not a finite number")
        return self.values


class TableFile:
    """A file of rows: CSV with or without a header, NPY, NPZ (an array x), or Parquet.

    Args:
        path: Where it lies.
        key: What the user set to name it, for messages.

    Raises:
        UserError: There is no such file, or it is of another kind.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.where = f"{key} {path}" if key.startswith("-") else f"{key}={path}"
        if path.suffix not in READ:
            raise UserError(f"{self.where}: expected a file that ends in {' or '.join(READ)}")
        if not path.is_file():
            raise UserError(f"{self.where}: no such file")
        if path.suffix == ".parquet" and find_spec("pyarrow") is None:
            raise UserError(f"{self.where}: Parquet takes the package pyarrow; pip install pyarrow")

    @cached_property
    def header(self) -> tuple[str, ...] | None:
        """The names that the file gives its columns; None where it gives none."""
        if self.path.suffix in ARRAYS:
            return None
        names = self._parquet_names() if self.path.suffix == ".parquet" else self._csv_names()
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise UserError(f"{self.where}: several columns are called {twins[0]!r}")
        return names or None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns: those of the header, or ``x1, x2, ...``."""
        return self.header or tuple(f"x{number + 1}" for number in range(self._width))

    def checksum(self) -> str:
        """Tells whether the file is the same as before: the start of its SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    def read(self, wanted: Sequence[str], names: Sequence[str]) -> Columns:
        """Some columns, by the names in the header, or else by their place among ``names``.

        Args:
            wanted: The columns to read, in the order to return them.
            names: What all columns of a file without a header are called.

        Raises:
            UserError: A column is missing, or the file is damaged.
        """
        own = tuple(names) if self.header is None else self.header
        if self.header is None and len(self.names) != len(names):
            raise UserError(
                f"{self.where}: expected {len(names)} columns ({', '.join(names)}), "
                f"got {len(self.names)}"
            )
        missing = [name for name in wanted if name not in own]
        if missing:
            raise UserError(f"{self.where}: no column {missing[0]!r}; {nearest(missing[0], own)}")
        places = [own.index(name) for name in wanted]
        if self.path.suffix in ARRAYS:
            return Columns(np.asarray(self._array[:, places], dtype=np.float64), {})
        return _numbers(self._frame(places), wanted)

    @property
    def _width(self) -> int:
        width = self._array.shape[1] if self.path.suffix in ARRAYS else len(self._first_line)
        return int(width)

    @cached_property
    def _first_line(self) -> list[str]:
        try:
            with self.path.open(encoding="utf-8-sig") as file:
                line = next((line for line in file if line.strip()), "")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.where}: not a text file in UTF-8") from error
        if not line:
            raise UserError(f"{self.where}: holds no rows")
        cells = next(csv.reader([line.lstrip("# ")], delimiter=_delimiter(line)))
        return [cell.strip() for cell in cells]

    def _csv_names(self) -> tuple[str, ...]:
        cells = self._first_line
        numbers = [cell for cell in cells if _is_number(cell)]
        if len(numbers) == len([cell for cell in cells if cell]):
            return ()
        if numbers:
            raise UserError(
                f"{self.where}: line 1 is neither names nor numbers: {', '.join(cells[:8])}; "
                "name each column, or none"
            )
        return tuple(cell or f"unnamed{place}" for place, cell in enumerate(cells))

    def _parquet_names(self) -> tuple[str, ...]:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_schema

        try:
            return tuple(map(str, read_schema(self.path).names))
        except ArrowInvalid as error:
            raise UserError(f"{self.where}: not a Parquet file") from error

    def _frame(self, places: Sequence[int]) -> Any:
        import pandas as pd

        if self.path.suffix == ".parquet":
            return pd.read_parquet(self.path, columns=[self.names[place] for place in places])
        with self.path.open(encoding="utf-8-sig") as file:
            before, line = next(each for each in enumerate(file) if each[1].strip())
        try:
            frame = pd.read_csv(
                self.path,
                sep=_delimiter(line),
                names=list(range(self._width)),
                skiprows=0 if self.header is None else before + 1,
                encoding="utf-8-sig",
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
                on_bad_lines="error",
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
            raise UserError(f"{self.where}: {reason}") from error
        return frame[list(places)]

    @cached_property
    def _array(self) -> Any:
        try:
            loaded = np.load(
                self.path, mmap_mode=None if self.path.suffix == ".npz" else "r", allow_pickle=False
            )
        except (ValueError, EOFError, OSError) as error:
            raise UserError(f"{self.where}: not an array that numpy can read") from error
        if isinstance(loaded, np.lib.npyio.NpzFile):
            if "x" not in loaded.files and len(loaded.files) != 1:
                found = ", ".join(loaded.files)
                raise UserError(f"{self.where}: expected an array named x, found {found}")
            loaded = loaded["x" if "x" in loaded.files else loaded.files[0]]
        if loaded.dtype.kind not in "fiub" or loaded.ndim not in (1, 2):
            raise UserError(
                f"{self.where}: expected rows of numbers, got {loaded.dtype} of shape "
                f"{list(loaded.shape)}"
            )
        return loaded.reshape(len(loaded), -1)


def _numbers(frame: Any, names: Sequence[str]) -> Columns:
    import pandas as pd

    values = np.empty((len(frame), len(names)))
    text: dict[str, str] = {}
    for place, name in enumerate(names):
        column = frame.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column):
            values[:, place] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            continue
        dates = pd.api.types.is_datetime64_any_dtype(column)
        numbers = pd.to_numeric(column.astype(str) if dates else column, errors="coerce")
        values[:, place] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        strange = column[numbers.isna() & column.notna()]
        if len(strange):
            text[name] = str(strange.iloc[0])
    return Columns(values, text)


def _delimiter(line: str) -> str:
    """Comma, semicolon or tab, whichever separates the most cells."""
    return max((",", ";", "\t"), key=line.count)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
