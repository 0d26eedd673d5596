"""One job of a sweep, as a launcher takes it to another process or to another machine."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from genlab.cli.fit import redirected
from genlab.cli.run import checked, run_config
from genlab.cli.run_argument import loading
from genlab.errors import GenlabError, Interrupted
from genlab.processes import is_first
from genlab.runs.sweep import SweepDirectory
from genlab.slurm import by_submitit, requeue_signal

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["SweepJob"]


class SweepJob:
    """Trains one configuration; whatever comes of it is noted in the directory of the sweep.

    It raises nothing but an interruption, so that no launcher gives up the other jobs.

    Its configuration is the one that the launcher composes, its words those of the sweep's record.

    Args:
        sweep: The directory of the sweep, where its words stand.
        command: Name of the primary config.
        searchpath: Overrides that say where configs are found.
        fail_fast: After a failure, let no other job begin.
        ours: Whether the directory was made for this sweep, so that what failed before it started
            can be removed.
    """

    def __init__(
        self,
        sweep: SweepDirectory,
        *,
        command: str,
        searchpath: Sequence[str],
        fail_fast: bool,
        ours: bool,
    ) -> None:
        self.sweep = sweep
        self.command = command
        self.searchpath = tuple(searchpath)
        self.fail_fast = fail_fast
        self.ours = ours
        self.folder = Path.cwd()
        self.path = list(sys.path)

    def __call__(self, config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        number = int(Path(HydraConfig.get().runtime.output_dir).name)
        if self.sweep.stopped:
            return
        if not self.sweep.begin(number):
            return
        try:
            with self.sweep.at_work(number):
                self._train(number, config)
        except Exception as error:
            self.sweep.end(number, "failed", _reason(error))
            if self.fail_fast:
                self.sweep.stop()
        except Interrupted as stop:
            self.sweep.end(number, "interrupted")
            if by_submitit() and stop.signal == requeue_signal():
                self._hand_over(number, stop.signal)
            raise
        except BaseException:
            self.sweep.end(number, "interrupted")
            raise
        else:
            self.sweep.end(number, "done")

    def _hand_over(self, number: int, asked: int) -> None:
        """Give submitit its signal, now that all is saved: it puts the job back into the queue."""
        try:
            signal.raise_signal(asked)
        except SystemExit:
            self.sweep.retry(number)
            raise

    def _train(self, number: int, composed: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import open_dict

        from genlab.config.primary import fill_suggestions

        with open_dict(composed):
            composed.hydra = HydraConfig.get()
        fill_suggestions(composed)
        # Another process has a folder and a search path of its own.
        there = Path.cwd()
        os.chdir(self.folder)
        sys.path += [place for place in self.path if place not in sys.path]
        (words,) = (job.overrides for job in self.sweep.jobs() if job.number == number)
        run = self.sweep.run(number)
        with redirected(run):
            config = checked(self.command, [*words, *self.searchpath], composed)
            if composed.hydra.job.chdir:
                os.chdir(there)
            with loading():
                import_module("genlab.assembly")
            run_config(config, run, ours=self.ours, begun=True)
        # A process that helps another one keeps nothing.
        if self.ours and not is_first(config.trainer):
            shutil.rmtree(run.path)


def _reason(error: Exception) -> str:
    """What a user is told of a failure, with where its log is."""
    first = str(error) if isinstance(error, GenlabError) else f"{type(error).__name__}: {error}"
    return "\n".join([first.strip(), *getattr(error, "__notes__", ())])
