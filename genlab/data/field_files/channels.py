"""What is learned of the arrays in files: some channels, given others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genlab.data.field_files.variable import Variable
from genlab.errors import UserError, first_few, nearest

__all__ = ["Channel", "find_channels", "learnable"]


class Channel(NamedTuple):
    """One component of an array, or a number that goes with its samples."""

    variable: Variable
    component: int
    name: str

    def fields(self, samples: slice, steps: slice) -> np.ndarray:
        """``[sample, time, x, y]``."""
        return self.variable.fields(samples, steps)[:, :, self.component]


def learnable(found: Sequence[Variable]) -> list[Variable]:
    """The arrays of fields in the plane."""
    return [one for one in found if one.is_field and "z" not in one.axes]


def find_channels(
    key: str,
    names: Sequence[str] | None,
    found: Sequence[Variable],
    where: str,
    *,
    scalars: bool = False,
) -> list[Channel]:
    """The channels of some names: of an array by its name, or of one of its components.

    Args:
        key: The option that names them.
        names: The names; None for the only array of fields.
        found: The arrays of a file.
        where: The file in words.
        scalars: Whether a number of each sample or step may be named, too.

    Raises:
        UserError: There is no such channel, or none was named and several could be meant.
    """
    fields = learnable(found)
    if isinstance(names, str):
        raise UserError(f"{key}={names}: expected a list; write `{key}={[names]}`")
    if names is None:
        _refuse_unclear(key, fields, found, where)
        names = [fields[0].name]
    usable = [*fields, *(one for one in found if scalars and one.is_scalar)]
    whole = {one.name: one for one in usable}
    parts = {name: (one, i) for one in usable for i, name in enumerate(one.names)}
    chosen: list[Channel] = []
    for name in map(str, names):
        if name in whole:
            own = whole[name].names
            chosen += [Channel(whole[name], i, one) for i, one in enumerate(own)]
        elif name in parts:
            chosen.append(Channel(*parts[name], name))
        else:
            known = [*dict.fromkeys([*whole, *parts])]
            file = where.partition("=")[2]
            raise UserError(f"{key}={[name]}: no such channel in {file}; {nearest(name, known)}")
    twins = [one.name for i, one in enumerate(chosen) if one in chosen[:i]]
    if twins:
        raise UserError(f"{key}: {twins[0]!r} is named twice")
    return chosen


def _refuse_unclear(
    key: str, fields: Sequence[Variable], found: Sequence[Variable], where: str
) -> None:
    if not fields:
        spatial = [one for one in found if one.is_field]
        told = "; ".join(f"{one.name} {list(one.shape)}" for one in found[:4]) or "nothing"
        cure = "expected at least two axes of space"
        if any({"x", "y"} <= set(one.axes) and one.dtype.kind == "c" for one in found):
            cure = "expected real numbers; save real and imaginary parts as two channels"
        if spatial:
            axes = [axis.replace("z", "sample") for axis in spatial[0].axes]
            cure = f"of three, learn planes: `axes={axes}`"
        raise UserError(f"{where}: holds no fields in the plane ({told})\n{cure}")
    if len(fields) > 1:
        names = [one.name for one in fields]
        raise UserError(
            f"{where}: several fields ({first_few(names)}); choose by `{key}={names[:1]}`, or "
            f"`{key}={names[:2]}` for both"
        )
