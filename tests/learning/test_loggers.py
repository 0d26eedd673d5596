"""Loggers besides TensorBoard: what each library reads back of what a run has logged."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from small import small_experiment
from synthetic import synthetic_run

from genlab.config import look
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.look import look_at_loggers
from genlab.config.recompose import recompose
from genlab.errors import Interrupted, UserError
from genlab.learning.loggers import CSV, MLflow, RunLogger, Trackio, WandB, ending
from genlab.learning.tensorboard import log_figures, log_results
from genlab.runs.directory import RunDirectory

SETTINGS = {"model.hidden": [64, 64], "choices.model": "nsf", "choices.solver@model.evaluation": 1}
Make = Callable[..., RunLogger]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a logger of a kind for one run, seen from a folder of its own."""
    monkeypatch.chdir(tmp_path)
    run = synthetic_run(tmp_path / "outputs" / "run")

    def make(kind: type[RunLogger], **options: Any) -> RunLogger:
        told = {"save_dir": str(run.path), "title": "day/run", "settings": SETTINGS}
        return kind(**told, **{"purge_step": None, **options})

    return make


def log_all(logger: RunLogger) -> None:
    """Two points of a curve, a figure, the results, the end."""
    with ending([logger]):
        for step, loss in ((50, 2.5), (100, 1.5)):
            logger.log_metrics({"train/loss": loss}, step=step)
        log_figures([logger], {"density": Figure((2, 1))}, 100)
        log_results([logger], {}, {"test/kl": 0.5, "test/kl/se": 0.1, "test/w2": None}, 100)


def table(run: RunDirectory) -> list[dict[str, str]]:
    with run.scalars.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_has_a_row_a_step_and_goes_on_from_the_checkpoint(make: Make) -> None:
    log_all(first := make(CSV))
    rows = table(first.run)
    assert [(row["step"], row["train/loss"], row["test/kl"]) for row in rows] == [
        ("50", "2.5", ""),
        ("100", "1.5", "0.5"),
    ]
    later = make(CSV, purge_step=51)
    with ending([later]):
        later.log_metrics({"train/loss": 1.25}, step=100)
    assert [row["train/loss"] for row in table(first.run)] == ["2.5", "1.25"]


class Ended(RunLogger):
    """Notes how it ended."""

    state: str | None = None

    def _begin(self) -> None: ...
    def _write_scalars(self, scalars: Any, step: int) -> None: ...
    def _write_figure(self, tag: str, pixels: Any, step: int) -> None: ...
    def _end(self, state: str) -> None:
        self.state = state


@pytest.mark.parametrize(
    ("error", "state"),
    [(None, "done"), (ValueError(), "failed"), (Interrupted(15), "interrupted")],
)
def test_a_logger_ends_as_its_run(make: Make, error: BaseException | None, state: str) -> None:
    logger, unused = make(Ended), make(Ended)

    def go() -> None:
        with ending([logger, unused]):
            logger.log_metrics({"a": 1.0}, step=1)
            if error is not None:
                raise error

    if error is None:
        go()
    else:
        with pytest.raises(type(error)):
            go()
    assert logger.state == state
    assert unused.state is None


class Away(Ended):
    """One whose server has gone."""

    def _end(self, state: str) -> None:
        raise ConnectionError("no server")


@pytest.mark.parametrize(("error", "state"), [(None, "done"), (ValueError("lost"), "failed")])
def test_a_server_that_is_away_keeps_no_other_logger_and_no_reason_back(
    make: Make, error: Exception | None, state: str
) -> None:
    loggers = [make(Ended), make(Away), make(Ended)]

    def go() -> None:
        with ending(loggers):
            for logger in loggers:
                logger.log_metrics({"a": 1.0}, step=1)
            if error is not None:
                raise error

    with pytest.raises(ConnectionError if error is None else ValueError):
        go()
    assert [logger.state for logger in loggers if type(logger) is Ended] == [state, state]


