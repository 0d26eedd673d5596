"""What is declared agrees with what is used, and every requirement is pinned."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

import genlab

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def canonical(requirement: str) -> str:
    """Name of a requirement, as package indexes compare it."""
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "scripts" / "constraints.txt").read_text().splitlines()
    pinned = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonical(name): version for name, version in pinned}


def third_party_imports() -> set[str]:
    """Top-level packages that the package imports anywhere, beyond Python's own."""
    names: set[str] = set()
    for path in Path(genlab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"genlab"}


# Of extras that need not be installed where the tests run: what provides a package of another name.
ELSEWHERE = {"pina": ["pina-mathlab"]}

# Named by the package, and a hard requirement of a declared one: matplotlib's and omegaconf's.
IMPLIED = {"PIL", "yaml"}


def test_imports_are_declared() -> None:
    requirements = [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())]
    declared = {canonical(line) for line in requirements}
    providers = packages_distributions()
    undeclared = {
        name
        for name in third_party_imports() - IMPLIED
        if not declared.intersection(
            canonical(provider) for provider in providers.get(name, ELSEWHERE.get(name, [name]))
        )
    }
    assert undeclared == set()


@pytest.mark.parametrize("extra", ["core", *EXTRAS])
def test_requirements_are_pinned(extra: str) -> None:
    requirements = PROJECT["dependencies"] if extra == "core" else EXTRAS[extra]
    assert {canonical(line) for line in requirements} <= pins().keys()


def test_pins_are_exact_and_portable() -> None:
    # A local version such as +cpu exists on some indexes only.
    assert all(re.fullmatch(r"[\w.]+", version) for version in pins().values())


def test_versions_agree() -> None:
    assert PROJECT["version"] == genlab.__version__
