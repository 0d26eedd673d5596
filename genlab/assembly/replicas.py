"""Replicas: runs that differ in their seeds only, and take each training step together.

A step on a small model costs the number of its operations, not their size, and the losses of ``N``
models, vectorised by `torch.func.vmap`, take as many as one. Where all take compiled steps, which
have no such cost, one code serves all, chunk by chunk. All else each run has of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import SGD, Adam, AdamW, NAdam, RMSprop

from genlab.assembly.recording import at_work, recorded
from genlab.assembly.training import Training
from genlab.batch import Batch, Chunk, side_by_side
from genlab.config import config_dir
from genlab.config.build import build
from genlab.config.targets import locate
from genlab.descent import clip_rows, gradient_step
from genlab.errors import UserError
from genlab.learning.callbacks import Checkpoints, Curves, Patience, ProgressBar
from genlab.learning.gradient import ObjectiveLearner
from genlab.learning.interruption import Interruption
from genlab.learning.loggers import logging_to
from genlab.learning.trainer import accelerator_device, make_trainer
from genlab.processes import rank_zero_if_alone
from genlab.runs.directory import RunDirectory
from genlab.runs.settings import spell

__all__ = ["Replica", "Replicas", "Stack", "alone", "replica_directory"]

# Optimisers that treat each number by itself: one over many models is one over each.
ELEMENTWISE = (Adam, AdamW, NAdam, RMSprop, SGD)


def alone(config: DictConfig) -> Iterator[DictConfig]:
    """The configuration of each of ``trainer.replicas`` runs, as if it were alone."""
    for number in range(config.trainer.replicas):
        one = copy.deepcopy(config)
        OmegaConf.update(one, "seed", config.seed + number)
        OmegaConf.update(one, "trainer.replicas", 1)
        yield one


def replica_directory(config: DictConfig, folder: Path) -> RunDirectory:
    """Where one of several replicas is kept: below ``folder``, by its seed."""
    return RunDirectory(folder / f"seed-{config.seed}")


class Replicas:
    """``trainer.replicas`` runs of one configuration and of seeds one after the other.

    The configuration of each says its own seed and ``trainer.replicas=1``: it can be resumed alone.

    Args:
        config: A composed and checked configuration.
        folder: Where the directories of the `runs` are made, ``seed-0``, ``seed-1``, ...

    Raises:
        UserError: Such runs cannot be trained together.
    """

    def __init__(self, config: DictConfig, folder: Path) -> None:
        _check_settings(config)
        each = alone(config)
        first = Replica(next(each), folder)
        _check_step(first.training, config.trainer.replicas)
        self.runs = [first, *(Replica(one, folder) for one in each)]

    def fit(self, begun: Callable[[], object] = lambda: None) -> None:
        """Train all, then test one after the other; what ended one early is its `error`.

        ``begun`` is called once all are recorded.
        A signal raises `Interrupted`, and each can be resumed; a directory in use a `UserError`.
        """
        for run in (replica.run for replica in self.runs if replica.run.manifest.exists()):
            raise run.taken()
        for replica in self.runs:
            replica.prepare(shown=replica is self.runs[0])
        self.runs[0].training.tell_remarks()
        settings, interruption = self.runs[0].training.settings, Interruption()
        with rank_zero_if_alone(settings), ExitStack() as records, interruption.handled():
            for replica in self.runs:
                records.push(replica.close)
                replica.open()
            begun()
            self._train(interruption)
            _in_turn([one for one in self.runs if one.error is None], Replica.conclude)

    def _train(self, interruption: Interruption) -> None:
        """Take steps until no replica trains any more, or a signal lets all of them save."""
        _in_turn(self.runs, Replica.begin)
        interruption.defer_to(self._request_stop)
        _in_turn(self.runs, Replica.call, "on_train_start")
        take: Callable[[Sequence[Replica]], None] | None = None
        while training := [replica for replica in self.runs if replica.trains]:
            for replica in training:
                replica.next_chunk()
            _in_turn(training, Replica.call, "on_train_batch_start")
            take = take or self._way_of(training[0])
            take(training)
            _in_turn(training, Replica.call, "on_train_batch_end")
            going = [replica for replica in training if replica.trains]
            _in_turn(going, Replica.validate_or_end)
            if interruption.received is not None:
                _in_turn(going, lambda one: one.trainer.save_checkpoint(one.run.last))
                break
        interruption.stop_deferring()

    def _way_of(self, first: Replica) -> Callable[[Sequence[Replica]], None]:
        """How all take their steps, as one of them can: compiled in turn, or together."""
        learners = [replica.learner for replica in self.runs]
        for learner in learners:
            learner.whole_steps.runs = len(learners)
        with first.turn():
            if first.takes_compiled_steps():
                return lambda training: _in_turn(training, Replica.take_chunk)
        stack = Stack(learners)
        return lambda training: stack.take({one.learner: one.chunk for one in training})

    def _request_stop(self) -> None:
        """Let all stop after the present step."""
        for replica in self.runs:
            replica.learner.request_stop()


class Replica:
    """One of several runs that are trained together.

    Its Trainer runs no loop, but holds callbacks and loggers; ``error`` is what ended it early.
    """

    trainer: Any
    chunk: Chunk

    def __init__(self, config: DictConfig, folder: Path) -> None:
        self.run = replica_directory(config, folder)
        self.training = Training(config, self.run)
        self.learner: Any = self.training.module
        self.trains = True
        self.error: Exception | None = None
        self._checkpoints = Checkpoints()
        self._record = ExitStack()

    def prepare(self, *, shown: bool) -> None:
        """Give the model its start, and make the directory and the Trainer, with a bar if shown."""
        training = self.training
        training.initialise()
        RunDirectory.create(self.run.path)
        callbacks = [one for one in training.callbacks() if shown or type(one) is not ProgressBar]
        self.trainer = make_trainer(
            training.settings,
            folder=self.run.path,
            loggers=training.loggers(self.run),
            callbacks=[*callbacks, Patience(), Curves(), self._checkpoints],
        )

    def open(self) -> None:
        """Begin the record."""
        one = self.training
        with at_work(self.run):
            self._record.enter_context(recorded(self.run, one.config, one.likelihood, one.module))
            self._record.enter_context(logging_to(self.trainer.loggers))
            one.log_remarks()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """All that concerns this run alone; an error in it ends this run, and no other."""
        with at_work(self.run):
            try:
                with self.training.keys.telling():
                    yield
            except Exception as error:
                self.error, self.trains = error, False
                self.close(type(error), error, error.__traceback__)

    def close(self, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
        """End the record, once, by an error or without."""
        record = self._record.pop_all()
        with at_work(self.run):
            if error is not None:
                self.call("on_exception", error)
            record.__exit__(kind, error, traceback)

    def call(self, hook: str, *arguments: object) -> None:
        """Call a hook of each callback, with the present chunk where it is one of a batch."""
        if "batch" in hook:
            arguments = (None, self.chunk, 0)[hook.endswith("start") :]
        for callback in self.trainer.callbacks:
            getattr(callback, hook)(self.trainer, self.learner, *arguments)

    def begin(self) -> None:
        """What Lightning does when a fit starts."""
        trainer, learner, data = self.trainer, self.learner, self.training.data
        settings = self.training.settings
        self.call("setup", "fit")
        learner.to(accelerator_device(settings.accelerator), settings.dtype).train()
        trainer.strategy.connect(learner)
        trainer.datamodule, data.trainer, learner.trainer = data, trainer, trainer
        trainer.strategy.optimizers = [learner.configure_optimizers()]
        learner.on_fit_start()

    def next_chunk(self) -> None:
        """Read the rows from the learner's step on."""
        chunk: Chunk = next(iter(self.training.data.train_dataloader()))
        self.chunk = chunk.cast(self.learner.device, self.learner.model.dtype)

    def takes_compiled_steps(self) -> bool:
        """Whether there is code for the steps of its chunk; a clock would be shared unevenly."""
        if self.training.settings.max_seconds is not None:
            return False
        return self.learner.whole_steps.code_for(next(self.chunk.batches())) is not None

    def take_chunk(self) -> None:
        """Take the steps of the chunk alone."""
        self.learner.training_step(self.chunk, 0)

    def validate_or_end(self) -> None:
        """Validate where a run by itself would, and end where it would."""
        learner = self.learner
        if learner.is_to_validate:
            learner.on_validation_epoch_start()
            for index, batch in enumerate(self.training.data.val_dataloader()):
                learner.validation_step(batch.cast(learner.device, learner.model.dtype), index)
            self.trainer.callback_metrics.update(learner.validation_means())
            self.call("on_validation_end")
        if self.trainer.should_stop:
            self.call("on_train_end")
            learner.on_fit_end()
            self.trains = False

    def conclude(self) -> None:
        """Test and record."""
        self.training.conclude(self.trainer, self._checkpoints)
        self.close()