def test_several_are_chosen_at_once_and_kept_when_a_run_is_composed_again() -> None:
    config = compose("train", ["logger=[csv,wandb]", "logger.wandb.project=mine"])
    check(config)
    assert config.choices.logger == ["csv", "wandb"]
    assert [*config.logger] == ["csv", "wandb"]
    OmegaConf.resolve(config)
    again = recompose(config, ["seed=1"])
    assert (again.logger, again.choices.logger) == (config.logger, ["csv", "wandb"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("logger=csv,wandb", "several values; add -m to run each, or write logger=[csv,wandb]"),
        ("logger.flush_secs=3", "no such key any more; write logger.tensorboard.flush_secs"),
        ("logger=[csv,wand]", "logger: no 'wand'; did you mean 'wandb'?"),
    ],
)
def test_mistakes(word: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("train", [word])
    assert message in str(caught.value)


def test_a_library_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "find_spec", lambda name: None)
    look_at_loggers(compose("train", ["logger=[tensorboard,csv]"]))
    with pytest.raises(UserError) as caught:
        look_at_loggers(compose("train", ["logger=[csv,mlflow]"]))
    assert str(caught.value) == "logger=mlflow: not installed; pip install 'genlab[mlflow]'"


def test_no_library_is_imported_before_it_is_used() -> None:
    script = (
        "import sys; from genlab.learning.loggers import *; "
        "assert not {'mlflow', 'wandb', 'trackio'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_run_with_a_table(tmp_path: Path) -> None:
    run = small_experiment(tmp_path, "logger=[csv]", "callbacks.images=null")
    metrics = run.fit()
    assert run.directory is not None
    rows = table(run.directory)
    losses = [row["step"] for row in rows if row["val/loss"]]
    assert losses == ["20", "40", "60"]
    assert float(rows[-1]["test/kl"]) == metrics["test/kl"]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_back(make: Make, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    told = {"tracking_uri": f"sqlite:///{tmp_path}/runs.db", "tags": {"for": "paper"}}
    log_all(make(MLflow, **told))
    # A run that goes on is the same one, and a setting that has changed since is a tag.
    again = make(MLflow, **told, purge_step=101)
    again.settings = {**SETTINGS, "choices.model": "nice"}
    with ending([again]):
        again.log_metrics({"train/loss": 1.0}, step=150)
    client = mlflow.MlflowClient(told["tracking_uri"])
    experiment = client.get_experiment_by_name("genlab")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "day/run"
    assert run.data.metrics == {"train/loss": 1.0, "test/kl": 0.5, "test/kl/se": 0.1}
    assert run.data.params["model.hidden"] == "[64,64]"
    assert run.data.params["choices.solver/model.evaluation"] == "1"
    assert (run.data.tags["for"], run.data.tags["choices.model"]) == ("paper", "nice")
    curve = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in curve] == [(50, 2.5), (100, 1.5), (150, 1.0)]
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert any(path.startswith("images/density") and path.endswith(".png") for path in images)


def records(path: Path) -> Iterator[Any]:
    """What a file of Weights & Biases holds: records of its protocol in a log like LevelDB's."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, part = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of its parts
            yield Record.FromString(part)
            part = b""


@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_all_on_this_machine(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    log_all(make(WandB, tags=["paper"]))
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    found = list(records(file))
    (run,) = (record.run for record in found if record.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name) == ("genlab", "day/run")
    assert [*run.tags] == ["nsf", "paper"]
    config = {item.key or ".".join(item.nested_key): item.value_json for item in run.config.update}
    assert json.loads(config["model.hidden"]) == [64, 64]
    rows = [
        {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
        for record in found
        if record.WhichOneof("record_type") == "history"
    ]
    assert [(row["step"], row["train/loss"]) for row in rows if "train/loss" in row] == [
        ("50", "2.5"),
        ("100", "1.5"),
    ]
    assert any(row.get("test/kl") == "0.5" for row in rows)
    (image,) = (file.parent / "files" / "media" / "images").glob("density*.png")
    assert image.stat().st_size > 0


@pytest.mark.filterwarnings("ignore")
def test_trackio_reads_back(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "trackio" not in sys.modules:
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    log_all(make(Trackio, project="tried"))
    (run,) = trackio.Api().runs("tried")
    assert run.name.startswith("day/run-")
    assert run.config["model.hidden"] == [64, 64]
    rows = trackio.sqlite_storage.SQLiteStorage.get_logs("tried", run.name)
    assert [(row["step"], row["train/loss"]) for row in rows if "train/loss" in row] == [
        (50, 2.5),
        (100, 1.5),
    ]
    assert any(row.get("test/kl") == 0.5 for row in rows)
    (figure,) = (row["density"] for row in rows if "density" in row)
    assert np.asarray(figure["file_path"]).item().endswith(".png")
