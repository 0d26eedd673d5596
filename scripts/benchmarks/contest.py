"""A cell, measured: a process for each contestant, which take turns in an order that rotates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cells import Cell
from benchmarks.machine import one_core, restricted

__all__ = ["Contestant", "contest"]

WORKER = Path(__file__).parent / "worker.py"
LEAST_ROUNDS = 3


class Contestant:
    """A process that does rounds of work when it is told to.

    Args:
        cell: The comparison.
        name: The contestant.
        log: Where what it says goes.
        seconds: How long a round takes, about.
        rounds: How many there are at most.
        threads: Of the process.

    Raises:
        RuntimeError: It could not build its work; the message is the last line that it wrote.
    """

    def __init__(
        self, cell: Cell, name: str, log: Path, *, seconds: float, rounds: int, threads: int
    ) -> None:
        job = {
            "cell": asdict(cell),
            "contestant": name,
            "seconds": seconds,
            "rounds": rounds,
            "threads": threads,
            "core": one_core() if threads == 1 and cell.device == "cpu" else None,
        }
        self.log = log
        with log.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER), json.dumps(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, **restricted(cell.device, threads)},
                text=True,
            )
        self.facts = self.answer()

    def round(self) -> dict[str, float]:
        """Microseconds of a repeat, in one more round: ``us`` by the clock, and ``processor``."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return dict(json.loads(line))
        self.close()
        told = self.log.read_text(errors="replace").strip().splitlines() or [
            f"status {self.process.returncode}"
        ]
        raise RuntimeError(told[-1])

    def close(self) -> None:
        """Let the process end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def contest(
    cell: Cell, names: list[str], *, seconds: float, rounds: int, threads: int
) -> dict[str, dict[str, Any]]:
    """What each contestant takes: its rounds in microseconds, memory and notes, or its error.

    Args:
        cell: The comparison.
        names: Who takes part.
        seconds: How long each measures, about; at least three rounds, however long.
        rounds: How many at most.
        threads: Of each process.
    """
    options: dict[str, Any] = {"rounds": rounds, "threads": threads, "seconds": seconds / rounds}
    found: dict[str, dict[str, Any]] = {}
    running: dict[str, Contestant] = {}
    with tempfile.TemporaryDirectory() as folder:
        if cell.subject in ("train", "train_compiled", "replicas"):
            # Both sides are one process, which takes the turns itself.
            pair = Contestant(cell, names[0], Path(folder) / "log", **options)
            pair.close()
            return pair.facts
        for name in names:
            try:
                running[name] = Contestant(cell, name, Path(folder) / name, **options)
                found[name] = {**running[name].facts, "us": [], "processor": []}
            except RuntimeError as error:
                found[name] = {"error": str(error)}
        take_turns(running, found, rounds=rounds, seconds=2 * seconds * len(running))
        for contestant in running.values():
            contestant.close()
    return found


def take_turns(
    running: dict[str, Contestant],
    found: dict[str, dict[str, Any]],
    *,
    rounds: int,
    seconds: float,
) -> None:
    """Let each do its rounds, in an order that rotates, and add what they took."""
    start, order = time.perf_counter(), list(running)
    for number in range(rounds):
        if number >= LEAST_ROUNDS and time.perf_counter() - start > seconds:
            break
        for name in order:
            try:
                for clock, us in running[name].round().items():
                    found[name][clock].append(us)
            except RuntimeError as error:
                found[name] = {"error": str(error)}
                del running[name]
        order = [name for name in (*order[1:], *order[:1]) if name in running]
