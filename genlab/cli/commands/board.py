"""``genlab board [DIR]``: TensorBoard over all runs below a folder."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from genlab.cli.arguments import Parser, positive
from genlab.errors import UserError
from genlab.runs.find import OUTPUTS

__all__ = ["run"]

EXAMPLES = """\
  genlab board                 the runs below outputs/
  genlab board old/ --port 6010
  genlab board --host 0.0.0.0  reachable from other machines"""

FIRST_PORT = 6006
PORTS = 100


def run(words: list[str]) -> int:
    parser = Parser("board", EXAMPLES)
    parser.add_argument("folder", nargs="?", type=Path, default=OUTPUTS, metavar="DIR",
                        help="where the runs are (outputs)")  # fmt: skip
    parser.add_argument("--port", type=positive, metavar="P",
                        help=f"the first free one from {FIRST_PORT} on if not given")  # fmt: skip
    parser.add_argument("--host", default="localhost", metavar="H",
                        help="address to serve on (localhost)")  # fmt: skip
    arguments = parser.parse(words)
    folder = arguments.folder
    if not folder.is_dir():
        raise UserError(f"board: no folder {folder}; `genlab train` makes runs below {OUTPUTS}")
    if not has_events(folder):
        raise UserError(f"board: nothing for TensorBoard below {folder} yet; `genlab train` first")
    port = free_port(arguments.host, arguments.port)
    print(
        f"TensorBoard over {folder}: http://{arguments.host}:{port}/ (Ctrl-C ends it)", flush=True
    )
    # A shell starts background jobs with Ctrl-C ignored, and TensorBoard would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder.resolve())]
    os.execv(sys.executable, [*command, "--host", arguments.host, "--port", str(port)])


def has_events(folder: Path) -> bool:
    """Whether any run below ``folder`` has logged for TensorBoard."""
    return next(folder.rglob("events.out.tfevents*"), None) is not None


def free_port(host: str, wanted: int | None) -> int:
    """``wanted``, or the first free port from 6006 on.

    Raises:
        UserError: ``wanted`` is taken, ``host`` is not an address of this machine, or none is free.
    """
    if wanted is not None:
        if not _is_free(host, wanted):
            raise UserError(f"--port {wanted}: taken; {free_port(host, None)} is free")
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        if _is_free(host, port):
            return port
    raise UserError(
        f"board: no free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}; give --port"
    )


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except OSError:
        return False
