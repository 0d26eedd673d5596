"""Every command and program of the README does what it says, with fewer steps."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from readme import ROOT, TEXT, Served, blocks, coarse, commands, run


@pytest.mark.timeout(1500)
def test_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    coarse(monkeypatch)
    served: list[list[str]] = []

    def serve(program: str, words: list[str]) -> None:
        served.append(words)
        raise Served

    monkeypatch.setattr("os.execv", serve)
    done = 0
    for language, block in blocks():
        named = re.match(r"# (\S+\.\w+)\n", block)
        if named:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
        elif language == "python":
            exec(block.replace("max_steps=2000", "max_steps=20"), {})
        elif language == "sh":
            for words in commands(block):
                assert run(words) == 0, (words, capsys.readouterr().err)
                done += 1
    assert done >= 20
    assert any("tensorboard" in " ".join(words) for words in served)
    assert len((tmp_path / "new.csv").read_text().splitlines()) == 1001


def test_every_picture_and_file_of_the_readme_exists() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", TEXT)
    scripts = re.findall(r"(scripts/[\w.]+|\.ci/run)", TEXT)
    assert pictures
    for path in [*pictures, *scripts]:
        assert (ROOT / path).is_file(), path
