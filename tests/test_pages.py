"""Every command and program of the README and of docs/ does what it says, with fewer steps."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import BLOCK, COURSE, PAGES, ROOT, Served, commands, glance, run
from small import small_experiment

__all__ = ["glance"]

BLOCKS = {page: BLOCK.findall(text) for page, text in PAGES.items() if BLOCK.search(text)}
# Those whose commands take long; the others are done with in some seconds.
LONG = {f"docs/guides/{name}.md" for name in ("settings", "sweeps", "images", "options", "pinns")}
IN_COURSE = [command.split() for command, _ in COURSE]
# What a block may be: run, written into the file that its first line names, or shown.
LANGUAGES = {"bash", "python", "yaml", "text"}
LINK = re.compile(r"(?<!`)\]\(([^)#\s]*)(#[^)\s]*)?\)")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, as a reader has who comes from the pages before."""
    folder = tmp_path_factory.mktemp("reader")
    for model in ("nice", "realnvp"):
        small_experiment(folder / "outputs", f"model={model}").fit()
    return folder


def pages() -> Iterator[object]:
    for page in BLOCKS:
        yield pytest.param(page, marks=[pytest.mark.slow] if page in LONG else [])


@pytest.mark.timeout(1200)  # some seconds on a quiet machine
@pytest.mark.parametrize("page", [*pages()])
def test_a_page(
    page: str,
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
    for language, block in BLOCKS[page]:
        named = re.match(r"# (\S+\.\w+)\n", block)
        if named:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
        elif language == "python":
            few = '20", "sampler.refresh=10"' if '"sampler=das"' in block else '20"'
            exec(block.replace('max_steps=2000"', f"max_steps={few}"), {})
        elif language == "bash":
            for words in commands(block):
                if words not in IN_COURSE:
                    assert run(words) == 0, (words, capsys.readouterr().err)
    if page == "README.md":
        assert any("tfevents" in name for names in served for name in names)
    if page == "docs/guides/use.md":
        assert len((tmp_path / "new.csv").read_text().splitlines()) == 1001


def test_no_command_is_overlooked() -> None:
    blocks = [block for found in BLOCKS.values() for block in found]
    assert {language for language, _ in blocks} <= LANGUAGES
    found = [words for _, block in blocks for words in commands(block)]
    assert len(found) >= 50
    assert sum(words in IN_COURSE for words in found) == 4
    assert {*LONG} <= BLOCKS.keys()


def heading(title: str) -> str:
    """The anchor of a heading, as code hosts and the site make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page: str) -> None:
    prose = BLOCK.sub("", PAGES[page])
    for address, anchor in LINK.findall(prose):
        if address.startswith("http"):
            continue
        target = (ROOT / page).parent / address if address else ROOT / page
        assert target.exists(), (page, address)
        if anchor:
            titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", target.read_text()), re.MULTILINE)
            assert anchor[1:] in [*map(heading, titles)], (page, address, anchor)
    for script in re.findall(r"(scripts/[\w.]+|\.ci/run)", prose):
        assert (ROOT / script).is_file(), (page, script)
