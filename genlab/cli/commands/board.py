"""``genlab board [DIR]``: TensorBoard over all runs below a folder."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

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
EVENTS = "events.out.tfevents"
# Seconds between two looks for new runs, as TensorBoard's own.
RELOAD = 5


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
    # A shell starts background jobs with Ctrl-C ignored, which this one would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        TemporaryDirectory(prefix="genlab-board-") as links,
        _followed(folder.resolve(), Path(links)),
    ):
        return _serve(links, arguments.host, port)


def has_events(folder: Path) -> bool:
    """Whether any run below ``folder`` has logged for TensorBoard."""
    return next(_event_files(folder), None) is not None


def link_events(folder: Path, links: Path) -> None:
    """Link every event file below ``folder`` into ``links``, in a folder of its run's name.

    TensorBoard calls a run by the folder of its events, and every run keeps them in its folder
    ``tensorboard``. Links to what has been removed are taken away.
    """
    for file in _event_files(folder):
        run = file.parent.parent if file.parent.name == "tensorboard" else file.parent
        below = run != folder and run.is_relative_to(folder)
        place = links / (run.relative_to(folder) if below else run.name)
        place.mkdir(parents=True, exist_ok=True)
        if not (place / file.name).is_symlink():
            (place / file.name).symlink_to(file)
    for link in _event_files(links):
        if not link.exists():
            link.unlink()


def _event_files(folder: Path) -> Iterator[Path]:
    # A walk that does not mind what is removed under way.
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(EVENTS):
                yield Path(place, name)


@contextmanager
def _followed(folder: Path, links: Path) -> Iterator[None]:
    """Link what there is, and meanwhile what is new."""
    link_events(folder, links)
    ended = Event()

    def follow() -> None:
        while not ended.wait(RELOAD):
            link_events(folder, links)

    follower = Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _serve(folder: str, host: str, port: int) -> int:
    """Serve TensorBoard until it is interrupted."""
    from tensorboard import program  # type: ignore[import-untyped]

    board = program.TensorBoard()
    board.configure(("tensorboard", "--logdir", folder, "--host", host, "--port", str(port)))
    # It advises options that this command does not have.
    with redirect_stderr(StringIO()):
        board.launch()
    with suppress(KeyboardInterrupt):
        Event().wait()
    return 0


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