def _in_turn(runs: Sequence[Replica], do: Callable[..., None], *arguments: object) -> None:
    for replica in runs:
        with replica.turn():
            do(replica, *arguments)


class Stack:
    """``N`` learners of models of one shape, whose trained weights are one matrix ``[N, P]``.

    The gradient of a row is that of its own loss alone, is clipped by its own norm, and one
    elementwise optimiser over the matrix moves each row as one of its own would: the rows never
    meet. The parameters of each model and the state of its own optimiser are views of their row:
    whoever reads a learner between two chunks finds what it would find of it alone.
    """

    def __init__(self, learners: Sequence[ObjectiveLearner]) -> None:
        self.learners = tuple(learners)
        first = self.learners[0]
        self.names = [f"model.{name}" for name in first.trained_names]
        self.shapes = [parameter.shape for parameter in first.trained]
        self.sizes = [parameter.numel() for parameter in first.trained]
        rows = [nn.utils.parameters_to_vector(learner.trained) for learner in self.learners]
        self.weights = nn.Parameter(torch.stack(rows).detach())
        for learner, row in zip(self.learners, self.weights.detach(), strict=True):
            for parameter, part in zip(learner.trained, self._parts(row), strict=True):
                parameter.data = part
        self.optimizer = first.start_optimizer([self.weights])
        # What the models hold besides what is trained, where they differ: units of the data.
        held = [dict(one.named_parameters()) | dict(one.named_buffers()) for one in self.learners]
        self.constants = {
            name: torch.stack([tensors[name].detach() for tensors in held])
            for name, value in held[0].items()
            if name not in self.names and any((one[name] != value).any() for one in held)
        }

    def take(self, chunks: Mapping[ObjectiveLearner, Chunk]) -> None:
        """Take the steps of one chunk, fewer where a learner is asked to stop.

        The rows of learners that train no more are carried along on those of the first.
        """
        first, chunk = next(iter(chunks.items()))
        losses = []
        for batch in side_by_side([chunks.get(learner, chunk) for learner in self.learners]):
            losses.append(self._step(first, batch))
            for learner in chunks:
                learner.step += 1
                if learner.ema is not None:
                    learner.ema.update()
            if any(learner.stop_requested for learner in chunks) or first.out_of_time():
                break
        for index, row in enumerate(torch.stack(losses, dim=1)):
            if (learner := self.learners[index]) in chunks:
                self._report(learner, index)
                learner.conclude_chunk(row)

    def _step(self, first: ObjectiveLearner, batch: Batch) -> Float[Tensor, " N"]:
        first.set_rate(self.optimizer)
        limit = first.settings.gradient_clip
        losses, self._norms = gradient_step(
            lambda: self._losses(batch),
            self.optimizer,
            backward=lambda losses: losses.sum().backward(),
            clip=None if limit is None else lambda: clip_rows(self.weights, limit),
        )
        return losses

    def _losses(self, batch: Batch) -> Float[Tensor, " N"]:
        weights = dict(zip(self.names, self._parts(self.weights), strict=True)) | self.constants
        places = Batch(*(None if part is None else 0 for part in batch))  # type: ignore[arg-type]

        def one(own: dict[str, Tensor], rows: Batch) -> Tensor:
            # Names are unique; tied again, what two layers share would not be given back.
            loss: Tensor = functional_call(self.learners[0], own, (rows,), tie_weights=False)
            return loss

        return vmap(one, in_dims=(0, places))(weights, batch)

    def _parts(self, rows: Float[Tensor, "*N P"]) -> list[Tensor]:
        """Rows cut into the parameters that they hold, as views."""
        pieces = zip(rows.split(self.sizes, dim=-1), self.shapes, strict=True)
        return [piece.view(*piece.shape[:-1], *shape) for piece, shape in pieces]

    def _report(self, learner: ObjectiveLearner, index: int) -> None:
        """Let a learner's own optimiser hold what it would alone: the state of its row."""
        for own, ours in zip(
            learner.optimizer.param_groups, self.optimizer.param_groups, strict=True
        ):
            own["lr"] = ours["lr"]
        for name, value in self.optimizer.state[self.weights].items():
            if value.shape == self.weights.shape:
                parts = self._parts(value[index])
            else:
                # A count: saved as one for all, each parameter would raise it after a resume.
                parts = [value.clone() for _ in self.sizes]
            for parameter, part in zip(learner.trained, parts, strict=True):
                learner.optimizer.state[parameter][name] = part
        if self._norms is not None:
            learner.gradient_norm = self._norms[index]


