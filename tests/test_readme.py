"""Every command and program of the README does what it says, with fewer steps."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from readme import BLOCK, COURSE, ROOT, SECTIONS, TEXT, Served, commands, glance, run
from small import small_experiment

__all__ = ["glance"]

BLOCKS = {title: BLOCK.findall(text) for title, text in SECTIONS.items() if BLOCK.search(text)}
# Those whose commands take long; the others are done with in some seconds.
LONG = ("Set anything", "Many runs", "Images", "A box, angles, an ODE", "Solve a PDE on points")
IN_COURSE = [command.split() for command, _ in COURSE]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, as a reader has who comes from the sections before."""
    folder = tmp_path_factory.mktemp("reader")
    for model in ("nice", "realnvp"):
        small_experiment(folder / "outputs", f"model={model}").fit()
    return folder


def sections() -> Iterator[object]:
    for title in BLOCKS:
        yield pytest.param(title, marks=[pytest.mark.slow] if title.startswith(LONG) else [])


@pytest.mark.parametrize("title", [*sections()])
def test_a_section(
    title: str,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a folder with runs; what the course runs too is left to its own test."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    served: list[set[str]] = []

    def serve(folder: str, host: str, port: int) -> None:
        served.append({path.name for path in Path(folder).rglob("*")})
        raise Served

    monkeypatch.setattr("genlab.cli.commands.board._serve", serve)
    for language, block in BLOCKS[title]:
        named = re.match(r"# (\S+\.\w+)\n", block)
        if named:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
        elif language == "python":
            few = '20", "sampler.refresh=10"' if '"sampler=das"' in block else '20"'
            exec(block.replace('max_steps=2000"', f"max_steps={few}"), {})
        elif language == "sh":
            for words in commands(block):
                if words not in IN_COURSE:
                    assert run(words) == 0, (words, capsys.readouterr().err)
    if title == "Start":
        assert any("tfevents" in name for names in served for name in names)
    if title == "Use a trained model":
        assert len((tmp_path / "new.csv").read_text().splitlines()) == 1001


def test_no_command_is_overlooked() -> None:
    found = [
        words for blocks in BLOCKS.values() for _, block in blocks for words in commands(block)
    ]
    assert len(found) >= 50
    assert sum(words in IN_COURSE for words in found) == 4


def test_every_picture_and_file_of_the_readme_exists() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", TEXT)
    scripts = re.findall(r"(scripts/[\w.]+|\.ci/run)", TEXT)
    assert pictures
    for path in [*pictures, *scripts]:
        assert (ROOT / path).is_file(), path
