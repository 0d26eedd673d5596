"""``genlab doctor``: whether this machine and this installation can train."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import NamedTuple

from genlab import __version__
from genlab.cli.arguments import Parser
from genlab.runs.code_cache import CodeCache, Contents
from genlab.runs.find import OUTPUTS

__all__ = ["Finding", "run"]

EXAMPLES = """\
  genlab doctor             exit status 1 if something is missing that genlab needs
  genlab doctor --forget    remove compiled training steps, which are kept between runs"""

NEEDED = ("torch", "lightning", "hydra", "omegaconf", "tensorboard", "matplotlib", "scipy", "rich")
LITTLE_SPACE = 1e9


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        mark: ``ok``, ``note`` for what is only worth knowing, or ``FAIL``.
        name: What was looked at.
        text: What was found.
    """

    mark: str
    name: str
    text: str


def run(words: list[str]) -> int:
    parser = Parser("doctor", EXAMPLES)
    parser.add_argument("--forget", action="store_true", help="remove compiled training steps")
    if parser.parse(words).forget:
        removed = CodeCache().clear()
        print(f"removed {_steps(removed)} from {CodeCache().folder}")
        return 0
    failed = False
    for check in (_python, _packages, _configs, _computing, _compiler, _code, _outputs):
        for finding in _findings(check):
            print(f"{finding.mark:4}  {finding.name:12}  {finding.text}", flush=True)
            failed |= finding.mark == "FAIL"
    print("something is missing" if failed else "all is well")
    return int(failed)


def _findings(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of one check; a check that breaks is itself one, and the others still run."""
    try:
        yield from check()
    except Exception as error:
        yield Finding("FAIL", check.__name__.strip("_"), f"{type(error).__name__}: {error}")


def _python() -> Iterator[Finding]:
    mark = "ok" if sys.version_info >= (3, 11) else "FAIL"
    yield Finding(mark, "python", f"{platform.python_version()} at {sys.executable}")
    yield Finding("ok", "genlab", f"{__version__} at {Path(__file__).parents[2]}")


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            yield Finding("FAIL", name, f"cannot be imported: {error}")
            continue
        distribution = "hydra-core" if name == "hydra" else name
        yield Finding("ok", name, metadata.version(distribution))


def _configs() -> Iterator[Finding]:
    from genlab.cli.options import choices, groups
    from genlab.config import config_dir

    folder = config_dir()
    models = len(choices(folder, "model"))
    data = len(choices(folder, "data"))
    text = f"{len(groups(folder))} groups, {models} models, {data} data sets in {folder}"
    yield Finding("ok" if models and data else "FAIL", "configs", text)


def _computing() -> Iterator[Finding]:
    import torch

    yield Finding("ok", "threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
        yield Finding("ok", "gpu", ", ".join(names))
    elif torch.backends.mps.is_available():
        yield Finding("ok", "gpu", "Apple (trainer.accelerator=mps)")
    else:
        yield Finding("note", "gpu", "none that torch can use; models train on the CPU")


def _compiler() -> Iterator[Finding]:
    name = os.environ.get("CXX", "g++")
    found = shutil.which(name)
    if found is None:
        yield Finding("note", "compiler", f"no {name}: trainer.compile compiles nothing new")
    else:
        yield Finding("ok", "compiler", f"{found}, for trainer.compile")


def _code() -> Iterator[Finding]:
    cache = CodeCache()
    kept = cache.contents()
    text = f"{_steps(kept)} in {cache.folder}; genlab doctor --forget removes them"
    yield Finding("ok", "compiled", text if sum(kept) else f"no training steps in {cache.folder}")


def _steps(kept: Contents) -> str:
    refused = f" and {kept.refused} that cannot be compiled" if kept.refused else ""
    return f"{kept.steps} compiled training steps ({kept.size / 1e6:.1f} MB){refused}"


def _outputs() -> Iterator[Finding]:
    folder = (OUTPUTS if OUTPUTS.is_dir() else Path.cwd()).resolve()
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding("ok", "outputs", f"{folder} can be written")
    except OSError as error:
        yield Finding("FAIL", "outputs", f"{folder} cannot be written ({error.strerror})")
    free = shutil.disk_usage(folder).free
    yield Finding("ok" if free > LITTLE_SPACE else "note", "disk", f"{free / 1e9:.1f} GB free")
