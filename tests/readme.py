"""What the README says, as commands that run with fewer steps."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path

import pytest
from small import SMALL, SOLVE

from genlab.cli.main import main
from genlab.densities import Density
from genlab.evaluation import evaluate
from genlab.evaluation.figures.paths import paths_figure
from genlab.models import ContinuousFlow

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FEW = [word for word in SMALL if not word.startswith("model.")]
SIZES = ("data.val_size", "data.test_size")
OWN = {
    "data=pinn_residual": ["data.steps=5"],
    "data=pinwheel": ["data.train_size=500"],
    "experiment=superres_digits": ["model.network.channels=[4,8,8]"],
}
LEARNED = {"sampler=das", "sampler=aas", "sampler=bootstrap"}


class Served(BaseException):
    """In place of the process that becomes TensorBoard."""


def blocks() -> list[tuple[str, str]]:
    """Language and text of each block of code."""
    return BLOCK.findall(TEXT)


def commands(block: str) -> list[list[str]]:
    """The words of each genlab command in a block."""
    lines = block.replace("scripts/genlab", "genlab").splitlines()
    found = (re.search(r"genlab (.*?)\)?\"?$", line) for line in lines)
    return [shlex.split(match[1]) for match in found if match]


def coarse(patch: pytest.MonkeyPatch) -> None:
    """Let evaluations be quick: what is tested is that each command runs, not how it measures."""
    patch.setattr(Density, "test_samples", 2000)
    patch.setattr(ContinuousFlow, "test_samples", 100)
    patch.setattr("genlab.assembly.training.evaluate", partial(evaluate, w2_points=100))
    paths = partial(paths_figure, size=12)
    patch.setattr("genlab.evaluation.figures.gallery.paths_figure", paths)


def run(words: list[str]) -> int:
    """The exit status of a command, cut short."""
    if words[0] == "train" and not {"--cfg", "--help"} & set(words):
        few = [word for word in FEW if "data=table" not in words or not word.startswith(SIZES)]
        words = [*words, *few, *(extra for word in words for extra in OWN.get(word, []))]
    if words[0] == "solve":
        words = [*words, *SOLVE, *(["sampler.fit.steps=3"] if LEARNED & set(words) else [])]
    if words[0] == "resume":
        words = [re.sub("max_steps=.*", "max_steps=80", word) for word in words]
    try:
        return main(words)
    except Served:
        return 0
