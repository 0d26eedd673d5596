"""Loggers besides TensorBoard: what each library reads back of what a run has logged."""

from __future__ import annotations

import csv
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
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
from genlab.errors import Interrupted, RunError, UserError
from genlab.learning.loggers import CSV, MLflow, RunLogger, Trackio, WandB, logging_to
from genlab.learning.tensorboard import log_figures, log_results
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.signature import signature

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
    with logging_to([logger]):
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
    with logging_to([later]):
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
    logger = make(Ended)

    def go() -> None:
        with logging_to([logger]):
            if error is not None:
                raise error

    if error is None:
        go()
    else:
        with pytest.raises(type(error)):
            go()
    assert logger.state == state


class Away(Ended):
    """One whose server goes away at a step."""

    at = 2
    told = 0

    def _write_scalars(self, scalars: Any, step: int) -> None:
        self.told += 1
        if step >= self.at:
            raise ConnectionError("no server\nand much more")


@pytest.mark.parametrize(("error", "state"), [(None, "done"), (ValueError("lost"), "failed")])
def test_a_server_that_goes_away_ends_neither_the_run_nor_other_loggers(
    make: Make, error: Exception | None, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, away, last = loggers = [make(Ended), make(Away), make(Ended)]

    def go() -> None:
        with logging_to(loggers):
            for step in (1, 2, 3):
                for logger in loggers:
                    logger.log_metrics({"a": 1.0}, step=step)
            if error is not None:
                raise error

    with nullcontext() if error is None else pytest.raises(ValueError, match="lost"):
        go()
    assert (first.state, away.state, last.state) == (state, None, state)
    assert away.told == 2, "what has failed is told nothing more"
    assert [record.getMessage() for record in caplog.records] == [
        "note: logger=away: lost: ConnectionError: no server; the run goes on",
        f"note: logger=away has what was logged until step 2 at most; all is in {first.run.path}",
    ]


def test_a_disk_that_is_full_ends_the_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RunError("the disk is full")

    monkeypatch.setattr(Ended, "_write_scalars", full)
    logger = make(Ended)
    with pytest.raises(RunError, match="the disk is full"), logging_to([logger]):
        logger.log_metrics({"a": 1.0}, step=1)
    assert logger.state == "failed"


def test_a_logger_that_cannot_begin_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(logger: RunLogger) -> None:
        raise ConnectionError("403: not yours")

    monkeypatch.setattr(CSV, "_begin", refused)
    run = small_experiment(tmp_path, "logger=[csv]", "callbacks=minimal")
    told = "^logger=csv: cannot begin: ConnectionError: 403: not yours$"
    with pytest.raises(UserError, match=told):
        run.fit()
    assert run.module.step == 0


def test_a_run_whose_server_goes_away_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = CSV._write_scalars

    def until_30(logger: CSV, scalars: Any, step: int) -> None:
        if step > 30:
            raise ConnectionError("no server")
        write(logger, scalars, step)

    monkeypatch.setattr(CSV, "_write_scalars", until_30)
    run = small_experiment(tmp_path, "logger=[csv]", "callbacks.images=null")
    metrics = run.fit()
    assert run.directory is not None
    assert read_json(run.directory.status)["state"] == "done"
    assert read_json(run.directory.metrics) == metrics
    lost = [one.getMessage() for one in caplog.records if "logger=csv" in one.getMessage()]
    assert len(lost) == 2
    assert "logger=csv: lost: ConnectionError: no server" in run.directory.log.read_text()


@pytest.fixture
def answering() -> Iterator[str]:
    """The address of a server that answers all that it has nothing."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_is_asked_before_a_run_begins(
    answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "find_spec", lambda name: name)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        silent = f"http://127.0.0.1:{closed.getsockname()[1]}"
    no_answer = f"={silent}: no answer: .*Connection refused"
    with_password = silent.replace("//", "//me:secret@")
    mlflow = compose("train", ["logger=mlflow", f"logger.mlflow.tracking_uri={with_password}"])
    with pytest.raises(UserError, match=f"^logger.mlflow.tracking_uri{no_answer}"):
        look_at_loggers(mlflow)
    plain = compose("train", ["logger=[csv,mlflow]"])
    look_at_loggers(plain)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent)
    with pytest.raises(UserError, match=f"^MLFLOW_TRACKING_URI{no_answer}"):
        look_at_loggers(plain)
    monkeypatch.setenv("WANDB_BASE_URL", silent)
    for words in ([], ["~logger.wandb.mode"]):
        look_at_loggers(compose("train", ["logger=wandb", *words]))
    online = compose("train", ["logger=wandb", "logger.wandb.mode=online"])
    with pytest.raises(UserError, match=f"^logger.wandb.mode=online: WANDB_BASE_URL{no_answer}"):
        look_at_loggers(online)
    for name in ("MLFLOW_TRACKING_URI", "WANDB_BASE_URL"):
        monkeypatch.setenv(name, answering)
    look_at_loggers(plain)
    look_at_loggers(online)


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


def test_what_loggers_call_alike_is_of_one_type() -> None:
    types: dict[str, set[object]] = {}
    for kind in (CSV, MLflow, Trackio, WandB):
        for name, parameter in signature(kind).parameters.items():
            types.setdefault(name, set()).add(parameter.annotation)
    assert [name for name, found in types.items() if len(found) > 1] == []
    tagged = [f"logger.{name}.tags={{for: paper}}" for name in ("mlflow", "wandb")]
    check(compose("train", ["logger=[mlflow,wandb]", *tagged]))
    with pytest.raises(UserError, match=r"^logger.wandb.tags=\[paper\]: expected keys with values"):
        check(compose("train", ["logger=wandb", "logger.wandb.tags=[paper]"]))


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
    with logging_to([again]):
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
        if place + 7 + length > len(data):
            return
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last of its parts
            yield Record.FromString(part)
            part = b""


@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_all_on_this_machine(make: Make, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    log_all(make(WandB, tags={"for": "paper"}))
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    found: list[Any] = []
    # What it writes may come when it has said that it is done.
    for _ in range(300):
        found = list(records(file))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            break
        time.sleep(0.1)
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
