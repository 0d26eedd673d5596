"""The base of every DataModule: steps, not epochs, decide what a loader yields."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypedDict

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch, Chunk
from genlab.bijections.bijection import Bijection
from genlab.bijections.elementwise_affine import Standardise
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.streams import Stream
from genlab.densities.density import Density
from genlab.densities.inference import log_probs
from genlab.errors import first_few
from genlab.fields.statistics import Quantity
from genlab.targets.target import Target

__all__ = ["DataModule", "ModuleOptions", "SetOptions"]

# Rows that are validated at once, and numbers: of images a network makes many channels.
EVALUATION_BATCH = 8192
EVALUATION_NUMBERS = 2**18
# Numbers of a chunk that lie in memory at once, 128 MB: large images make shorter chunks.
CHUNK = 2**25


class ModuleOptions(TypedDict):
    """The options of every `DataModule`."""

    event_shape: Sequence[PositiveInt]
    batch_size: PositiveInt
    standardise: bool


class SetOptions(ModuleOptions):
    """Those of one whose rows are shuffled, or drawn, by a seed."""

    seed: NonNegativeInt


class DataModule(pl.LightningDataModule, ABC):
    """In-memory data with a stream to train on and fixed sets to validate and test on.

    One Lightning epoch is the stretch of steps between two validations. It is cut into chunks of
    ``trainer.log_every`` steps, and Lightning sees one chunk as one batch: its cost a batch is paid
    once for all steps of the chunk.

    Args:
        event_shape: Shape of one sample.
        batch_size: Rows that one training step sees, in each process.
        standardise: Let the model work on data of zero mean and unit variance; its log-density is
            still reported in data units.

    A class whose files tell what a model has to know may have a static method ``facts(**node)``: it
    is given the section of the configuration, and returns ``event_shape``, ``context_dim`` or
    ``labels`` in the place of those that are null there.

    Attributes:
        target: The distribution that the data come from, or None where only data are known.
        quantity: What the numbers of a field are; None for data that are no fields.
        levels: Number of values that each number of a quantised image takes; None for others.
        masses: Whether data are black and white, so that a model has to give masses, not densities.
        angles: Coordinates of a sample that are angles, in radians, from -pi to pi.
        columns: Names of the coordinates of a sample; None where they have none.
        file_columns: Names of the columns of a user's files that a sample stands for; None where
            these are its coordinates.
        transforms: What the columns of a user's table can hold; None for data that are no table.
        degrees: Whether the user's files, and figures, have angles in degrees.
        context_columns: Names of the coordinates of a context vector; none without one.
        label_names: What the classes that a model is conditioned on are called; none without names.
        label_column: The column of a table that they are in; None without one.
        header: Whether the first line of a user's table holds names; None for what it shows.
        names: Names of all columns of a user's table.
        checksums: Of the user's files.
        standardise_context: Whether the model is to see context vectors in standardised units.
    """

    target: Target | None = None
    quantity: Quantity | None = None
    levels: int | None = None
    masses: bool = False
    angles: tuple[int, ...] = ()
    columns: tuple[str, ...] | None = None
    file_columns: tuple[str, ...] | None = None
    transforms: ColumnTransforms | None = None
    degrees: bool = False
    context_columns: tuple[str, ...] = ()
    label_names: tuple[Any, ...] = ()
    label_column: str | None = None
    header: bool | None = None
    names: Sequence[str] = ()
    checksums: Sequence[str] = ()
    standardise_context: bool = False

    def __init__(
        self, *, event_shape: Sequence[PositiveInt], batch_size: PositiveInt, standardise: bool
    ) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.batch_size = batch_size
        self.standardise = standardise

    def __repr__(self) -> str:
        told = [f"event_shape={list(self.event_shape)}", f"batch_size={self.batch_size}"]
        if self.target is not None:
            told.append(f"target={type(self.target).__name__}")
        if self.columns is not None:
            told.append(f"columns=[{first_few(self.columns)}]")
        if self.context_columns:
            told.append(f"condition=[{first_few(self.context_columns)}]")
        return f"{type(self).__name__}({', '.join(told)})"

    # Lightning's own counts the rows of loaders, which here are those of a trainer.
    __str__ = __repr__

    def preprocessing(self, circular: Sequence[int]) -> Bijection | None:
        """What carries data units to those that a model works in, before it starts from data.

        Args:
            circular: Coordinates that are angles to the model, and keep their units.
        """
        return Standardise(self.event_shape, untouched=circular) if self.standardise else None

    @property
    @abstractmethod
    def stream(self) -> Stream:
        """What the training steps see."""

    @property
    def pass_stream(self) -> Stream:
        """What passes over all rows see: the same numbers in each pass."""
        return self.stream

    @property
    def training_set(self) -> Batch | None:
        """The whole training set; None where the stream never repeats itself."""
        return None

    @property
    def weights(self) -> Float[Tensor, " n"] | None:
        """How much each row of the training set counts; None where all count the same."""
        return None

    @property
    @abstractmethod
    def validation(self) -> Batch:
        """The fixed set that ``best`` is chosen on."""

    @property
    @abstractmethod
    def test(self) -> Batch | None:
        """The fixed set that the test metrics are computed on; None without samples."""

    @property
    def test_groups(self) -> Int[Tensor, " n"] | None:
        """What each test row belongs to, where those of one group depend on each other; None where
        all are independent.
        """
        return None

    @property
    def scale(self) -> Float[Tensor, "*event"] | None:
        """What distances are measured in, a unit for each coordinate; None for data units."""
        return None

    @property
    def labelled(self) -> Batch | None:
        """The training set with its classes as context, whatever a model is conditioned on."""
        return None

    @property
    def reduction(self) -> Callable[[Tensor], Tensor] | None:
        """What makes the small images that a model is given, flattened, of images; or of fields
        the block means, which it is given with noise.
        """
        return None

    @property
    def categories(self) -> dict[str, Sequence[Any]]:
        """The values of each column of the user's files that is a category, in order."""
        learned = {} if self.transforms is None else self.transforms.levels
        return {**learned, **({self.label_column: self.label_names} if self.label_column else {})}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of the data before a model is trained on them; may read them."""
        return ()

    def in_file_units(self, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Samples, before the context of each, as the user's files have them."""
        return self._angles_times(180 / math.pi, rows)

    def in_data_units(self, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """The same the other way round."""
        return self._angles_times(math.pi / 180, rows)

    def log_prob(
        self, model: Density, rows: Float[np.ndarray, "n *event"], context: Tensor | None
    ) -> Float[Tensor, " n"]:
        """The log-density, in nats, of rows as the user's files have them, in float64.

        Args:
            model: What was trained on these data; the caller has put it under `inference`.
            rows: The rows, without their context.
            context: One row or n rows, as in `Density.log_prob`.
        """
        return log_probs(model, self.in_data_units(torch.from_numpy(rows)), context)

    def likelihood(self, model: Density) -> str:
        """What `log_prob`, and the mean of it over a set, is: as the model says, but a lower bound
        where columns have masses, which the density of rows with noise bounds.
        """
        discrete = self.transforms is not None and self.transforms.discrete
        return "lower_bound" if discrete else model.likelihood

    def typed(self, rows: Float[np.ndarray, "n c"]) -> dict[str, np.ndarray] | None:
        """Rows in file units by the names of their columns, each of its own type; None where all
        are numbers of one type. The number of a class behind them is told by what that is called.
        """
        if self.label_column is None:
            return None
        names, numbers = self.file_columns or self.columns or (), rows[:, -1].astype(np.int64)
        classes = {self.label_column: np.array(self.label_names)[numbers]}
        return dict(zip(names, rows.T, strict=False)) | classes

    def _angles_times(self, factor: float, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        if not self.degrees:
            return rows
        units = rows.new_ones(rows.shape[1])
        units[list(self.angles)] = factor
        return rows * units

    def first_rows(self, n: int = 10_000) -> Batch:
        """Rows that data-dependent starts are computed from."""
        return self.stream.rows(0, n)

    def train_dataloader(self) -> Chunks:
        return Chunks(self)

    def val_dataloader(self) -> EvaluationBatches:
        return EvaluationBatches(self.validation)


class Chunks:
    """The chunks from the learner's step up to its next validation."""

    def __init__(self, data: DataModule) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Chunk | WholePasses]:
        trainer = self.data.trainer
        assert trainer is not None
        learner: Any = trainer.lightning_module
        settings, step = learner.settings, learner.step
        stop = min(_next_multiple(step, settings.val_every), settings.max_steps)
        numbers = self.data.batch_size * trainer.world_size * math.prod(self.data.event_shape)
        longest = max(1, CHUNK // numbers)
        chunk = partial(WholePasses, self.data) if learner.whole_passes else self._chunk
        while step < stop:
            end = min(_next_multiple(step, settings.log_every), stop, step + longest)
            yield chunk(step, end, trainer.global_rank, trainer.world_size)
            step = end

    def _chunk(self, step: int, end: int, rank: int, world_size: int) -> Chunk:
        size = self.data.batch_size * world_size
        batch = self.data.stream.rows(step * size, end * size)
        if world_size > 1:
            # Process r takes the r-th slice of each step's rows, so that all of them together see
            # what one process would see with a batch as large.
            rows = torch.arange((end - step) * size)
            batch = batch.rows(rows.view(end - step, world_size, -1)[:, rank].flatten())
        return Chunk(batch, end - step)


class WholePasses:
    """Training steps that see all data each, read batch by batch while they are taken.

    A pass is the whole training set, or ``batch_size`` fresh rows of a stream that has no end. Of
    several processes each reads every other row.

    Args:
        data: Where the rows come from.
        first: Number of the first step.
        end: Number of the step behind the last one.
        rank: Number of this process.
        world_size: How many processes share each pass.
    """

    def __init__(self, data: DataModule, first: int, end: int, rank: int, world_size: int) -> None:
        self.data = data
        self.steps = range(first, end)
        self.own = slice(rank, None, world_size)

    def batches(self) -> Iterator[Iterator[Batch]]:
        """The batches of each step."""
        return map(self._pass, self.steps)

    def _pass(self, step: int) -> Iterator[Batch]:
        whole, size = self.data.training_set, self.data.batch_size
        rows = size if whole is None else len(whole.x)
        for start in range(step * rows, (step + 1) * rows, size):
            stop = min(start + size, (step + 1) * rows)
            yield self.data.pass_stream.rows(start, stop).rows(self.own)


class EvaluationBatches:
    """A fixed set in batches; a plain list would be several loaders to Lightning."""

    def __init__(self, data: Batch) -> None:
        self.data = data
        numbers = max(1, data.x.shape[1:].numel())
        self.size = max(1, min(EVALUATION_BATCH, EVALUATION_NUMBERS // numbers))

    def __len__(self) -> int:
        return math.ceil(len(self.data.x) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        return self.data.split(self.size)


def _next_multiple(step: int, of: int) -> int:
    return (step // of + 1) * of
