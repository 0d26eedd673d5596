"""What the source says of each target of the configs, against what the imported target says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from genlab.annotations import expectation, fits
from genlab.config import config_dir
from genlab.config.source import UnreadableError, find
from genlab.config.targets import described, locate
from genlab.signature import signature

TARGET = re.compile(r"_target_: *((?:genlab|torch|lightning)\.\S+)")
TARGETS = sorted(
    {name for file in config_dir().rglob("*.yaml") for name in TARGET.findall(file.read_text())}
)
# Values of each kind that a configuration holds, some out of any bound.
PROBES = [
    *(None, True, 0, 1, -1, 3, 0.5, -0.5, 1.0, 1e9, float("nan")),
    *("x", "relu", "auto", "none", "full"),
    *([], [1], [-1], [1, 2], [0.5, 1.0], [2.0, 1.0], [1.0, 1.0, 1.0], ["a"], [[1, 2], [4, 3]]),
    *({}, {"a": 1}),
]


def test_there_is_no_target_but_these() -> None:
    assert len(TARGETS) > 100


@pytest.mark.parametrize("name", TARGETS)
def test_source_and_import_agree(name: str) -> None:
    """The same parameters, and the same verdict and words for each value."""
    read, made = find(name).signature, signature(locate("key", name))
    assert list(read.parameters) == list(made.parameters)
    assert (read.positional, read.open) == (made.positional, made.open)
    for word, parameter in made.parameters.items():
        told = read.parameters[word]
        assert told.required == parameter.required, word
        for value in PROBES:
            verdict = fits(value, parameter.annotation)
            assert fits(value, told.annotation) is verdict, (word, value)
            if verdict is False:
                told_words = expectation(value, told.annotation)
                assert told_words == expectation(value, parameter.annotation), word


@pytest.mark.parametrize(
    "name", ["EM", "ELBO", "ReverseKL", "VelocityRegression", "MixtureDescent"]
)
def test_what_an_objective_learns_from(name: str) -> None:
    path = f"genlab.objectives.{name}"
    made = locate("objective", path)
    assert described("objective", path).attribute("learns_from") == made.learns_from


def test_an_attribute_that_is_none_of_a_class() -> None:
    assert described("objective", "torch.nn.MSELoss").attribute("learns_from") is None
    assert described("objective", "pathlib.Path").attribute("learns_from") is None


def test_what_the_source_does_not_tell_is_imported() -> None:
    with pytest.raises(UnreadableError):
        find("pathlib.Path")
    assert described("x", "pathlib.Path").name == "Path"
    assert described("x", "pathlib.Path").is_class


def test_nothing_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from genlab.config.targets import described\n"
        f"for name in {TARGETS}: described('key', name)\n"
        "print({'torch', 'lightning', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
