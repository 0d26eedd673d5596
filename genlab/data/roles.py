"""What each column of a table is for: to be learned, to be conditioned on, or to weigh the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genlab.errors import UserError, first_few, nearest

__all__ = ["Roles", "assign_roles", "find_columns"]


class Roles(NamedTuple):
    """Names of columns by what they are for."""

    event: tuple[str, ...]
    context: tuple[str, ...]
    weight: str | None

    @property
    def used(self) -> tuple[str, ...]:
        """All that are read: the event's, the context's, the weight."""
        return (*self.event, *self.context, *(() if self.weight is None else (self.weight,)))


def assign_roles(
    names: Sequence[str],
    *,
    columns: Sequence[str | int] | None,
    drop: Sequence[str | int],
    condition: Sequence[str | int],
    weight: str | int | None,
    index: Sequence[str | int] = (),
) -> Roles:
    """Give each column of a table its role; each choice is a name, or a number from 0.

    Args:
        names: Names of all columns.
        columns: Those to learn; None for all that have no other role.
        drop: Those to leave out.
        condition: Those to condition on.
        weight: The one with the importance weights.
        index: Those that only number or name the rows: left out, unless another choice names them.

    Raises:
        UserError: There is no such column, one has two roles, or none is left to learn.
    """
    dropped = find_columns("drop", drop, names)
    context = find_columns("condition", condition, names)
    weights = find_columns("weight", [] if weight is None else [weight], names)
    others = {*dropped, *context, *weights, *find_columns("index", index, names)}
    if columns is None:
        event = tuple(name for name in names if name not in others)
    else:
        event = find_columns("columns", columns, names)
    roles = {"columns": event, "drop": dropped, "condition": context, "weight": weights}
    taken: dict[str, str] = {}
    for key, members in roles.items():
        for name in members:
            if name in taken:
                raise UserError(f"{key}: {name!r} is in `{taken[name]}` already")
            taken[name] = key
    if not event:
        raise UserError(f"columns: none is left to learn, of {', '.join(names)}")
    return Roles(event, context, weights[0] if weights else None)


def find_columns(
    key: str,
    chosen: Iterable[str | int] | None,
    names: Sequence[str],
    *,
    numbered: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """The names of some columns, each given by its name or, where none is called so, its number.

    >>> find_columns("log", [2, "a"], ["a", "c"], numbered=["a", "b", "c"])
    ('c', 'a')

    Args:
        key: What chooses them.
        chosen: Their names or numbers.
        names: The columns to choose from.
        numbered: All columns, among which numbers count; None for these alone.

    Raises:
        UserError: There is no such column, or a name stands where a list is expected.
    """
    if chosen is None:
        raise UserError(f"`{key}=None`: expected a list; write `{key}=[]`")
    if isinstance(chosen, str | int):
        raise UserError(f"{key}={chosen}: expected a list; write `{key}={[chosen]}`")
    every = names if numbered is None else numbered
    found = []
    for one in chosen:
        name = str(one)
        # The key of a mapping is text where a file has kept it.
        if name not in (*names, *every) and name.removeprefix("-").isdecimal():
            if not 0 <= int(name) < len(every):
                known = f"a name, or 0 to {len(every) - 1}"
                raise UserError(f"{key}: no column {one}; expected {known}")
            name = every[int(name)]
        if name in every and name not in names:
            raise UserError(
                f"{key}: {name!r} is no column to learn; expected some of {first_few(names)}"
            )
        if name not in names:
            raise UserError(f"{key}: no column {name!r}; {nearest(name, names)}")
        found.append(name)
    return tuple(found)
