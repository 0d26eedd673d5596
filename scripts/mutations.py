"""What the tests see: forty small mistakes in the mathematics, each before the tests of its room.

    python scripts/mutations.py mutants.jsonl
    python scripts/mutations.py before.jsonl --tests ../before --survivors-of mutants.jsonl

A sign, a constant, an operator or a term is changed in a copy of the package, drawn by a fixed seed
and evenly over the rooms, and the tests of the room run until one fails. What became of each is
added to the file as a line of JSON; begun again, the script leaves out what is noted there. The
second call judges those that the first one let through by the tests of another tree.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Imported once, for the processes that are forked from this one.
import lightning.pytorch  # noqa: F401
import matplotlib.figure  # noqa: F401
import pytest

HERE = Path(__file__).parents[1]
EACH = 5
SECONDS = 240
"""Of the processor, for the tests of one mistake."""
# The likely ones first.
ROOMS = {
    "paths": ("paths", "objectives", "models", "test_models.py"),
    "pde": ("pde", "pinn"),
    "samplers": ("samplers", "pinn"),
    "pinn": ("pinn", "samplers"),
    "objectives": ("objectives", "samplers", "learning"),
    "densities": ("densities", "models", "objectives", "test_models.py"),
    "bijections": ("bijections", "test_bijections.py", "models", "test_models.py"),
    "models": ("models", "test_models.py", "test_precision.py", "learning/test_continuous.py"),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}
# What is said, not computed.
SPOKEN = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)


class Mutation(NamedTuple):
    """A place in a file, what stands there, and what is written instead."""

    path: str
    line: int
    start: int
    end: int
    before: str
    after: str

    @property
    def name(self) -> str:
        return f"{self.path}:{self.line}: {self.before}  ->  {self.after}"


def changes(node: ast.AST) -> Iterator[ast.expr]:
    """What could stand in a node's place by mistake."""
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            if not any(isinstance(side, ast.Constant | ast.JoinedStr) and not numeric(side)
                       for side in (left, right)):  # fmt: skip
                yield ast.BinOp(left, OPERATORS[type(operator)](), right)
                yield left
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.Constant(value) if numeric(node):
            yield ast.Constant(value + 1 if isinstance(value, int) else 2 * value + 0.1)
        case ast.Compare(left, [ast.Lt() | ast.Gt() as operator], right):
            opposite = ast.Gt() if isinstance(operator, ast.Lt) else ast.Lt()
            yield ast.Compare(left, [opposite], right)


def numeric(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def computed(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those within, but for annotations and what only speaks."""
    if isinstance(node, SPOKEN):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list", "slice"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from computed(child)


def mutations(path: Path, root: Path) -> Iterator[Mutation]:
    """All of a file."""
    text = path.read_bytes()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in computed(ast.parse(text)):
        for change in changes(node):
            assert isinstance(node, ast.expr)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            new = ast.unparse(ast.fix_missing_locations(copy.deepcopy(change)))
            name = str(path.relative_to(root))
            yield Mutation(name, node.lineno, start, end, ast.unparse(node), new)


def drawn(root: Path) -> Iterator[tuple[str, Mutation]]:
    """As many of each room, of as many files as there are."""
    chance = random.Random(0)
    for room in ROOMS:
        files = sorted((root / "genlab" / room).rglob("*.py"))
        found = [[*mutations(file, root)] for file in files]
        found = [few for few in found if few]
        chance.shuffle(found)
        for number in range(EACH):
            few = found[number % len(found)]
            yield room, few.pop(chance.randrange(len(few)))


def verdict(room: str, mutation: Mutation, source: Path, tests: Path) -> str:
    """``caught``, ``survived``, or ``timeout``."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder)
        for name in ("genlab", "configs"):
            shutil.copytree(source / name, copied / name)
        for name in ("tests", "scripts", "docs", "examples"):
            shutil.copytree(tests / name, copied / name)
        for name in ("pyproject.toml", "README.md", "mkdocs.yml"):
            shutil.copy(tests / name, copied)
        file = copied / mutation.path
        text = file.read_bytes()
        wrong = f"({mutation.after})".encode()
        file.write_bytes(text[: mutation.start] + wrong + text[mutation.end :])
        log = copied / "log.txt"
        child = os.fork()
        if child == 0:
            with log.open("w") as shown:
                os.dup2(shown.fileno(), 1)
                os.dup2(shown.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            os.chdir(copied)
            os.environ["PYTHONPATH"] = folder
            sys.path.insert(0, folder)
            words = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
            os._exit(pytest.main([*words, *(f"tests/{path}" for path in ROOMS[room])]))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        lines = log.read_text().splitlines()
    if status < 0:
        return "timeout"
    if status == 0:
        return "survived"
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR", "E  "))]
    return f"caught by {failed[-1] if failed else lines[-1:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notes", type=Path, help="JSON lines, added to")
    parser.add_argument("--source", type=Path, default=HERE, help="the tree that is changed")
    parser.add_argument("--tests", type=Path, default=HERE, help="the tree whose tests judge")
    parser.add_argument(
        "--survivors-of", type=Path, help="judge those alone that these let through"
    )
    words = parser.parse_args()
    noted = {note["name"]: note for note in read(words.notes)}
    asked = None
    if words.survivors_of is not None:
        asked = {
            note["name"] for note in read(words.survivors_of) if "caught" not in note["verdict"]
        }
    for room, mutation in drawn(words.source.resolve()):
        if mutation.name in noted or (asked is not None and mutation.name not in asked):
            continue
        said = verdict(room, mutation, words.source.resolve(), words.tests.resolve())
        noted[mutation.name] = note = {"room": room, "name": mutation.name, "verdict": said}
        with words.notes.open("a") as file:
            print(json.dumps(note), file=file, flush=True)
        print(f"{said:10.60} {mutation.name}", flush=True)
    left = [note for note in noted.values() if "caught" not in note["verdict"]]
    print(f"{len(noted) - len(left)} of {len(noted)} caught; not these:")
    for note in left:
        print(f"  {note['verdict']:8} {note['name']}")


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
