"""Helpers: the other processes of data-parallel training, which are told a run's folder alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import DictConfig, OmegaConf

from genlab.processes import is_first, own_process_group, variables_of_all
from genlab.runs.directory import RunDirectory

__all__ = ["RUN", "helped"]

RUN = "GENLAB_RUN"
# So long a helper may have failed before what it has left alone is given up.
PATIENCE = 5.0


@contextmanager
def helped(run: RunDirectory, config: DictConfig) -> Iterator[None]:
    """Let helpers share a fit, where ``trainer`` asks for several processes and none are there.

    What started this process, as a user's script, is not run again.

    Args:
        run: The directory of the run, which is recorded.
        config: Its configuration.
    """
    own, *others = variables_of_all(config.trainer) or [{}]
    if not others:
        yield
        return
    command = (sys.executable, "-P", "-m", "genlab.assembly")
    path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    over = threading.Event()
    with _described(run, config) as folder:
        told = {**os.environ, "PYTHONPATH": path, RUN: str(folder.absolute())}
        helpers = [subprocess.Popen(command, env={**told, **other}) for other in others]
        try:
            with own_process_group():
                os.environ.update(own)
                threading.Thread(target=_watch, args=(helpers, over), daemon=True).start()
                yield
        except BaseException:
            for helper in helpers:
                helper.terminate()
            raise
        finally:
            over.set()
            for helper in helpers:
                helper.wait()


@contextmanager
def _described(run: RunDirectory, config: DictConfig) -> Iterator[Path]:
    """The folder of the run; where another machine keeps it, one that stands for it."""
    if is_first(config.trainer):
        yield run.path
        return
    with TemporaryDirectory() as name:
        here = RunDirectory(Path(name))
        OmegaConf.save(config, here.config)
        here.checkpoints.symlink_to(run.checkpoints.absolute())
        yield here.path


def _watch(helpers: Sequence[subprocess.Popen[bytes]], over: threading.Event) -> None:
    """End all where a helper has failed: the others would wait for it, deaf to signals."""
    while not over.wait(1.0):
        if any(helper.poll() for helper in helpers) and not over.wait(PATIENCE):
            print("genlab: a helping process failed, which ends the others", file=sys.stderr)
            for helper in helpers:
                helper.kill()
            os.kill(os.getpid(), signal.SIGKILL)
