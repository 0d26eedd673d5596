"""Fields in files as rows: one for each window of each time step of each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from jaxtyping import Float, Int

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.field_files.channels import Channel, find_channels
from genlab.data.field_files.opened import variables
from genlab.data.field_files.steps import chosen_steps, runs
from genlab.data.field_files.variable import Variable
from genlab.errors import UserError

__all__ = ["FieldRows", "FileOfFields", "RowChoices"]

AT_ONCE = 2**21
"""Numbers that are read at once."""
SPARSE = 2
"""Of so many rows in a row, one that is wanted makes it worth to read them all."""


class FileOfFields(NamedTuple):
    """The channels of one file."""

    path: Path
    event: list[Channel]
    context: list[Channel]
    samples: int
    times: int


class RowChoices(TypedDict):
    """The choices of a user of the files, under the names that `FieldRows` has."""

    channels: Sequence[str] | None
    condition: Sequence[str]
    lag: NonNegativeInt
    steps: Sequence[int] | int | str | None
    size: PositiveInt | None
    stride: PositiveInt
    windows: Literal["tiles", "centre"]
    axes: Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class FieldRows:
    """Rows of files: ``[channel, n, n]``, and the numbers that each is given.

    A file of s samples, of which t time steps are chosen, and of whose fields w windows are cut,
    holds s t w rows, in this order.

    Attributes:
        paths: The files, all with the same channels.
        channels: Those to learn, by name; None for the only array of fields.
        condition: Channels, or numbers of each sample, that a row is given: channels first.
        steps: Time steps: numbers from 0, or a text START:STOP:STEP; None for all.
        lag: How many steps earlier the condition is.
        size: Points along both sides of a window; None for the whole field.
        stride: Every so many points of each side.
        windows: All that fit beside each other (``tiles``), or the one in the ``centre``.
        axes: What the axes of the arrays are; None for what their file tells.
        called: What the array of an NPY file goes by, which has no name of its own; None for the
            name of the first file.
        key: What the user set to name the files, for messages.
    """

    paths: Sequence[Path]
    channels: Sequence[str] | None = None
    condition: Sequence[str] = ()
    steps: Sequence[int] | int | str | None = None
    lag: int = 0
    size: int | None = None
    stride: int = 1
    windows: str = "tiles"
    axes: Sequence[str] | None = None
    called: str | None = None
    key: str = "path"

    @cached_property
    def files(self) -> list[FileOfFields]:
        """The channels of each file.

        Raises:
            UserError: A file lacks one, or its fields have other shapes than those of the first.
        """
        first, *others = (self._file(path) for path in self.paths)
        for file in others:
            self._refuse_other_shape(file, first)
        return [first, *others]

    @property
    def first(self) -> Variable:
        """The array of the first channel."""
        return self.files[0].event[0].variable

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(one.name for one in self.files[0].event)

    @cached_property
    def whole(self) -> tuple[int, int]:
        """Points of a whole field along both sides, every ``stride``-th."""
        width, height = (-(-side // self.stride) for side in self.first.sides)
        return width, height

    @cached_property
    def side(self) -> int:
        """Points along both sides of a row.

        Raises:
            UserError: The window does not fit, or the fields are not square.
        """
        width, height = self.whole
        if min(width, height) < 2:
            raise UserError(
                f"{self.key}={self.paths[0]}: fields of {width} x {height} points with "
                f"`stride={self.stride}`, expected at least 2 along a side; lines are learned as "
                "rows of a table"
            )
        if self.size is None and width != height:
            raise UserError(
                f"{self.key}={self.paths[0]}: fields of {width} x {height} points, expected "
                f"squares; `size={min(width, height)}` cuts such windows"
            )
        side = self.size or width
        if not 2 <= side <= min(width, height):
            raise UserError(
                f"size={side}: expected 2 to {min(width, height)}, as the fields have {width} x "
                f"{height} points"
            )
        return side

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Channels, and points along both sides."""
        return len(self.names), self.side, self.side

    @cached_property
    def context_dim(self) -> int:
        """How many numbers a row is given."""
        return sum(1 if one.variable.is_scalar else self.side**2 for one in self.files[0].context)

    @property
    def condition_shape(self) -> tuple[int, ...]:
        """Channels, and points along both sides, of the fields that a row is given, if any."""
        fields = sum(not one.variable.is_scalar for one in self.files[0].context)
        return (fields, self.side, self.side) if fields else ()

    @property
    def whole_fields(self) -> bool:
        """Whether rows are whole fields, which may be periodic."""
        return self.whole == (self.side, self.side)

    @cached_property
    def corners(self) -> list[tuple[int, int]]:
        """Where each window begins, in points of the thinned field."""
        width, height = self.whole
        if self.windows == "centre":
            return [((width - self.side) // 2, (height - self.side) // 2)]
        starts = (range(0, length - self.side + 1, self.side) for length in (width, height))
        along_x, along_y = starts
        return [(x, y) for x in along_x for y in along_y]

    @cached_property
    def times(self) -> list[list[int]]:
        """The time steps that are chosen in each file."""
        return [
            chosen_steps(self.steps, file.times, self.lag, file.path.name) for file in self.files
        ]

    @cached_property
    def counts(self) -> list[tuple[int, int]]:
        """Samples of each file, and rows of each of them."""
        return [
            (file.samples, len(steps) * len(self.corners))
            for file, steps in zip(self.files, self.times, strict=True)
        ]

    @cached_property
    def starts(self) -> Int[np.ndarray, "files+1"]:
        """The number of the first row of each file, and behind them that of all rows."""
        return np.cumsum([0, *(samples * rows for samples, rows in self.counts)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def samples(self) -> int:
        """How many there are in all files."""
        return sum(samples for samples, _ in self.counts)

    def groups(self, parts: int) -> list[range]:
        """The rows of each sample, which belong together.

        Of fewer samples than parts those of each step, and of a single step each window by itself.

        Args:
            parts: The number of sets that they are for.
        """
        own = 0
        if self.samples < parts:
            windows = len(self.corners)
            own = 1 if len(self) == self.samples * windows else windows
        return [
            range(start, start + (own or rows))
            for first, (samples, rows) in zip(self.starts, self.counts, strict=False)
            for start in range(int(first), int(first) + samples * rows, own or rows)
        ]

    def read(
        self, rows: Int[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n c h h"], Float[np.ndarray, "n d"]]:
        """Some rows in single precision, and what each is given.

        Raises:
            UserError: There is a number that is none among them, or too large.
        """
        x = np.empty((len(rows), *self.event_shape), np.float32)
        context = np.empty((len(rows), self.context_dim), np.float32)
        most = max(1, AT_ONCE // x[:1].size)
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            x[start : start + most], context[start : start + most] = self._some(some)
        return x, context

    def _some(self, rows: Int[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
        """Rows that fit into memory, those that lie close to each other at once."""
        span = int(rows[-1]) - int(rows[0]) + 1
        rising = bool((np.diff(rows) > 0).all())
        if len(rows) < span <= SPARSE * len(rows) and rising:
            x, context = self._some(np.arange(rows[0], rows[-1] + 1))
            return x[rows - rows[0]], context[rows - rows[0]]
        parts = [part for first, stop in runs(rows) for part in self._run(first, stop)]
        x, context = (np.concatenate(part) for part in zip(*parts, strict=True))
        return x, context

    def _run(self, first: int, stop: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Consecutive rows, file by file."""
        while first < stop:
            number = int(np.searchsorted(self.starts, first, "right")) - 1
            base, end = int(self.starts[number]), int(self.starts[number + 1])
            yield from self._of_file(number, first - base, min(stop, end) - base)
            first = min(stop, end)

    def _file(self, path: Path) -> FileOfFields:
        where = f"{self.key}={path}"
        found = variables(path, self.key)
        if path.suffix.lower() == ".npy":
            found = [replace(one, name=self.called or self.paths[0].stem) for one in found]
        if self.axes is not None:
            found = [
                one.with_axes(self.axes, path.name) if len(one.shape) == len(self.axes) else one
                for one in found
            ]
        event = find_channels("channels", self.channels, found, where)
        context = find_channels("condition", self.condition, found, where, scalars=True)
        context.sort(key=lambda one: one.variable.is_scalar)
        if not self.lag:
            for given in context:
                if given in event:
                    raise UserError(
                        f"condition: {given.name!r} is learned itself; `lag=1` takes it a step "
                        "earlier, and `channels` says what is learned"
                    )
        both = [one.variable for one in (*event, *context)]
        if self.axes is not None and all(len(one.shape) != len(self.axes) for one in both):
            both[0].with_axes(self.axes, path.name)  # refuses, and says how many it has
        samples = max(one.length("sample") for one in both)
        times = max(one.length("time") for one in both)
        for one in both:
            lengths = (one.length("sample"), one.length("time"))
            fits = all(n in (1, m) for n, m in zip(lengths, (samples, times), strict=True))
            if not fits or (one.is_field and one.sides != both[0].sides):
                raise UserError(
                    f"{where}: {one.name!r} of shape {list(one.shape)} goes with no "
                    f"{both[0].name!r} of shape {list(both[0].shape)}"
                )
            if 0 in one.shape:
                raise UserError(f"{where}: {one.name!r} of shape {list(one.shape)} is empty")
        return FileOfFields(path, event, context, samples, times)

    def _refuse_other_shape(self, file: FileOfFields, first: FileOfFields) -> None:
        shapes = [
            (len(one.event), *one.event[0].variable.sides, len(one.context))
            for one in (file, first)
        ]
        if shapes[0] != shapes[1]:
            (n, width, height, _), (m, *sides, _) = shapes
            raise UserError(
                f"{self.key}={file.path}: {n} x {width} x {height} numbers a field, those of "
                f"{first.path.name} have {m} x {sides[0]} x {sides[1]}"
            )

    def _of_file(
        self, number: int, first: int, stop: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Consecutive rows of a file: whole samples at once, and parts of others."""
        steps, windows = self.times[number], len(self.corners)
        rows = len(steps) * windows
        while first < stop:
            sample, within = divmod(first, rows)
            if within == 0 and stop - first >= rows:
                count = (stop - first) // rows
                yield self._block(number, slice(sample, sample + count), steps, 0, count * rows)
                first += count * rows
                continue
            length = min(rows - within, stop - first)
            begin, end = within // windows, -(-(within + length) // windows)
            offset = within - begin * windows
            one = slice(sample, sample + 1)
            yield self._block(number, one, steps[begin:end], offset, offset + length)
            first += length

    def _block(
        self, number: int, samples: slice, steps: list[int], start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows ``start`` to ``stop - 1`` of those of some samples and steps."""
        file, count = self.files[number], samples.stop - samples.start
        x = np.stack([self._cut(file, one, samples, steps, 0) for one in file.event], 3)
        x = x.reshape(-1, *self.event_shape)[start:stop]
        given = [
            self._numbers(file, one, samples, steps)
            if one.variable.is_scalar
            else self._cut(file, one, samples, steps, self.lag).reshape(
                count, len(steps), len(self.corners), -1
            )
            for one in file.context
        ]
        context = np.empty((stop - start, 0), np.float32)
        if given:
            context = np.concatenate(given, -1).reshape(-1, self.context_dim)[start:stop]
        return x, context

    def _cut(
        self, file: FileOfFields, channel: Channel, samples: slice, steps: list[int], lag: int
    ) -> np.ndarray:
        """``[sample, step, window, h, h]`` of a channel."""
        whole = self._whole(file, channel, samples, [step - lag for step in steps])
        thin = whole[:, :, :: self.stride, :: self.stride]
        h = self.side
        parts = [thin[:, :, x : x + h, y : y + h] for x, y in self.corners]
        with np.errstate(over="ignore"):
            cut = np.stack(parts, 2).astype(np.float32)
        if not np.isfinite(cut).all():
            self._refuse_unusable(file, channel, samples, steps, lag, thin)
        return cut

    def _whole(
        self, file: FileOfFields, channel: Channel, samples: slice, steps: list[int]
    ) -> np.ndarray:
        """``[sample, step, x, y]``, repeated along what the channel does not vary along."""
        one = channel.variable
        own = samples if one.length("sample") > 1 else slice(0, 1)
        if one.length("time") > 1:
            parts = [channel.fields(own, run) for run in _slices(steps)]
            array = parts[0] if len(parts) == 1 else np.concatenate(parts, 1)
        else:
            array = channel.fields(own, slice(0, 1))
        shape = (samples.stop - samples.start, len(steps), *array.shape[2:])
        return np.broadcast_to(array, shape)

    def _numbers(
        self, file: FileOfFields, channel: Channel, samples: slice, steps: list[int]
    ) -> np.ndarray:
        """``[sample, step, window, 1]`` of a number."""
        one = channel.variable
        own = samples if one.length("sample") > 1 else slice(0, 1)
        moving = one.length("time") > 1
        array = one.numbers(own, slice(None))
        if moving:
            array = array[:, [step - self.lag for step in steps]]
        if not np.isfinite(array).all():
            raise UserError(f"{self.key}={file.path}: {one.name!r} holds NaN or infinite values")
        shape = (samples.stop - samples.start, len(steps), len(self.corners), 1)
        return np.broadcast_to(array[..., None, None], shape)

    def _refuse_unusable(
        self,
        file: FileOfFields,
        channel: Channel,
        samples: slice,
        steps: list[int],
        lag: int,
        fields: np.ndarray,
    ) -> None:
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(fields.astype(np.float32))
        sample, step, x, y = map(int, np.argwhere(wrong)[0])
        value = fields[sample, step, x, y]
        cure = "leave them out by `steps` or `size`, or fill them"
        if np.isfinite(value):
            cure = "single precision holds none above 3.4e38; choose another unit"
        raise UserError(
            f"{self.key}={file.path}: {channel.name!r} is {value:g} at sample "
            f"{samples.start + sample}, step {steps[step] - lag}, point "
            f"({x * self.stride}, {y * self.stride}) ({int(wrong.sum())} such values beside it); "
            f"{cure}"
        )


def _slices(steps: list[int]) -> Iterator[slice]:
    """Steps as few slices: one where they are evenly spaced."""
    gaps = set(np.diff(steps))
    if len(gaps) <= 1 and not gaps & {0} and min(gaps, default=1) > 0:
        yield slice(steps[0], steps[-1] + 1, int(min(gaps, default=1)))
        return
    for first, stop in runs(np.array(steps)):
        yield slice(first, stop)
