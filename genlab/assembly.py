"""From a configuration to objects, from objects to a trained model in a run directory."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.seed import seed_everything
from omegaconf import DictConfig, OmegaConf

from genlab.bijections.standardise import Standardise
from genlab.config import build, check, compose, plain, read_config
from genlab.data.module import DataModule
from genlab.densities.density import Density
from genlab.errors import GenlabError, UserError, nearest
from genlab.evaluation import evaluate
from genlab.evaluation import figures as evaluation_figures
from genlab.learning.callbacks import Checkpoints, StopOnSignal
from genlab.learning.interruption import Interruption
from genlab.learning.learner import Learner
from genlab.learning.settings import TrainerSettings
from genlab.learning.tensorboard import log_figures, log_hyperparameters
from genlab.learning.trainer import device_of, make_trainer
from genlab.learning.weights import load_weights
from genlab.randomness import generator
from genlab.recording import recorded
from genlab.runs.directory import RunDirectory, claim
from genlab.runs.files import atomic_path, read_json, write_json
from genlab.runs.find import resolve
from genlab.runs.manifest import flatten, read_manifest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Experiment", "draw", "experiment", "load"]


class Experiment:
    """One run: a configuration, and the objects that it describes.

    Args:
        config: A composed and checked configuration.
        run: The run directory; None to make one under ``outputs`` when `fit` is called.

    Attributes:
        config: The configuration, resolved.
        data: The DataModule; ``data.target`` is the distribution behind it, where there is one.
        model: The density, in plain torch.
        module: The learner that Lightning trains.
        run: The run directory, or None before the first `fit`.

    Raises:
        UserError: The configuration cannot be built.
    """

    data: DataModule
    model: Density
    module: Learner

    def __init__(self, config: DictConfig, run: RunDirectory | None = None) -> None:
        OmegaConf.resolve(config)
        self.config = config
        self.run = run
        self.settings: TrainerSettings = build(config, "trainer")
        seed_everything(config.seed, verbose=False)
        self.data = build(config, "data")
        self.model = build(config, "model")
        if self.data.standardise:
            self.model.preprocessing = Standardise(self.data.event_shape)
        self.module = build(
            config,
            "objective",
            self.model,
            self.settings,
            optimizer=build(config, "optimizer"),
            schedule=build(config, "schedule"),
        )
        if self.settings.monitor not in self.module.reports:
            raise UserError(
                f"trainer.monitor={self.settings.monitor}: not a validation metric; "
                f"{nearest(self.settings.monitor, self.module.reports)}"
            )

    def fit(self, *, resume: bool = False) -> dict[str, float | None]:
        """Train, test with the best weights, draw the figures, and record it all.

        Args:
            resume: Go on from the run's last checkpoint.

        Returns:
            The metrics, as in the run's ``metrics.json``.

        Raises:
            RunError: The loss was lost, the disk is full, or the checkpoint is damaged.
            Interrupted: A signal stopped the run; it can be resumed.
        """
        run = self.run = self.run or self._new_run()
        interruption = Interruption()
        checkpoints = Checkpoints()
        loggers = self._loggers(run)
        trainer = make_trainer(
            self.settings,
            folder=run.path,
            loggers=loggers,
            callbacks=[*self._callbacks(), checkpoints, StopOnSignal(interruption)],
        )
        with recorded(run, self.config, self.model.likelihood, self.module), interruption.handled():
            if not resume:
                self._start()
            trainer.fit(self.module, datamodule=self.data, ckpt_path=run.last if resume else None)
            if not trainer.is_global_zero:
                return {}
            load_weights(self.model, run.best)
            metrics = self._record(self._evaluate() | self._training_numbers(checkpoints.best))
            figures = draw(self)
            save_figures(figures, run)
            log_figures(loggers, figures, self.module.step)
            log_hyperparameters(loggers, flatten(plain(self.config)), metrics, self.module.step)
        return metrics

    def test(self) -> dict[str, float | None]:
        """Compute the test metrics of the present weights; write them where there is a run.

        Returns:
            The metrics by tag; None stands for a number that is not finite.
        """
        return self._record(self._evaluate())

    def _evaluate(self) -> dict[str, float]:
        self._place()
        return evaluate(
            self.model,
            test=self.data.test,
            target=self.data.target,
            generator=generator(self.config.seed, "evaluate"),
        )

    def _training_numbers(self, best: float) -> dict[str, float]:
        return {
            self.settings.monitor: best,
            "train/steps": self.module.step,
            "time/fit_seconds": self.module.seconds,
            "time/steps_per_second": self.module.step / self.module.seconds,
        }

    def _record(self, numbers: dict[str, float]) -> dict[str, float | None]:
        """Metrics as they are kept: what is not finite is None, what was measured before stays."""
        metrics = {k: float(v) if math.isfinite(v) else None for k, v in numbers.items()}
        if self.run is not None:
            if self.run.metrics.exists():
                metrics = read_json(self.run.metrics) | metrics
            write_json(self.run.metrics, metrics)
        return metrics

    def _start(self) -> None:
        """Give the model its data-dependent start, or the weights of another run."""
        seed_everything(self.config.seed, verbose=False)
        rows = self.data.first_rows()
        self.model.initialise(rows.x, rows.context)
        if self.settings.warm_start is not None:
            _warm_start(self.model, self.settings.warm_start)

    def _place(self) -> None:
        device = device_of(self.settings)
        self.model.to(device).eval()
        if self.data.target is not None:
            self.data.target.to(device)

    def _new_run(self) -> RunDirectory:
        now = datetime.now()
        name = f"{now:%H-%M-%S}-{self.config.choices.model}-{self.config.choices.data}"
        return RunDirectory.create(claim(Path(self.config.outputs) / f"{now:%Y-%m-%d}", name))

    def _loggers(self, run: RunDirectory) -> list[Any]:
        if self.config.logger is None:
            return []
        place = {"save_dir": str(run.path), "name": "", "version": run.tensorboard.name}
        return [build(self.config, "logger", **place)]

    def _callbacks(self) -> list[Any]:
        nodes = self.config.callbacks or {}
        return [build(nodes, name) for name, node in nodes.items() if node is not None]


def experiment(*overrides: str) -> Experiment:
    """The experiment of ``genlab train`` with the same overrides.

    >>> import genlab
    >>> run = genlab.experiment("model=realnvp", "data=moons", "trainer.max_steps=100")
    >>> metrics = run.fit()  # doctest: +SKIP

    Raises:
        UserError: An override is wrong; the message names the nearest valid choice.
    """
    config = compose("train", overrides)
    check(config)
    return Experiment(config)


def load(run_dir: str | Path) -> Experiment:
    """The experiment of a run, with its best weights, in evaluation mode.

    Raises:
        UserError: There is no run, or one of another version.
        RunError: The checkpoint is missing or damaged.
    """
    run = RunDirectory.open(run_dir)
    read_manifest(run)
    loaded = Experiment(read_config(run), run)
    load_weights(loaded.model, run.best)
    loaded._place()
    return loaded


def draw(experiment: Experiment) -> dict[str, Figure]:
    """The figures of an experiment's present weights, by name."""
    return evaluation_figures.draw(
        experiment.model,
        target=experiment.data.target,
        samples=experiment.data.test.x,
        generator=generator(experiment.config.seed, "figures"),
    )


def save_figures(figures: dict[str, Figure], run: RunDirectory) -> None:
    """Write figures as PNG files to the run's folder."""
    for name, figure in figures.items():
        with atomic_path(run.figures / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=150)


def _warm_start(model: Density, run: str) -> None:
    try:
        load_weights(model, resolve(run).best)
    except GenlabError as error:
        raise UserError(f"trainer.warm_start={run}: {error}") from error
