"""The house holds: imports run downwards only, light modules stay light, files stay short."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import genlab
from genlab.config import PARTS, config_dir, is_hidden

PACKAGE = Path(genlab.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = (
    ("fields", "runs"),
    ("nn",),
    ("bijections", "paths", "pde"),
    ("densities",),
    ("models", "targets"),
    ("objectives", "data", "evaluation"),
    ("compilation",),
    ("arrays", "learning", "samplers"),
    ("adapters", "pinn"),
    ("config",),
    ("assembly",),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# The ground that every room stands on: these import no room.
GROUND = (
    "annotations",
    "batch",
    "bounds",
    "constructor",
    "descent",
    "errors",
    "imports",
    "memory",
    "notebook",
    "processes",
    "randomness",
    "signature",
    "slurm",
    "userfile",
)

# The front door: these may name anything, and import nothing before they are asked.
DOOR = ("__init__", "__main__")

HEAVY = ("hydra", "lightning", "matplotlib", "omegaconf", "pandas", "rich", "scipy", "torch")
LIGHT = (
    "__init__",
    "__main__",
    "bounds",
    "cli",
    "errors",
    "imports",
    "notebook",
    "processes",
    "runs",
    "signature",
    "slurm",
)

LONGEST = 450


def room_of(path: Path) -> str:
    """First name below the package: a room, or a file of its own."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of the modules that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            # `from genlab import models` names the room only in the second part.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements that importing a module runs: no function bodies, nothing for types only."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            children = list(node.orelse)
        waiting += children


def offenders(
    law: Callable[[Path], object], rooms: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """What a law finds in each file of some rooms, or of all, where it finds something."""
    paths = [path for path in MODULES if rooms is None or room_of(path) in rooms]
    found = {str(path.relative_to(PACKAGE)): law(path) for path in paths}
    return {path: faults for path, faults in found.items() if faults}


def faults(room: str, source: str) -> list[str]:
    """The rooms that ``source``, a module of ``room``, must not import."""
    names = [name.split(".") for name in imported(ast.walk(ast.parse(source)))]
    rooms = {parts[1] for parts in names if parts[0] == "genlab" and len(parts) > 1}
    rooms -= {room, *GROUND, "__version__"}
    if room in GROUND:
        return sorted(rooms)
    return sorted(other for other in rooms if FLOOR.get(other, len(FLOORS)) >= FLOOR[room])


def heavy(source: str) -> list[str]:
    """The slow packages that importing ``source`` imports."""
    names = {name.split(".")[0] for name in imported(at_import(ast.parse(source)))}
    return sorted(names.intersection(HEAVY))


def names(source: str) -> set[str]:
    """The names that ``source`` binds or reads."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


@cache
def defined(module: str) -> set[str]:
    """What can be imported from a module of genlab, by what its text defines or lies in it."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    found = {path.stem for path in place.glob("*")}
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in MODULES} <= {*FLOOR, *GROUND, *DOOR}


def test_the_house_names_its_floors() -> None:
    text = (PACKAGE.parent / "docs" / "house.md").read_text().partition("stand on floors")[2]
    sentence = text.partition(": ")[2].partition(".")[0]
    named = tuple(tuple(re.findall(r"`(\w+)`", floor)) for floor in sentence.split(";"))
    assert named == FLOORS


def test_imports_run_downwards() -> None:
    assert offenders(lambda p: faults(room_of(p), p.read_text()), (*FLOOR, *GROUND)) == {}


def test_scripts_and_examples_import_what_is_there() -> None:
    """None is run by all tests: what a module has lost would be missed late."""
    folders = (PACKAGE.parent / name for name in ("scripts", "examples"))
    programs = [path for folder in folders for path in folder.rglob("*.py")]
    assert programs
    lost = [
        f"{path.name}: {node.module}.{alias.name}"
        for path in programs
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("genlab")
        for alias in node.names
        if alias.name not in defined(str(node.module))
    ]
    assert not lost, "\n".join(lost)


def test_light_modules_import_nothing_heavy() -> None:
    assert offenders(lambda path: heavy(path.read_text()), LIGHT) == {}


def test_each_file_states_what_it_offers() -> None:
    assert offenders(lambda path: "__all__" not in names(path.read_text())) == {}


def test_files_are_short() -> None:
    assert offenders(lambda path: max(0, len(path.read_text().splitlines()) - LONGEST)) == {}


@pytest.mark.parametrize(
    ("room", "source", "expected"),
    [
        ("nn", "from genlab.bijections import Compose", ["bijections"]),
        ("bijections", "from genlab import densities", ["densities"]),
        ("runs", "def f():\n    import genlab.assembly", ["assembly"]),
        ("errors", "import genlab.runs.files", ["runs"]),
        ("cli", "from genlab.assembly import load", []),
        ("models", "from genlab.models.flow import Flow", []),
        ("models", "import torch\nfrom genlab.errors import UserError", []),
    ],
)
def test_the_check_finds_faults(room: str, source: str, expected: list[str]) -> None:
    assert faults(room, source) == expected


def test_the_check_finds_heavy_imports() -> None:
    assert heavy("import torch.nn") == ["torch"]
    assert heavy("class A:\n    from hydra import compose") == ["hydra"]
    assert heavy("def f():\n    import torch") == []
    assert heavy("if TYPE_CHECKING:\n    import torch\nelse:\n    import rich") == ["rich"]


def texts(path: Path) -> Iterator[str]:
    """The texts in a file that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


# Above these stand those that know a configuration; `runs` reads back what one was.
LIBRARY = [path for path in MODULES if room_of(path) not in ("assembly", "cli", "config", "runs")]


@cache
def settings() -> re.Pattern[str]:
    """What would be a setting on a command line: ``GROUP=OPTION``, or the key of a section."""
    files = [path for path in config_dir().glob("*/*.yaml") if not is_hidden(path.parent.name)]
    keys = re.findall(r"^ *([a-z]\w*):", "".join(path.read_text() for path in files), re.MULTILINE)
    choices = {f"{path.parent.name}={path.stem}" for path in files}
    sections = {path.parent.name for path in files if path.parent.name not in PARTS}
    key = rf"({'|'.join(sorted(sections))})\.(\w+\.)*({'|'.join(sorted({*keys}))})"
    return re.compile(rf"(?<![\w./`])({'|'.join(map(re.escape, sorted(choices)))}|{key})\b")


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_library_speaks_of_its_own_arguments(path: Path) -> None:
    assert [text for text in texts(path) if settings().search(text)] == []
