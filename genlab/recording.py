"""A run's record: what it is when it starts, and how it ended, whatever happens in between."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from genlab.config.stored import names, plain
from genlab.errors import Interrupted, PrunedError
from genlab.learning.learner import Learner
from genlab.processes import is_first
from genlab.runs.directory import RunDirectory, claim
from genlab.runs.files import atomic_path
from genlab.runs.manifest import update_config, write_manifest
from genlab.runs.status import write_status

__all__ = ["at_work", "new_directory", "recorded"]

log = logging.getLogger(__name__)

# Whose log is written, where several runs go on at once.
_at_work: ContextVar[RunDirectory | None] = ContextVar("at_work", default=None)


def new_directory(config: DictConfig) -> RunDirectory:
    """A directory of its own for a run, below ``outputs``, named by time, model and data.

    A process that helps another one to train makes none, as it keeps nothing.

    Raises:
        UserError: ``outputs`` cannot be written.
    """
    now = datetime.now()
    day, name = f"{now:%Y-%m-%d}", "-".join((f"{now:%H-%M-%S}", *names(config.choices)))
    folder = Path(config.outputs) / day
    if not is_first(config.trainer):
        return RunDirectory(folder / name)
    return RunDirectory.create(claim(folder, name))


@contextmanager
def recorded(
    run: RunDirectory, config: DictConfig, likelihood: str, learner: Learner
) -> Iterator[None]:
    """Write ``config.yaml`` and ``run.json``, then keep ``status.json`` and ``run.log`` true.

    Of several processes that train together, only the first one writes.

    Args:
        run: The run directory.
        config: The resolved configuration.
        likelihood: The model's label, or ``none`` where it is no density.
        learner: Tells the step that was reached.
    """
    if not is_first(config.trainer):
        yield
        return
    model, data = names(config.choices)
    with atomic_path(run.config) as temporary:
        OmegaConf.save(config, temporary)
    if run.manifest.exists():
        update_config(run, plain(config))
    else:
        write_manifest(
            run,
            config=plain(config),
            model=model,
            data=data,
            likelihood=likelihood,
            threads=config.trainer.threads or torch.get_num_threads(),
        )
    write_status(run, "running")
    with _logged(run):
        log.info("started: %s on %s", model, data)
        try:
            yield
        except (Interrupted, KeyboardInterrupt):
            write_status(run, "interrupted", step=learner.step or None)
            log.info("interrupted at step %d", learner.step)
            raise
        except PrunedError as end:
            write_status(run, "pruned", step=learner.step, error=str(end))
            log.info("%s", end)
            raise
        except BaseException as error:
            write_status(
                run, "failed", step=learner.step or None, error=f"{type(error).__name__}: {error}"
            )
            log.info("failed at step %d", learner.step, exc_info=error)
            raise
        write_status(run, "done", step=learner.step)
        log.info("done at step %d", learner.step)


@contextmanager
def at_work(run: RunDirectory) -> Iterator[None]:
    """Of several runs that are recorded, let this one alone log what happens inside."""
    token = _at_work.set(run)
    try:
        yield
    finally:
        _at_work.reset(token)


@contextmanager
def _logged(run: RunDirectory) -> Iterator[None]:
    """Append what is logged, warnings included, to ``run.log``."""
    handler = logging.FileHandler(run.log, encoding="utf-8")
    handler.addFilter(lambda record: _at_work.get() in (None, run))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root, ours = logging.getLogger(), logging.getLogger("genlab")
    level = ours.level
    ours.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        ours.setLevel(level)
