"""A text file of rows: its layout is found from its first lines, its numbers read by pandas."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from genlab.data.columns import Columns, columns_of, marked
from genlab.data.csv_cells import MISSING, Line, records
from genlab.data.csv_layout import COMMENTS, Layout, Sample, find_layout
from genlab.errors import UserError

__all__ = ["CSVFile"]

# Lines that tell a layout: so many, but no more than these characters, save for the first few.
LINES, CHARACTERS, FEW = 200, 2**18, 12


class CSVFile:
    """A text file of rows.

    Args:
        path: Where it lies.
        where: The same in words, for messages.
        header: Whether its first line holds names; None for what it shows.
        expected: Names that columns of the table are known by, if any.
        settable: Whether the user has a setting for the header.
    """

    def __init__(
        self,
        path: Path,
        where: str,
        *,
        header: bool | None,
        expected: Iterable[str],
        settable: bool,
    ) -> None:
        self.path = path
        self.where = where
        self.header = header
        self.expected = tuple(expected)
        self.settable = settable

    @cached_property
    def layout(self) -> Layout:
        """How the table is laid out, from the start of the file.

        Raises:
            UserError: It is uncertain, rows differ in width, or there are none.
        """
        with self._naming_the_file():
            return find_layout(
                self._sample(),
                header=self.header,
                expected=self.expected,
                settable=self.settable,
            )

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of all columns, None where the file gives none."""
        return self.layout.names

    @property
    def index(self) -> tuple[str, ...]:
        """The columns that only number or name the rows."""
        return self.layout.index

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.layout.width

    @property
    def types(self) -> dict[str, str]:
        """Text has no types of numbers."""
        return {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was decided about the layout that the user may want to decide otherwise."""
        return self.layout.remarks

    def columns(
        self, places: Sequence[int], names: Sequence[str], by_level: Sequence[str] | None = ()
    ) -> Columns:
        """Some columns, by their places from 0.

        Raises:
            UserError: A row has another width than the others, or a comma or point in a number may
                mean two things.
        """
        layout, wanted = self.layout, list(places)
        known = by_level or ()
        numbers = [place for place, name in zip(places, names, strict=True) if name not in known]
        with self._naming_the_file():
            frame = self._frame(".")
            # A row that is too short lacks its last cells.
            short = frame[layout.width - 1].isna().any() and not self._is_full(len(frame))
            if short or frame.iloc[:, layout.width :].notna().any(axis=None):
                self._check_widths()
            if commas := marked(frame[numbers], ","):
                layout.check_commas(commas)
                frame = self._frame(",")
                if points := marked(frame[numbers], "."):
                    layout.refuse_point(points[0])
        return columns_of(frame[wanted], names, by_level)

    def _frame(self, decimal: str) -> Any:
        import pandas as pd

        layout = self.layout
        try:
            with self._rows() as file:
                return pd.read_csv(
                    file,
                    sep=r"\s+" if layout.separator == " " else layout.separator,
                    decimal=decimal,
                    names=range(layout.cells),
                    index_col=False,
                    keep_default_na=False,
                    na_values=sorted(MISSING),
                    skipinitialspace=True,
                    low_memory=False,
                )
        except pd.errors.ParserError as error:
            self._check_widths()
            reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
            raise UserError(reason) from error

    def _sample(self) -> Sample:
        comments: list[Line] = []
        lines: list[Line] = []
        characters = 0
        for number, line in self._lines():
            if line.startswith(COMMENTS):
                if not lines:
                    comments.append((number, line))
            elif len(lines) < FEW or (len(lines) < LINES and characters < CHARACTERS):
                lines.append((number, line))
                characters += len(line)
            else:
                return Sample(self.path, comments, lines, whole=False)
        if not lines:
            raise UserError("holds no rows")
        return Sample(self.path, comments, lines, whole=True)

    def _lines(self) -> Iterator[Line]:
        """The lines that are not blank, with their numbers from 1."""
        with self._opened() as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())

    def _opened(self) -> IO[str]:
        return self.path.open(encoding="utf-8-sig", newline="")

    @contextmanager
    def _rows(self) -> Iterator[IO[str]]:
        """The file from its first row on, without comments."""
        if self._is_commented():
            yield io.StringIO(
                "".join(
                    line
                    for number, line in self._lines()
                    if number > self.layout.above and not line.startswith(COMMENTS)
                )
            )
            return
        with self._opened() as file:
            for _ in range(self.layout.above):
                file.readline()
            yield file

    def _is_commented(self) -> bool:
        """Whether comments stand between the rows."""
        marks = [mark.encode() for mark in COMMENTS]
        last = b"\n"
        for chunk in self._chunks():
            # A search for one byte is ten times as fast.
            found = [mark for mark in marks if mark[:1] in chunk]
            if found and any(b"\n" + mark in last + chunk for mark in found):
                return True
            last = chunk[-8:]
        return False

    def _is_full(self, rows: int) -> bool:
        """Whether that many rows have all their separators, for certain."""
        if self.layout.separator == " " or self._is_commented():
            return False
        separators = 0
        for chunk in self._chunks():
            if b'"' in chunk:  # a quote may hide some
                return False
            separators += chunk.count(self.layout.separator.encode())
        return separators == rows * (self.layout.cells - 1)

    def _chunks(self) -> Iterator[bytes]:
        """The bytes from the first row on."""
        with self.path.open("rb") as file:
            for _ in range(self.layout.above):
                file.readline()
            yield from iter(lambda: file.read(2**20), b"")

    def _encoding(self) -> str:
        with self.path.open("rb") as file:
            return "UTF-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"

    def _check_widths(self) -> None:
        lines = (line for line in self._lines() if not line[1].startswith(COMMENTS))
        for row in records(lines, self.layout.separator):
            if row.begin > self.layout.above:
                self.layout.check_width(row)

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.where}: not a text file in UTF-8; if it is one of Windows, this writes it "
                f"anew:\niconv -f {self._encoding()} -t UTF-8 {shlex.quote(str(self.path))} > "
                "utf8.csv"
            ) from error
        except csv.Error as error:
            raise UserError(f"{self.where}: a quote is left open ({error})") from error