def _check_settings(config: DictConfig) -> None:
    settings = build(config, "trainer")
    replicas = f"trainer.replicas={settings.replicas}"
    if config.command != "train":
        raise UserError(f"{replicas}: goes with `genlab train`; sweep a solve by -m seed=...")
    if settings.strategy != "auto" or settings.devices != 1 or settings.num_nodes != 1:
        raise UserError(f"{replicas}: replicas share one device; use trainer=default")
    for key, allowed in (
        ("precision", ("32-true", "64-true")),
        ("compile", (False, "long", "auto")),
    ):
        value = getattr(settings, key)
        if value not in allowed:
            raise UserError(
                f"trainer.{key}={spell(value)}: not with {replicas}; "
                f"choose from: {', '.join(map(spell, allowed))}"
            )


def _check_step(one: Training, replicas: int) -> None:
    choices, learner, reason = one.config.choices, one.module, None
    if not one.model.stackable:
        reason = f"model={choices.model} takes its steps alone; choose from: {_stackable()}"
    elif not (isinstance(learner, ObjectiveLearner) and learner.objective.stackable):
        reason = f"objective={choices.objective} takes its steps alone; use maximum_likelihood"
    elif not isinstance(learner.start_optimizer(learner.trained), ELEMENTWISE):
        reason = f"optimizer={choices.optimizer} is not elementwise; use optimizer=adam"
    if reason is not None:
        raise UserError(f"trainer.replicas={replicas}: {reason}, or sweep by -m seed=...")


def _stackable() -> str:
    """What ``model=`` can be for replicas, as the families themselves say."""
    files = sorted((config_dir() / "model").glob("*.yaml"))
    made = {file.stem: locate("model", OmegaConf.load(file).model._target_) for file in files}
    # Of a function, only what it makes can tell.
    return ", ".join(name for name, kind in made.items() if getattr(kind, "stackable", True))
