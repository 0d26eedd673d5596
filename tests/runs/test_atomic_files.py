"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from genlab.errors import RunError, UserError
from genlab.runs.files import atomic_path, create_json, read_json, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_while_writing(path: Path, *errors: Exception) -> None:
    """Write half of a new file, then fail as a writer does that adds errors of its own."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        _raise(*errors)


def full_disk(*filename: str) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *filename)


def _raise(*errors: Exception) -> None:
    *first, last = errors
    try:
        if first:
            _raise(*first)
    finally:
        raise last


def test_json_is_what_python_reads_with_null_for_what_json_cannot_say(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    data = {
        "b": math.nan,
        "a": [math.inf, 1, True, None, "text"],
        "numpy": [np.float32(0.5), np.float64(-np.inf), np.int64(3)],
        "nested": {"half": Fraction(1, 2), "path": Path("x/y")},
    }
    write_json(path, data)
    expected = {
        "a": [None, 1, True, None, "text"],
        "b": None,
        "nested": {"half": 0.5, "path": "x/y"},
        "numpy": [0.5, None, 3],
    }
    assert json.loads(path.read_text()) == expected
    assert list(json.loads(path.read_text())) == sorted(data)
    assert read_json(path) == expected


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_created_once(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:

        def refuse(*names: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "run.json"
    assert create_json(path, {"first": 1})
    assert not create_json(path, {"second": 2})
    assert read_json(path) == {"first": 1}
    assert names(tmp_path) == ["run.json"]
    with pytest.raises(RunError, match=r"gone/run.json: cannot be written \(No such file"):
        create_json(tmp_path / "gone" / "run.json", {})


def test_a_type_that_json_lacks_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError, match="complex"):
        write_json(path, {"a": 1j})
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not valid JSON"), ("[1]", "expected a JSON object, got list")]
)
def test_reading_what_is_no_json_object(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_json(path)


def test_reading_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_json(tmp_path / "run.json")


def test_the_temporary_name_is_hidden_and_keeps_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "density.png"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["density.png"]


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(path, ZeroDivisionError())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["last.ckpt"]


@pytest.mark.parametrize("previous", [b"old", None])
def test_a_full_disk_is_named_and_the_old_file_is_intact(
    tmp_path: Path, previous: bytes | None
) -> None:
    path = tmp_path / "last.ckpt"
    if previous is not None:
        path.write_bytes(previous)
    with pytest.raises(RunError) as caught:
        fail_while_writing(path, full_disk())
    rest = "nothing was written" if previous is None else "the previous one is intact"
    assert str(caught.value) == f"{path}: cannot be written (No space left on device); {rest}"
    assert names(tmp_path) == ([] if previous is None else ["last.ckpt"])
    assert previous is None or path.read_bytes() == previous


def test_a_full_disk_is_told_behind_the_errors_of_a_writer(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No space left"):
        fail_while_writing(tmp_path / "x", full_disk("elsewhere"), RuntimeError("position"))


def test_an_error_about_another_file_is_not_the_disks(tmp_path: Path) -> None:
    missing = FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "other"))
    with pytest.raises(FileNotFoundError):
        fail_while_writing(tmp_path / "x", missing)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        write_json(tmp_path / "gone" / "status.json", {})


FULL_DISK = """
import resource, signal, sys, torch
from pathlib import Path
from genlab.errors import RunError
from genlab.runs.files import atomic_path
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with atomic_path(path) as temporary:
        torch.save({"weights": torch.zeros(100_000)}, temporary)
except RunError as error:
    print(error)
"""


def test_a_checkpoint_that_outgrows_the_disk(tmp_path: Path) -> None:
    """torch's own writer drops the reason: it must be told all the same."""
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"old")
    answer = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith(f"{path}: cannot be written (the disk is full")
    assert "previous one is intact" in answer.stdout
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["last.ckpt"]


def test_the_real_limit_of_a_file_size(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(RunError, match="File too large"):
            write_json(path, {"text": "x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []


WRITER = """
import sys
from pathlib import Path
from genlab.runs.files import write_json
number = 0
while True:
    number += 1
    write_json(Path(sys.argv[1]), {"number": number, "rest": [number] * 2000})
"""


def test_a_reader_never_sees_a_torn_file_and_a_kill_leaves_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    try:
        seen = set()
        end = time.monotonic() + 20
        while len(seen) < 10 and time.monotonic() < end:
            if path.exists():
                data = read_json(path)
                assert data["rest"] == [data["number"]] * 2000
                seen.add(data["number"])
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert len(seen) >= 10
    data = read_json(path)
    assert data["rest"] == [data["number"]] * 2000
