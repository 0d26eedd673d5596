"""Benchmark, league and fits: cells, what rounds say, and that all go on where they stopped."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

SCRIPTS = Path(__file__).parent.parent / "scripts"
MOONS = "realnvp:moons:seed0"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(SCRIPTS)])


def part(name: str) -> Any:
    return importlib.import_module(name)


def test_every_contestant_is_built_somewhere() -> None:
    cells, worker = part("benchmarks.cells"), part("benchmarks.worker")
    for device in ("cpu", "cuda"):
        for name, cell in cells.all_cells(device).items():
            assert name.split(":")[:3] == [cell.subject, cell.family, device]
            for who in cells.contestants(cell):
                module = worker.OWN_SUBJECTS.get(cell.subject) or worker.MODULES[who]
                assert (SCRIPTS / "benchmarks" / f"{module}.py").exists()


def test_a_compiled_step_takes_part_where_runs_have_one() -> None:
    cells, ours = part("benchmarks.cells"), part("benchmarks.ours")
    for family in cells.FAMILIES:
        if family != "gmm":  # whose runs take no gradient steps
            cell = cells.Cell("step", family, "cpu", 2, 8, cells.LAYERS.get(family))
            objective = ours.OBJECTIVES.get(family, ours.MaximumLikelihood)()
            takes_part = "compiled" in cells.contestants(cell)
            assert takes_part == objective.compiles(ours.model_of(cell)), family


def test_cells_are_chosen_by_their_parts(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = part("benchmarks.store").chosen
    names = ["step:nsf:dim2", "step:nsf:dim43", "sample:nsf:dim2"]
    assert chosen(names, []) == names
    assert chosen(names, ["dim2:step", "sample"]) == ["step:nsf:dim2", "sample:nsf:dim2"]
    for word, told in (("dim4", "no cell has 'dim4'; try 'dim43'"), ("sample:dim43", "all of")):
        with pytest.raises(SystemExit) as ended:
            chosen(names, [word])
        assert ended.value.code == 2
        assert told in capsys.readouterr().err


def test_what_rounds_say() -> None:
    measures = part("benchmarks.measures")
    record = {
        "genlab": {"us": [1.0, 2.0, 4.0]},
        "zuko": {"us": [2.0, 8.0, 4.0]},
        "nflows": {"us": [3.0, 9.0, 9.0]},
        "flowjax": {"error": "no such device"},
    }
    assert measures.median(record, "zuko") == 4
    assert measures.median(record, "flowjax") is None
    assert measures.spread(record, "genlab") == pytest.approx((3.0 - 1.5) / 2 / 2)
    # Of the rounds, not of the medians; against the faster peer.
    assert measures.ratios(record) == {"genlab / zuko": 0.5}
    assert measures.least_ratio(record, "genlab / zuko") is None
    record["genlab"]["processor"], record["zuko"]["processor"] = [3.0, 1.0], [5.0, 4.0]
    assert measures.least_ratio(record, "genlab / zuko") == 0.25


def test_exponents_are_those_of_a_least_squares_fit() -> None:
    sizes = np.array([64, 256, 1024, 4096, 16384])
    values = 3 * sizes**0.8 * np.exp([0.1, -0.2, 0.05, 0.2, -0.1])
    slope, error = part("benchmarks.measures").exponent(list(sizes), list(values))
    fit, covariance = np.polyfit(np.log(sizes), np.log(values), 1, cov=True)
    assert slope == pytest.approx(fit[0], rel=1e-12)
    assert error == pytest.approx(covariance[0, 0] ** 0.5, rel=1e-10)


def timed(us: float) -> dict[str, Any]:
    return {"us": [us, us], "megabytes": us / 1e3, "notes": {"seconds to load": 0.1}}


def test_the_benchmark_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark, measured = part("benchmark"), []

    def contest(cell: Any, names: list[str], **_: Any) -> dict[str, Any]:
        measured.append(cell.name)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return {"genlab": timed(10.0 * cell.batch), "zuko": {"error": "out of memory"}}

    monkeypatch.setattr(benchmark, "contest", contest)
    words = ["benchmark", "--only", "step:nsf:dim43:layers4", "-o", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    (tmp_path / "alone").mkdir()
    with pytest.raises(KeyboardInterrupt):
        benchmark.main()
    assert len(json.loads((tmp_path / "benchmark.json").read_text())) == 2
    benchmark.main()
    assert len(measured) == len(set(measured)) + 1
    benchmark.main()
    assert len(measured) == len(set(measured)) + 1
    alone = {"step:nsf:cpu:dim2:batch256:layers4": {"contestants": {"genlab": timed(1.0)}}}
    part("benchmarks.report").write(alone, tmp_path / "alone")
    table = (tmp_path / "table.md").read_text()
    assert "| nsf, batch, cpu | genlab | time | 1.00 ± 0.00 |" in table
    assert "failed (out of memory)" in table
    assert (tmp_path / "benchmark.png").stat().st_size > 5_000
    assert "step:nsf:cpu:dim43:batch64:layers4: genlab 640 us ± 0 %" in capsys.readouterr().out


def test_the_league_shows_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    league, ran = part("league"), []

    def run(cell: Any, *_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        ran.append(cell.name)
        if "gmm" in cell.name:
            return {"words": [], "error": "genlab: the loss is lost"}, {}
        nats = [2.9, 2.5, 2.6]
        curves = {"seconds": [0.5, 2.0, 5.0], "val/nll": nats, "val/loss": nats}
        return {"words": [], "metrics": {"test/kl": 0.1, "test/kl/se": 0.02}}, curves

    monkeypatch.setattr(league, "run", run)
    cells = [MOONS, "realnvp:moons:seed1", "gmm:rings:seed0", "nsf:pinwheel:seed2"]
    places = ["--records", str(tmp_path / "done.json"), "-o", str(tmp_path)]
    words = ["league", "--seconds", "5", *places, "--only"]
    monkeypatch.setattr(sys, "argv", [*words, cells[0]])
    league.main()
    monkeypatch.setattr(sys, "argv", [*words, *cells])
    league.main()
    assert sorted(ran) == sorted(f"toys:{cell}:5s" for cell in cells)
    lines = (tmp_path / "toys-5s.md").read_text().splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[2:8] for line in lines if "|" in line}
    assert rows[""][:3] == [" moons ", " circles ", " rings "]
    assert rows["realnvp"] == [" 0.1 ± 0 (0) [2] ", "  ", "  ", "  ", "  ", "  "]
    assert rows["gmm"] == ["  ", "  ", " failed ", "  ", "  ", "  "]
    assert rows["nsf"][5] == " 0.100 ± 0.020 [1] "
    assert (tmp_path / "toys-5s.png").exists()
    assert f"toys:{MOONS}:5s: test/kl 0.1\n" in capsys.readouterr().out


@pytest.mark.parametrize("begun", [None, "", "{}\n"])
def test_two_leagues_share_a_file(tmp_path: Path, begun: str | None) -> None:
    if begun is not None:
        (tmp_path / "done.json").write_text(begun)
    first, second = (part("benchmarks.store").Store(tmp_path / "done.json") for _ in range(2))
    first.add("a", {"words": []})
    second.add("b", {"words": []})
    assert set(json.loads((tmp_path / "done.json").read_text())) == {"a", "b"}


def test_a_column_may_be_a_difference_under_the_same_seeds() -> None:
    table, standings = part("benchmarks.table"), part("benchmarks.standings")
    column = table.Column("rna", "test/nll", minus="gmm")
    rows = {"gmm": table.Row(("model=gmm",)), "nsf": table.Row(("model=nsf",), seeds=(0, 1))}
    own = table.Table("", rows, {"rna": ()}, {"below": column}, seeds=(0, 1, 2))
    nats = {"gmm": [-4.0, -4.5, -4.2], "nsf": [-5.0, -5.1]}
    records = {
        f"own:{row}:rna:seed{seed}": {"metrics": {"test/nll": value}}
        for row, values in nats.items()
        for seed, value in enumerate(values)
    }
    *_, last = standings.markdown(standings.of_table(records, "own")[""], own)
    assert last == "| nsf | -0.80 ± 0.28 (0.20) |"
    names = [cell.name for cell in own.cells("own")]
    assert sorted(names) == sorted(records)


def test_a_number_has_the_error_that_its_seeds_or_itself_tell() -> None:
    table, standings = part("benchmarks.table"), part("benchmarks.standings")
    column = table.Column("rna", "test/kl")
    rows = {row: table.Row((f"model={row}",)) for row in ("gmm", "nsf", "cnf")}
    nats = {"gmm": [2.0, 2.3, 2.6, 2.1, 2.5], "nsf": [0.01231], "cnf": [0.0123]}
    errors = {"nsf": 0.0, "cnf": 0.00123}  # of quadrature, and of samples
    records = {
        f"own:{row}:rna:seed{seed}": {"metrics": {"test/kl": value, "test/kl/se": errors.get(row)}}
        for row, values in nats.items()
        for seed, value in enumerate(values)
    }
    for seeds, last in (((0, 1, 2, 3, 4), " [1]"), ((0,), "")):
        own = table.Table("", rows, {"rna": ()}, {"kl": column}, seeds=seeds)
        gmm, nsf, cnf = [*standings.markdown(records, own)][2:]
        assert nsf == f"| nsf | 0.0123{last} |"
        assert cnf == f"| cnf | 0.0123 ± 0.0012{last} |"
        assert gmm.startswith("| gmm | 2.30 ± 0.25 (0.11)")


def test_the_page_of_results_shows_what_the_league_has_finished() -> None:
    page, store = SCRIPTS.parent / "docs/results.md", SCRIPTS.parent / "docs/league.json"
    records = part("benchmarks.store").Store(store).records
    published = part("benchmarks.standings").published
    tables = part("benchmarks.tables").TABLES
    text = page.read_text()
    assert published(text, records, tables) == text
    for name in {key.split(":")[0] for key in records}:
        assert f"<!-- league: {name}" in text


@pytest.mark.parametrize(
    ("row", "network", "settings"),
    [
        ("flow-matching", "ResidualConvNet", {"width": 32, "blocks": 3}),
        ("cnf", "SpectralNet", {"width": 8, "blocks": 1}),
        ("cnf, active_scalar", "ActiveScalar", {"embedding": 16}),
    ],
)
def test_flows_of_turbulence_have_the_network_of_their_row(
    row: str, network: str, settings: dict[str, int]
) -> None:
    from genlab.config.compose import compose

    table = part("benchmarks.tables").TABLES["turbulence"]
    (cell,) = (cell for cell in table.cells("turbulence") if f":{row}:" in cell.name)
    config = compose("train", list(cell.words))
    assert config.choices.model == row.split(",")[0]
    assert config.model.network._target_ == f"genlab.nn.{network}"
    assert settings.items() <= config.model.network.items()
    assert config.data.train_size == (2000 if row == "cnf" else 10_000)
    assert config.trainer.max_seconds == table.seconds


@pytest.mark.slow
def test_a_run_of_the_league_is_a_command(tmp_path: Path) -> None:
    """Whatever word there is composes with some others; a short run comes to its end."""
    from genlab.config.compose import compose

    league, tables = part("league"), part("benchmarks.tables").TABLES
    places, seen = tmp_path / "tables", set()
    league.write_tables(places)
    for cell in (cell for name, table in tables.items() for cell in table.cells(name)):
        if not seen.issuperset(cell.words) and "seed=0" in cell.words:
            seen.update(cell.words)
            compose("train", [word.replace("{tables}", str(places)) for word in cell.words])
    cell = next(tables["uci"].cells("uci", seconds=5))
    assert cell.name == "uci:gmm:wine:seed0:5s"
    record, curves = league.run(cell, tmp_path, ["model.components=2", "trainer.accelerator=cpu"])
    assert record["metrics"].keys() == {"test/nll", "test/nll/se", "time/fit_seconds"}, record
    assert len(curves["val/nll"]) == len(curves["seconds"]) > 0


def test_a_curve_meets_the_test_where_the_tested_weights_are() -> None:
    curves = {
        "seconds": [1, 2, 3, 4],
        "val/nll": [2.5, None, 2.44, 2.41],
        "val/loss": [0.9, 0.8, 0.6, 0.7],
    }
    record = {"metrics": {"test/kl": 0.03}}
    curve = part("benchmarks.standings").curve
    seconds, nats = curve(record, curves, "test/kl", "val/loss")
    assert seconds == [1, 3, 4]
    assert nats == pytest.approx([0.09, 0.03, 0.0])
    _, nats = curve(record, curves, "test/kl", "val/nll")
    assert nats == pytest.approx([0.12, 0.06, 0.03])


def test_the_league_of_torsions_tests_the_weights_of_its_monitor() -> None:
    from genlab.config.compose import compose

    table = part("benchmarks.tables").TABLES["rna"]
    first = {cell.name.split(":")[1]: cell.words for cell in reversed([*table.cells("rna")])}
    for words in first.values():
        assert compose("train", list(words)).trainer.monitor == table.monitor


def test_log_densities_of_angles_are_the_same_by_either_trace() -> None:
    cell = part("benchmarks.cells").Cell("log_prob", "torus", "cpu", 7, 8)
    found, notes = [], []
    for module, who in (("ours", "genlab"), ("divergences", "reverse mode")):
        torch.manual_seed(0)
        work = part(f"benchmarks.{module}").build(cell, who)
        found.append(work.run())
        notes.append(work.notes)
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)
    # In as many steps: what is compared is what a step costs.
    assert notes[0] == notes[1]
    assert notes[0]["evaluations"] > 13


@pytest.mark.slow
def test_contestants_take_turns(tmp_path: Path) -> None:
    words = ["--only", "divergence:periodic", "--seconds", "0.1", "--rounds", "3"]
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), *words, "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    (record,) = json.loads((tmp_path / "benchmark.json").read_text()).values()
    assert set(record["contestants"]) == {"genlab", "forward mode", "reverse mode"}
    for side in record["contestants"].values():
        for clock in ("us", "processor"):
            assert len(side[clock]) == 3
            assert min(side[clock]) > 0


def test_looking_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks, module = [100.0, 7.0], part("benchmarks.clock")
    monkeypatch.setattr(module, "now", lambda: tuple(clocks))

    def passes(seconds: float, computing: float) -> None:
        clocks[0] += seconds
        clocks[1] += computing

    def see(state: int) -> int:
        passes(5.0, 4.0)
        return state**2

    clock = module.Clock(see, every=0.5)
    gone = []
    for state in range(4):
        passes(0.375, 0.25)
        gone.append(clock.look(state))
    clock.pause()
    passes(9.0, 9.0)
    clock.resume()
    clock.note(4)
    assert gone == [0.375, 0.75, 1.125, 1.5]
    assert clock.seen == [1, 4, 9, 16]
    assert clock.seconds == [0.75, 1.125, 1.5, 1.5]
    assert clock.processor == [0.5, 0.75, 1.0, 1.0]
    clock.start()
    passes(0.25, 0.25)
    assert clock.look(5) == 0.25
    assert len(clock.seen) == 4


def test_fits_go_on_where_they_stopped_and_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    peers, made = part("fit_peers"), []
    ends = {"genlab": (4.0, 0.006), "flowjax": (16.0, 0.008), "zuko": (60.0, 0.02)}

    def apart(name: str, seconds: float) -> dict[str, Any]:
        made.append(name)
        who, seed = name.split(":")[1], int(name[-1])
        end, nats = ends[who]
        return {
            "steps": 10,
            "weights": 99,
            "seconds": [end / 4, end / 2 + seed, end],
            "processor": [end / 4, end / 2, end],
            "nats": [0.5, 0.0099 if who != "zuko" or seed == 0 else 0.03, nats],
            "se": [0.1, 0.001, 0.0005],
        }

    monkeypatch.setattr(peers, "apart", apart)
    monkeypatch.setattr(peers, "one_core", lambda: None)
    monkeypatch.setattr(peers, "restricted", lambda *_: {})
    monkeypatch.setattr(peers, "missing_peers", lambda: [])
    words = ["fit_peers", "-o", str(tmp_path), "--only", "moons:nsf", "--seeds"]
    for seeds in ("1", "3"):
        monkeypatch.setattr(sys, "argv", [*words, seeds])
        peers.main()
    assert len(made) == len(set(made)) == 9
    said = capsys.readouterr().out
    assert "moons:genlab:nsf:seed2: 4 s (4 of the processor), 0.0060 +- 0.0005 nats" in said
    rows = [line.split(" | ") for line in (tmp_path / "table.md").read_text().splitlines()]
    genlab, zuko = (next(row for row in rows if f"{who} nsf" in row) for who in ("genlab", "zuko"))
    # Medians over the seeds: 3 s to the goal, which zuko reaches under one seed of three.
    assert genlab[2:] == ["3", "10", "99", "4", "4", "0.0060", "0.01", "3", "0.25", "0.00 |"]
    assert zuko[-3:] == ["inf", "", " |"]


@pytest.mark.parametrize("who", ["genlab", "zuko"])
def test_a_fit_is_judged_by_the_exact_density(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, and on other points, the nats that are left are the same within their error."""
    import genlab

    fits = part("benchmarks.fits")
    if who == "genlab":
        short = ("trainer.max_steps=60", "trainer.val_every=30", "callbacks=minimal")
        experiment = genlab.experiment
        monkeypatch.setattr(genlab, "experiment", lambda *words: experiment(*words, *short))
        fit = fits.by_genlab("nice", "moons", 1)
        assert fit.steps == 60
    else:
        monkeypatch.setattr(fits, "ZUKO_ROWS", 1000)
        fit = fits.by_zuko("moons", 1, seconds=0.0)
        assert fit.steps == 1
    record = fits.judged("moons", fit)
    target = genlab.targets.Moons()
    x = target.sample(20_000, generator=torch.Generator().manual_seed(2))
    left = target.log_prob(x.double()) - fit.clock.seen[-1](x)
    off = (left.mean().item() - record["nats"][-1]) / record["se"][-1]
    assert abs(off) < 4
    assert record["se"][-1] == pytest.approx(left.std().item() / 100, rel=0.1)
    assert sorted(record["seconds"]) == record["seconds"]
    assert record["nats"][-1] > 0
