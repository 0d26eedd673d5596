"""What the README and the pages of docs/ say, as commands that run with fewer steps."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small import RUN, SOLVE

from genlab.cli.main import main
from genlab.densities import Density
from genlab.models import ContinuousFlow

ROOT = Path(__file__).parents[1]
# Each page's text, by its path.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COURSE = re.findall(
    r"^\|[^|]*\| `genlab ([^`]+)` \| `(\w+)`[^|]*\|[^|]*\|$",
    PAGES["docs/course/index.md"],
    re.MULTILINE,
)
FEW = [*RUN, "trainer.max_steps=6", "trainer.val_every=3"]
SIZES = ("data.val_size", "data.test_size")
FIELDS = [
    *("data.size=9", "data.train_size=40", "data.val_size=16", "data.test_size=20"),
    *("model.evaluation.rtol=0.1", "model.evaluation.atol=0.1", "data.root=fields"),
]
NARROW = ["model.network.width=4", "model.network.blocks=1"]
OWN = {
    "experiment=turbulence": [*FIELDS, "model.solver.steps=2", "data.time=0.2"],
    "experiment=kolmogorov": [*FIELDS, *NARROW, "data.target.drag=2", "data.target.snapshots=5"],
    "experiment=superres_turbulence": [*FIELDS, *NARROW],
    "data=pinn_residual": ["data.steps=5"],
    "data=pinwheel": ["data.train_size=500"],
    "experiment=superres_digits": [
        *("model.network.channels=[4,8,8]", "data.train_size=200"),
        *("data.val_size=20", "data.test_size=20", "model.evaluation.rtol=0.1"),
    ],
}
LEARNED = {"sampler=das", "sampler=aas", "sampler=bootstrap"}


class Served(BaseException):
    """In place of the process that becomes TensorBoard."""


def commands(block: str) -> list[list[str]]:
    """The words of each genlab command in a block."""
    lines = block.replace("scripts/genlab", "genlab").replace("\\\n", " ").splitlines()
    found = (re.search(r"genlab (.*?)(?:\)\"?)?$", line) for line in lines)
    return [shlex.split(match[1]) for match in found if match]


@pytest.fixture(autouse=True, scope="module")
def glance() -> Iterator[None]:
    """Let evaluations be quick: what is tested is that each command runs, not how it measures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Density, "test_samples", 2000)
        patch.setattr(ContinuousFlow, "test_samples", 100)
        patch.setattr("genlab.evaluation.figures.paths.FRAMES", 8)
        patch.setattr("genlab.evaluation.figures.paths.REST", 1)
        patch.setattr("genlab.pinn.stages.SIZE", 25)
        patch.setattr("genlab.pinn.solution.SIZE", 25)
        yield


def run(words: list[str]) -> int:
    """The exit status of a command, cut short."""
    if words[0] == "train" and not {"--cfg", "--help"} & set(words):
        few = [word for word in FEW if "data=table" not in words or not word.startswith(SIZES)]
        words = [*words, *few, *(extra for word in words for extra in OWN.get(word, []))]
    if words[0] == "solve":
        words = [*words, *SOLVE, *(["sampler.fit.steps=3"] if LEARNED & set(words) else [])]
    if words[0] == "resume":
        words = [re.sub("max_steps=.*", "max_steps=80", word) for word in words]
    if "--program" in words:  # which torch.export cannot make of types that tests check
        line = [sys.executable, "-W", "ignore", "-m", "genlab", *words]
        return subprocess.run(line, check=False).returncode
    try:
        return main(words)
    except Served:
        return 0
