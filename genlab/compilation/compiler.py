"""The program that compiles a step into the cache."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from genlab.compilation.lowering import Lowering
from genlab.compilation.process import cxx
from genlab.compilation.recipe import StepRecipe
from genlab.compilation.source import written
from genlab.runs.code_cache import CodeCache

__all__ = ["FLAGS", "CompilerError", "compile_step", "main"]

FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC", "-fopenmp-simd"),
    # No number is asked for how it came about; sums stay in their order.
    *("-fno-math-errno", "-fno-trapping-math"),
    # Of equal numbers, x x - y y is 0, as of torch's, and no root of it NaN.
    "-ffp-contract=off",
    # What glibc asks for before it declares its functions of several numbers at once.
    "-D__FAST_MATH__",
)


class CompilerError(Exception):
    """The C++ compiler failed, on code that is none of its user's."""


def compile_step(recipe: StepRecipe, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Compile a step, and return the library, and what is to be known of it.

    Args:
        recipe: The step.
        folder: An empty one.

    Raises:
        UndrawableError, UnloweredError: It cannot be compiled.
        CompilerError: The compiler fails.
    """
    traced = recipe.traced()
    program = written(Lowering(traced.graph))
    source, library = folder / "step.cpp", folder / "step.so"
    source.write_text(program.code)
    command = [cxx(), *FLAGS, str(source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.splitlines()
        told = [*(line for line in lines if "error" in line), *lines, f"exit {done.returncode}"]
        raise CompilerError(f"{cxx()}: {told[0]}")
    return library, program.facts | {"draws": [draw.words() for draw in traced.draws]}


def main(words: list[str]) -> int:
    """Compile the step that a file holds, unless another process has meanwhile.

    Args:
        words: The file, the step's name and, if it is to stand back behind others, ``--aside``.
    """
    path, key, *aside = words
    if aside:
        _stand_back()
    # When it was handed over, before this process began.
    began = Path(path).stat().st_mtime
    recipe: StepRecipe = torch.load(path, weights_only=False)
    cache = CodeCache()
    with cache.held(key):
        if cache.library(key).exists():
            return 0
        try:
            with tempfile.TemporaryDirectory(prefix="genlab-code-") as folder:
                library, facts = compile_step(recipe, Path(folder))
                cache.keep(key, library, facts | {"seconds": time.time() - began})
        except (CompilerError, OSError):
            raise  # by this machine, such as by a full disk; it may do next time
        except Exception as error:
            cache.refuse(key, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            raise
    return 0


def _stand_back() -> None:
    """Take a tenth of a core that others want: less, and a run may wait for its code for long."""
    os.nice(10)
