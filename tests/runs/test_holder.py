"""Processes by their identities: heartbeats, and when one that is silent counts as gone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from genlab.errors import RunError, UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.holder import beating, identity, is_gone, is_ours, silence
from genlab.runs.status import (
    effective_state,
    is_left,
    refuse_running,
    refuse_taken,
    release,
    write_status,
)


def elsewhere(seconds: float, **changed: Any) -> dict[str, Any]:
    """A process on another machine that was heard of so long ago."""
    beat = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    return {**identity(), "host": "elsewhere", "heartbeat": beat, **changed}


def wait_for_another(beat: Mapping[str, Any], path: Path) -> None:
    """Wait until a later heartbeat than this one is noted."""
    while read_json(path)["heartbeat"] == beat["heartbeat"]:
        time.sleep(0.01)


def note(run: RunDirectory, process: Mapping[str, Any]) -> None:
    write_status(run, "running")
    write_json(run.status, {**read_json(run.status), **process})


def test_a_machine_that_is_renamed_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path / "run")
    write_status(run, "running")
    monkeypatch.setattr("socket.gethostname", lambda: "renamed")
    refuse_taken(run)
    assert is_ours(read_json(run.status))


def test_a_heartbeat_is_kept_while_the_process_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_ABANDONED_AFTER", "0.4")
    path = tmp_path / "note.json"
    write_json(path, {"state": "running", **identity()})
    first = read_json(path)
    assert first["abandoned_after"] == 0.4
    with beating(path):
        wait_for_another(first, path)
    last = read_json(path)
    assert last["heartbeat"] > first["heartbeat"]
    assert {**first, "heartbeat": None} == {**last, "heartbeat": None}
    time.sleep(0.1)
    assert read_json(path) == last, "it ends with the work"
    assert [found.name for found in tmp_path.iterdir()] == ["note.json"]


def test_nothing_is_written_over_the_note_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENLAB_ABANDONED_AFTER", "0.2")
    path, other = tmp_path / "note.json", elsewhere(0)
    write_json(path, other)
    with beating(path):
        time.sleep(0.1)
        assert read_json(path) == other
        path.unlink()
        time.sleep(0.05)
        write_json(path, own := identity())
        wait_for_another(own, path)  # a file that was away is kept again


@pytest.mark.parametrize(
    ("silent", "changed", "gone"),
    [
        (0, {}, False),
        (590, {}, False),
        (610, {}, True),
        (610, {"abandoned_after": 3600.0}, False),
        (-5000, {}, False),
    ],
)
def test_a_process_of_another_machine_is_gone_when_it_was_silent_for_long(
    silent: float, changed: Mapping[str, Any], gone: bool
) -> None:
    process = elsewhere(silent, **changed)
    assert is_gone(process) == gone
    assert not is_ours(process)


def test_an_older_version_has_kept_no_heartbeat(tmp_path: Path) -> None:
    """Nothing tells, so it is believed; on its own machine the number of the process tells."""
    old = {key: value for key, value in elsewhere(9999).items() if "_" not in key}
    del old["heartbeat"]
    assert silence(old) is None
    assert not is_gone({**old, "slurm_job": None})
    assert not is_gone({**old, "host": identity()["host"]})


def test_here_the_process_itself_tells(tmp_path: Path) -> None:
    """As where it was stopped for a while: it is there, and will go on."""
    assert not is_gone({**elsewhere(9999), "host": identity()["host"]})


def test_a_run_is_gone_on_with_when_its_heartbeat_is_old(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    note(run, elsewhere(100))
    assert effective_state(run) == "running"
    with pytest.raises(UserError, match=r"process \d+ on elsewhere, heard of 10\d s ago"):
        refuse_running(run)
    note(run, elsewhere(700))
    assert effective_state(run) == "killed"
    refuse_running(run)


def test_what_was_begun_in_a_folder_waits_for_all_that_runs_there(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    assert is_left(elsewhere(700), run.path)
    note(run, elsewhere(100))
    assert not is_left(elsewhere(700), run.path), "it has only just begun to train"
    release(run)
    assert is_left(elsewhere(700), run.path)
    assert not is_left(elsewhere(100), run.path)


def test_a_run_that_another_process_has_gone_on_with_is_left_to_it(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    refuse_taken(run)
    write_status(run, "running")
    refuse_taken(run)
    note(run, elsewhere(0, pid=7))
    with pytest.raises(RunError, match="run: process 7 on elsewhere has taken it over; this one"):
        refuse_taken(run)


@pytest.mark.parametrize("text", ["soon", "0", "-3", "inf", "nan"])
def test_a_setting_that_is_no_time(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENLAB_ABANDONED_AFTER", text)
    with pytest.raises(UserError, match=f"GENLAB_ABANDONED_AFTER={text}: expected seconds, a numb"):
        identity()
