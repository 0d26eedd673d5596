"""Docstrings of the mathematical rooms: an example and a reference for each public class."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import genlab

PACKAGE = Path(genlab.__file__).parent
ROOMS = (
    "models",
    "bijections",
    "nn",
    "paths",
    "densities",
    "fields",
    "targets",
    "objectives",
    "samplers",
    "adapters",
    "pde",
    "pinn",
    "evaluation",
)

REFERENCE = re.compile(r"\b(arXiv|doi):\S|^ *References:", re.MULTILINE)
QUESTION = re.compile(r"(What|How|Where|Which|Who|When|Why)\b")

# What is no published method, and why.
UNPUBLISHED = {
    "genlab.nn.Constants": "holds tensors",
    "genlab.nn.ContextEncoder": "standardises vectors, and makes labels one-hot",
    "genlab.targets.Target": "a contract",
    "genlab.targets.ExactTarget": "a contract",
    "genlab.targets.Custom": "the user's",
    "genlab.targets.Gaussian": "of textbooks",
    "genlab.fields.Spectrum": "a contract",
    "genlab.fields.RadialSpectrum": "a contract",
    "genlab.fields.PowerLaw": "of textbooks",
    "genlab.fields.SpectrumMixture": "a choice of others",
    "genlab.targets.ImageDensity": "the grey levels of a picture",
    "genlab.objectives.Objective": "a contract",
    "genlab.samplers.Sampler": "a contract",
    "genlab.samplers.Points": "holds tensors",
    "genlab.samplers.UniformSampler": "of textbooks",
    "genlab.pde.Problem": "a contract",
    "genlab.pde.CustomProblem": "the user's",
    "genlab.pde.Reference": "holds tensors",
    "genlab.pde.Domain": "a contract",
    "genlab.pde.Box": "a set of points",
    "genlab.pde.Disk": "a set of points",
    "genlab.pde.Ball": "a set of points",
    "genlab.pde.Cylinder": "a set of points",
    "genlab.pde.LShape": "a set of points",
    "genlab.pde.Grid": "a set of points",
    "genlab.pinn.Collocation": "data without samples",
    "genlab.pinn.StageImages": "logs images",
    "genlab.evaluation.Estimate": "holds numbers",
    "genlab.evaluation.figures.Figures": "holds figures",
    "genlab.evaluation.figures.Scene": "holds what is drawn",
}


def documented(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Name and docstring of a module and of all that it defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield getattr(node, "name", "the module"), ast.get_docstring(node) or ""


def exported(package: Path) -> set[str]:
    """The ``__all__`` of a package."""
    for node in ast.parse((package / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def public_classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Each class that a package of the rooms offers, by its full name."""
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            offered = exported(path.parent)
            name = ".".join(("genlab", *path.parent.relative_to(PACKAGE).parts))
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and node.name in offered:
                    yield f"{name}.{node.name}", node


def faults(name: str, node: ast.ClassDef) -> list[str]:
    """The parts that a public class's docstring lacks."""
    text = ast.get_docstring(node) or ""
    found = []
    if ">>>" not in text or "+SKIP" in text:
        found.append("no example that runs")
    if not REFERENCE.search(text) and name not in UNPUBLISHED:
        found.append("no reference")
    return found


def test_each_public_class_has_an_example_and_a_reference() -> None:
    found = {name: faults(name, node) for name, node in public_classes()}
    assert len(found) > 130
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_what_needs_no_reference_has_none() -> None:
    classes = dict(public_classes())
    assert UNPUBLISHED.keys() <= classes.keys()
    texts = {name: ast.get_docstring(classes[name]) or "" for name in UNPUBLISHED}
    assert [name for name, text in texts.items() if REFERENCE.search(text)] == []


def test_docstrings_open_with_what_the_thing_is() -> None:
    paths = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]
    asking = {
        f"{path.relative_to(PACKAGE)}: {name}": text.splitlines()[0]
        for path in paths
        for name, text in documented(ast.parse(path.read_text()))
        if QUESTION.match(text)
    }
    assert asking == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A map.\n\n    References: arXiv:1410.8516.\n\n    >>> 1\n    1", []),
        ("A map (doi:10.1000/1).\n\n    >>> 1\n    1", []),
        ("A map of arXiv.\n\n    >>> 1\n    1", ["no reference"]),
        ("A map (arXiv:1410.8516).", ["no example that runs"]),
        (
            "A map.\n\n    >>> 1  # doctest: +SKIP\n    2",
            ["no example that runs", "no reference"],
        ),
    ],
)
def test_the_check_finds_faults(text: str, expected: list[str]) -> None:
    (node,) = ast.parse(f'class A:\n    """{text}"""').body
    assert isinstance(node, ast.ClassDef)
    assert faults("genlab.A", node) == expected


def test_examples_name_what_genlab_offers() -> None:
    lines = [line for path in PACKAGE.rglob("*.py") for line in path.read_text().splitlines()]
    shown = [line for line in lines if re.match(r" *(>>>|\.\.\.) (?!.*import )", line)]
    named = {name for line in shown for name in re.findall(r"(?<![\w.])genlab\.(\w+)", line)}
    assert len(shown) > 500
    assert named <= set(genlab.__all__)
