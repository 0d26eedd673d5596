"""A sweep's folder: which jobs it has, who works at them, and how they stand."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from genlab.cli.sweep import _what_is_missing
from genlab.cli.sweep_view import final_table
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json
from genlab.runs.manifest import FORMAT
from genlab.runs.status import effective_state, write_status
from genlab.runs.sweep import Job, SweepDirectory


@pytest.fixture
def swept(tmp_path: Path) -> tuple[SweepDirectory, list[Job]]:
    """A sweep of four jobs that have not begun."""
    sweep, jobs = SweepDirectory.enter(tmp_path / "sweep", drafts(0, 1, 2, 3))
    assert sweep.jobs() == jobs
    return sweep, jobs


def drafts(*seeds: int) -> list[Job]:
    return [Job(0, f"seed={seed}", (f"seed={seed}",), f"hash of {seed}") for seed in seeds]


def die(sweep: SweepDirectory, number: int) -> None:
    """A job whose process is gone."""
    program = (
        "import sys, os; from pathlib import Path; from genlab.runs.sweep import SweepDirectory;"
        "SweepDirectory(Path(sys.argv[1])).begin(int(sys.argv[2])); os.kill(os.getpid(), 9)"
    )
    words = [sys.executable, "-c", program, str(sweep.path), str(number)]
    assert subprocess.run(words).returncode == -9


def test_a_killed_job_is_told_as_such(swept: tuple[SweepDirectory, list[Job]]) -> None:
    sweep, jobs = swept
    die(sweep, 1)
    sweep.begin(2)
    assert [state.state for state in sweep.read(jobs)] == [
        "waiting",
        "killed",
        "running",
        "waiting",
    ]
    sweep.settle(jobs)
    over = sweep.read(jobs)
    assert [state.state for state in over] == ["waiting", "killed", "killed", "waiting"]
    assert "1    seed=1        killed" in final_table(over)


def test_a_number_belongs_to_one_configuration(tmp_path: Path) -> None:
    """Whatever a later sweep asks for, and also where a run was taken further by its user."""
    path = tmp_path / "sweep"

    def numbers(*seeds: int) -> list[int]:
        return [job.number for job in SweepDirectory.enter(path, drafts(*seeds))[1]]

    assert numbers(1, 2) == [0, 1]
    assert numbers(3, 2, 1, 1) == [2, 1, 0, 3]
    (path / "7").mkdir()
    assert numbers(4) == [8]
    (path / "0").mkdir()
    write_json(path / "0" / "run.json", {"format": FORMAT, "config_hash": "hash of 9"})
    assert numbers(9, 1) == [0, 3]
    assert numbers(2, 3) == [1, 2]
    assert [job.number for job in SweepDirectory(path).jobs()] == [0, 1, 2, 3, 8]


@pytest.mark.slow
def test_of_processes_that_want_one_job_one_begins_it(tmp_path: Path) -> None:
    """Four processes enter one folder at once, with sweeps that have a job in common."""
    program = (
        "import sys; from pathlib import Path; from genlab.runs.sweep import Job, SweepDirectory;"
        "own = sys.argv[2]; sys.stdin.readline();"
        "jobs = [Job(0, name, (), name) for name in (own, 'both')];"
        "sweep, jobs = SweepDirectory.enter(Path(sys.argv[1]), jobs);"
        "print(*(f'{job.name}:{job.number}' for job in jobs if sweep.begin(job.number)));"
        "sys.stdout.flush(); sys.stdin.readline()"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "sweep")]
    started = [
        subprocess.Popen(
            [*words, f"own{k}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for k in range(4)
    ]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    shown = [process.stdout.readline().split() for process in started]
    for process in started:
        process.communicate("end\n")
    begun = [word.split(":") for words in shown for word in words]
    names = sorted(name for name, _ in begun)
    assert names == ["both", "own0", "own1", "own2", "own3"]
    assert sorted(int(number) for _, number in begun) == [0, 1, 2, 3, 4]


def elsewhere(path: Path, **changed: object) -> None:
    """As if a note had been written on another machine."""
    write_json(path, {**read_json(path), "host": "elsewhere", **changed})


def test_a_machine_that_died_holds_a_job_until_the_user_says_so(
    swept: tuple[SweepDirectory, list[Job]],
) -> None:
    sweep, jobs = swept
    for number in (0, 1):
        assert sweep.begin(number)
        run = RunDirectory.create(sweep.run(number).path)
        write_status(run, "running")
    elsewhere(sweep.path / "jobs" / "0.json")
    elsewhere(sweep.run(0).status)
    again, same = SweepDirectory.enter(sweep.path, jobs)
    bad = [state for state in again.read(same) if state.state == "running"]
    assert [state.host for state in bad] == ["elsewhere", socket.gethostname()]
    lines = list(_what_is_missing(4, bad))
    assert lines[0].startswith("2 of 4 jobs are with another sweep")
    assert lines[1].startswith("If nothing runs on elsewhere any more: the same command with")
    assert not again.begin(0)
    SweepDirectory(sweep.path).take_over()
    forced, same = SweepDirectory.enter(sweep.path, jobs)
    assert read_json(sweep.run(0).status)["state"] == "interrupted"
    assert forced.begin(0)
    assert not forced.begin(1), "here it is known to run"
    assert read_json(sweep.run(1).status)["state"] == "running"


def test_a_machine_that_was_silent_for_long_holds_no_job(
    swept: tuple[SweepDirectory, list[Job]],
) -> None:
    sweep, jobs = swept
    assert sweep.begin(0)
    run = RunDirectory.create(sweep.run(0).path)
    write_status(run, "running")
    note, old = sweep.path / "jobs" / "0.json", "2026-01-01T00:00:00+00:00"
    elsewhere(note, heartbeat=old)
    elsewhere(run.status)
    assert sweep.read(jobs)[0].state == "running", "its run is heard of"
    assert not sweep.begin(0)
    elsewhere(run.status, heartbeat=old)
    assert sweep.read(jobs)[0].state == "killed"
    again, _ = SweepDirectory.enter(sweep.path, jobs)
    assert again.begin(0)
    elsewhere(sweep.path / "jobs" / "0-2.json")
    sweep.end(0, "done")
    assert again.read(jobs)[0].state == "running", "what comes back late has no say"


def test_a_job_of_slurm_that_is_started_again_elsewhere_goes_on(
    swept: tuple[SweepDirectory, list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, _ = swept
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    run = RunDirectory.create(sweep.run(0).path)
    assert sweep.begin(0)
    write_status(run, "running")
    elsewhere(sweep.path / "jobs" / "0.json")
    elsewhere(run.status)
    assert not sweep.begin(0)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert effective_state(run) == "killed"
    assert sweep.begin(0)
    monkeypatch.setenv("SLURM_JOB_ID", "78")
    assert effective_state(run) == "running"


def test_what_ended_under_another_sweep_is_tried_again(
    swept: tuple[SweepDirectory, list[Job]],
) -> None:
    sweep, jobs = swept
    assert sweep.begin(0)
    assert not sweep.begin(0), "this process is at it"
    sweep.end(0, "failed", "no number")
    assert sweep.begin(1)
    sweep.stop()
    again, same = SweepDirectory.enter(sweep.path, jobs)
    assert not again.stopped
    assert [state.state for state in again.read(same)] == ["waiting", "running", *["waiting"] * 2]
    again.settle(same)
    assert again.read(same)[1].state == "running", "it belongs to the other one"
    assert again.begin(0)
    assert not again.begin(1)
    assert sweep.read(jobs)[0].state == "running"
    sweep.end(1, "done")
    assert [state.state for state in again.read(same)][:2] == ["running", "done"]
