"""A file of Parquet as a table, the index of a pandas frame told from its columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.columns import Columns, columns_of
from genlab.errors import UserError

__all__ = ["ParquetFile"]


class ParquetFile:
    """Columns of a Parquet file.

    Args:
        path: Where it lies.
        where: The same in words, for messages.
    """

    remarks: tuple[str, ...] = ()

    def __init__(self, path: Path, where: str) -> None:
        self.path = path
        self.where = where

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, those of an index among them."""
        return tuple(self._schema.names)

    @property
    def index(self) -> tuple[str, ...]:
        """The columns that pandas stored a frame's index in; a range is stored as none."""
        stored = (self._schema.pandas_metadata or {}).get("index_columns", ())
        return tuple(name for name in stored if isinstance(name, str))

    @cached_property
    def types(self) -> dict[str, str]:
        """Types of numbers by the names of columns."""
        from pyarrow.types import is_floating, is_integer

        kinds = ((one.name, one.type) for one in self._schema)
        return {name: np.dtype(kind.to_pandas_dtype()).name for name, kind in kinds
                if is_floating(kind) or is_integer(kind)}  # fmt: skip

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.names)

    def columns(
        self, places: Sequence[int], names: Sequence[str], by_level: Sequence[str] | None = ()
    ) -> Columns:
        """Some columns, by their places from 0."""
        from pyarrow.parquet import ParquetFile as Reader

        # Without the metadata of pandas an index is a column like the others.
        table = Reader(self.path).read([self.names[place] for place in places])
        return columns_of(table.to_pandas(ignore_metadata=True)[list(names)], names, by_level)

    @cached_property
    def _schema(self) -> Any:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_schema

        try:
            return read_schema(self.path)
        except ArrowInvalid as error:
            raise UserError(f"{self.where}: not a Parquet file") from error
