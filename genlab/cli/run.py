"""The one way into a run: compose, check, claim a directory, fit, report."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from genlab.cli.fit import continue_replicas, fit, fit_replicas, reenter, relative
from genlab.cli.hydra_app import run_as_job, set_folder
from genlab.cli.run_argument import loading
from genlab.errors import UserError
from genlab.processes import check_device, is_alone, is_first, own_process_group
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.find import find_runs
from genlab.runs.requeued import begun_run
from genlab.runs.settings import config_hash
from genlab.slurm import is_requeued, job

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from omegaconf import DictConfig

__all__ = ["begun_before", "checked", "composed", "hashes_of", "run_config", "run_words"]


def composed(command: str, words: Sequence[str]) -> DictConfig:
    """All that Hydra makes of words, its own node included.

    Args:
        command: ``train`` or ``solve``.
        words: Overrides.

    Raises:
        UserError: One of them is wrong.
    """
    from genlab.config.explain import explained
    from genlab.config.primary import compose_raw

    with explained(command, words):
        return compose_raw(command, words)


def checked(command: str, words: Sequence[str], whole: DictConfig | None = None) -> DictConfig:
    """The configuration that words stand for, without a mistake.

    Args:
        command: ``train`` or ``solve``.
        words: Overrides.
        whole: What `composed` makes of them, where that is there already; it stays as it is.

    Raises:
        UserError: It has a mistake.
    """
    from genlab.config.check import check
    from genlab.config.compose import complete
    from genlab.config.look import look_at

    made = composed(command, words) if whole is None else copy.deepcopy(whole)
    config = complete(made, command, words)
    check(config)
    look_at(config)
    return config


def run_words(command: str, words: Sequence[str], whole: DictConfig) -> None:
    """Train what words stand for, in a directory of its own.

    Args:
        command: ``train`` or ``solve``.
        words: Overrides.
        whole: What `composed` has made of them.

    Raises:
        UserError: The configuration has a mistake, or the directory that was asked for is taken.
        RunError: The run failed.
    """
    from genlab.config.explain import explained
    from genlab.config.keys import Keys

    # What is wrong is told before torch and Lightning, which take seconds, are imported.
    config = checked(command, words, whole)
    with explained(command, words):
        folder = set_folder(whole, "run")
    with Keys(config).telling():
        check_device(config.trainer)
        first = is_first(config.trainer)
    with loading():
        from genlab.assembly.recording import new_directory
    begun = begun_before(config, folder)
    if folder is not None and first and begun is None:
        _check_free(folder, config)
    run = begun or RunDirectory((folder or new_directory(config).path).absolute())

    def task(_: DictConfig) -> float | None:
        metrics = run_config(config, run, ours=False, begun=begun is not None)
        return metrics.get(config.trainer.monitor)

    # A process that helps another one keeps nothing.
    with _removed_if_nothing_began(run, ours=folder is None and first):
        run_as_job(whole, run.path if first else None, task)


def begun_before(config: DictConfig, folder: Path | None = None) -> RunDirectory | None:
    """The run that this job of Slurm began before it was put back into the queue, if it did.

    Args:
        config: A checked configuration.
        folder: Where the run was to be kept; below ``outputs`` if None.

    Returns:
        Where it is kept, or each of its replicas a folder below.
    """
    if not is_requeued():
        return None
    alone = is_alone(config.trainer)
    _, hashes = hashes_of(copy.deepcopy(config))
    run = begun_run(folder or Path(config.outputs).expanduser(), hashes, alone=alone)
    if run is None:
        return None
    place = RunDirectory(run.path.absolute().parent) if len(hashes) > 1 else run
    if is_first(config.trainer):
        print(f"job {job()} goes on with {relative(place.path)}", flush=True)
    return RunDirectory(place.path.absolute())


def hashes_of(config: DictConfig) -> tuple[str, tuple[str, ...]]:
    """The hash of a configuration, and those of the runs that come of it, as they are recorded.

    Args:
        config: A checked configuration; it is described in place.
    """
    from genlab.assembly import alone, describe
    from genlab.config.stored import plain

    describe(config)
    runs = tuple(config_hash(plain(one)) for one in alone(config))
    return runs[0] if len(runs) == 1 else config_hash(plain(config)), runs


def run_config(
    config: DictConfig,
    run: RunDirectory,
    *,
    ours: bool,
    begun: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Mapping[str, float | None]:
    """Fit a checked configuration in a directory, with a summary before and the metrics after.

    Args:
        config: The configuration.
        run: Where the run is kept, or each of its replicas a folder below.
        ours: Whether genlab has made the directory: what ends before it starts then leaves none.
        begun: Whether the run may have begun there before, and goes on from its last checkpoint.
        callbacks: Lightning callbacks to run besides those of the configuration.

    Returns:
        The metrics; none of replicas, nor in a process that helps another one.

    Raises:
        UserError: The directory holds another run, or the configuration cannot be built.
        RunError: The run failed.
        Interrupted: A signal stopped it.
    """
    first = is_first(config.trainer)
    together = own_process_group(kept=not is_alone(config.trainer))
    with _removed_if_nothing_began(run, ours=ours and first), together:
        if config.trainer.replicas > 1:
            left = begun and find_runs(run.path)
            (continue_replicas if left else fit_replicas)(config, run.path)
            return {}
        resume = begun and run.last.exists()
        if first:
            state = reenter(run, config) if begun else "nothing"
            if state == "done":
                return read_json(run.metrics)
            resume = state == "part"
        if first and not resume:
            RunDirectory.create(run.path)
        return fit(config, run, resume=resume, callbacks=callbacks)


@contextmanager
def _removed_if_nothing_began(run: RunDirectory, *, ours: bool) -> Iterator[None]:
    """What ends before it starts leaves nothing; a user's own folder stays."""
    try:
        yield
    except BaseException:
        if ours and run.path.exists() and not find_runs(run.path):
            shutil.rmtree(run.path)
        raise


def _check_free(folder: Path, config: DictConfig) -> None:
    """Refuse a directory that holds a run already, or runs below, before anything is written.

    Raises:
        UserError: It is such a directory.
    """
    runs = [RunDirectory(folder)]
    if config.trainer.replicas > 1:
        from genlab.assembly import alone, replica_directory

        runs += [replica_directory(one, folder) for one in alone(config)]
    for run in runs:
        if run.manifest.exists():
            raise run.taken()
    if config.trainer.replicas == 1 and (inside := find_runs(folder)):
        raise UserError(
            f"hydra.run.dir={folder}: a run there would hide those below it, as "
            f"{inside[0].path}; choose another directory"
        )
