"""A run: from a configuration to objects, from objects to a trained model in its directory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities.seed import seed_everything
from omegaconf import DictConfig, OmegaConf

from genlab import __version__
from genlab.assembly.description import describe
from genlab.assembly.helper import helped
from genlab.assembly.numbers import finite, record_metrics
from genlab.assembly.recording import check_files, check_fit, logged, new_directory, recorded
from genlab.assembly.residual import residual_network
from genlab.config.build import build
from genlab.config.signature import locate
from genlab.config.stored import plain
from genlab.config.unused import OPTIONAL
from genlab.data.preceding import precede
from genlab.densities.density import Density
from genlab.errors import UserError, nearest
from genlab.evaluation import evaluate
from genlab.evaluation.figures import animate_paths, draw, save_figures
from genlab.learning.callbacks import Checkpoints, Curves, Patience, StopOnSignal
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.gradient import ObjectiveLearner
from genlab.learning.interruption import Interruption
from genlab.learning.learner import Learner
from genlab.learning.passes import PassLearner
from genlab.learning.settings import TrainerSettings
from genlab.learning.tensorboard import log_figures, log_results
from genlab.learning.trainer import device_of, make_trainer
from genlab.learning.weights import holds_weights, load_weights, start_from
from genlab.models.continuous import ContinuousFlow
from genlab.objectives import Objective
from genlab.processes import is_first, rank_zero_if_alone
from genlab.randomness import generator
from genlab.runs.directory import RunDirectory
from genlab.runs.files import atomic_path
from genlab.runs.manifest import flatten
from genlab.runs.status import effective_state

if TYPE_CHECKING:
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import Callback
    from matplotlib.figure import Figure

    from genlab.targets.target import Target

__all__ = ["Experiment"]

log = logging.getLogger(__name__)


class Experiment:
    """One run: a configuration, and the objects that it describes.

    It computes with ``trainer.threads`` threads and seeds torch, so that its numbers repeat.

    Args:
        config: A composed and checked configuration.
        directory: The run directory; None to make one under ``outputs`` when `fit` is called.

    Attributes:
        config: The configuration, resolved.
        data: The DataModule; ``data.target`` is the distribution behind it, where there is one.
        model: The density, in plain torch; of a solve, the network ``u``.
        module: The learner that Lightning trains.
        directory: The run directory, or None before the first `fit`.

    Raises:
        UserError: The configuration cannot be built.
    """

    data: Any
    model: Any
    module: Learner

    def __init__(self, config: DictConfig, directory: RunDirectory | None = None) -> None:
        OmegaConf.resolve(config)
        self.config = config
        self.directory = directory
        self.settings: TrainerSettings = build(config, "trainer")
        if self.settings.replicas > 1:
            raise UserError(
                f"trainer.replicas={self.settings.replicas}: `genlab train` alone trains several "
                "runs; this is one, use trainer.replicas=1"
            )
        if self.settings.threads is not None:
            torch.set_num_threads(self.settings.threads)
        # A GPU would round convolutions to 10 bits: no inverse of a residual block converges then.
        torch.backends.cudnn.allow_tf32 = False
        seed_everything(config.seed, verbose=False)
        self._assemble()
        if self.settings.monitor not in self.module.reports:
            raise UserError(
                f"trainer.monitor={self.settings.monitor}: not a validation metric; "
                f"{nearest(self.settings.monitor, self.module.reports)}"
            )

    def _assemble(self) -> None:
        """Build the data, the model and the learner."""
        config = self.config
        describe(config)
        given = {} if config.get("problem") is None else {"network": residual_network(config)}
        self.data = build(config, "data", **given)
        self.model = build(config, "model")
        precede(self.model, self.data)
        objective: Objective[Any] = build(config, "objective", **self._source())
        if objective.learns_from == "passes":
            self.module = PassLearner(self.model, objective, self.settings)
        else:
            steps = {name: build(config, name) for name in OPTIONAL}
            self.module = ObjectiveLearner(self.model, objective, self.settings, **steps)

    def fit(
        self, *, resume: bool = False, callbacks: Sequence[Callback] = ()
    ) -> dict[str, float | None]:
        """Train, test with the best weights, draw the figures, and record it all.

        Args:
            resume: Go on from the run's last checkpoint.
            callbacks: Lightning callbacks to run besides those of the configuration, in the first
                of several processes alone.

        Returns:
            The metrics, as in the run's ``metrics.json``.

        Raises:
            UserError: The experiment has been fitted already, or its directory holds a run that is
                done, that another process is at, or that `resume` alone would go on with.
            RunError: The loss was lost, the disk is full, or the checkpoint is damaged.
            Interrupted: A signal stopped the run; it can be resumed.
        """
        if self.module.step:
            raise UserError("fit: this experiment is fitted already; make another one")
        if resume and self.directory is None:
            raise UserError("fit(resume=True): no run to go on with; fit() starts one")
        if self.directory is not None:
            check_fit(self.directory, self.config, resume=resume)
        if resume:
            self.module.train()  # what was loaded is in evaluation mode
        else:
            self.initialise()
        run = self.directory = self.directory or new_directory(self.config)
        interruption, checkpoints = Interruption(), Checkpoints()
        trainer = make_trainer(
            self.settings,
            folder=run.path,
            loggers=self.loggers(run, resume=resume),
            callbacks=[
                *self.callbacks(),
                *callbacks,
                *self._keepers(run),
                Patience(),
                Curves(),
                checkpoints,
                StopOnSignal(interruption),
            ],
        )
        with (
            rank_zero_if_alone(self.settings),
            recorded(run, self.config, self.likelihood, self.module, resume=resume),
            interruption.handled(),
        ):
            self.log_remarks()
            with helped(run, self.config):
                last = run.last if resume else None
                trainer.fit(self.module, datamodule=self.data, ckpt_path=last)
                # Where the first process keeps the run.
                self.directory = RunDirectory(Path(trainer.strategy.broadcast(str(run.path))))
            if not is_first(self.settings):
                return {}
            return self.conclude(trainer, checkpoints)

    def log_remarks(self) -> None:
        """Log `remarks`, so that the record keeps them."""
        for remark in self.remarks:
            logging.getLogger("genlab.data").info("%s", remark)

    def conclude(self, trainer: pl.Trainer, checkpoints: Checkpoints) -> dict[str, float | None]:
        """Test the best weights after a training, draw the figures, and record it all."""
        assert self.directory is not None
        log.info("testing the best weights")
        self.restore()
        numbers = self._evaluate() | self._training_numbers()
        assert checkpoints.best is not None
        best = {self.settings.monitor: checkpoints.best}
        metrics = record_metrics(self.directory, numbers | best)
        log.info("drawing the figures")
        figures = self.figures()
        save_figures(figures, self.directory.figures)
        log_figures(trainer.loggers, figures, self.module.step)
        log_results(trainer.loggers, flatten(plain(self.config)), metrics, self.module.step)
        return metrics

    def test(self) -> dict[str, float | None]:
        """Compute the test metrics of the present weights.

        They are written where these are the best weights of a run that no process is training.

        Returns:
            The metrics by tag; None stands for a number that is not finite.

        Raises:
            UserError: A file that the run was made with has changed.
        """
        run = self.directory
        if run is None or not run.manifest.exists():
            return finite(self._evaluate())
        check_files(run, self.config)
        numbers = self._evaluate()
        if effective_state(run) == "running" or not holds_weights(self.model, run.best):
            return finite(numbers)
        with logged(run):
            log.info("tested again, by genlab %s and torch %s", __version__, torch.__version__)
        return record_metrics(run, numbers)

    def restore(self) -> None:
        """Take the best weights of the run, its last before a validation, in evaluation mode.

        Raises:
            RunError: The checkpoint is missing or damaged.
        """
        assert self.directory is not None
        load_weights(self.model, self.directory.weights)
        self._place()

    def figures(self) -> dict[str, Figure]:
        """Draw the figures of the present weights, by name."""
        test, training = self.data.test, self.data.training_set
        return draw(
            self.model,
            target=self.data.target,
            samples=None if test is None else test.x,
            context=None if test is None else test.context,
            training=None if training is None else training.x,
            enlarges=self.data.reduction is not None,
            names=self.data.columns,
            generator=generator(self.config.seed, "figures"),
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know before anything is trained."""
        remarks: tuple[str, ...] = self.data.remarks
        return remarks

    @property
    def likelihood(self) -> str:
        """What the run's record says of its density."""
        likelihood: str = self.model.likelihood
        return likelihood

    @property
    def density(self) -> Density:
        """The density that the run has learned, with its present weights."""
        model: Density = self.model
        return model

    def animate(self, folder: Path) -> Path:
        """Write how the model carries its base to the data as ``paths.gif``, and return its path.

        Raises:
            UserError: The model follows no ODE in the plane, or wants a context.
        """
        if (
            not isinstance(self.model, ContinuousFlow)
            or self.model.event_shape != (2,)
            or self.model.context_encoder.dim
        ):
            raise UserError(
                "plot --animate: shows how cnf and flow-matching move, in the plane and without a "
                "context; this run has nothing of that kind"
            )
        path = folder / "paths.gif"
        with atomic_path(path) as temporary:
            animate_paths(self.model, temporary, generator=generator(self.config.seed, "figures"))
        return path

    def _source(self) -> dict[str, Target]:
        """What the objective learns from besides the stream of the data."""
        choices, target = self.config.choices, self.data.target
        if locate("objective", self.config.objective._target_).learns_from == "energy":
            if target is None or not target.has_energy:
                raise UserError(
                    f"objective={choices.objective}: it learns from a log-density, which is "
                    f"unknown for data={choices.data}; use objective=maximum_likelihood"
                )
            return {"target": target}
        if target is not None and not target.has_samples:
            raise UserError(
                f"objective={choices.objective}: it learns from samples, which data="
                f"{choices.data} lacks; use objective=reverse_kl"
            )
        return {}

    def _evaluate(self) -> dict[str, float]:
        self._place()
        return evaluate(
            self.model,
            test=self.data.test,
            target=self.data.target,
            levels=self.data.levels,
            labelled=self.data.labelled,
            reduction=self.data.reduction,
            generator=generator(self.config.seed, "evaluate"),
        )

    def _training_numbers(self) -> dict[str, float]:
        return {
            "train/steps": self.module.step,
            "time/fit_seconds": self.module.seconds,
            "time/steps_per_second": self.module.step / self.module.seconds,
            **self._summary(),
        }

    def _summary(self) -> dict[str, float]:
        """Numbers that only this family has."""
        numbers: dict[str, float] = self.model.summary(self.data.training_set)
        return numbers

    def initialise(self) -> None:
        """Give the model its data-dependent start, or the weights of another run."""
        seed_everything(self.config.seed, verbose=False)
        self.module.start(self.data.first_rows())
        start_from(self.model, self.settings.warm_start)
        # The other run may be of another precision.
        self.module.to(self.settings.dtype)

    def _place(self) -> None:
        # The target stays where the generators of the data are, on the CPU.
        self.model.to(device_of(self.settings.accelerator)).eval()

    def loggers(self, run: RunDirectory, *, resume: bool = False) -> list[Any]:
        """The loggers of the configuration."""
        if self.config.logger is None:
            return []
        place = {"save_dir": str(run.path), "name": "", "version": run.tensorboard.name}
        if resume and self.config.logger._target_.endswith("TensorBoardLogger"):
            # What was logged behind the checkpoint is about to be logged again.
            place["purge_step"] = load_checkpoint(run.last)["step"] + 1
        return [build(self.config, "logger", **place)]

    def _keepers(self, run: RunDirectory) -> list[Callback]:
        """Callbacks that keep what only this kind of run has; none here."""
        return []

    def callbacks(self) -> list[Any]:
        """The callbacks of the configuration."""
        nodes = self.config.callbacks or {}
        return [build(nodes, name) for name, node in nodes.items() if node is not None]
