"""What each column of a table is for: to be learned, to be conditioned on, or to weigh the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genlab.errors import UserError, nearest

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


def find_columns(key: str, chosen: Iterable[str | int], names: Sequence[str]) -> tuple[str, ...]:
    """The names of some columns, each given by its name or, where none is called so, its number.

    Raises:
        UserError: There is no such column, or a name stands where a list is expected.
    """
    if isinstance(chosen, str | int):
        raise UserError(f"{key}={chosen}: expected a list; write `{key}={[chosen]}`")
    found = []
    for one in chosen:
        if str(one) in names:
            found.append(str(one))
            continue
        # The key of a mapping is text where a file has kept it.
        one = int(one) if str(one).isdecimal() else one
        if isinstance(one, int) and 0 <= one < len(names):
            found.append(names[one])
        elif isinstance(one, int):
            raise UserError(f"{key}: no column {one}; expected a name, or 0 to {len(names) - 1}")
        else:
            raise UserError(f"{key}: no column {one!r}; {nearest(one, names)}")
    return tuple(found)
