"""One job of a sweep, as a launcher takes it to another process or to another machine."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from genlab.cli.fit import redirected
from genlab.cli.one_run import train_one
from genlab.errors import GenlabError
from genlab.runs.sweep import SweepDirectory

__all__ = ["SweepJob"]


class SweepJob:
    """Trains one configuration; whatever comes of it is noted in the directory of the sweep.

    It raises nothing but an interruption, so that no launcher gives up the other jobs.

    Args:
        sweep: The directory of the sweep.
        arguments: The flags of the command line.
        command: Name of the primary config.
        fail_fast: After a failure, let no other job begin.
        ours: Whether the directory was made for this sweep, so that what failed before it started
            can be removed.
    """

    def __init__(
        self,
        sweep: SweepDirectory,
        arguments: Namespace,
        *,
        command: str,
        fail_fast: bool,
        ours: bool,
    ) -> None:
        self.sweep = sweep
        self.arguments = arguments
        self.command = command
        self.fail_fast = fail_fast
        self.ours = ours
        self.folder = Path.cwd()
        self.path = list(sys.path)

    def __call__(self, config: Any) -> None:
        from hydra.core.hydra_config import HydraConfig

        number = int(Path(HydraConfig.get().runtime.output_dir).name)
        if self.sweep.stopped:
            return
        if not self.sweep.begin(number):
            return
        try:
            self._train(config, number)
        except Exception as error:
            self.sweep.end(number, "failed", _reason(error))
            if self.fail_fast:
                self.sweep.stop()
        except BaseException:
            self.sweep.end(number, "interrupted")
            raise
        else:
            self.sweep.end(number, "done")

    def _train(self, config: Any, number: int) -> None:
        # Another process has a folder and a search path of its own.
        os.chdir(self.folder)
        sys.path += [place for place in self.path if place not in sys.path]
        made = {self.sweep.path.resolve()} if self.ours else set()
        with redirected(self.sweep.run(number)):
            train_one(config, self.arguments, made, command=self.command, job=True)


def _reason(error: Exception) -> str:
    """What a user is told of a failure, with where its log is."""
    first = str(error) if isinstance(error, GenlabError) else f"{type(error).__name__}: {error}"
    return "\n".join([first.strip(), *getattr(error, "__notes__", ())])
