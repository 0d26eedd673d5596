"""The site of docs/ is built without a warning, and the notebooks of the course run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import yaml
from pages import PAGES, ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "course").glob("*.ipynb"))
LARGEST = 300_000


def leaves(node: Any) -> Iterator[str]:
    """The pages of a navigation."""
    if isinstance(node, str):
        yield node
    else:
        for child in node.values() if isinstance(node, dict) else node:
            yield from leaves(child)


def code(path: Path) -> str:
    """What a notebook runs."""
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_every_page_is_in_the_navigation() -> None:
    (line,) = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1:]
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    pages |= {path.relative_to(ROOT / "docs").with_suffix(".md") for path in NOTEBOOKS}
    of_root = {"index.md", "contributing.md", "changes.md"}
    assert sorted(leaves(yaml.safe_load(line))) == sorted(
        {page.as_posix() for page in pages} | of_root
    )


def written() -> Iterator[str]:
    """The text of each page, and of each cell of a notebook that is no code."""
    yield from PAGES.values()
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        yield from ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_formulas_are_whole_and_no_words_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("mkdocs", "griffe", "latex2mathml"):
        pytest.importorskip(library)
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "scripts")])
    site = import_module("docs_site")
    for text in written():
        for part in site.CODE.split(text)[::2]:
            assert "$" not in site.MATH.sub("", part)
            formulas = " | ".join(found[0] for found in site.MATH.finditer(part))
            assert not re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", formulas)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    for library in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(library)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "reference" / "models" / "index.html").read_text().count("&gt;&gt;&gt;") > 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_its_pictures(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    cells = json.loads(path.read_text())["cells"]
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert {output["output_type"] for output in shown} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    pictures = sum("image/png" in output.get("data", {}) for output in shown)
    assert pictures == code(path).count("plt.subplots(") > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # of tensors in matplotlib
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few steps, as a program: nothing of Jupyter is needed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPS", "3")
    with plt.rc_context():
        exec(code(path), {})
    plt.close("all")
