"""A run's record: what it is when it starts, how it ended whatever happens, and its metrics."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from genlab.config.stored import names, plain
from genlab.errors import Interrupted, PrunedError, UserError
from genlab.learning.learner import Learner
from genlab.processes import is_first
from genlab.runs.directory import RunDirectory, claim, dated
from genlab.runs.files import atomic_path, read_json, write_json
from genlab.runs.holder import beating
from genlab.runs.manifest import is_configured, read_manifest, update_config, write_manifest
from genlab.runs.settings import CHOICE, LATE, SILENT, checksums, flatten
from genlab.runs.status import (
    State,
    effective_state,
    is_taken,
    refuse_running,
    refuse_taken,
    write_status,
)

__all__ = [
    "at_work",
    "check_files",
    "check_fit",
    "finite",
    "hyperparameters",
    "logged",
    "new_directory",
    "record_metrics",
    "recorded",
]

log = logging.getLogger(__name__)

# Whose log is written, where several runs go on at once.
_at_work: ContextVar[RunDirectory | None] = ContextVar("at_work", default=None)

# Settings that tell most of a run, behind what it is called by. TensorBoard sorts its columns by
# whether they differ and then by name: digits stand before all words.
FIRST = {"seed": "3 seed", "optimizer.lr": "4 lr", "trainer.max_steps": "5 steps"}


def new_directory(config: DictConfig) -> RunDirectory:
    """A directory of its own for a run, below ``outputs``, named by time, model and data.

    A process that helps another one to train makes none, as it keeps nothing.

    Raises:
        UserError: ``outputs`` cannot be written.
    """
    path = dated(config.outputs, *names(config.choices))
    if not is_first(config.trainer):
        return RunDirectory(path)
    return RunDirectory.create(claim(path.parent, path.name))


def check_fit(run: RunDirectory, config: DictConfig, *, resume: bool) -> None:
    """Refuse a fit that would write over a run, or go on with what is no part of it.

    Args:
        run: The run directory.
        config: The configuration that is to be fitted.
        resume: Whether it is to go on from the last checkpoint.

    Raises:
        UserError: The run is done, another process is at it, there is no run to go on with, or one
            where a new one was to start.
    """
    if not is_first(config.trainer):
        return
    path = run.path
    if not run.manifest.exists():
        if resume:
            raise UserError(f"fit(resume=True): no run in {path}; fit() starts one")
        return
    refuse_running(run)
    state = effective_state(run) if run.status.exists() else "killed"
    anew = f"genlab rerun {run.typed} trains it anew, in a directory of its own"
    if state == "done" and not (resume and not is_configured(run, plain(config))):
        further = f"genlab resume {run.typed} trainer.max_steps={2 * config.trainer.max_steps}"
        raise UserError(
            f"fit: the run in {path} is done; {further} goes further,\n"
            f"{anew}, and genlab.experiment(...) is another run"
        )
    if not run.last.exists():
        raise UserError(f"fit: the run in {path} is {state}, without a checkpoint; {anew}")
    if not resume:
        raise UserError(
            f"fit: the run in {path} is {state}; genlab.load({str(path)!r}).fit(resume=True) "
            f"goes on with it,\n{anew}"
        )
    check_files(run, config)


def check_files(run: RunDirectory, config: DictConfig) -> None:
    """Refuse what would mix numbers on a file with those on another of the same name.

    Raises:
        UserError: A file has changed since the run was made.
    """
    known = read_manifest(run).get("files", {})
    for key, checksum in checksums(flatten(plain(config))).items():
        # What a run started from is not read again when it goes on.
        if known.get(key, checksum) != checksum and key != "trainer.warm_start":
            raise UserError(
                f"{key}={OmegaConf.select(config, key)}: has changed since the run was made; "
                f"genlab rerun {run.typed} trains on it as it is now"
            )


@contextmanager
def recorded(
    run: RunDirectory,
    config: DictConfig,
    likelihood: str,
    learner: Learner,
    *,
    resume: bool = False,
) -> Iterator[None]:
    """Write ``config.yaml`` and ``run.json``, then keep ``status.json`` and ``run.log`` true.

    Of several processes that train together, only the first one writes.

    Args:
        run: The run directory.
        config: The resolved configuration.
        likelihood: The model's label, or ``none`` where it is no density.
        learner: Tells the step that was reached.
        resume: Go on with the run that is there.

    Raises:
        UserError: The directory holds another run, or another process is at this one.
    """
    if not is_first(config.trainer):
        yield
        return
    if resume:
        refuse_running(run)
        update_config(run, plain(config))
    else:
        model, data = names(config.choices)
        write_manifest(
            run,
            config=plain(config),
            model=model,
            data=data,
            likelihood=likelihood,
            threads=config.trainer.threads or torch.get_num_threads(),
        )
    with atomic_path(run.config) as temporary:
        OmegaConf.save(config, temporary)
    write_status(run, "running")
    with logged(run):
        log.info("started: %s on %s", *names(config.choices))
        try:
            with beating(run.status):
                yield
            refuse_taken(run)
        except (Interrupted, KeyboardInterrupt):
            _end(run, "interrupted", step=learner.step or None)
            log.info("interrupted at step %d", learner.step)
            raise
        except PrunedError as end:
            _end(run, "pruned", step=learner.step, error=str(end))
            log.info("%s", end)
            raise
        except BaseException as error:
            _end(run, "failed", step=learner.step or None, error=f"{type(error).__name__}: {error}")
            log.info("failed at step %d", learner.step, exc_info=error)
            raise
        write_status(run, "done", step=learner.step)
        log.info("done at step %d", learner.step)


def _end(run: RunDirectory, state: State, **how: Any) -> None:
    """Write how a run ended here; what another process is at is that one's to end."""
    if not is_taken(run):
        write_status(run, state, **how)


def hyperparameters(config: DictConfig) -> dict[str, Any]:
    """The settings of a run by the names of their columns in TensorBoard, choices as typed.

    First what it is called by, then its seed, learning rate and steps. What only says where the run
    is kept and what shows it is left out, and what follows from another setting.
    """
    choices, flat = config.choices, flatten(plain(config))
    named = dict(zip(("1 model", "2 data"), names(choices), strict=True))
    settings = {FIRST.get(key, key.removeprefix(CHOICE)): value for key, value in flat.items()}
    if "sampler" in choices:
        # Its name has the family, and its problem is what it is on.
        settings["family"] = choices.get("model")
        named_by = ("model", "problem")
    else:
        named_by = ("model", "data")
    return named | {
        key: value
        for key, value in settings.items()
        if not (SILENT.fullmatch(key) or LATE.fullmatch(key) or key in named_by)
        and not (key.endswith(".seed") and value == config.seed)
    }


def finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers by tag, None in the place of what is not finite."""
    return {tag: float(value) if math.isfinite(value) else None for tag, value in numbers.items()}


def record_metrics(run: RunDirectory, numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Write ``metrics.json``; what was measured before, and is not now, stays.

    Returns:
        All metrics of the run.
    """
    metrics = finite(numbers)
    if run.metrics.exists():
        metrics = read_json(run.metrics) | metrics
    write_json(run.metrics, metrics)
    return metrics


@contextmanager
def at_work(run: RunDirectory) -> Iterator[None]:
    """Of several runs that are recorded, let this one alone log what happens inside."""
    token = _at_work.set(run)
    try:
        yield
    finally:
        _at_work.reset(token)


@contextmanager
def logged(run: RunDirectory) -> Iterator[None]:
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
