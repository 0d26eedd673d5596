"""A fit as a user sees it: what is trained, how it went, and how to go on if it was stopped."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from genlab.cli.report import print_config, print_metrics
from genlab.errors import GenlabError
from genlab.processes import is_first

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from omegaconf import DictConfig

    from genlab.assembly import Experiment
    from genlab.runs.directory import RunDirectory

__all__ = ["announce", "fit", "near", "noted", "redirected", "stages"]


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
    from genlab.assembly import from_config
    from genlab.config.stored import names

    first = is_first(config.trainer)
    with stages():
        experiment = from_config(config, run)
    if first:
        announce(config, experiment, run.path)
    with noted(run), stages():
        metrics = experiment.fit(resume=resume, callbacks=callbacks)
    if first:
        title = f"{' on '.join(names(config.choices))}: {near(run.path)}"
        print_metrics(metrics, title, likelihood=experiment.likelihood)
    return metrics


def announce(config: DictConfig, experiment: Experiment, place: Path) -> None:
    """Say what is about to be trained, and what there is to know of its data.

    Args:
        config: The configuration.
        experiment: What came of it; of replicas, the first.
        place: Where it is kept.
    """
    from genlab.learning.trainer import device_name

    print_config(
        config,
        parameters=sum(tensor.numel() for tensor in experiment.model.parameters()),
        device=device_name(config.trainer.accelerator),
        run=near(place),
    )
    for remark in experiment.remarks:
        print(f"note: {remark}", file=sys.stderr)


@contextmanager
def noted(run: RunDirectory) -> Iterator[None]:
    """Add to whatever ends a run early where its log is, or how to go on."""
    try:
        yield
    except Exception as error:
        if run.log.exists() and not isinstance(error, GenlabError):
            error.add_note(f"log: {near(run.log)}")
        raise
    except BaseException as stop:
        if run.last.exists():
            stop.add_note(f"go on with: genlab resume {shlex.quote(str(near(run.path)))}")
        raise


@contextmanager
def stages() -> Iterator[None]:
    """Say on standard error what goes on before and behind the training, for seconds too."""
    logger, handler = logging.getLogger("genlab.assembly"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s ..."))
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def redirected(run: RunDirectory) -> Iterator[None]:
    """Send what is printed inside to the run's ``console.log``, behind what is there."""
    with (
        run.console.open("a", encoding="utf-8") as file,
        redirect_stdout(file),
        redirect_stderr(file),
    ):
        yield


def near(path: Path) -> Path:
    """``path`` as seen from the working folder, where it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
