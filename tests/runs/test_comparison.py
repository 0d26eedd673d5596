"""Runs beside each other: what differs, what their numbers are, which is the best."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest
from synthetic import synthetic_run

from genlab.errors import UserError
from genlab.runs.comparison.formats import as_csv, as_latex, as_markdown, as_text
from genlab.runs.comparison.groups import differing, grouped
from genlab.runs.comparison.records import Record, matching, read_records, without_repeats
from genlab.runs.comparison.tables import Table, listing, pivot, sorted_by

KL = {"nsf": (0.25, 0.5, 0.75), "nice": (1.0, 2.0, 3.0)}


def records_below(folder: Path) -> list[Record]:
    records, unreadable = read_records([folder])
    assert unreadable == []
    return records


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Two models on two targets with three seeds each; ``rings`` is a tenth as hard."""
    for model, values in KL.items():
        for data, scale in (("moons", 1.0), ("rings", 0.1)):
            for seed, value in enumerate(values):
                kl = {"test/kl": scale * value, "test/kl/se": 0.01, "test/mmd": 0.1}
                name = f"{model}-{data}-{seed}"
                synthetic_run(tmp_path / name, model=model, data=data, seed=seed, metrics=kl)
    return records_below(tmp_path)


def table(records: list[Record], *tags: str) -> Table:
    keys = differing(records)
    return listing(grouped(records, keys), keys, tags)


def test_seeds_are_averaged_and_the_best_of_each_target_is_marked(records: list[Record]) -> None:
    shown = as_text(table(records, "test/kl", "test/mmd")).splitlines()
    assert [line.split() for line in shown] == [
        ["model", "data", "runs", "test/kl", "test/mmd"],
        ["nice", "moons", "3", "2.0", "±", "1.0", "0.1"],
        ["nice", "rings", "3", "0.20", "±", "0.10", "0.1"],
        ["nsf", "moons", "3", "0.50", "±", "0.25*", "0.1"],
        ["nsf", "rings", "3", "0.050", "±", "0.025*", "0.1"],
    ]


def test_what_is_not_to_be_relied_on_is_said_and_is_never_the_best(tmp_path: Path) -> None:
    for model, ess, k in (("nice", 0.02, 0.83), ("nsf", 0.01, 0.31)):
        metrics = {"test/ess": ess, "test/ess/se": 0.002, "test/ess/pareto_k": k}
        synthetic_run(tmp_path / model, model=model, data="moons", metrics=metrics)
    found = table(records_below(tmp_path), "test/ess")
    assert [line.split() for line in as_text(found).splitlines()[1:]] == [
        ["nice", "moons", "1", "0.0200", "unreliable"],
        ["nsf", "moons", "1", "0.0100"],
    ]
    assert "| 0.0200 unreliable |" in as_markdown(found)
    assert "$0.0200$ unreliable" in as_latex(found)
    assert list(csv.reader(as_csv(found).splitlines()))[:2] == [
        ["model", "data", "runs", "test/ess", "test/ess/unreliable"],
        ["nice", "moons", "1", "0.02", "True"],
    ]


def test_a_title_says_where_all_distances_are_standardised(tmp_path: Path) -> None:
    for model, distance, units in (("nice", 0.5, 1.0), ("nsf", 0.25, 1.0), ("gmm", 0.125, None)):
        metrics = {"test/w2": distance, "test/kl": distance}
        if units is not None:
            metrics["test/standardised"] = units
        synthetic_run(tmp_path / model, model=model, data="moons", metrics=metrics)
    records = records_below(tmp_path)
    alike = matching(records, "model=nice,nsf")
    assert [line.split() for line in as_text(table(alike, "test/w2", "test/kl")).splitlines()] == [
        ["model", "data", "runs", "test/w2", "(standardised)", "test/kl"],
        ["nice", "moons", "1", "0.5", "0.5"],
        ["nsf", "moons", "1", "0.25*", "0.25*"],
    ]
    # A run of an older version has the table's own units, which compare with no other.
    mixed = table(records, "test/w2")
    assert [line.split() for line in as_text(mixed).splitlines()] == [
        ["model", "data", "runs", "test/w2"],
        ["gmm", "moons", "1", "0.125"],
        ["nice", "moons", "1", "0.5", "standardised"],
        ["nsf", "moons", "1", "0.25", "standardised*"],
    ]
    assert as_csv(mixed).splitlines()[1:3] == ["gmm,moons,1,0.125,False", "nice,moons,1,0.5,True"]


