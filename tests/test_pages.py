"""Every command and program of the README and of docs/ does what it says, with fewer steps."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from pages import BLOCK, COURSE, PAGES, ROOT, Served, commands, glance, run
from small import small_experiment

from genlab.cli.main import main

__all__ = ["glance"]

BLOCKS = {page: BLOCK.findall(text) for page, text in PAGES.items() if BLOCK.search(text)}
PROSE = {page: BLOCK.sub("", text) for page, text in PAGES.items()}
# Those whose commands take long; the others are done with in some seconds.
LONG = {
    f"docs/guides/{name}.md"
    for name in (
        *("calibration", "columns", "compile", "distributions", "export", "families", "images"),
        *("pinns", "settings", "sweeps"),
    )
}
IN_COURSE = [command.split() for command, _ in COURSE]
IN_GUIDES = [
    words
    for page, blocks in BLOCKS.items()
    if page != "README.md"
    for _, block in blocks
    for words in commands(block)
]
# What a block may be: run, written into the file that its first line names, or shown.
LANGUAGES = {"bash", "python", "yaml", "text"}
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


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
    """In a folder with runs; what the course runs too is left to its own test.

    So is what the README takes from a guide.
    """
    others = [*IN_COURSE, *(IN_GUIDES if page == "README.md" else [])]
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
                if words not in others:
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
    assert sum(words in IN_COURSE for words in found) >= 4
    assert BLOCKS.keys() >= LONG


def test_quoted_words_are_read() -> None:
    block = 'eval "$(genlab completion bash)"\ngenlab note latest \\\n  "two words"'
    assert commands(block) == [["completion", "bash"], ["note", "latest", "two words"]]


def inline() -> Iterator[list[str]]:
    """Commands in the text, without those that have a word to be filled in, such as RUN."""
    found = (match for text in PROSE.values() for match in re.findall(r"`genlab ([^`]+)`", text))
    for words in dict.fromkeys(" ".join(match.split()) for match in found):
        split = shlex.split(words)
        filled = not any(re.search(r"\b[A-Z]{3,}\b|\.\.\.", word) for word in split)
        if split[0] in ("train", "solve") and filled and split not in IN_COURSE:
            yield split


@pytest.mark.slow
def test_commands_in_the_text_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in inline():
        show = ["--dry-run"] if "-m" in words else [] if "--cfg" in words else ["--cfg", "job"]
        # A launcher takes its library, and a cluster.
        words = [word for word in words if not word.startswith("hydra")]
        assert main([*words, *show]) == 0, (words, capsys.readouterr().err)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as code hosts and the site make anchors of them."""
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page: str) -> None:
    for address, anchor in LINK.findall(PROSE[page]):
        if not address.startswith("http"):
            target = (ROOT / page).parent / address if address else ROOT / page
            assert target.exists(), (page, address)
            assert not anchor or anchor[1:] in anchors(target), (page, address, anchor)
    for script in re.findall(r"((?:scripts|examples)/[\w.]+|\.ci/run)", PROSE[page]):
        assert (ROOT / script).is_file(), (page, script)


def test_the_source_distribution_has_what_pages_lead_to() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    files = {(ROOT / page).resolve() for page in PAGES}
    for page, text in PROSE.items():
        local = (address for address, _ in LINK.findall(text) if not address.startswith("http"))
        files |= {((ROOT / page).parent / address).resolve() for address in local if address}
    for file in sorted(files):
        name = f"/{file.relative_to(ROOT).as_posix()}"
        assert any(fnmatch(name, found) or name.startswith(f"{found}/") for found in shipped), name


def test_no_sentence_is_written_twice() -> None:
    sentences: Counter[str] = Counter()
    for text in PROSE.values():
        lines = (line for line in text.splitlines() if not line.startswith(("#", "|", ":::")))
        for sentence in re.split(r"(?<=[.:;])\s+", " ".join(" ".join(lines).split())):
            sentences[sentence] += len(sentence.split()) > 5
    assert [sentence for sentence, times in sentences.items() if times > 1] == []


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 220
