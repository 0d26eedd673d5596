"""Metrics and configurations as text."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from genlab.cli.report import print_config, print_metrics
from genlab.runs.summary import config_rows, metric_rows

METRICS: dict[str, float | None] = {
    "time/fit_seconds": 31.234,
    "time/samples_per_second": 337712.34,
    "val/nll": 2.5,
    "test/w2": None,
    "test/inverse_error": 3.2e-7,
    "test/nll/se": 0.0123,
    "test/nll": 2.34567,
    "test/kl": 0.012346,
    "test/kl/se": 0.00067,
    "target/entropy": 2.33333,
    "model/parameters": 35362.0,
}

CONFIG = {
    "model": {
        "_target_": "genlab.models.RealNVP",
        "event_shape": [2],
        "layers": 8,
        "hidden": [64, 64],
        "network": {"depth": 2},
    },
    "data": {"batch_size": 512},
    "trainer": {"max_steps": 5000, "accelerator": "auto"},
    "choices": {"model": "realnvp", "data": "moons"},
    "seed": 0,
}

RUN: dict[str, Any] = {"parameters": 35362, "device": "cpu, 1 thread", "run": Path("outputs/a")}


def test_the_important_come_first_and_errors_join_their_metric() -> None:
    rows = metric_rows(METRICS)
    assert [row.key for row in rows] == [
        "test/kl",
        "test/nll",
        "test/inverse_error",
        "test/w2",
        "val/nll",
        "model/parameters",
        "time/fit_seconds",
        "time/samples_per_second",
    ]
    values = {row.key: (row.value, row.error) for row in rows}
    assert values["test/kl"] == ("0.01235", "0.00067")
    assert values["test/nll"] == ("2.346", "0.012")
    assert values["test/inverse_error"] == ("3.2e-07", "")
    assert values["test/w2"] == ("-", "")
    assert values["model/parameters"] == ("35362", "")
    assert values["time/fit_seconds"] == ("31.23", "")
    assert values["time/samples_per_second"] == ("337712", "")


def test_the_floor_stands_beside_the_likelihood() -> None:
    remarks = {row.key: row.remark for row in metric_rows(METRICS)}
    assert remarks["test/nll"] == "entropy floor 2.3333"
    assert remarks["test/kl"] == "nats above the optimum"
    sampled = METRICS | {"test/importance_samples": 64.0}
    bound = {row.key: row.remark for row in metric_rows(sampled, "lower_bound")}
    assert bound["test/kl"] == "nats above the optimum, an upper bound"
    assert bound["test/nll"] == "an upper bound, 64 importance samples, entropy floor 2.3333"
    assert "test/importance_samples" not in bound


def test_a_fingerprint_is_told_as_such() -> None:
    (row,) = metric_rows({"test/classifier": 2938729879.0})
    assert row[1:] == ("2938729879", "", "fingerprint: only runs with the same one compare")


def test_the_exact_constant_stands_beside_the_estimated_one() -> None:
    metrics = {
        "test/log_z": 1.8761,
        "test/log_z/se": 0.0012,
        "test/log_z/error": -0.0014,
        "target/log_z": 1.8775,
        "test/ess": 0.981,
        "test/ess/se": 0.0011,
        "val/loss": -1.87,
    }
    rows = {row.key: row for row in metric_rows(metrics)}
    assert list(rows) == ["test/ess", "test/log_z", "val/loss"]
    assert rows["test/log_z"][1:] == ("1.8761", "0.0012", "exact 1.8775")
    assert rows["test/ess"].remark == "effective share of its samples"
    unknown = {key: value for key, value in metrics.items() if key == "test/log_z"}
    assert metric_rows(unknown)[0].remark == ""


def test_the_error_of_a_solver_is_told_as_what_it_is() -> None:
    (row,) = metric_rows({"ode/error": 3.2e-6})
    assert row.remark == "nats, the largest of a log-density by the solver"


def test_small_numbers_keep_their_digits() -> None:
    small = {"test/nll": 1.0, "target/entropy": 1.2345e-6, "train/loss": 3.2109e-7}
    rows = {row.key: row for row in metric_rows(small)}
    assert rows["train/loss"].value == "3.211e-07"
    assert rows["test/nll"].remark == "entropy floor 1.2345e-06"


def test_a_relative_error_of_nothing_is_undefined() -> None:
    tag = "test/relative_l2/zero"
    assert metric_rows({tag: 1.0})[0].remark == "the error of u = 0"
    (row,) = metric_rows({tag: None})
    assert row.value == "-"
    assert row.remark == "undefined, as is any relative error: the exact solution is 0"


def test_an_entropy_without_a_likelihood_is_a_metric_of_its_own() -> None:
    assert [row.key for row in metric_rows({"target/entropy": 1.0})] == ["target/entropy"]


@pytest.mark.parametrize("error", [0.0, math.nan, math.inf, None])
def test_a_standard_error_that_says_nothing_is_left_out(error: float | None) -> None:
    (row,) = metric_rows({"test/kl": 1.23456, "test/kl/se": error})
    assert (row.value, row.error) == ("1.235", "")


def test_plain_lines_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(METRICS, "realnvp on moons")
    title, first, second, *rest = capsys.readouterr().out.splitlines()
    assert title == "realnvp on moons"
    assert first.split() == [
        "test/kl",
        "0.01235",
        "+-",
        "0.00067",
        "nats",
        "above",
        "the",
        "optimum",
    ]
    assert second.split() == ["test/nll", "2.346", "+-", "0.012", "entropy", "floor", "2.3333"]
    assert first.index("+-") == second.index("+-")
    assert len(rest) == 6


def test_nothing_measured(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics({}, "title")
    assert capsys.readouterr().out == "title\n"


def test_a_table_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    print_metrics(METRICS, "realnvp on moons")
    print_config(config_rows(CONFIG, **RUN))
    shown = capsys.readouterr().out
    assert "nats above the optimum" in shown
    assert "hidden=[64,64]" in shown, "square brackets are no markup"


def test_the_summary_of_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    rows = dict(config_rows(CONFIG, **RUN))
    assert rows == {
        "model": "realnvp layers=8 hidden=[64,64]",
        "parameters": "35,362",
        "data": "moons batch_size=512",
        "training": "5000 steps, seed 0",
        "device": "cpu, 1 thread",
        "run": "outputs/a",
    }
    print_config(config_rows(CONFIG, **RUN))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=1) == ["model", rows["model"]]
    assert len(lines) == len(rows)


def test_settings_are_spelled_as_they_are_typed() -> None:
    config = CONFIG | {"model": {"latent_dim": None, "actnorm": False, "circular": ["x", 1]}}
    shown = dict(config_rows(config, **RUN))["model"]
    assert shown == 'realnvp latent_dim=null actnorm=false circular=["x",1]'


def test_a_number_of_parameters_that_is_open_is_told_as_such() -> None:
    rows = dict(config_rows(CONFIG, **RUN | {"parameters": 6, "growing": True}))
    assert rows["parameters"] == "6 to begin with: the fit finds how many"


def test_the_summary_of_a_residual_names_its_data() -> None:
    config = CONFIG | {"choices": {"model": "nsf", "data": "pinn_residual", "problem": "peak"}}
    assert dict(config_rows(config, **RUN))["data"] == "pinn_residual batch_size=512"
