"""A table of the league: the runs that it is made from, and the numbers that are shown of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Cell", "Column", "Row", "Table"]

Words = tuple[str, ...]
"""Words of `genlab train`."""


@dataclass(frozen=True)
class Row:
    """Runs that differ by what they learn, and by their seed.

    Attributes:
        words: What they have in common.
        seeds: Theirs, where they are not the table's.
    """

    words: Words
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Column:
    """A number of each row.

    Attributes:
        data: What was learned.
        metric: Its tag.
        minus: A row whose own number under the same seed is subtracted; None for none.
    """

    data: str
    metric: str
    minus: str | None = None


@dataclass(frozen=True)
class Cell:
    """A run: its name, which says what it is, and the words of its command."""

    name: str
    words: Words


@dataclass(frozen=True)
class Table:
    """The runs are all rows times all data times the seeds.

    >>> row, column = Row(("model=nsf",)), Column("moons", "test/kl")
    >>> table = Table("Toys.", {"nsf": row}, {"moons": ("data=moons",)}, {"moons": column})
    >>> [cell.name for cell in table.cells("toys", seconds=5.0)][0]
    'toys:nsf:moons:seed0:5s'

    Attributes:
        caption: What stands above it.
        rows: By name, such as that of a family.
        data: Words for what is learned, by name; ``{tables}`` in them is UCI's folder.
        columns: By title.
        seeds: Of each row that has none of its own.
        seconds: Of fitting in each run; None where the words say when it ends.
        monitor: The least of which tells the weights that are tested, as the words have it.
    """

    caption: str
    rows: Mapping[str, Row]
    data: Mapping[str, Words]
    columns: Mapping[str, Column]
    seeds: tuple[int, ...] = (0, 1, 2)
    seconds: float | None = None
    monitor: str = "val/loss"

    @property
    def metrics(self) -> set[str]:
        """Tags of all numbers that it shows."""
        return {column.metric for column in self.columns.values()}

    def seeds_of(self, row: str) -> tuple[int, ...]:
        """Those that a row is run under."""
        own = self.rows[row].seeds
        return self.seeds if own is None else own

    def cells(self, name: str, *, seconds: float | None = None) -> Iterator[Cell]:
        """Every run, those of the first data first.

        Args:
            name: The table's own.
            seconds: Of fitting, instead of what the table says.
        """
        length, clock = lasting(seconds or self.seconds)
        for data, learned in self.data.items():
            for row, own in self.rows.items():
                for seed in self.seeds_of(row):
                    parts = (name, row, data, f"seed{seed}", *length)
                    words = (*own.words, *learned, f"seed={seed}", *clock)
                    yield Cell(":".join(parts), words)


def lasting(seconds: float | None) -> tuple[Words, Words]:
    """The part of a name for the length of a run, and its words; none where there is no length.

    >>> lasting(5.0)
    (('5s',), ('trainer.max_seconds=5', 'trainer.max_steps=1000000'))
    """
    if seconds is None:
        return (), ()
    # The clock ends it, and schedules follow the clock.
    return (f"{seconds:g}s",), (f"trainer.max_seconds={seconds:g}", "trainer.max_steps=1000000")
