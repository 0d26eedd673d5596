"""Torsion angles as data: radians on the torus, with the kind of residue as a label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Fraction, NonNegativeInt, PositiveInt
from genlab.data.fixed_sets import FixedSets, Sets
from genlab.data.parts import part_sizes
from genlab.data.torsions.facts import look_at_torsions, torsion_facts
from genlab.data.torsions.rows import Torsions, TorsionSource
from genlab.densities.density import Circular
from genlab.errors import UserError
from genlab.nn.angles import wrap
from genlab.randomness import generator

__all__ = ["TorsionData"]


class TorsionData(FixedSets):
    """Angles of residues, one row each: in degrees in files and figures, in radians for a model.

    Densities are nats in radians over the torus ``[-pi, pi)^d``. Neighbours in a structure are not
    independent: errors of test metrics are those of whole structures, however rows are split.

    Args:
        source: Where the angles come from.
        columns: Names of the angles to learn.
        residue: The kind of residue to learn; None for all.
        condition: ``residue`` to condition a model on its kind; None for nothing.
        split_by: A part has whole structures (``entry``), or any ``row``: near neighbours of one
            structure then lie on both sides of a split.
        val_fraction: Of the rows, or of the structures, to validate on.
        test_fraction: The same for the test.
        split_seed: Shuffles them before the split.
        train_size: Number of training rows; None for all.
        event_shape: Shape of one sample: the number of angles.
        angles: Coordinates that are angles: ``all``.
        labels: Number of kinds that a model is conditioned on; follows from ``condition``.
        kinds: Their names, in the order of the labels.
        batch_size: Rows that one training step sees, in each process.
        seed: The run's seed.

    Raises:
        UserError: There is no such angle or residue.
    """

    def __init__(
        self,
        source: TorsionSource,
        *,
        columns: Sequence[str],
        residue: str | None,
        condition: Literal["residue"] | None,
        split_by: Literal["row", "entry"],
        val_fraction: Fraction,
        test_fraction: Fraction,
        split_seed: NonNegativeInt,
        train_size: PositiveInt | None,
        event_shape: Sequence[PositiveInt],
        angles: Circular,
        labels: NonNegativeInt,
        kinds: Sequence[str],
        batch_size: PositiveInt,
        seed: NonNegativeInt,
    ) -> None:
        super().__init__(
            event_shape=event_shape, batch_size=batch_size, standardise=False, seed=seed
        )
        if list(event_shape) != [len(columns)]:
            raise UserError(f"event_shape={list(event_shape)}: there are {len(columns)} angles")
        if labels != (classes := len(kinds) if condition else 0):
            raise UserError(
                f"labels={labels}: expected {classes}, as `condition` says; leave it null"
            )
        self.source = source
        self.columns = tuple(columns)
        self.angles = tuple(range(len(columns)) if angles == "all" else angles)
        self.residue = residue
        self.label_names, self.label_column = (tuple(kinds) if condition else ()), condition
        self.split_by = split_by
        self.fractions = (val_fraction, test_fraction)
        self.split_seed = split_seed
        self.train_size = train_size
        self._remarks: tuple[str, ...] = ()
        self._entries: Int[Tensor, " n"] | None = None

    columns: tuple[str, ...]
    degrees = True
    facts = staticmethod(torsion_facts)
    look = staticmethod(look_at_torsions)

    @property
    def remarks(self) -> tuple[str, ...]:
        sizes = [0 if part is None else len(part.x) for part in self.sets]
        rows = "{} rows to learn from, {} to validate, {} to test".format(*sizes)
        return (*self._remarks, f"{rows}, split by {self.split_by}")

    @property
    def test_groups(self) -> Int[Tensor, " n"] | None:
        """The structure of each test row."""
        return None if self.test is None else self._entries

    def _read(self) -> Sets:
        rows = self.source.read(self.columns).of(self.residue)
        self._remarks = rows.remarks
        x = wrap(torch.from_numpy(np.deg2rad(rows.degrees))).float()
        labels = self._labels(rows) if self.label_names else None
        parts = self._parts(rows)
        train, validation, test = (
            Batch(x[part], None if labels is None else labels[part]) for part in parts
        )
        self._entries = torch.from_numpy(rows.units("entry")[1])[parts[-1]]
        if self.train_size is not None:
            if self.train_size > len(train.x):
                raise UserError(f"train_size={self.train_size}: there are {len(train.x)} rows")
            train = train.rows(slice(self.train_size))
        return Sets(train, validation, test if len(test.x) else None)

    def _labels(self, rows: Torsions) -> Int[Tensor, " n"]:
        unknown = sorted(set(rows.kinds) - set(self.label_names))
        if unknown:
            raise UserError(f"`kinds`: the data have {unknown[0]!r} too; they have changed")
        numbers = {name: number for number, name in enumerate(self.label_names)}
        return torch.tensor([numbers[str(name)] for name in rows.residues])

    def _parts(self, rows: Torsions) -> Sequence[Int[Tensor, " m"]]:
        """Rows to learn from, to validate and to test on, each part in an order of no meaning."""
        units, unit = rows.units(self.split_by)
        place = torch.randperm(units, generator=generator(self.split_seed, "split")).argsort()
        places = place[torch.from_numpy(unit)]
        order = torch.randperm(len(places), generator=generator(self.split_seed, "rows"))
        sizes = part_sizes(units, self.fractions, self.split_by)
        edges = np.cumsum([0, *sizes])
        return [
            order[(places[order] >= low) & (places[order] < high)]
            for low, high in pairwise(edges.tolist())
        ]
