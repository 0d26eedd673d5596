"""The table of metrics holds what genlab measures, and a user's own number besides."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import genlab
from genlab.runs.metrics import FIRST, METRICS, headline, metric_of, rank, remark

TAG = re.compile(r"(test|val|train|pinn|sampler|ode|model|time|target)/[a-z0-9_/]+")


def test_every_tag_in_the_code_is_in_the_table_once() -> None:
    known = [metric.tag for metric in METRICS]
    assert len(known) == len(set(known))
    found = {
        node.value
        for path in Path(genlab.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if TAG.fullmatch(node.value)
    }
    assert found <= set(known)


def test_all_are_described_and_told_beside_known_ones() -> None:
    for metric in METRICS:
        assert metric.title, metric
        assert not metric.beside or metric_of(metric.beside).title, metric


def test_a_run_is_listed_by_the_first_headline_that_it_has() -> None:
    assert headline({"test/mmd": 0.1, "test/nll": 2.0, "test/kl": None}) == metric_of("test/nll")
    assert headline({"test/nll": 2.0, "test/kl": 0.1}) == metric_of("test/kl")
    assert headline({"mine/score": 1.0}) is None


def test_what_an_objective_of_ones_own_reports_is_to_be_low() -> None:
    assert metric_of("val/mine").better < 0
    assert metric_of("val/nll").better < 0


def test_a_number_of_ones_own_is_neutral_and_comes_last() -> None:
    own = metric_of("mine/score")
    assert (own.better, own.column, own.remark) == (0, False, "")
    assert max([*FIRST, "test/mmd", "time/fit_seconds", "mine/score"], key=rank) == "mine/score"
    assert remark("mine/score", {"mine/score": 1.0}, "lower_bound") == ""
