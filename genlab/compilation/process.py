"""The process that compiles a step, beside the one that trains."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

import torch

from genlab.compilation.recipe import StepRecipe
from genlab.runs.code_cache import CodeCache

__all__ = ["CompilerProcess", "compiler_version", "cxx", "missing_compiler"]

# It lives too short to collect garbage, or to take down at its end what it has imported.
BEGIN = (
    "import gc, os, sys; gc.disable(); from genlab.compilation.compiler import main; "
    "os._exit(main(sys.argv[1:]))"
)


def cxx() -> str:
    """The name of the C++ compiler."""
    return os.environ.get("CXX", "g++")


def missing_compiler() -> str | None:
    """The C++ compiler that is wanted and not there; None where it is."""
    return None if shutil.which(cxx()) else cxx()


@functools.cache
def compiler_version() -> str:
    """The first line that the C++ compiler tells of itself; empty where there is none."""
    if missing_compiler():
        return ""
    told = subprocess.run([cxx(), "--version"], capture_output=True, text=True)
    return told.stdout.partition("\n")[0]


class CompilerProcess:
    """Compiles a step in another process, and keeps the code in the cache.

    The process is a group of its own, with the compilers that it calls, so that all of it can be
    ended at once. What it is given is a file that it removes.

    Args:
        recipe: The step.
        key: Its name.
        aside: Whether something else is to go on meanwhile, before which it stands back.

    Raises:
        AttributeError, TypeError, pickle.PicklingError: The step cannot be handed over.
        OSError: There is no place for the code.
    """

    def __init__(self, recipe: StepRecipe, key: str, *, aside: bool) -> None:
        self.cache, self.key = CodeCache(), key
        self.cache.make()
        folder = Path(tempfile.mkdtemp(prefix="genlab-compile-"))
        path = folder / "recipe.pt"
        torch.save(recipe, path)
        words = ["-c", BEGIN, str(path), key]
        self._log = path.with_name("log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *words, *(["--aside"] if aside else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self._end = weakref.finalize(self, _end, self._process, folder)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def wait(self) -> None:
        """Wait for its end."""
        self._process.wait()

    def failure(self) -> str | None:
        """Why there is no code after its end, in its last words; None where there is."""
        if self._process.returncode == 0:
            return None
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the compiler ended by {self._process.returncode}"

    def close(self) -> None:
        """End it, whatever it is at; what nobody closes ends with the program."""
        self._end()


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)
