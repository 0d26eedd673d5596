"""The console program ends at once, and leaves nothing undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# Whether Python took itself apart: only then is this object freed.
PROGRAM = """
import atexit, os, sys, threading, time
import genlab.cli.program as console

class Kept:
    def __del__(self, write=os.write):
        write(1, b"freed\\n")

def main():
{body}

console.main = main
sys.argv = ["genlab"]
kept = Kept()
sys.exit(console.program())
"""


def run(body: str, folder: Path | None = None, **streams: Any) -> subprocess.CompletedProcess[str]:
    """The console program in a process, with other insides."""
    # Streams that hold back what they are given.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    code = PROGRAM.format(body=indent(body, "    "))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, text=True, cwd=folder, env=environment, **streams)


@pytest.mark.parametrize("status", [0, 1, 2, 130, 143])
def test_the_status_is_kept_and_nothing_is_freed(status: int) -> None:
    answer = run(f"print('all'); print('told', file=sys.stderr)\nreturn {status}")
    assert (answer.returncode, answer.stdout, answer.stderr) == (status, "all\n", "told\n")


def test_what_is_printed_is_whole() -> None:
    answer = run("sys.stdout.write('x' * 3_000_000)\nreturn 0")
    assert (answer.returncode, len(answer.stdout)) == (0, 3_000_000)


def test_whoever_runs_at_the_end_runs() -> None:
    body = "atexit.register(print, 'second')\natexit.register(print, 'first')\nreturn 0"
    assert run(body).stdout == "first\nsecond\n"


def test_threads_and_children_are_waited_for() -> None:
    body = """
from multiprocessing import get_context
def work(name):
    time.sleep(0.2)
    print(name, flush=True)
get_context('fork').Process(target=work, args=('child',)).start()
threading.Thread(target=work, args=('thread',)).start()
return 0"""
    answer = run(body.strip())
    assert answer.returncode == 0
    assert sorted(answer.stdout.split()) == ["child", "thread"]


def test_files_that_were_left_open_are_written(tmp_path: Path) -> None:
    body = "sys.held = open('kept.txt', 'w')\nsys.held.write('all')\nreturn 0"
    assert run(body, folder=tmp_path).returncode == 0
    assert (tmp_path / "kept.txt").read_text() == "all"


def test_files_that_were_set_aside_are_written(tmp_path: Path) -> None:
    body = (
        "import gc\nsys.held = open('kept.txt', 'w')\ngc.freeze()\nsys.held.write('all')\nreturn 0"
    )
    assert run(body, folder=tmp_path).returncode == 0
    assert (tmp_path / "kept.txt").read_text() == "all"


def test_logs_are_written(tmp_path: Path) -> None:
    body = """
import logging, logging.handlers
file = logging.FileHandler('run.log')
logging.getLogger().addHandler(logging.handlers.MemoryHandler(100, target=file))
logging.getLogger().warning('last')
return 0"""
    assert run(body.strip(), folder=tmp_path).returncode == 0
    assert (tmp_path / "run.log").read_text() == "last\n"


@pytest.mark.parametrize(
    "body",
    [
        "sys.setprofile(lambda *_: None)\nreturn 0",
        "sys.settrace(lambda *_: None)\nreturn 0",
        "raise SystemExit(0)",
    ],
)
def test_python_ends_as_ever_where_somebody_watches(body: str) -> None:
    answer = run(body)
    assert (answer.returncode, answer.stdout) == (0, "freed\n")


def test_a_stream_that_takes_no_more_is_told_by_python() -> None:
    with Path("/dev/full").open("w") as full:
        answer = run("print('lost')\nreturn 0", stdout=full)
    assert answer.returncode == 120
    assert "No space left" in answer.stderr


def test_a_child_that_python_forked_ends_by_itself() -> None:
    body = """
if os.fork() == 0:
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
return 3"""
    answer = run(body.strip())
    assert (answer.returncode, answer.stdout.split()[-1]) == (3, "7")


@pytest.mark.skipif(sys.platform != "linux", reason="of the memory of glibc")
def test_memory_that_was_freed_is_not_taken_from_the_system_anew() -> None:
    """Ten times eight megabytes in arrays of one: some two thousand pages each time."""
    body = """
import resource
import numpy as np
def taken():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        arrays = [np.ones(2**17) for _ in range(8)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
taken()
print(taken() < 200)
"""
    assert run(body + "return 0").stdout == "True\n"


def test_main_by_itself_leaves_python_running() -> None:
    code = "from genlab.cli.main import main; print(main(['--version'])); print('goes on')"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.splitlines()[1:] == ["0", "goes on"]


def test_both_commands_are_the_program() -> None:
    program = str(Path(sys.executable).parent / "genlab")
    for command in ([program], [sys.executable, "-m", "genlab"]):
        answer = subprocess.run([*command, "trian"], capture_output=True, text=True)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert "did you mean 'train'" in answer.stderr


@pytest.mark.slow
def test_a_run_is_whole_when_its_command_ends(tmp_path: Path) -> None:
    words = ["model=realnvp", "data=moons", "trainer.max_steps=1", "hydra.run.dir=run"]
    words += ["model.layers=2", "model.hidden=[16]"]
    answer = subprocess.run(
        [sys.executable, "-m", "genlab", "train", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1].startswith("time/steps_per_second")
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "done"
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    for tag in ("test/kl", "test/w2", "model/parameters"):
        assert events.Scalars(tag)[-1].value == pytest.approx(metrics[tag], rel=1e-6)
    drawn = {path.stem for path in (tmp_path / "run/figures").iterdir()}
    assert drawn == {"density", "samples", "latent", "deformation"}
    assert drawn <= set(events.Tags()["images"])
    for name in drawn:
        (shown,) = events.Images(name)
        with Image.open(BytesIO(shown.encoded_image_string)) as image:
            assert image.size == (shown.width, shown.height)
