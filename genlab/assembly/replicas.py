"""Replicas: runs that differ in their seeds only, trained together."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from omegaconf import DictConfig, OmegaConf

from genlab.assembly.recording import at_work, recorded
from genlab.assembly.training import Experiment
from genlab.config import config_dir
from genlab.config.build import build
from genlab.config.signature import locate
from genlab.errors import UserError
from genlab.learning.callbacks import Checkpoints, Curves, Patience, ProgressBar
from genlab.learning.gradient import ObjectiveLearner
from genlab.learning.interruption import Interruption
from genlab.learning.settings import TrainerSettings
from genlab.learning.stack import ELEMENTWISE
from genlab.learning.together import Member, fit_together
from genlab.learning.trainer import device_of, make_trainer
from genlab.processes import rank_zero_if_alone
from genlab.runs.directory import RunDirectory

__all__ = ["Replica", "Replicas", "alone", "replica_directory"]


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

    They share the training steps, and else are what the same runs would be one by one: each has its
    own data, directory, record, checkpoints and tests. Its configuration says its own seed and
    ``trainer.replicas=1``, and it can be resumed alone.

    Args:
        config: A composed and checked configuration.
        folder: Where the directories of the runs are made, ``seed-0``, ``seed-1``, ...

    Attributes:
        runs: The replicas, by seed.

    Raises:
        UserError: Such runs cannot be trained together.
    """

    def __init__(self, config: DictConfig, folder: Path) -> None:
        settings: TrainerSettings = build(config, "trainer")
        if config.command != "train":
            raise UserError(
                f"trainer.replicas={settings.replicas}: goes with `genlab train`; sweep a solve by "
                "-m seed=..."
            )
        _check_settings(settings)
        each = alone(config)
        first = Replica(next(each), folder)
        _check_step(first.experiment, settings.replicas)
        self.runs = [first, *(Replica(one, folder) for one in each)]

    def fit(self) -> None:
        """Train all, then test one after the other; what ended one early is its `error`.

        Raises:
            UserError: One of their directories holds a run already.
            Interrupted: A signal stopped them; each can be resumed.
        """
        interruption = Interruption()
        for replica in self.runs:
            if replica.run.manifest.exists():
                raise replica.run.taken()
        for replica in self.runs:
            replica.prepare(shown=replica is self.runs[0])
        first = self.runs[0].experiment
        with rank_zero_if_alone(first.settings), ExitStack() as records, interruption.handled():
            for replica in self.runs:
                records.push(replica.close)
                replica.open()
            fit_together(
                [replica.member for replica in self.runs],
                interruption,
                device=device_of(first.settings.accelerator),
                dtype=first.settings.dtype,
            )
            for replica in self.runs:
                replica.conclude()


class Replica:
    """One of several runs that are trained together.

    Args:
        config: Its own configuration.
        folder: Where its directory, which `prepare` makes, will be.

    Attributes:
        experiment: Its objects.
        run: Its directory.
        error: What ended it early; None while nothing has.
    """

    member: Member

    def __init__(self, config: DictConfig, folder: Path) -> None:
        self.run = replica_directory(config, folder)
        self.experiment = Experiment(config, self.run)
        self.error: Exception | None = None
        self._checkpoints = Checkpoints()
        self._record = ExitStack()

    def prepare(self, *, shown: bool) -> None:
        """Give the model its start, and make the directory and what the training needs.

        Args:
            shown: Whether this run is the one whose progress is shown.

        Raises:
            UserError: The directory holds a run already, or the data cannot be used.
        """
        experiment, learner = self.experiment, self.experiment.module
        assert isinstance(learner, ObjectiveLearner)
        experiment.initialise()
        RunDirectory.create(self.run.path)
        callbacks = [
            callback
            for callback in experiment.callbacks()
            if shown or not isinstance(callback, ProgressBar)
        ]
        trainer = make_trainer(
            experiment.settings,
            folder=self.run.path,
            loggers=experiment.loggers(self.run),
            callbacks=[*callbacks, Patience(), Curves(), self._checkpoints],
        )
        self.member = Member(trainer, learner, experiment.data, self.turn)

    def open(self) -> None:
        """Begin the record."""
        experiment = self.experiment
        with at_work(self.run):
            self._record.enter_context(
                recorded(self.run, experiment.config, experiment.likelihood, experiment.module)
            )
            experiment.log_remarks()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """All that concerns this run alone; an error in it ends this run, and no other."""
        with at_work(self.run):
            try:
                yield
            except Exception as error:
                self.error = error
                self.member.trains = False
                self.close(type(error), error, error.__traceback__)

    def conclude(self) -> None:
        """Test and record, unless an error has ended the run."""
        if self.error is None:
            with self.turn():
                self.experiment.conclude(self.member.trainer, self._checkpoints)
                self.close(None, None, None)

    def close(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the record, once, by an error or without."""
        record = self._record.pop_all()
        with at_work(self.run):
            if error is not None:
                self.member.call("on_exception", error)
            record.__exit__(kind, error, traceback)


def _check_settings(settings: TrainerSettings) -> None:
    """Refuse what belongs to one run alone.

    Raises:
        UserError: The settings ask for it.
    """
    replicas = f"trainer.replicas={settings.replicas}"
    if settings.strategy != "auto" or settings.devices != 1 or settings.num_nodes != 1:
        raise UserError(f"{replicas}: replicas share one device; use trainer=default")
    if settings.precision == "bf16-mixed":
        raise UserError(
            f"trainer.precision=bf16-mixed: not with {replicas}; choose from: 32-true, 64-true"
        )
    if settings.compile:
        raise UserError(f"trainer.compile=true: not with {replicas}; use trainer.compile=false")


def _check_step(experiment: Experiment, replicas: int) -> None:
    """Refuse a step that cannot be taken together.

    Raises:
        UserError: The family, the objective or the optimiser has such a step.
    """
    choices, learner = experiment.config.choices, experiment.module
    if not experiment.model.stackable:
        raise UserError(
            f"trainer.replicas={replicas}: model={choices.model} takes its steps alone; "
            f"choose from: {', '.join(_stackable())}, or sweep by -m seed=..."
        )
    if not (isinstance(learner, ObjectiveLearner) and learner.objective.stackable):
        raise UserError(
            f"trainer.replicas={replicas}: objective={choices.objective} takes its steps alone; "
            "use objective=maximum_likelihood, or sweep by -m seed=..."
        )
    optimizer = learner.start_optimizer(learner.trained)
    if not isinstance(optimizer, ELEMENTWISE):
        raise UserError(
            f"trainer.replicas={replicas}: optimizer={choices.optimizer} does not treat each "
            "weight by itself; use optimizer=adam, or sweep by -m seed=..."
        )


def _stackable() -> list[str]:
    """What ``model=`` can be for replicas, as the families themselves say."""
    names = []
    for path in sorted((config_dir() / "model").glob("*.yaml")):
        file = OmegaConf.load(path)
        # One that chooses from other groups too stands for more than the section ``model``.
        section = OmegaConf.select(file, "model", default=file)
        if locate("model", section._target_).stackable:
            names.append(path.stem)
    return names
