"""Columns that are not lines: what each can hold, and what stands for it before a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float

from genlab.data.columns import columns_of
from genlab.data.roles import find_columns
from genlab.data.table_checks import check_levels, refuse_no_angles
from genlab.errors import UserError, nearest

__all__ = ["Bounds", "ColumnTransforms", "columns"]

Bounds = Mapping[str, Sequence[float | None]]
"""An interval for each of some columns; None for a side that is open."""


@dataclass(frozen=True, kw_only=True)
class ColumnTransforms:
    """What the columns of a table can hold: numbers, positive or bounded ones, angles, integers,
    categories.

    A row of the table becomes a point: integers get uniform noise on [0, 1), and each category that
    of `genlab.bijections.Argmax`, so that a density of points bounds the mass of a row from below.
    Bijections, which `genlab.data.column_points.onto_lines` makes, carry points onto the line.

    >>> from genlab.data.column_transforms import ColumnTransforms
    >>> columns = ColumnTransforms.of(["pt", "n", "kind"], log=["pt"], integer=["n"],
    ...                               levels={"kind": ["e", "mu", "tau"]})
    >>> columns.dim, columns.coordinates
    (5, ('pt', 'n', 'kind', 'kind.2', 'kind.3'))

    Attributes:
        names: All columns, in order.
        log: Those of positive numbers, told by their logarithm.
        bounds: Those within an interval, each with its ends; None for an open side.
        circular: Those that are angles.
        degrees: Whether these are in degrees.
        integer: Those of whole numbers.
        levels: Those that are categories, each with its values; their numbers are what rows hold.
        types: Of columns that have a type of numbers of their own, its name.
    """

    names: tuple[str, ...]
    log: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    circular: tuple[str, ...] = ()
    degrees: bool = False
    integer: tuple[str, ...] = ()
    levels: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        *,
        numbered: Sequence[str] | None = None,
        log: Sequence[str | int] = (),
        bounds: Bounds | None = None,
        circular: Sequence[str | int] = (),
        degrees: bool = False,
        integer: Sequence[str | int] = (),
        levels: Mapping[str, Sequence[Any]] | None = None,
        types: Mapping[str, str] | None = None,
    ) -> ColumnTransforms:
        """Check what a user says of the columns; each is a name, or a number from 0.

        Args:
            names: The columns.
            numbered: The columns among which numbers count; None for these alone.
            log: As all that follow, see `ColumnTransforms`.

        Raises:
            UserError: There is no such column, one is of two kinds, or an interval is none.
        """
        bounds, levels = bounds or {}, levels or {}
        said: dict[str, Iterable[str | int]] = {
            "log": log,
            "bounds": bounds,
            "circular": circular,
            "integer": integer,
            "categories": levels,
        }
        kinds = {
            key: find_columns(key, chosen, names, numbered=numbered) for key, chosen in said.items()
        }
        taken: dict[str, str] = {}
        for key, members in kinds.items():
            for name in members:
                other = taken.setdefault(name, key)
                if members.count(name) > 1 or other not in (key, "bounds" * (key == "integer")):
                    raise UserError(f"{key}: {name!r} is in `{other}` already")
        ends = {
            name: _interval(name, pair, whole=name in kinds["integer"])
            for name, pair in zip(kinds["bounds"], bounds.values(), strict=True)
        }
        return cls(
            names=tuple(names),
            log=kinds["log"],
            bounds=ends,
            circular=kinds["circular"],
            degrees=degrees,
            integer=kinds["integer"],
            levels=dict(zip(kinds["categories"], map(tuple, levels.values()), strict=True)),
            types=dict(types or {}),
        )

    def plainly(self) -> dict[str, Any]:
        """What `of` takes to make it again, in containers that JSON has.

        >>> columns = ColumnTransforms.of(["n"], integer=["n"], bounds={"n": [0, None]})
        >>> ColumnTransforms.of(**columns.plainly()) == columns
        True
        """
        return {
            "names": list(self.names),
            "log": list(self.log),
            "bounds": {
                name: [end if math.isfinite(end) else None for end in ends]
                for name, ends in self.bounds.items()
            },
            "circular": list(self.circular),
            "degrees": self.degrees,
            "integer": list(self.integer),
            "levels": {
                name: [getattr(value, "item", lambda value=value: value)() for value in values]
                for name, values in self.levels.items()
            },
            "types": dict(self.types),
        }

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of coordinates of a point that each column has."""
        return tuple(_width(len(self.levels.get(name, ()))) for name in self.names)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first coordinate of each column, which tells its value."""
        return tuple(sum(self.widths[:place]) for place in range(len(self.names)))

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        return sum(self.widths)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """A name for each coordinate: the column's, with a number after its first one."""
        return tuple(
            name if i == 0 else f"{name}.{i + 1}"
            for name, width in zip(self.names, self.widths, strict=True)
            for i in range(width)
        )

    @property
    def angles(self) -> tuple[int, ...]:
        """The coordinates that are angles, in radians."""
        return self.places(self.circular)

    @property
    def discrete(self) -> tuple[str, ...]:
        """The columns that have masses: integers and categories."""
        return tuple(name for name in self.names if name in self.integer or name in self.levels)

    @property
    def noisy(self) -> tuple[int, ...]:
        """The coordinates that get noise."""
        return tuple(i for name in self.discrete for i in self.block(name))

    @property
    def plain(self) -> bool:
        """Whether rows are points as they are, but for angles."""
        return not (self.log or self.bounds or self.discrete)

    def places(self, names: Iterable[str]) -> tuple[int, ...]:
        """The first coordinates of some columns."""
        return tuple(self.starts[self.names.index(name)] for name in names)

    def block(self, name: str) -> range:
        """All coordinates of a column."""
        place = self.names.index(name)
        return range(self.starts[place], self.starts[place] + self.widths[place])

    def read(self, x: Any) -> Float[np.ndarray, "n c"]:
        """The rows of a DataFrame, by name, or of an array, by place; of categories their numbers.

        Raises:
            UserError: A column is missing, or holds what it cannot.
        """
        frame = _frame(x, self.names)
        missing = [name for name in self.names if name not in frame]
        if missing:
            raise UserError(f"x: no column {missing[0]!r}; {nearest(missing[0], frame)}")
        table = columns_of(frame[list(self.names)], self.names, tuple(self.levels))
        table.finite("x")
        values = table.levelled("x", self.names, self.levels)
        self.refuse_outside("x", values)
        return values

    def refuse_outside(self, where: str, values: Float[np.ndarray, "n c"]) -> None:
        """Refuse what a column cannot hold, angles beyond one turn with it; NaN, for an empty cell,
        passes.

        Args:
            where: The file, as the user named it.
            values: Rows, of categories their numbers.

        Raises:
            UserError: There is such a value: the first of the first column that has some.
        """
        for name, column in zip(self.names, values.T, strict=False):
            for bad, expected in self._faults(name, column):
                if bad.any():
                    row = int(bad.argmax())
                    raise UserError(
                        f"{where}: column {name!r}, row {row + 1}: got {column[row]:.10g}; "
                        f"{expected}"
                    )
        angles = values[:, [self.names.index(name) for name in self.circular]]
        angles[np.isnan(angles)] = 0
        refuse_no_angles(where, self.circular, angles, degrees=self.degrees)

    def _faults(self, name: str, column: Float[np.ndarray, " n"]) -> Iterable[tuple[Any, str]]:
        if name in self.log:
            yield column <= 0, "`log` expects numbers above 0"
        if name in self.integer:
            yield np.isfinite(column) & (column != np.floor(column)), "`integer` expects integers"
        if name in self.bounds:
            low, high = self.bounds[name]
            yield (column < low) | (column > high), f"`bounds` expects {_told(low, high)}"

    def typed(self, values: Float[np.ndarray, "n c"]) -> dict[str, np.ndarray]:
        """The columns of rows, each with the values and of the type that its table has.

        Args:
            values: Rows, of categories their numbers, of angles their units in the table.
        """
        return {
            name: self._typed(name, column)
            for name, column in zip(self.names, values.T, strict=True)
        }

    def _typed(self, name: str, column: Float[np.ndarray, " n"]) -> np.ndarray:
        own = self.types.get(name)
        if name in self.levels:
            found = np.array(self.levels[name])[column.astype(np.int64)]
            return found if own is None else found.astype(own)
        if name in self.integer:
            kind = np.dtype(own or np.int64)
            if kind.kind in "iu":
                limits = np.iinfo(kind)
                # The largest integers of 64 bits are rounded up to what these do not hold.
                top = np.float64(limits.max)
                top = top if int(top) <= limits.max else np.nextafter(top, 0)
                column = column.astype(np.float64).clip(limits.min, top)
            return column.astype(kind)
        if own is None or np.dtype(own).kind != "f":
            return column
        low, high = self._ends(name, np.dtype(own))
        return column.astype(np.float64).clip(low, high).astype(own)

    def _ends(self, name: str, kind: np.dtype[Any]) -> tuple[float, float]:
        """The least and the largest number of a type that a column can hold, which rounding to the
        type does not go beyond.
        """
        limits = np.finfo(kind)
        if name in self.log:
            return float(limits.smallest_subnormal), float(limits.max)
        low, high = self.bounds.get(name, (-math.inf, math.inf))
        least = kind.type(max(low, float(limits.min)))
        most = kind.type(min(high, float(limits.max)))
        least = np.nextafter(least, limits.max) if float(least) < low else least
        most = np.nextafter(most, limits.min) if float(most) > high else most
        return float(least), float(most)

    def frame(self, points: Any) -> Any:
        """The rows that points stand for, as a DataFrame: each column in its own type and units.

        Args:
            points: Points in data units, ``[n, dim]``, such as samples of a model.
        """
        import pandas as pd

        return pd.DataFrame(self.typed(self.rows(np.asarray(points))))

    def rows(self, points: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n c"]:
        """The rows that points stand for, of categories their numbers."""
        rows = points[:, list(self.starts)].copy()
        discrete = [self.names.index(name) for name in self.discrete]
        rows[:, discrete] = np.floor(rows[:, discrete])
        if self.degrees:
            angles = [self.names.index(name) for name in self.circular]
            rows[:, angles] = np.degrees(rows[:, angles])
        return rows


def columns(
    x: Any,
    *,
    log: Sequence[str | int] = (),
    bounds: Bounds | None = None,
    circular: Sequence[str | int] = (),
    degrees: bool = False,
    integer: Sequence[str | int] = (),
    categories: Sequence[str | int] = (),
) -> ColumnTransforms:
    """What the columns of a table can hold, for `genlab.fit` and `genlab.score`.

    >>> import genlab, pandas
    >>> frame = pandas.DataFrame({"pt": [30.0, 45.5, 20.0], "channel": ["ee", "mumu", "ee"]})
    >>> columns = genlab.columns(frame, log=["pt"], categories=["channel"])
    >>> model = genlab.fit(genlab.models.NSF(columns.dim), frame, columns=columns, steps=5)
    >>> columns.frame(model.sample(2)).dtypes.to_dict()["pt"]
    dtype('float64')

    Args:
        x: The table: a DataFrame, or an array, whose columns are called ``x1, x2, ...``.
        log: Columns of positive numbers.
        bounds: Columns within an interval, ``{name: [low, high]}``; None for an open side.
        circular: Columns of angles.
        degrees: Whether these are in degrees, not radians.
        integer: Columns of whole numbers.
        categories: Columns of words, labels or truth values.

    Raises:
        UserError: There is no such column, one is of two kinds, or holds what it cannot.
    """
    frame = _frame(x)
    names = tuple(map(str, frame.columns))
    by_level = find_columns("categories", categories, names)
    levels = columns_of(frame, names, by_level).levels
    check_levels("x", levels)
    types = {name: kind.name for name, kind in zip(names, frame.dtypes, strict=True)
             if isinstance(kind, np.dtype) and kind.kind in "iuf"}  # fmt: skip
    found = ColumnTransforms.of(
        names,
        log=log,
        bounds=bounds,
        circular=circular,
        degrees=degrees,
        integer=integer,
        levels=levels,
        types=types,
    )
    found.read(x)
    return found


def _frame(x: Any, names: Sequence[str] = ()) -> Any:
    """A DataFrame as it is; an array with names by place."""
    import pandas as pd

    if isinstance(x, pd.DataFrame):
        own = [str(name) for name in x]
        if twins := sorted({name for name in names or own if own.count(name) > 1}):
            raise UserError(f"x: several columns are called {twins[0]!r}; give each its own name")
        return x.set_axis(own, axis=1)
    rows = np.asarray(x)
    if rows.ndim != 2 or (names and rows.shape[1] != len(names)):
        wanted = len(names) or "c"
        raise UserError(f"x: expected a DataFrame or rows [n, {wanted}], got {list(rows.shape)}")
    return pd.DataFrame(rows, columns=list(names or (f"x{i + 1}" for i in range(rows.shape[1]))))


def _interval(name: str, pair: Sequence[float | None], *, whole: bool) -> tuple[float, float]:
    """The two ends, infinite on an open side."""
    given = f"bounds={{{name}: {pair}}}"
    numbers = isinstance(pair, list | tuple) and all(isinstance(end, Real | None) for end in pair)
    if not numbers or len(pair) != 2:
        raise UserError(f"{given}: expected [low, high], with null for an open side")
    low, high = (
        -math.inf if pair[0] is None else pair[0],
        math.inf if pair[1] is None else pair[1],
    )
    if math.isinf(low) and math.isinf(high):
        raise UserError(f"{given}: expected an end on one side at least")
    if not low < high:
        hint = f"; did you mean [{high:g}, {low:g}]?" if high < low else ""
        raise UserError(f"{given}: expected low < high{hint}")
    if whole and any(math.isfinite(end) and end != math.floor(end) for end in (low, high)):
        raise UserError(f"{given}: expected integers, as `integer` has this column")
    return float(low), float(high)


def _told(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{low:g} or more"
    return f"{high:g} or less" if math.isinf(low) else f"{low:g} to {high:g}"


def _width(levels: int) -> int:
    # As `genlab.bijections.n_coordinates` has it, which takes torch to import.
    return levels if levels > 2 else 1
