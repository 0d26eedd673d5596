"""A run's state, and the death of a process that could not write it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.status import effective_state, read_status, write_status

MakeRun = Callable[[Path], RunDirectory]


def test_the_life_of_a_run(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    write_status(run, "running")
    first = read_status(run)
    assert first["state"] == effective_state(run) == "running"
    assert first["ended"] is None
    assert first["pid"] == os.getpid()
    write_status(run, "failed", error="the loss is NaN at step 7", step=7)
    failed = read_status(run)
    assert (failed["state"], failed["step"]) == ("failed", 7)
    assert failed["error"] == "the loss is NaN at step 7"
    assert datetime.fromisoformat(failed["ended"]) >= datetime.fromisoformat(failed["started"])
    write_status(run, "running")
    resumed = read_status(run)
    assert resumed["started"] == first["started"]
    assert (resumed["step"], resumed["error"], resumed["ended"]) == (7, None, None)


RUNNING = """
import sys, time
from pathlib import Path
from genlab.runs.directory import RunDirectory
from genlab.runs.status import write_status
write_status(RunDirectory.create(Path(sys.argv[1])), "running")
print("written", flush=True)
time.sleep(60)
"""


def test_a_process_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUNNING, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    run = RunDirectory(tmp_path / "run")
    assert effective_state(run) == "running"
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert effective_state(run) == "killed", "ended, but not yet collected by its parent"
    process.wait()
    assert effective_state(run) == "killed"
    process.stdout.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_later_process_of_the_same_number_is_another(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    write_status(run, "running")
    write_json(run.status, {**read_json(run.status), "process": "1"})
    assert effective_state(run) == "killed"


def test_a_run_on_another_machine_is_believed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    write_status(run, "running")
    write_json(run.status, {**read_json(run.status), "host": "elsewhere", "process": "1"})
    assert effective_state(run) == "running"


def test_a_status_that_says_nothing(tmp_path: Path, make_run: MakeRun) -> None:
    run = make_run(tmp_path / "run")
    write_json(run.status, {"state": "asleep"})
    with pytest.raises(UserError, match=r"expected a state of running, done.*got 'asleep'"):
        read_status(run)
