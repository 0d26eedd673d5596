"""``genlab board``: serves what there is, and ends on Ctrl-C, in the background too."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from genlab.cli.commands.board import free_port
from genlab.cli.main import main
from genlab.errors import UserError

Capture = pytest.CaptureFixture[str]


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


@pytest.mark.slow
def test_it_serves_the_runs_until_ctrl_c(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "outputs" / "run" / "tensorboard")) as writer:
        writer.add_scalar("val/loss", 1.5, 1)
    port = free_port("localhost", None)
    board = subprocess.Popen(
        [sys.executable, "-m", "genlab", "board", "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # As a shell without job control starts its background jobs.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert board.stdout is not None
        url = f"http://localhost:{port}/"
        assert board.stdout.readline() == f"TensorBoard over outputs: {url} (Ctrl-C ends it)\n"
        tags = _ask(f"{url}data/plugin/scalars/tags", seconds=60)
        assert list(tags) == ["run/tensorboard"]
        board.send_signal(signal.SIGINT)
        board.wait(timeout=20)
    finally:
        board.kill()
        board.wait()
        board.stdout.close()


def _ask(url: str, *, seconds: float) -> dict[str, object]:
    """The server's answer, once it is there and has read the runs."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url) as answer:
                found = json.load(answer)
        except OSError:
            found = {}
        if found or time.monotonic() > end:
            return found
        time.sleep(0.2)
