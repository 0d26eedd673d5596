"""``python -m genlab.compilation.compiler RECIPE KEY [--aside]``: compile a step into the cache."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from genlab.compilation.recipe import StepRecipe
from genlab.runs.code_cache import CodeCache

__all__ = ["compile_step", "main"]

# Standing back costs a compile little, and saves the steps beside it much.
NICE = 10

OPTIONS = {
    # The wrapper is a list of calls: there is nothing in it to optimise.
    "aot_inductor.compile_wrapper_opt_level": "O0",
    # Headers are compiled faster once with the code than first by themselves.
    "aot_inductor.precompile_headers": False,
    "aot_inductor.enable_line_tables": False,
    "aot_inductor.enable_frame_pointer": False,
    # The processor says what it can: six small programs need not be compiled to find out.
    "cpp.vec_isa_ok": True,
}
HALF_PRECISION = ("VecAMX", "VecAVX512VNNI")


def compile_step(recipe: StepRecipe, folder: Path) -> Path:
    """Compile a step, and return the library.

    Args:
        recipe: The step.
        folder: Where inductor may keep what it needs on the way.
    """
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    import torch._inductor
    from torch._inductor import cpu_vec_isa

    # Of no use to what is no half precision, and each looked for by a compile.
    sets = cpu_vec_isa.supported_vec_isa_list
    sets[:] = [one for one in sets if type(one).__name__ not in HALF_PRECISION]
    known = torch._inductor.list_options()
    options = {name: value for name, value in OPTIONS.items() if name in known}
    torch.set_num_threads(recipe.threads)
    graph, inputs = recipe.traced()
    return Path(str(torch._inductor.aot_compile(graph, tuple(inputs), options=options)))


def main(words: list[str]) -> int:
    """Compile the step that a file holds, unless another process has meanwhile."""
    path, key, *aside = words
    if aside:
        os.nice(NICE)
    began = time.monotonic()
    recipe: StepRecipe = torch.load(path, weights_only=False)
    cache = CodeCache()
    with cache.held(key):
        if cache.library(key).exists():
            return 0
        try:
            with tempfile.TemporaryDirectory(prefix="genlab-inductor-") as folder:
                library = compile_step(recipe, Path(folder))
                cache.keep(key, library, seconds=time.monotonic() - began)
        except Exception as error:
            cache.refuse(key, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
