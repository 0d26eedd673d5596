"""Every command and program of the README does what it says, with fewer steps."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest
from small import SMALL

from genlab.cli.main import main
from genlab.densities import Density
from genlab.evaluation import evaluate
from genlab.models import ContinuousFlow

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FEW = [word for word in SMALL if not word.startswith("model.")]
SIZES = ("data.val_size", "data.test_size")
SOLVE = [
    "problem.n_points=40",
    "pinn.hidden=[8,8]",
    "trainer.max_steps=20",
    "trainer.val_every=10",
    "trainer.log_every=10",
    "sampler.refresh=10",
]


class Served(BaseException):
    """In place of the process that becomes TensorBoard."""


def blocks(text: str) -> list[tuple[str, str]]:
    return BLOCK.findall(text)


def commands(block: str) -> list[list[str]]:
    lines = block.replace("scripts/genlab", "genlab").splitlines()
    found = (re.search(r"genlab (.*?)\)?\"?$", line) for line in lines)
    return [shlex.split(match[1]) for match in found if match]


def run(words: list[str]) -> int:
    if words[0] == "train" and not {"--cfg", "--help"} & set(words):
        few = [word for word in FEW if "data=table" not in words or not word.startswith(SIZES)]
        words = [*words, *few, *(["data.steps=5"] if "data=pinn_residual" in words else [])]
    if words[0] == "solve":
        learned = "sampler=das" in words
        words = [*words, *SOLVE, *(["sampler.fit.steps=3"] if learned else [])]
    if words[0] == "resume":
        words = [re.sub("max_steps=.*", "max_steps=80", word) for word in words]
    try:
        return main(words)
    except Served:
        return 0


@pytest.mark.timeout(1500)
def test_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    # What is tested is that each command runs, not how exactly it measures.
    monkeypatch.setattr(Density, "test_samples", 2000)
    monkeypatch.setattr(ContinuousFlow, "test_samples", 100)
    monkeypatch.setattr("genlab.assembly.training.evaluate", partial(evaluate, w2_points=100))
    served: list[list[str]] = []

    def serve(program: str, words: list[str]) -> None:
        served.append(words)
        raise Served

    monkeypatch.setattr("os.execv", serve)
    done = 0
    for language, block in blocks((ROOT / "README.md").read_text()):
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
    text = (ROOT / "README.md").read_text()
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    scripts = re.findall(r"(scripts/[\w.]+|\.ci/run)", text)
    assert pictures
    for path in [*pictures, *scripts]:
        assert (ROOT / path).is_file(), path
