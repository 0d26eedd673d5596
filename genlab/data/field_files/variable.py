"""An array in a file, known by name, axes and shape, and read in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genlab.errors import UserError

__all__ = ["AXES", "FEW", "Variable", "guessed_axes"]

AXES = ("sample", "time", "channel", "x", "y", "z")
"""What an axis may be; several may be ``sample``, and then count as one."""
FEW = 4
"""An axis of at most so many entries beside the sides of a field is one of channels."""

Index = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """An array that is not in memory.

    Attributes:
        name: What the file calls it.
        axes: What each of its axes is, of `AXES`.
        shape: Their lengths.
        dtype: Of its numbers.
        read: Some of its numbers, a slice for each axis.
        channels: Names of the entries of its channel axis; none where the file gives none.
        units: As the file says.
        periodic: Whether both sides of its fields close, as far as the file says.
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[Index], Any]
    channels: tuple[str, ...] = ()
    units: str | None = None
    periodic: bool | None = None

    @property
    def is_field(self) -> bool:
        """Whether it varies over a plane, in real numbers."""
        return {"x", "y"} <= set(self.axes) and self.dtype.kind in "fiub"

    @property
    def is_scalar(self) -> bool:
        """Whether it is a number of each sample or step, or one for all."""
        return set(self.axes) <= {"sample", "time"} and self.dtype.kind in "fiub"

    @property
    def sides(self) -> tuple[int, int]:
        """Points along x and along y."""
        return self.length("x"), self.length("y")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its channels: its own where it has no axis of them."""
        if "channel" not in self.axes:
            return (self.name,)
        return self.channels or tuple(f"{self.name}_{i}" for i in range(self.length("channel")))

    def length(self, axis: str) -> int:
        """Entries along all axes of a kind; 1 where there is none."""
        own = [n for n, name in zip(self.shape, self.axes, strict=True) if name == axis]
        return int(np.prod(own, dtype=np.int64))

    def with_axes(self, axes: Sequence[str], where: str) -> Variable:
        """The same array with other meanings of its axes.

        Raises:
            UserError: They are not as many, or no field has them.
        """
        told = f"axes={list(axes)}"
        for axis in axes:
            if axis not in AXES:
                raise UserError(f"{told}: no axis {axis!r}; choose from: {', '.join(AXES)}")
        if len(axes) != len(self.shape):
            raise UserError(
                f"{told}: expected {len(self.shape)}, as {self.name!r} in {where} has shape "
                f"{list(self.shape)}"
            )
        twins = [axis for axis in AXES[1:] if list(axes).count(axis) > 1]
        if twins or not {"x", "y"} <= set(axes):
            raise UserError(
                f"{told}: expected x and y, and none but sample twice; flatten others into sample"
            )
        return replace(self, axes=tuple(axes))

    def fields(self, samples: slice, steps: slice) -> np.ndarray:
        """Whole fields ``[sample, time, channel, x, y]``, of a variable without a z axis.

        What does not vary along an axis has one entry there.
        """
        return self._ordered(samples, steps, ("sample", "time", "channel", "x", "y"))

    def numbers(self, samples: slice, steps: slice) -> np.ndarray:
        """The numbers ``[sample, time]`` of a scalar."""
        return self._ordered(samples, steps, ("sample", "time"))

    def _ordered(self, samples: slice, steps: slice, order: tuple[str, ...]) -> np.ndarray:
        several = [n for n, axis in zip(self.shape, self.axes, strict=True) if axis == "sample"]
        if len(several) > 1:
            count = range(int(np.prod(several)))[samples]
            parts = [self._one(np.unravel_index(i, several), steps, order) for i in count]
            return np.concatenate(parts)
        chosen = {"sample": samples, "time": steps}
        index = tuple(chosen.get(axis, slice(None)) for axis in self.axes)
        return self._arranged(self.read(index), order)

    def _one(self, places: Sequence[Any], steps: slice, order: tuple[str, ...]) -> np.ndarray:
        left = iter(places)
        index = []
        for axis in self.axes:
            start = int(next(left)) if axis == "sample" else 0
            whole = steps if axis == "time" else slice(None)
            index.append(slice(start, start + 1) if axis == "sample" else whole)
        array = self.read(tuple(index))
        first = self.axes.index("sample")
        drop = [i for i, axis in enumerate(self.axes) if axis == "sample" and i != first]
        return self._arranged(np.squeeze(array, tuple(drop)), order)

    def _arranged(self, array: np.ndarray, order: tuple[str, ...]) -> np.ndarray:
        axes = list(dict.fromkeys(self.axes))
        present = [axis for axis in order if axis in axes]
        array = np.transpose(array, [axes.index(axis) for axis in present])
        return np.expand_dims(array, [i for i, axis in enumerate(order) if axis not in axes])


def guessed_axes(shape: Sequence[int]) -> tuple[str, ...]:
    """What the axes of an array without names are: samples first, the sides of fields last.

    Of four or five, a short one beside the sides holds channels; samples or times come last where
    that alone makes the fields square.

    >>> guessed_axes((100, 64, 64))
    ('sample', 'x', 'y')
    >>> guessed_axes((100, 3, 64, 64)), guessed_axes((100, 64, 64, 3))
    (('sample', 'channel', 'x', 'y'), ('sample', 'x', 'y', 'channel'))
    >>> guessed_axes((100, 20, 64, 64))
    ('sample', 'time', 'x', 'y')
    >>> guessed_axes((64, 64, 100)), guessed_axes((100, 64, 64, 20))
    (('x', 'y', 'sample'), ('sample', 'x', 'y', 'time'))
    """
    match len(shape):
        case 2:
            return "x", "y"
        case 3 if shape[0] == shape[1] != shape[2]:
            return "x", "y", "sample"
        case 3:
            return "sample", "x", "y"
        case 4 if shape[1] <= FEW:
            return "sample", "channel", "x", "y"
        case 4 if shape[3] <= FEW:
            return "sample", "x", "y", "channel"
        case 4 if shape[1] == shape[2] != shape[3]:
            return "sample", "x", "y", "time"
        case 4:
            return "sample", "time", "x", "y"
        case 5 if shape[2] <= FEW:
            return "sample", "time", "channel", "x", "y"
        case 5 if shape[4] <= FEW:
            return "sample", "time", "x", "y", "channel"
        case 5:
            return "sample", "time", "x", "y", "z"
    return ("sample",) * len(shape)