def test_solves_go_by_sampler_and_problem(tmp_path: Path) -> None:
    errors = {("das", 100): 0.01, ("rad", 100): 0.2, ("das", 1000): 0.05, ("rad", 1000): 0.9}
    for (sampler, sharpness), error in errors.items():
        name = "das-krnet" if sampler == "das" else sampler
        synthetic_run(
            tmp_path / f"{sampler}-{sharpness}",
            model=name,
            data="peak",
            metrics={"test/relative_l2": error},
            choices={"model": "krnet" if sampler == "das" else None, "sampler": sampler},
            problem={"A": sharpness},
            # Told by the problem, so no column of its own.
            pinn={"hidden": [sharpness]},
        )
    shown = as_text(table(records_below(tmp_path), "test/relative_l2")).splitlines()
    assert [line.split() for line in shown] == [
        ["model", "data", "problem.A", "runs", "test/relative_l2"],
        ["das-krnet", "peak", "100", "1", "0.01*"],
        ["das-krnet", "peak", "1000", "1", "0.05*"],
        ["rad", "peak", "100", "1", "0.2"],
        ["rad", "peak", "1000", "1", "0.9"],
    ]
    keys = ["sampler", "family", "problem.A"]
    groups = grouped(records_below(tmp_path), keys)
    crossed = pivot(
        groups, keys, rows=["sampler", "family"], columns=["problem.A"], tag="test/relative_l2"
    )
    assert as_markdown(crossed).splitlines()[2:] == [
        "| das | krnet | **0.01** | **0.05** |",
        "| rad | null | 0.2 | 0.9 |",
    ]


def test_a_spreadsheet_has_full_precision(records: list[Record]) -> None:
    rows = list(csv.DictReader(as_csv(table(records, "test/kl")).splitlines()))
    assert float(rows[1]["test/kl"]) == pytest.approx(0.2, abs=1e-15)
    assert float(rows[1]["test/kl/sd"]) == statistics.stdev(0.1 * value for value in KL["nice"])


def test_what_follows_from_other_settings_is_no_column(tmp_path: Path) -> None:
    """The learning rate follows from the model in general, but not where it was swept."""
    synthetic_run(tmp_path / "a", model="nsf")
    synthetic_run(tmp_path / "b", model="nice")
    synthetic_run(tmp_path / "c", model="nice", trainer={"max_steps": 10})
    assert differing(records_below(tmp_path)) == ["model", "data", "trainer.max_steps"]
    synthetic_run(tmp_path / "d", model="nice", optimizer={"lr": 0.1})
    keys = differing(records_below(tmp_path))
    assert keys[:3] == ["model", "data", "optimizer.lr"]
    groups = grouped(records_below(tmp_path), ["model", "optimizer.lr"])
    assert [group.settings for group in groups] == [
        ("nice", "0.0005"),
        ("nice", "0.1"),
        ("nsf", "0.001"),
    ]


def test_a_repeat_is_no_second_sample(tmp_path: Path) -> None:
    for day, kl in ((1, 1.0), (2, 3.0)):
        created = f"2026-01-0{day}T00:00:00+00:00"
        synthetic_run(tmp_path / str(day), created=created, metrics={"test/kl": kl})
    (record,) = without_repeats(records_below(tmp_path))
    assert record.metrics["test/kl"] == 3.0


def test_a_mean_is_over_all_runs_or_there_is_none(tmp_path: Path) -> None:
    for seed, kl in enumerate((1.0, None)):
        synthetic_run(tmp_path / str(seed), seed=seed, metrics={"test/kl": kl})
    assert as_text(table(records_below(tmp_path), "test/kl")).split()[-1] == "-"


