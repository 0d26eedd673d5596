"""The table of metrics holds what genlab measures, and a user's own number besides."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import genlab
from genlab.runs.metrics import (
    FIRST,
    METRICS,
    headline,
    metric_of,
    rank,
    reliable,
    remark,
    standardised,
)

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


def test_heavy_weights_make_their_numbers_unreliable() -> None:
    metrics = {"test/ess": 0.02, "test/ess/pareto_k": 0.7, "test/log_z": 0.1, "test/kl": 1.0}
    assert reliable("test/ess", metrics)
    assert remark("test/ess", metrics, "exact") == "effective share of its samples, Pareto k 0.70"
    heavy = {**metrics, "test/ess/pareto_k": 0.83}
    assert [tag for tag in metrics if not reliable(tag, heavy)] == ["test/ess", "test/log_z"]
    told = "effective share of its samples, Pareto k 0.83, unreliable: test/ess/pareto_k above 0.7"
    assert remark("test/ess", heavy, "exact") == told
    assert remark("test/log_z", heavy, "exact") == "unreliable: test/ess/pareto_k above 0.7"
    unknown = {**metrics, "test/ess/pareto_k": None}
    assert remark("test/log_z", unknown, "exact") == "unreliable: test/ess/pareto_k unknown"
    # Runs of an older version have none.
    assert reliable("test/ess", {"test/ess": 0.02})


def test_distances_on_tables_say_their_units() -> None:
    metrics = {"test/w2": 0.2, "test/mmd": 0.1, "test/nll": 1.0, "test/standardised": 1.0}
    assert remark("test/w2", metrics, "exact") == "in standardised units"
    assert remark("test/mmd", metrics, "exact") == "in standardised units"
    assert remark("test/nll", metrics, "exact") == ""
    assert not standardised("test/w2", {"test/w2": 0.2})
    # The two are told together.
    assert metric_of("test/standardised").beside in metrics
