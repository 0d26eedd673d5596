"""A command imports what it uses, and no more."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import genlab

PACKAGE = Path(genlab.__file__).parent

# What a run of realnvp on moons has no use for.
UNUSED = (
    *("genlab.pde", "genlab.pinn", "genlab.samplers", "genlab.adapters"),
    *("jax", "networkx", "ot.bregman", "pandas", "pyarrow", "scipy.signal", "scipy.stats"),
    *("sklearn", "torchdiffeq"),
)


@cache
def at_the_top(path: Path) -> frozenset[str]:
    """Full names that a file imports as soon as it is imported itself."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return frozenset(found)


def file_of(name: str) -> Path | None:
    """The file of a module of genlab's."""
    place = PACKAGE.joinpath(*name.split(".")[1:])
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.exists():
            return path
    return None


def brought_along(*names: str) -> set[str]:
    """All that comes with modules of genlab's, as their sources tell."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        if name.partition(".")[0] == "genlab" and (path := file_of(name)) is not None:
            waiting += at_the_top(path)
    return seen


def unused(names: set[str]) -> list[str]:
    """Those of `UNUSED` among modules, each with the first that belongs to it."""
    return sorted(
        {part for part in UNUSED for name in names if name == part or name.startswith(f"{part}.")}
    )


def test_the_search_finds_what_is_imported() -> None:
    found = brought_along("genlab.assembly", "genlab.assembly.solve")
    assert {"torch", "lightning.pytorch", "genlab.learning.trainer", "genlab.pinn"} <= found


@pytest.mark.parametrize(
    "room",
    [
        "assembly",
        "evaluation",
        "models",
        "targets",
        "objectives",
        "data.module",
        "data.target_data",
    ],
)
def test_nothing_brings_along_what_a_training_has_no_use_for(room: str) -> None:
    assert unused(brought_along(f"genlab.{room}")) == []


def test_a_solve_brings_its_own_rooms() -> None:
    brought = unused(brought_along("genlab.assembly.solve"))
    assert [name for name in brought if not name.startswith(("genlab.", "scipy."))] == []


SMALL = ["model.layers=2", "model.hidden=[16]", "trainer.max_steps=1"]
COMMANDS = (
    ["train", "model=realnvp", "data=moons", *SMALL, "hydra.run.dir=run"],
    ["sample", "run", "-n", "5", "-o", "points.csv"],
    ["score", "run", "-i", "points.csv"],
    ["evaluate", "run"],
    ["plot", "run"],
)


@pytest.mark.slow
def test_no_command_imports_what_it_has_no_use_for(tmp_path: Path) -> None:
    code = f"""
import sys
from genlab.cli.main import main
for words in {COMMANDS!r}:
    assert main(words) == 0, words
print("loaded:", *sys.modules)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert answer.returncode == 0, answer.stderr
    loaded = set(answer.stdout.splitlines()[-1].split()[1:])
    # A CSV file is read by pandas.
    assert [name for name in unused(loaded) if name not in ("pandas", "pyarrow")] == []


def test_the_list_names_what_is_there() -> None:
    tops = {name.partition(".")[0] for name in UNUSED} - {"jax"}
    assert [name for name in tops if find_spec(name) is None] == []
