"""Runs that an older genlab has made: each command answers as that version did."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from coarse import draw_coarsely
from old_answers import COSTLY, OLD, QUICK, answer, bring

EXPECTED = json.loads((OLD / "expected.json").read_text())
# Another processor rounds sums in another order: single precision keeps some six digits of what is
# computed from the same weights, and a training multiplies the rest.
TOLERANCE = 2e-6
TRAINED = 1e-2
# What is printed no more, and what by its present name.
KIND = re.compile(r"kind=\w+ (?=.*trainer=)")
# What is measured otherwise: the error of the effective share counts what heavy weights hide, and
# that of a solver, which is one of rounding here, is of sums without the stages of no weight.
OTHERWISE = {"test/ess/se", "ode/error"}
NEW = {
    *("test/ess/pareto_k", "test/w2/se", "test/w2/reference/se", "test/standardised"),
    *("test/c2st", "test/c2st/se", "test/sbc", "test/sbc/se", "test/sbc/p_value"),
    *("test/tarp", "test/tarp/se", "test/tarp/p_value"),
}
NEW_FIGURE = "calibration.png"
# Distances on tables are in standard deviations of each column, those of angles go the shorter way.
OTHER_DISTANCES = ("nsf-autoregressive", "nsf-circular")
DISTANCES = {"test/w2", "test/w2/reference", "test/mmd", "test/mmd/se", "test/inverse_error"}
# Digits of a number that needs none.
ZEROS = re.compile(r"exact 0\.0000\b")
PRESENT = {
    "show gmm": ("objective=mixture", "objective=em"),
    "show gmm-gradient": ("objective=mixture", "objective=mixture_descent"),
    "show das": ("model=krnet ", "model=krnet objective=maximum_likelihood "),
    "show flow-matching": (
        r"coupling=(\w+) (data=.* optimizer=\w+) ",
        r"\2 pairing=\1 ",
    ),
    "show nsf --config": ("=genlab.learning.Maximum", "=genlab.objectives.Maximum"),
}


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Every measure as fine as it was; of figures, whose names are compared, few pixels do."""
    with pytest.MonkeyPatch.context() as patch:
        draw_coarsely(patch)
        yield


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies of the runs, which is the present one."""
    bring(tmp_path)
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    return tmp_path


def coarse(lines: list[str]) -> list[str]:
    """Lines without errors, their numbers to two digits, and one space between two words."""
    valued = (re.sub(r" \+- \S+", "", line) for line in lines)
    rounded = (re.sub(r"\d+\.\d+", lambda n: f"{float(n[0]):.2g}", line) for line in valued)
    return [" ".join(line.split()) for line in rounded]


COMMANDS = [
    *(pytest.param(words, id=words) for words in QUICK),
    *(pytest.param(words, id=words, marks=pytest.mark.slow) for words in COSTLY),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_answers_as_the_version_that_made_the_runs(words: str, runs: Path) -> None:
    told, expected = answer(words, runs), EXPECTED["answers"][words]
    if words.startswith("show"):
        lines = (line for line in expected["lines"] if not line.startswith("choices.kind="))
        expected["lines"] = [KIND.sub("", line) for line in lines]
        expected["lines"] = [re.sub(" 1 threads$", " 1 thread", line) for line in expected["lines"]]
    if "lines" in expected:
        expected["lines"] = [ZEROS.sub("exact 0", line) for line in expected["lines"]]
    if words == "list runs .":  # whose columns are as wide as the digits that errors leave
        told["lines"], expected["lines"] = map(coarse, (told["lines"], expected["lines"]))
    if words.startswith("score das"):  # which tells of the solution too
        assert told["lines"].pop(1).startswith("u at 4 points: mean ")
        told["scores.csv"] = [row[:2] + row[-1:] for row in told["scores.csv"]]
    if words in PRESENT:
        expected["lines"] = [re.sub(*PRESENT[words], line) for line in expected["lines"]]
    if NEW_FIGURE in told.get("figures", ()):
        told["figures"].remove(NEW_FIGURE)
    for metrics in (told.get("metrics", {}), expected.get("metrics", {})):
        apart = any(run in words for run in OTHER_DISTANCES)
        for tag in OTHERWISE | NEW | (DISTANCES if apart else set()):
            metrics.pop(tag, None)
    if words.split()[0] in ("train", "resume", "rerun"):
        _compare(told, expected, TRAINED)
    else:
        _compare(told, expected, TOLERANCE)


def _compare(told: Any, expected: Any, tolerance: float, at: str = "") -> None:
    """Equal structures, with numbers to a relative tolerance; those in a text too."""
    match expected:
        case dict():
            assert told.keys() == expected.keys(), at
            for key, value in expected.items():
                _compare(told[key], value, tolerance, f"{at}/{key}")
        case list():
            assert len(told) == len(expected), f"{at}: {told} instead of {expected}"
            for number, value in enumerate(expected):
                _compare(told[number], value, tolerance, f"{at}/{number}")
        case float():
            assert math.isclose(told, expected, rel_tol=tolerance, abs_tol=tolerance), at
        case str():
            # Numbers are printed rounded.
            assert re.sub(r"[\d.e+-]+", "#", told) == re.sub(r"[\d.e+-]+", "#", expected), at
        case _:
            assert told == expected, at
