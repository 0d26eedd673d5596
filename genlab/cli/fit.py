"""A fit as a user sees it: how far it came before, what is trained, how it went, how to go on."""

from __future__ import annotations

import copy
import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genlab.cli.report import print_config, print_metrics
from genlab.cli.run_table import print_runs
from genlab.config.stored import names, plain
from genlab.errors import GenlabError, RunError, UserError
from genlab.processes import is_first
from genlab.runs.directory import RunDirectory
from genlab.runs.manifest import read_manifest
from genlab.runs.settings import config_hash
from genlab.runs.status import effective_state, refuse_running
from genlab.slurm import helping

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from omegaconf import DictConfig

    from genlab.assembly import Run

__all__ = ["continue_replicas", "fit", "fit_replicas", "redirected", "reenter", "relative"]

# What is told on standard error, and how; the record of a run speaks to its own file alone.
SHOWN = {
    "genlab.assembly.run": "%(message)s ...",
    "genlab.pinn.residual_data": "%(message)s ...",
    "genlab.notes": "%(message)s",
}


def fit(
    config: DictConfig,
    run: RunDirectory,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> dict[str, float | None]:
    """Fit in a run directory, with a summary before and the metrics after.

    Args:
        config: A checked configuration.
        run: Where the run is kept.
        resume: Go on from the run's last checkpoint.
        callbacks: Lightning callbacks to run besides those of the configuration.

    Returns:
        The metrics; none in the helping processes of data-parallel training.

    Raises:
        RunError: The run failed.
        Interrupted: A signal stopped it.
    """
    from lightning.pytorch.callbacks import LambdaCallback

    from genlab.assembly import from_config

    first = is_first(config.trainer)
    with log_to_stderr():
        experiment = from_config(config, run)
    # Once the record has begun: what is refused before leaves no directory to name.
    start = LambdaCallback(setup=lambda *_, **__: print_start(config, experiment, run.path))
    shown = [start] if first else []
    with helping(not first), with_hints(run), log_to_stderr():
        metrics = experiment.fit(resume=resume, callbacks=[*shown, *callbacks])
    if first:
        title = f"{' on '.join(names(config.choices))}: {relative(run.path)}"
        print_metrics(metrics, title, likelihood=experiment.likelihood)
    return metrics


def reenter(run: RunDirectory, config: DictConfig) -> Literal["done", "part", "nothing"]:
    """Tell how far the run of a configuration has come in its directory, and make that ready.

    What was killed before its first checkpoint is removed, and the run starts anew.

    Args:
        run: The directory.
        config: A checked configuration.

    Returns:
        ``done``; ``part`` where there is a checkpoint to go on from; ``nothing`` where the run is
        to start, in a directory that is there.

    Raises:
        UserError: The directory holds the run of another configuration, which stays as it is, or
            another process is at the run.
    """
    from genlab.assembly import describe

    if run.manifest.exists():
        described = copy.deepcopy(config)
        describe(described)
        if read_manifest(run)["config_hash"] != config_hash(plain(described)):
            raise UserError(
                f"{run.path}: holds the run of another configuration, or a file of it has changed "
                f"since;\nit stays as it is: look at it by genlab show {run.typed}, or move it away"
            )
        refuse_running(run)
        if run.status.exists() and effective_state(run) == "done":
            return "done"
        if run.last.exists():
            return "part"
        run.clear()
    RunDirectory.create(run.path)
    return "nothing"


def continue_replicas(config: DictConfig, folder: Path) -> None:
    """Train what is left of replicas that were begun before, one after the other.

    Args:
        config: A checked configuration.
        folder: Where the directories are.

    Raises:
        UserError: One of the directories holds the run of another configuration.
        RunError: One of them failed.
        Interrupted: A signal stopped one.
    """
    from genlab.assembly import alone, replica_directory

    for one in alone(config):
        run = replica_directory(one, folder)
        state = reenter(run, one)
        if state != "done":
            fit(one, run, resume=state == "part")
    print_runs(relative(folder))


def fit_replicas(config: DictConfig, folder: Path) -> None:
    """Train ``trainer.replicas`` runs together, each in a directory of its own.

    Args:
        config: A checked configuration.
        folder: Where the directories are made.

    Raises:
        UserError: Such runs cannot be trained together.
        RunError: Some of them failed.
        Interrupted: A signal stopped them.
    """
    from genlab.assembly import Replicas

    replicas = Replicas(config, folder)
    start = partial(print_start, config, replicas.runs[0].training, folder)
    try:
        with log_to_stderr():
            replicas.fit(begun=start)
    except BaseException as stop:
        left = [replica.run for replica in replicas.runs if replica.run.last.exists()]
        if left:
            word = shlex.quote(str(relative(left[0].path)))
            stop.add_note(f"go on with each, as with: genlab resume {word}")
        raise
    print_runs(relative(folder))
    print(f"means and deviations: genlab compare {relative(folder)}")
    failed = [replica for replica in replicas.runs if replica.error is not None]
    if failed:
        reasons = "".join(f"\n{relative(replica.run.path)}: {replica.error}" for replica in failed)
        raise RunError(f"{len(failed)} of {len(replicas.runs)} replicas failed{reasons}")


def print_start(config: DictConfig, experiment: Run, place: Path) -> None:
    """Say what is about to be trained.

    Args:
        config: The configuration.
        experiment: What came of it; of replicas, the first.
        place: Where it is kept.
    """
    print_config(experiment.header(relative(place), config))


@contextmanager
def with_hints(run: RunDirectory) -> Iterator[None]:
    """Add to whatever ends a run early where its log is, or how to go on."""
    try:
        yield
    except Exception as error:
        if run.log.exists() and not isinstance(error, GenlabError):
            error.add_note(f"log: {relative(run.log)}")
        raise
    except BaseException as stop:
        if run.last.exists():
            stop.add_note(f"go on with: genlab resume {shlex.quote(str(relative(run.path)))}")
        raise


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Say on standard error what goes on before and behind the training, for seconds too."""
    with ExitStack() as shown:
        for name, form in SHOWN.items():
            logger, handler = logging.getLogger(name), logging.StreamHandler()
            handler.setFormatter(logging.Formatter(form))
            shown.callback(logger.setLevel, logger.level)
            shown.callback(logger.removeHandler, handler)
            logger.setLevel(logging.INFO)
            logger.addHandler(handler)
        yield


@contextmanager
def redirected(run: RunDirectory) -> Iterator[None]:
    """Send what is printed inside to the run's ``console.log``, behind what is there."""
    with (
        run.console.open("a", encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        yield


def relative(path: Path) -> Path:
    """``path`` as seen from the working folder, where it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
