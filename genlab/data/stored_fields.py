"""Fields of a user's own files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections.bijection import Bijection
from genlab.bounds import Fraction, NonNegativeInt, PositiveInt
from genlab.data.field_data import field_units
from genlab.data.field_files.facts import (
    doubts,
    fingerprint,
    look_at_fields,
    rows_of,
    sampled,
    seam,
    stored_facts,
)
from genlab.data.field_files.rows import FieldRows, RowChoices
from genlab.data.field_files.variable import guessed_axes
from genlab.data.module import DataModule
from genlab.data.parts import part_sizes
from genlab.data.shuffled_pools import ShuffledPools
from genlab.data.streams import ShuffledSet, Stream
from genlab.errors import UserError, plural
from genlab.fields import ModeClasses
from genlab.fields.statistics import Quantity
from genlab.nn.padding import Padding
from genlab.randomness import generator

__all__ = ["StoredFields"]

IN_MEMORY = 2**26
"""Numbers of a training set that is kept in memory, 256 MB; a larger one is read as it is used."""
HELD_OUT = 2**24
"""Numbers of a set to validate or to test on, at most."""
REPEATED = 1e-6
"""Seam below which the last points of fields are the first ones again."""


class StoredFields(DataModule):
    """Fields in files: NPY, NPZ, HDF5 (The Well's, PDEBench's, MATLAB's), NetCDF or zarr.

    A row is one window of one time step of one sample. Samples are held out whole, as steps of one
    trajectory resemble each other; where they are fewer than the sets, the last steps.

    Args:
        path: The file, or a folder of files with the same channels; in folders ``train``, ``valid``
            and ``test`` of it, if there are such.
        periodic: Whether fields close at their sides, which standardises mode by mode.
        padding: Of convolutions; follows from ``periodic``.
        quantity: What the numbers are, and so which statistics are taken.
        alike: The modes that share a variance, of periodic fields, as in `FieldData`.
        val_fraction: Of the samples, without a folder for them.
        test_fraction: The same for the test.
        split_seed: Which samples these are; None for the last ones.
        train_size: Number of training fields, from all over the samples; None for all.
        val_size: Number of fields to validate on, at most.
        test_size: Number of fields to test on, at most.
        event_shape: Channels, and points along both sides.
        context_dim: How many numbers a field is given.
        condition_shape: Shape of the channels among these, which come first; empty without one.
        checksums: Of the files, so that a run notices when they change.
        batch_size: Rows that one training step sees, in each process.
        standardise: Let the model work on white noise, as far as mean and variances tell.
        seed: The run's seed.
        **choices: What is read of the files, as `FieldRows` has it.

    Raises:
        UserError: The files lack a channel, or hold fields of another shape.
    """

    def __init__(
        self,
        *,
        path: str,
        periodic: bool,
        padding: Padding,
        quantity: Quantity,
        alike: ModeClasses | None,
        val_fraction: Fraction,
        test_fraction: Fraction,
        split_seed: NonNegativeInt | None,
        train_size: PositiveInt | None,
        val_size: PositiveInt,
        test_size: PositiveInt,
        event_shape: Sequence[PositiveInt],
        context_dim: NonNegativeInt,
        condition_shape: Sequence[PositiveInt],
        checksums: Sequence[str],
        batch_size: PositiveInt,
        standardise: bool,
        seed: NonNegativeInt,
        **choices: Unpack[RowChoices],
    ) -> None:
        super().__init__(event_shape=event_shape, batch_size=batch_size, standardise=standardise)
        self.path, self.choices = path, choices
        self.periodic = periodic
        self.padding = padding
        self.quantity = quantity
        self.alike: ModeClasses | None = alike if periodic else None
        self.fractions = (val_fraction, test_fraction)
        self.split_seed = split_seed
        self.sizes = {"train": train_size, "val": val_size, "test": test_size}
        self.context_dim = context_dim
        self.condition_shape = tuple(condition_shape)
        self.checksums = list(checksums)
        self.seed = seed
        self.standardise_context = context_dim > 0

    facts = staticmethod(stored_facts)
    look = staticmethod(look_at_fields)

    def preprocessing(self, circular: Sequence[int]) -> Bijection | None:
        return field_units(self.event_shape, self.alike, circular) if self.standardise else None

    @cached_property
    def sources(self) -> dict[str, FieldRows]:
        """What reads the rows of each part; those to hold out may be of folders of their own.

        Raises:
            UserError: The files have changed since the run was made, or hold other fields.
        """
        if self.checksums != [fingerprint(Path(self.path).expanduser())]:
            raise UserError(
                f"path={self.path}: has changed since the run was made; what was measured on it "
                "compares with nothing new"
            )
        sources: dict[str, FieldRows] = {}
        for part in self.sizes:
            rows = rows_of(self.path, part, **self.choices)
            rows = sources["train"] if rows is None else rows
            if rows.event_shape != self.event_shape or rows.context_dim != self.context_dim:
                raise UserError(
                    f"path={rows.paths[0]}: fields of shape {list(rows.event_shape)}, expected "
                    f"{list(self.event_shape)}"
                )
            sources[part] = rows
        return sources

    @cached_property
    def chosen(self) -> dict[str, Int[np.ndarray, " _"]]:
        """The numbers of the rows of each part."""
        parts = self._split()
        fitting = max(1, HELD_OUT // math.prod(self.event_shape))
        most = {**self.sizes, "val": fitting, "test": fitting}
        for part, rows in parts.items():
            given = self.sizes[part]
            limit = min(given or len(rows), most[part] or len(rows))
            if part == "train" and given is not None and given > len(rows):
                raise UserError(f"train_size={given}: there are {len(rows)} fields to learn")
            places = np.linspace(0, len(rows) - 1, min(len(rows), max(1, limit)))
            parts[part] = rows[places.round().astype(np.int64)]
        return parts

    @property
    def streamed(self) -> bool:
        """Whether the training set is too large for memory."""
        return len(self.chosen["train"]) * math.prod(self.event_shape) > IN_MEMORY

    @cached_property
    def stream(self) -> Stream:
        if self.training_set is None:
            return ShuffledPools(self.sources["train"], self.chosen["train"], seed=self.seed)
        return ShuffledSet(self.training_set, seed=self.seed)

    @cached_property
    def training_set(self) -> Batch | None:
        return None if self.streamed else self._read("train")

    @cached_property
    def validation(self) -> Batch:
        return self._read("val")

    @cached_property
    def test(self) -> Batch | None:
        return self._read("test") if len(self.chosen["test"]) else None

    @cached_property
    def scale(self) -> Float[Tensor, "*event"] | None:
        """The standard deviation of each channel; None for the units of a single one."""
        if self.event_shape[0] == 1:
            return None
        std = self.validation.x.std((0, 2, 3), keepdim=True)[0]
        return std.where(std > 0, 1.0).expand(self.event_shape)

    def first_rows(self, n: int = 10_000) -> Batch:
        fitting = max(1, HELD_OUT // math.prod(self.event_shape))
        return self.stream.rows(0, min(n, fitting, len(self.chosen["train"])))

    @property
    def remarks(self) -> tuple[str, ...]:
        chosen, source = self.chosen, self.sources["train"]
        sizes = [len(chosen[part]) for part in ("train", "val", "test")]
        told = [
            f"{self.path}: {', '.join(source.names)}; {{}} fields to learn from, {{}} to validate, "
            "{} to test".format(*sizes)
        ]
        if self.streamed:
            told.append("the training set is larger than memory should hold: read as it is used")
        if source.samples < self._parts:
            few = f"{source.samples} {plural('sample', source.samples)}"
            told.append(f"{few}: the last steps or windows are held out, which resemble others")
        axes, shape = source.first.axes, source.first.shape
        if source.axes is None and axes[-1] in ("sample", "time") and axes == guessed_axes(shape):
            told.append(
                f"each {axes[-1]} taken to stand last, by the shape {list(shape)}; `axes` names "
                "them otherwise"
            )
        some = sampled(source)
        told += doubts(some, source.names, periodic=self.periodic)
        if self.periodic and min(seam(some)) < REPEATED:
            told.append(
                "the last points of the fields repeat the first, and have no density of their own; "
                f"`size={source.side - 1}` `windows='centre'` `periodic=True` leaves them out"
            )
        if not self.periodic:
            told.append(
                "taken for not periodic: convolutions are padded by zeros, and each number is "
                "standardised by itself; `periodic=True` if their sides close. Models that work on "
                "waves do without by `network=unet`, `mixing=none`, `basis=points`"
            )
        return tuple(told)

    def _split(self) -> dict[str, Int[np.ndarray, " _"]]:
        """The rows of each part, in the order of the files: those of a sample stay together."""
        sources = self.sources
        own = {part: np.arange(len(rows)) for part, rows in sources.items()}
        groups = sources["train"].groups(self._parts)
        sizes = part_sizes(len(groups), self._shares, "sample")
        if self._is_cut("val") and not sizes[1]:
            raise UserError("val_fraction=0: expected some samples to validate on")
        order = np.arange(len(groups))
        if self.split_seed is not None and sources["train"].samples >= self._parts:
            source = generator(self.split_seed, "split")
            order = torch.randperm(len(groups), generator=source).numpy()
        edges = pairwise(np.cumsum([0, *sizes]))
        for part, (low, high) in zip(("train", "val", "test"), edges, strict=True):
            if self._is_cut(part):
                own[part] = _rows(groups, order[low:high])
        return own

    def _is_cut(self, part: str) -> bool:
        """Whether a set is cut from the files to learn from."""
        return self.sources[part] is self.sources["train"]

    @property
    def _shares(self) -> list[float]:
        """Of the samples: those to validate and to test on."""
        shares = zip(("val", "test"), self.fractions, strict=True)
        return [share if self._is_cut(part) else 0.0 for part, share in shares]

    @property
    def _parts(self) -> int:
        """How many sets the samples are for."""
        return 1 + sum(share > 0 for share in self._shares)

    def _read(self, part: str) -> Batch:
        x, context = map(torch.from_numpy, self.sources[part].read(self.chosen[part]))
        return Batch(x, context if self.context_dim else None)


def _rows(groups: Sequence[range], chosen: Int[np.ndarray, " m"]) -> Int[np.ndarray, " _"]:
    parts = [np.arange(groups[i].start, groups[i].stop) for i in sorted(chosen)]
    return np.concatenate(parts) if parts else np.arange(0)
