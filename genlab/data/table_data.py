"""Data of a user's own table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections.bijection import Bijection, Compose
from genlab.bounds import Fraction, NonNegativeInt, PositiveInt
from genlab.data.column_points import Redrawn, log_masses, onto_lines, points, refuse_no_room
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.fixed_sets import FixedSets, Sets
from genlab.data.roles import find_columns
from genlab.data.streams import ShuffledSet, Stream
from genlab.data.table_checks import (
    discrete_columns,
    grid_width,
    refuse_coarse,
    refuse_columns,
    refuse_dependent,
    weights_remark,
)
from genlab.data.table_rows import TableRows, look_at_table, table_facts, table_files
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.nn.angles import wrap
from genlab.randomness import generator

__all__ = ["TableData"]


class TableData(FixedSets):
    """Rows of a file: some columns are learned, given others, each row with its weight.

    Numbers are read, checked and dequantised in double precision; float32 sees what is left.

    Args:
        path: The file.
        header: Whether the first line of a text holds names; None for what it shows.
        names: Names of all its columns, in order.
        columns: Those to learn, by name or number from 0; None for all that have no other role.
        drop: Those to leave out.
        condition: Those to condition on: the context of each row; or a single one that holds words
            or is in ``categories``, whose values are classes.
        weight: The one with importance weights.
        log: Those to learn that are positive: the model sees their logarithm. This and the next
            four go through bijections (`genlab.data.column_points.onto_lines`), so that densities
            are in the units of the file, and 0 outside of what a column can hold.
        bounds: Those within an interval, ``{name: [low, high]}``, its ends included; None for an
            open side.
        integer: Those of whole numbers, which get uniform noise on [0, 1) whenever they are seen:
            the density of noisy rows bounds the mass of integers from below, as that of images
            does the mass of levels (Theis, van den Oord, Bethge, see below).
        categories: Those whose values have no order, words, numbers or truth values: each is as
            many coordinates, of which the largest wins (`genlab.bijections.Argmax`); two values
            are one coordinate. Their masses are bounded alike.
        circular: Those to learn that are angles, taken to ``[-pi, pi)`` as they are read.
        degrees: Whether the file has them in degrees, not radians; rows and densities are in
            radians all the same.
        missing: What empty cells do: an ``error``, ``drop`` the rows that hold them, or
            ``impute_median``: hold the median of their column over the training rows, the most
            frequent value of a category.
        dequantise: Discrete columns that get uniform noise on ``[0, w)``, w the gap between their
            neighbouring values. With density p of the noisy rows, ``E[-log p] - sum log w`` bounds
            the code length of the discrete values from above (Theis, van den Oord, Bethge, "A note
            on the evaluation of generative models", 2016).
        val_path: A file to validate on; None for a part of ``path``.
        test_path: A file to test on; None for a part of ``path``.
        val_fraction: Of the rows of ``path``, where it has to serve for validation.
        test_fraction: The same for the test; 0 for no test.
        split_seed: Shuffles the rows before they are split; None to keep their order, so that the
            last ones test and those before them validate.
        train_size: Number of training rows; None for all.
        event_shape: Shape of one sample: the number of coordinates that are learned.
        context_dim: The number of columns that are conditioned on, unless it is classes.
        labels: Number of the classes that are conditioned on; 0 for none.
        angles: The coordinates that are angles.
        levels: The values of each category, in order.
        types: Types of numbers of columns that have their own.
        index: The columns that only number or name the rows: left out, unless another choice names
            them.
        checksums: Of the files, in the order above, so that a run notices when they change.
        batch_size: Rows that one training step sees, in each process.
        standardise: Let the model work on data of zero mean and unit variance.
        precision: The trainer's; ``64-true`` keeps rows in double precision.
        seed: The run's seed.

    Raises:
        UserError: A column does not exist or has two roles, or nothing is left to learn.
    """

    columns: tuple[str, ...]
    file_columns: tuple[str, ...]
    transforms: ColumnTransforms
    standardise_context = True

    def __init__(
        self,
        *,
        path: str,
        names: Sequence[str],
        columns: Sequence[str | int] | None,
        drop: Sequence[str | int],
        condition: Sequence[str | int],
        weight: str | int | None,
        log: Sequence[str | int] = (),
        bounds: Mapping[str, Any] | None = None,
        integer: Sequence[str | int] = (),
        categories: Sequence[str | int] = (),
        circular: Sequence[str | int] = (),
        degrees: bool = False,
        header: bool | None = None,
        missing: Literal["error", "drop", "impute_median"],
        dequantise: Sequence[str | int],
        val_path: str | None,
        test_path: str | None,
        val_fraction: Fraction,
        test_fraction: Fraction,
        split_seed: NonNegativeInt | None,
        train_size: PositiveInt | None,
        event_shape: Sequence[PositiveInt],
        context_dim: NonNegativeInt,
        labels: NonNegativeInt = 0,
        angles: Sequence[NonNegativeInt] = (),
        levels: Mapping[str, Sequence[Any]] | None = None,
        types: Mapping[str, str] | None = None,
        index: Sequence[str] | None = None,
        checksums: Sequence[str],
        batch_size: PositiveInt,
        standardise: bool,
        precision: str,
        seed: NonNegativeInt,
    ) -> None:
        super().__init__(
            event_shape=event_shape, batch_size=batch_size, standardise=standardise, seed=seed
        )
        self.header = header
        self.reading = TableRows.of(
            names=names,
            columns=columns,
            drop=drop,
            condition=condition,
            weight=weight,
            log=log,
            bounds=bounds,
            integer=integer,
            categories=categories,
            circular=circular,
            degrees=degrees,
            levels=levels,
            types=types,
            dequantise=dequantise,
            index=index,
            missing=missing,
            val_path=val_path,
            val_fraction=val_fraction,
            test_path=test_path,
            test_fraction=test_fraction,
            train_size=train_size,
        )
        self.names, self.roles = tuple(names), self.reading.roles
        self.file_columns, self.label_column = self.roles.event, self.reading.label
        self.context_columns = () if self.label_column else self.roles.context
        self.label_names = self.reading.classes
        self.transforms = self.reading.transforms
        self.columns, self.angles = self.transforms.coordinates, self.transforms.angles
        self.degrees = degrees
        self._check_width("angles", angles, list(self.angles))
        self._check_width("event_shape", event_shape, [self.transforms.dim])
        self._check_width("context_dim", context_dim, len(self.context_columns))
        self._check_width("labels", labels, len(self.label_names))
        others = {*self.roles.used, *find_columns("drop", drop, names)}
        self.index = tuple(name for name in index or () if name not in others)
        self.dequantised = find_columns("dequantise", dequantise, names)
        self.paths = {"path": path, "val_path": val_path, "test_path": test_path}
        self.checksums = list(checksums)
        self.drop = tuple(drop)
        self.split_seed = split_seed
        self.train_size = train_size
        self.dtype = torch.float64 if precision == "64-true" else torch.float32
        self._remarks: list[str] = []

    facts = staticmethod(table_facts)
    look = staticmethod(look_at_table)

    @property
    def remarks(self) -> tuple[str, ...]:
        sizes = [0 if part is None else len(part.x) for part in self.sets]
        rows = "{} rows to learn from, {} to validate, {} to test".format(*sizes)
        return (f"{self.paths['path']}: {rows}", *self._remarks)

    def _read(self) -> Sets:
        files = table_files(self.paths, self.header)
        self._remarks += [f"{file.path}: {one}" for file in files.values() for one in file.remarks]
        if self.index:
            self._remarks.append(
                f"{', '.join(self.index)}: the table's index, left out; "
                f"`columns={[*self.index, *self.file_columns]}` learns it"
            )
        for file, known in zip(files.values(), self.checksums, strict=True):
            if file.checksum() != known:
                raise UserError(
                    f"{file.where}: has changed since the run was made; what was measured on it "
                    "compares with nothing new (genlab score takes other rows)"
                )
        rows = {
            key: self.reading.numbers(file, to_learn=key == "path") for key, file in files.items()
        }
        self._remarks += [remark for _, remark in rows.values() if remark]
        tables = {key: values for key, (values, _) in rows.items()}
        self.reading.refuse_numbering(files["path"].where, tables["path"])
        tables = {key: self._on_circle(files[key].where, rows) for key, rows in tables.items()}
        parts = self._imputed(self._split(tables))
        for key, use in (("train", "learn from"), ("val", "validate"), ("test", "test")):
            self.reading.check_weights(parts[key], f"rows to {use}")
        scale = 1.0
        if self.roles.weight is not None:
            weight = parts["train"][:, -1]
            scale = weight.mean()
            self._remarks.append(weights_remark(self.roles.weight, weight))
        self._check(files["path"].where, parts)
        parts = self._dequantise(parts)
        train, validation, test = (self._batch(key, parts[key], scale) for key in parts)
        return Sets(train, validation, test if len(test.x) else None)

    def _on_circle(self, where: str, values: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """The rows with their angles in radians, in one turn."""
        circular = self.transforms.circular
        places = [self.file_columns.index(name) for name in circular]
        found = values[:, places]
        farthest = float(np.abs(found).max(initial=0))
        if self.degrees and found.size and farthest <= 2 * math.pi:
            self._remarks.append(
                f"{where}: no angle is larger than {farthest:.3g} in size, as if in radians; "
                "`degrees=False` reads these"
            )
        values = values.copy()
        found = np.radians(found) if self.degrees else found
        values[:, places] = wrap(torch.from_numpy(found)).numpy()
        return values

    def _imputed(
        self, parts: dict[str, Float[np.ndarray, "_ c"]]
    ) -> dict[str, Float[np.ndarray, "_ c"]]:
        """The parts without empty cells, and a remark on what stands in their place."""
        empty = {key: np.isnan(rows) for key, rows in parts.items()}
        if not any(cells.any() for cells in empty.values()):
            return parts
        medians = self.reading.medians(parts["train"])
        lacking = np.any([cells.any(0) for cells in empty.values()], 0)
        used = self.roles.used
        for place in np.flatnonzero(lacking & np.isnan(medians)):
            raise UserError(
                f"`missing='impute_median'`: column {used[place]!r} is empty in all "
                f"{len(parts['train'])} training rows, and has no median; `drop` leaves it out"
            )
        stand_ins = {used[i]: medians[i] for i in np.flatnonzero(lacking)}
        levels = self.reading.levels
        told = ", ".join(
            f"{name} {levels[name][int(value)] if name in levels else f'{value:.6g}'}"
            for name, value in stand_ins.items()
        )
        self._remarks.append(
            f"`missing='impute_median'`: empty cells count as if measured, as the median of the "
            f"training rows: {told}"
        )
        return {key: np.where(empty[key], medians, rows) for key, rows in parts.items()}

    def _split(
        self, tables: dict[str, Float[np.ndarray, "_ c"]]
    ) -> dict[str, Float[np.ndarray, "_ c"]]:
        whole = tables["path"]
        order = self._order(len(whole)).numpy()
        n_train, n_val = self.reading.sizes(len(whole), validated="val_path" in tables)
        train, val, test = np.split(whole[order], [n_train, n_train + n_val])
        return {
            "train": train[: self.train_size],
            "val": tables.get("val_path", val),
            "test": tables.get("test_path", test),
        }

    def _order(self, n: int) -> Int[Tensor, " n"]:
        if self.split_seed is None:
            return torch.arange(n)
        return torch.randperm(n, generator=generator(self.split_seed, "split"))

    def _check(self, where: str, parts: dict[str, Float[np.ndarray, "_ c"]]) -> None:
        """Refuse what has no density, and remark on what barely has one."""
        values = parts["train"]
        if self.roles.weight is not None:
            values = values[:, :-1]
        names = (*self.file_columns, *self.roles.context)
        refuse_columns(where, names, values, text={}, dropped=self.drop, varying=names)
        refuse_dependent(where, names, values)
        if self.dtype == torch.float32:
            refuse_coarse(where, names, values)
        for rows in parts.values():
            refuse_no_room(where, self.transforms, rows, self.dtype, "`precision='64-true'`")
        self._remark_on_edges(values)
        discrete = discrete_columns(values[:, : len(self.file_columns)])
        left = {self.file_columns[i]: what for i, what in discrete.items()}
        for name in (*self.dequantised, *self.transforms.discrete):
            left.pop(name, None)
        if left:
            found = ", ".join(f"{name} ({what})" for name, what in left.items())
            ways = []
            if even := [name for name in left if self._width(name, parts) is not None]:
                ways.append(f"; `dequantise={[*self.dequantised, *even]}` adds noise")
            if len(left) < len(self.file_columns):
                ways.append(f"; {self._without(*left)}")
            self._remarks.append(
                f"values repeat in {found}: a density can grow without bound there, and nats lose "
                f"their meaning{''.join(ways)}"
            )

    def _remark_on_edges(self, values: Float[np.ndarray, "n c"]) -> None:
        for name, ends in self.transforms.bounds.items():
            if name in self.transforms.integer:
                continue
            count = int(np.isin(values[:, self.file_columns.index(name)], ends).sum())
            if count:
                self._remarks.append(
                    f"{name}: {count} rows lie on an end of its `bounds`, and count as just inside"
                )

    def _without(self, *names: str) -> str:
        """What takes columns out of the density; classes stand alone as a condition."""
        if self.label_column:
            return f"`drop={[*self.drop, *names]}` leaves them out"
        return f"`condition={[*self.context_columns, *names]}` takes them as given"

    def _width(self, name: str, parts: dict[str, Float[np.ndarray, "_ c"]]) -> float | None:
        """The width of a column's grid in all parts."""
        place = self.file_columns.index(name)
        return grid_width(np.concatenate([rows[:, place] for rows in parts.values()]))

    def _dequantise(
        self, parts: dict[str, Float[np.ndarray, "_ c"]]
    ) -> dict[str, Float[np.ndarray, "_ c"]]:
        widths = {}
        for name in self.dequantised:
            place = self.file_columns.index(name)
            width = self._width(name, parts)
            if width is None:
                raise UserError(
                    f"`dequantise`: the values of {name!r} lie on no grid of equal steps, which "
                    f"noise could fill; {self._without(name)}"
                )
            widths[name] = width
            for index, key in enumerate(parts):
                # The same in each run, as the split is.
                source = generator(self.split_seed or 0, f"dequantise {name}", index)
                noise = torch.rand(len(parts[key]), generator=source, dtype=torch.float64)
                parts[key][:, place] += width * noise.numpy()
        if widths:
            steps = ", ".join(f"{name} by {width:g}" for name, width in widths.items())
            cost = sum(math.log(width) for width in widths.values())
            self._remarks.append(
                f"dequantised {steps}: nats are of the noisy values; for the discrete ones, at "
                f"most {-cost:+.4f}"
            )
        return parts

    def _batch(self, key: str, values: Float[np.ndarray, "n c"], scale: float) -> Batch:
        dim, known = len(self.file_columns), len(self.roles.context)
        noise = torch.rand(
            len(values),
            len(self.transforms.noisy),
            generator=generator(self.split_seed or 0, f"noise {key}"),
            dtype=torch.float64,
        )
        # Angles are in radians by now.
        x = points(replace(self.transforms, degrees=False), values[:, :dim], noise, self.dtype)
        context = torch.from_numpy(values[:, dim : dim + known]).to(self.dtype).contiguous()
        if self.label_column:
            context = context[:, 0].long()
        weight = None
        if self.roles.weight is not None:
            weight = torch.from_numpy(values[:, -1] / scale).to(self.dtype)
        return Batch(x, context if known else None, weight)

    @cached_property
    def stream(self) -> Stream:
        if not self.transforms.noisy:
            return self.pass_stream
        return Redrawn(self.pass_stream, self.transforms.noisy, seed=self.seed)

    @cached_property
    def pass_stream(self) -> Stream:
        return ShuffledSet(self.training_set, seed=self.seed)

    def preprocessing(self, circular: Sequence[int]) -> Bijection | None:
        first, then = onto_lines(self.transforms), super().preprocessing(circular)
        if first is None or then is None:
            return first or then
        return Compose([first, then])

    def in_file_units(self, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        dim = self.transforms.dim
        found = torch.from_numpy(self.transforms.rows(rows[:, :dim].numpy()))
        return torch.cat((found, rows[:, dim:]), 1)

    def log_prob(
        self, model: Density, rows: Float[np.ndarray, "n c"], context: Tensor | None
    ) -> Float[Tensor, " n"]:
        return log_masses(model, self.transforms, rows, context)

    def typed(self, rows: Float[np.ndarray, "n c"]) -> dict[str, np.ndarray] | None:
        found = super().typed(rows)
        if self.transforms.plain and not self.transforms.types:
            return found
        names = (*self.file_columns, *self.context_columns)
        found = found or dict(zip(names, rows.T, strict=True))
        return found | self.transforms.typed(rows[:, : len(self.file_columns)])

    @staticmethod
    def _check_width(key: str, got: object, found: object) -> None:
        if got != found and list(got if isinstance(got, Sequence) else [got]) != found:
            raise UserError(f"{key}={got}: expected {found}, as the columns say; leave it null")
