"""``genlab board``: what it serves under which names, until Ctrl-C, in the background too."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import SummaryWriter

from genlab.assembly.recording import hyperparameters
from genlab.cli.commands.board import EVENTS, free_port, link_events
from genlab.cli.main import main
from genlab.config.compose import compose
from genlab.errors import UserError
from genlab.learning.tensorboard import log_results

Capture = pytest.CaptureFixture[str]

FIRST = ("1 model", "2 data", "3 seed", "4 lr", "5 steps")


def test_nothing_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["board"]) == 2
    assert "board: no folder outputs" in capsys.readouterr().err
    Path("outputs").mkdir()
    assert main(["board"]) == 2
    assert "nothing for TensorBoard below outputs yet" in capsys.readouterr().err


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("localhost", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"--port {taken}: taken; \d+ is free"):
            free_port("localhost", taken)
    assert free_port("localhost", taken) == taken
    assert free_port("localhost", None) >= 6006


def test_a_run_is_called_by_its_folder(tmp_path: Path) -> None:
    folder, links = tmp_path / "outputs", tmp_path / "links"
    for place in ("day/run", "day/sweep/0", "day/sweep/0/seed-1"):
        (folder / place / "tensorboard").mkdir(parents=True)
        (folder / place / "tensorboard" / f"{EVENTS}.1").write_text(place)
    (folder / "theirs").mkdir()
    (folder / "theirs" / f"{EVENTS}.2").touch()
    for _ in range(2):
        link_events(folder, links)
    found = {str(link.parent.relative_to(links)) for link in links.rglob(f"{EVENTS}*")}
    assert found == {"day/run", "day/sweep/0", "day/sweep/0/seed-1", "theirs"}
    assert (links / "day" / "run" / f"{EVENTS}.1").read_text() == "day/run"
    shutil.rmtree(folder / "day" / "run")
    link_events(folder, links)
    assert not any((links / "day" / "run").iterdir())
    link_events(folder / "day" / "sweep" / "0" / "seed-1", tmp_path / "one")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["seed-1"]


def words_of(*words: str) -> dict[str, Any]:
    """What a run of these words says of itself."""
    command, *overrides = words
    return hyperparameters(compose(command, overrides))


UNLIKE = {
    "mixture": ("train", "model=gmm", "data=rings", "seed=3"),
    "flow": ("train", "model=realnvp", "model.layers=4", "trainer.ema=0.99", "optimizer.lr=1e-3"),
    "solve": ("solve", "optimizer=adam", "model=nsf", "problem.A=50"),
}


def test_the_names_of_hyperparameters_carry_their_order() -> None:
    rows = {name: words_of(*words) for name, words in UNLIKE.items()}
    first = {name: [row.get(column) for column in FIRST] for name, row in rows.items()}
    assert first == {
        "mixture": ["gmm", "rings", 3, None, 300],
        "flow": ["realnvp", "moons", 0, 1e-3, 8000],
        "solve": ["das-nsf", "peak", 0, 5e-3, 3000],
    }
    for row in rows.values():
        others = set(row) - set(FIRST)
        assert min(others) > max(FIRST)
        assert not any(re.match(r"(choices|callbacks|logger|command|outputs|kind)\b", key)
                       or "_target_" in key or key.endswith("seed") for key in others)  # fmt: skip
    assert rows["solve"]["family"] == "nsf"
    assert rows["flow"]["objective"] == "maximum_likelihood"
    assert rows["flow"]["data.target.noise"] == 0.2


def test_the_row_of_a_run_is_its_last_and_no_experiment_hides_others(tmp_path: Path) -> None:
    for steps in (100, 200):
        logger = TensorBoardLogger(str(tmp_path), name="", version="tensorboard")
        row = {"5 steps": steps, "model.hidden": [8, 8], "trainer.compile": True, "none": None}
        log_results([logger], row, {"test/kl": 0.5, "val/loss": 1.0, "test/nll": None}, steps)
        logger.finalize("success")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Tags()["scalars"] == ["test/kl"]
    assert set(events.summary_metadata) == {
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    }
    start = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    cells = HParamsPluginData.FromString(start).session_start_info.hparams
    assert dict(cells.items()).keys() == {"5 steps", "model.hidden", "trainer.compile"}
    assert cells["5 steps"].number_value == 200
    assert cells["model.hidden"].string_value == "[8,8]"
    assert cells["trainer.compile"].string_value == "true"


@pytest.mark.slow
def test_it_serves_runs_and_their_columns_until_ctrl_c(tmp_path: Path) -> None:
    for name, words in UNLIKE.items():
        run = tmp_path / "outputs" / name
        logger = TensorBoardLogger(str(run), name="", version="tensorboard")
        logger.log_metrics({"train/loss": 1.5}, step=1)
        tag = "test/relative_l2" if name == "solve" else "test/kl"
        log_results([logger], words_of(*words), {tag: 0.5}, 2)
        logger.finalize("success")
    port = free_port("localhost", None)
    board = subprocess.Popen(
        [sys.executable, "-m", "genlab", "board", "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a shell without job control starts its background jobs.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
    )
    try:
        assert board.stdout is not None
        url = f"http://localhost:{port}/"
        assert board.stdout.readline() == f"TensorBoard over outputs: {url} (Ctrl-C ends it)\n"
        asked = {"experimentName": "", "allowedStatuses": ["STATUS_SUCCESS"], "colParams": [],
                 "startIndex": 0, "sliceSize": 10}  # fmt: skip
        groups = _ask(
            f"{url}data/plugin/hparams/session_groups",
            lambda found: len(found.get("sessionGroups", ())) == len(UNLIKE),
            asked,
        )["sessionGroups"]
        assert {group["name"]: group["hparams"]["3 seed"] for group in groups} == {
            "mixture": 3,
            "flow": 0,
            "solve": 0,
        }
        experiment = _ask(f"{url}data/plugin/hparams/experiment", bool, {"experimentName": ""})
        columns = {column["name"]: column for column in experiment["hparamInfos"]}
        differing = [name for name, column in columns.items() if column.get("differs")]
        assert list(columns)[: len(differing)] == differing == sorted(differing)
        assert differing[:5] == list(FIRST)
        assert set(columns["1 model"]["domainDiscrete"]) == {"gmm", "realnvp", "das-nsf"}
        assert columns["4 lr"]["type"] == "DATA_TYPE_FLOAT64"
        assert columns["4 lr"]["domainInterval"] == {"minValue": 1e-3, "maxValue": 5e-3}
        for of_one, value in (("trainer.ema", 0.99), ("model.layers", 4), ("problem.A", 50)):
            interval = columns[of_one]["domainInterval"]
            assert interval["minValue"] <= value <= interval["maxValue"]
        metrics = [metric["name"]["tag"] for metric in experiment["metricInfos"]]
        assert metrics == ["test/kl", "test/relative_l2", "train/loss"]
        # A run that begins while the board is open.
        with SummaryWriter(str(tmp_path / "outputs" / "new" / "tensorboard")) as writer:
            writer.add_scalar("val/loss", 1.5, 1)
        runs = _ask(f"{url}data/runs", lambda found: "new" in found)
        assert set(runs) == {*UNLIKE, "new"}
        board.send_signal(signal.SIGINT)
        # TensorBoard itself would advise options that this command does not have.
        assert board.communicate(timeout=20) == ("", "")
        assert board.returncode == 0
        assert not list(tmp_path.glob("genlab-board-*"))
    finally:
        board.kill()
        board.wait()
        board.stdout.close()


def _ask(
    url: str,
    complete: Callable[[Any], bool],
    question: dict[str, Any] | None = None,
    *,
    seconds: float = 60,
) -> Any:
    """The server's answer, once it is there and complete."""
    data = None if question is None else json.dumps(question).encode()
    headers = {"Content-Type": "application/json"}
    end = time.monotonic() + seconds
    while True:
        try:
            with urlopen(Request(url, data, headers)) as answer:
                found = json.load(answer)
        except OSError:
            found = {}
        if complete(found) or time.monotonic() > end:
            return found
        time.sleep(0.2)
