"""A run: a configuration, the objects that it describes, and the directory that it is kept in."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities.seed import seed_everything
from omegaconf import DictConfig, OmegaConf

from genlab import __version__
from genlab.assembly.helper import helped
from genlab.assembly.recording import (
    check_files,
    check_fit,
    finite,
    hyperparameters,
    logged,
    new_directory,
    record_metrics,
    recorded,
)
from genlab.config.build import build
from genlab.config.keys import Keys
from genlab.config.look import look_at_loggers
from genlab.config.stored import names, plain
from genlab.config.targets import locate
from genlab.densities.density import Density
from genlab.errors import UserError, nearest
from genlab.evaluation.figures import Figures, save_figures
from genlab.learning.callbacks import Checkpoints, Curves, Patience, StopOnSignal
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.interruption import Interruption
from genlab.learning.learner import Learner
from genlab.learning.loggers import logging_to
from genlab.learning.settings import TrainerSettings
from genlab.learning.tensorboard import log_figures, log_results
from genlab.learning.trainer import accelerator_device, device_name, make_trainer
from genlab.learning.weights import holds_weights, load_weights
from genlab.notebook import in_notebook, page_table, show
from genlab.processes import is_first, rank_zero_if_alone
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.settings import flatten
from genlab.runs.status import effective_state
from genlab.runs.summary import config_rows, metric_rows
from genlab.runs.text import aligned
from genlab.signature import signature

if TYPE_CHECKING:
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import Callback
    from matplotlib.figure import Figure

__all__ = ["Run"]

# How many metrics the line of a run has.
TOLD = 2

log = logging.getLogger(__name__)
notes = logging.getLogger("genlab.notes")


class Run(ABC):
    """One run, of ``genlab train`` or ``genlab solve``: what both have.

    It computes with ``trainer.threads`` threads and seeds torch, so that its numbers repeat.

    Args:
        config: A composed and checked configuration.
        directory: The run directory; None to make one under ``outputs`` when `fit` is called.

    Attributes:
        config: The configuration, resolved.
        keys: Its keys, by which errors of the library are told.
        data: The DataModule that Lightning trains on.
        module: The learner that Lightning trains; ``module.model`` is what learns.
        directory: The run directory, or None before the first `fit`.

    Raises:
        UserError: The configuration cannot be built.
    """

    data: Any
    module: Learner

    def __init__(self, config: DictConfig, directory: RunDirectory | None = None) -> None:
        self.keys = Keys(config)
        OmegaConf.resolve(config)
        self.config = config
        self.directory = directory
        self._measured: dict[str, float | None] | None = None
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
        with self.keys.telling():
            self._assemble()
        if self.settings.monitor not in self.module.reports:
            raise UserError(
                f"trainer.monitor={self.settings.monitor}: not a validation metric; "
                f"{nearest(self.settings.monitor, self.module.reports)}"
            )

    def __repr__(self) -> str:
        what, source = names(self.config.choices)
        label = f"{type(self).__name__} of {what} on {source}, seed {self.config.seed}"
        rows = metric_rows(self.metrics, self.likelihood)[:TOLD]
        numbers = [f"{r.key} {r.value}{f' +- {r.error}' if r.error else ''}" for r in rows]
        return f"{label}: {', '.join([self._kept(), *numbers])}"

    def _repr_html_(self) -> str:
        """The same in a notebook, with the likelihood and all metrics of the test."""
        what, source = names(self.config.choices)
        rows = [
            (type(self).__name__.lower(), f"{what} on {source}"),
            ("likelihood", self.likelihood),
            ("seed", str(self.config.seed)),
            ("run", self._kept()),
        ]
        numbers = [
            (row.key, f"{row.value}{f' ± {row.error}' if row.error else ''}", row.remark)
            for row in metric_rows(self.metrics, self.likelihood)
        ]
        return page_table(rows) + (page_table(numbers) if numbers else "")

    def _kept(self) -> str:
        run = self.directory
        if run is None or not run.status.exists():
            return "not fitted"
        return f"{effective_state(run)} in {run.path}"

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
            UserError: It has been fitted already, or its directory holds a run that is
                done, that another process is at, or that `resume` alone would go on with.
            RunError: The loss was lost, the disk is full, or the checkpoint is damaged.
            Interrupted: A signal stopped the run; it can be resumed.
        """
        if self.module.step:
            raise UserError("fit: this run is fitted already; make another one")
        if resume and self.directory is None:
            raise UserError("fit(resume=True): no run to go on with; fit() starts one")
        if self.directory is not None:
            check_fit(self.directory, self.config, resume=resume)
        look_at_loggers(self.config)
        interruption, checkpoints = Interruption(), Checkpoints()
        with self.keys.telling():
            if resume:
                self.module.train()  # what was loaded is in evaluation mode
            else:
                self.initialise()
            run = self.directory = self.directory or new_directory(self.config)
            if is_first(self.settings):
                if in_notebook():
                    self.show_header()
                self.tell_remarks()
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
            logging_to(trainer.loggers),
            interruption.handled(),
            self.keys.telling(),
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

    def header(self, place: Path, config: DictConfig | None = None) -> list[tuple[str, str]]:
        """What is about to be trained, name and text.

        Args:
            place: Where it is kept.
            config: That of several runs together, if this is the first of them.
        """
        model = self.module.model
        return config_rows(
            plain(self.config if config is None else config),
            parameters=sum(tensor.numel() for tensor in model.parameters()),
            growing=any(getattr(part, "growing", False) for part in model.modules()),
            device=device_name(self.config.trainer.accelerator),
            run=place,
        )

    def show_header(self) -> None:
        """Show `header` below the cell of a notebook."""
        assert self.directory is not None
        rows = self.header(self.directory.path)
        show(page_table(rows), "\n".join(aligned(rows)))

    def tell_remarks(self) -> None:
        """Tell `remarks` to whoever fits: on standard error, unless logging is set up otherwise.

        In a notebook they stand below the cell.
        """
        for remark in self.remarks:
            if in_notebook():
                show(page_table([("note", remark)]), f"note: {remark}")
            else:
                notes.warning("note: %s", remark)

    def log_remarks(self) -> None:
        """Log `remarks`, so that the record keeps them."""
        for remark in self.remarks:
            logging.getLogger("genlab.data").info("%s", remark)

    def conclude(self, trainer: pl.Trainer, checkpoints: Checkpoints) -> dict[str, float | None]:
        """Test the best weights after a training, draw the figures, and record it all."""
        assert self.directory is not None
        log.info("testing the best weights")
        self.restore()
        numbers = self._evaluate() | self._costs()
        assert checkpoints.best is not None
        best = {self.settings.monitor: checkpoints.best}
        metrics = self._measured = record_metrics(self.directory, numbers | best)
        log.info("drawing the figures")
        figures = self.figures
        save_figures(figures, self.directory.figures)
        log_figures(trainer.loggers, figures, self.module.step)
        log_results(trainer.loggers, hyperparameters(self.config), metrics, self.module.step)
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
        if run is not None and run.manifest.exists():
            check_files(run, self.config)
        self._place()
        with self.keys.telling():
            numbers = self._evaluate()
        self._measured = finite(numbers)
        if run is not None and self._is_best(run):
            with logged(run):
                log.info("tested again, by genlab %s and torch %s", __version__, torch.__version__)
            self._measured = record_metrics(run, numbers)
        return self._measured

    def _is_best(self, run: RunDirectory) -> bool:
        """Whether the present weights are the best ones of a run that no process is training."""
        made = run.manifest.exists() and effective_state(run) != "running"
        return made and holds_weights(self.module.model, run.best)

    def restore(self) -> None:
        """Take the best weights of the run, its last before a validation, in evaluation mode.

        Raises:
            RunError: The checkpoint is missing or damaged.
        """
        assert self.directory is not None
        load_weights(self.module.model, self.directory.weights)
        self._place()

    @property
    def metrics(self) -> dict[str, float | None]:
        """What `fit` or `test` has measured, by tag; of a loaded run, what its record says."""
        if self._measured is None:
            run = self.directory
            self._measured = (
                {} if run is None or not run.metrics.exists() else read_json(run.metrics)
            )
        return self._measured

    @property
    def figures(self) -> Figures:
        """Figures of the present weights, by name; each use of the word draws them again."""
        return Figures(self.draw())

    def draw(self, columns: Sequence[str | int] = ()) -> dict[str, Figure]:
        """Draw the figures of the present weights.

        Args:
            columns: Those that corner plots are to show, by name or number from 0; the first ones
                if none is given.

        Returns:
            The figures by name.

        Raises:
            UserError: There is no such column, or nothing to choose from.
        """
        self._place()
        with self.keys.telling():
            return self._draw(columns)

    def loggers(self, run: RunDirectory, *, resume: bool = False) -> list[Any]:
        """The loggers of the configuration, each told what it takes of the run."""
        nodes = self.config.logger or {}
        outputs = Path(self.config.outputs).expanduser().absolute()
        inside = run.path.absolute().is_relative_to(outputs)
        told = {
            "save_dir": str(run.path),
            "name": "",
            "version": run.tensorboard.name,
            "title": str(run.path.absolute().relative_to(outputs)) if inside else run.path.name,
            "settings": flatten(plain(self.config)),
            # What was logged behind the checkpoint is about to be logged again.
            "purge_step": load_checkpoint(run.last)["step"] + 1 if resume else None,
        }
        takes = {
            name: signature(locate(f"logger.{name}", node._target_))
            for name, node in nodes.items()
            if node is not None
        }
        return [
            build(nodes, name, **{key: told[key] for key in told.keys() & taken.parameters.keys()})
            for name, taken in takes.items()
        ]

    def callbacks(self) -> list[Any]:
        """The callbacks of the configuration."""
        nodes = self.config.callbacks or {}
        return [build(nodes, name) for name, node in nodes.items() if node is not None]

    @abstractmethod
    def _assemble(self) -> None:
        """Build `data`, `module`, and all that they are made of."""

    @abstractmethod
    def initialise(self) -> None:
        """Give what learns its start, or the weights of another run."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know before anything is trained."""
        with self.keys.telling():
            return tuple(map(self.keys.told, self._remarks()))

    @abstractmethod
    def _remarks(self) -> tuple[str, ...]:
        """The same in the library's words."""

    @property
    @abstractmethod
    def density(self) -> Density:
        """The density that the run has learned, with its present weights.

        Raises:
            UserError: It learns none.
        """

    @property
    @abstractmethod
    def likelihood(self) -> str:
        """What the run's record says of its density; ``none`` where there is none."""

    @abstractmethod
    def animate(self, folder: Path) -> Path:
        """Write what moves as a GIF, and return its path.

        Raises:
            UserError: Nothing does.
        """

    @abstractmethod
    def _draw(self, columns: Sequence[str | int] = ()) -> dict[str, Figure]:
        """Draw the figures of the present weights, by name, of some columns or the first ones."""

    @abstractmethod
    def _evaluate(self) -> dict[str, float]:
        """Test the present weights, in evaluation mode."""

    def _keepers(self, run: RunDirectory) -> list[Callback]:
        """Callbacks that keep what only this kind of run has; none by default."""
        return []

    def _costs(self) -> dict[str, float]:
        """What the training has cost."""
        return {
            "train/steps": self.module.step,
            "time/fit_seconds": self.module.seconds,
            "time/steps_per_second": self.module.step / self.module.seconds,
        }

    def _place(self) -> None:
        # The target stays where the generators of the data are, on the CPU.
        self.module.model.to(accelerator_device(self.settings.accelerator)).eval()