def test_a_bound_says_so_and_a_single_run_has_no_deviation(tmp_path: Path) -> None:
    metrics = {"test/kl": 0.01234, "test/kl/se": 0.0021}
    synthetic_run(tmp_path / "a", model="vae", likelihood="lower_bound", metrics=metrics)
    found = table(records_below(tmp_path), "test/kl")
    assert as_text(found).splitlines()[1].split()[-2:] == ["≤", "0.0123"]
    assert r"$\leq 0.0123$" in as_latex(found)


def test_a_pivot_in_markdown_and_latex(records: list[Record]) -> None:
    keys = differing(records)
    groups = grouped(records, keys)
    crossed = pivot(groups, keys, rows=["model"], columns=["data"], tag="test/kl")
    assert as_markdown(crossed) == (
        "| model | moons | rings |\n|---|---:|---:|\n"
        "| nice | 2.0 ± 1.0 | 0.20 ± 0.10 |\n"
        "| nsf | **0.50 ± 0.25** | **0.050 ± 0.025** |\n"
    )
    assert r"nsf & $\mathbf{0.50 \pm 0.25}$ & $\mathbf{0.050 \pm 0.025}$ \\" in as_latex(crossed)
    turned = pivot(groups, keys, rows=["data"], columns=["model"], tag="test/kl")
    assert as_markdown(turned).splitlines()[2] == "| moons | 2.0 ± 1.0 | **0.50 ± 0.25** |"


def test_a_pivot_mixes_nothing(records: list[Record], tmp_path: Path) -> None:
    synthetic_run(tmp_path / "other", optimizer={"lr": 0.1}, metrics={"test/kl": 9.0})
    mixed = records_below(tmp_path)
    keys = differing(mixed)
    with pytest.raises(UserError, match=r"cell nsf moons differ in optimizer\.lr; choose by --wh"):
        pivot(grouped(mixed, keys), keys, rows=["model"], columns=["data"], tag="test/kl")


def test_sorting_by_settings_and_metrics(records: list[Record]) -> None:
    keys = differing(records)
    groups = grouped(records, keys)

    def order(key: str, *, reverse: bool = False) -> list[str]:
        found = sorted_by(groups, keys, key, reverse=reverse)
        return [" ".join(group.settings) for group in found]

    assert order("test/kl")[0] == "nsf rings"
    assert order("test/kl", reverse=True)[0] == "nice moons"
    assert order("data")[:2] == ["nice moons", "nsf moons"]
    with pytest.raises(UserError, match="--sort test/lk: no such column; did you mean 'test/kl'"):
        order("test/lk")


def test_conditions(records: list[Record]) -> None:
    assert len(matching(records, "model=nsf")) == 6
    assert len(matching(records, "seed=0,2")) == 8
    assert len(matching(records, "model.hidden=[64,64]")) == 12
    for condition, message in {
        "model=nfs": "no run has 'nfs'; did you mean 'nsf'?",
        "modle=nsf": "no run has this key; did you mean 'model'?",
        "model": "expected KEY=VALUE",
    }.items():
        with pytest.raises(UserError, match=message.replace("?", r"\?")):
            matching(records, condition)


def test_torn_files_are_told_and_do_no_harm(tmp_path: Path) -> None:
    synthetic_run(tmp_path / "good", metrics={"test/kl": 1.0})
    synthetic_run(tmp_path / "torn").manifest.write_text('{"format": 1, "con')
    synthetic_run(tmp_path / "half").manifest.write_text('{"format": 1}')
    synthetic_run(tmp_path / "early").manifest.unlink()
    synthetic_run(tmp_path / "metrics").metrics.write_text("")
    synthetic_run(tmp_path / "status").status.unlink()
    found, unreadable = read_records([tmp_path, tmp_path / "good"])
    assert [record.run.path.name for record in found] == ["good"]
    assert len(unreadable) == 5
    assert all(str(tmp_path) in line for line in unreadable)
