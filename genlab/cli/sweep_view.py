"""How a sweep goes on: a live table where a person looks, a line a job elsewhere."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from statistics import fmean
from typing import TYPE_CHECKING

from genlab.cli.run_table import headline_cells
from genlab.errors import GenlabError, one_line
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json
from genlab.runs.manifest import read_manifest
from genlab.runs.sweep import Job, JobState, SweepDirectory
from genlab.runs.text import aligned

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

__all__ = ["HEADER", "Overview", "final_table", "row"]

HEADER = ("job", "what differs", "state", "metric", "value", "time")
COLOURS = {"done": "green", "running": "yellow", "failed": "bold red", "killed": "bold red"}
# What a person wants to see first where not all rows fit the screen.
URGENT = ("killed", "failed", "interrupted", "running")
EVERY = 0.5
MARGIN = 8


class Overview:
    """Watches the directory of a sweep from a thread of its own, whatever launches the jobs.

    It shows on standard error a live table where that is a terminal, and a line a job elsewhere.

    Args:
        sweep: The directory.
        jobs: The jobs, those that are skipped included.
    """

    def __init__(self, sweep: SweepDirectory, jobs: Sequence[Job]) -> None:
        self.sweep = sweep
        self.jobs = jobs
        # The terminal itself: jobs in this process have their output redirected.
        self.stream = sys.stderr
        self.told: set[int] = {job.number for job in jobs if job.done_in is not None}
        self._over = threading.Event()
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[Overview]:
        """Watch inside the context."""
        if self.stream.isatty():
            self._live = self._start_live()
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._over.set()
            watcher.join()
            self._look()
            if self._live is not None:
                self._live.stop()

    def say(self, line: str) -> None:
        """A line above the table."""
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=self.stream, flush=True)

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        states = self.sweep.read(self.jobs)
        for state in states:
            if not state.ended:
                # A job that is tried again is told of again.
                self.told.discard(state.job.number)
            elif state.job.number not in self.told:
                self.told.add(state.job.number)
                self._tell(state)
        if self._live is not None:
            self._live.update(_drawn(states, self._live.console.height - MARGIN), refresh=True)

    def _tell(self, state: JobState) -> None:
        if self._live is not None and state.good:
            return
        count = f"[{len(self.told)}/{len(self.jobs)}]"
        number, name, word, metric, value, time = row(state)
        found = f"  {metric} {value}" if metric else ""
        reason = f": {one_line(state.error)}" if state.error else ""
        self.say(f"{count} job {number} {word}{reason}  ({name}){found}  {time}".rstrip())

    def _start_live(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self.stream)
        live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        live.start()
        return live


def final_table(states: Sequence[JobState]) -> str:
    """All jobs, aligned, with the reason below each that failed."""
    rows = [HEADER, *map(row, states)]
    head, *table = aligned(rows)
    below = " " * max(len(number) for number, *_ in rows)
    lines = [head]
    for line, state in zip(table, states, strict=True):
        lines.append(line)
        if state.error:
            lines.append(f"{below}  {one_line(state.error)}")
        if state.state == "skipped":
            lines.append(f"{below}  done in {state.run.path}")
    return "".join(f"{line}\n" for line in lines)


def row(state: JobState) -> tuple[str, str, str, str, str, str]:
    """A job as a row of `HEADER`."""
    time = "" if state.seconds is None else str(timedelta(seconds=round(state.seconds)))
    word = "not run" if state.state == "waiting" else state.state
    return (str(state.job.number), state.job.name, word, *_metric(state), time)


def _metric(state: JobState) -> tuple[str, str]:
    if not state.good:
        return "", ""
    runs = [RunDirectory(path) for path in sorted(state.run.path.glob("seed-*"))] or [state.run]
    try:
        likelihood = read_manifest(runs[0])["likelihood"]
        metrics = [read_json(run.metrics) for run in runs]
    except GenlabError:
        return "", ""
    if len(runs) == 1:
        return headline_cells(metrics[0], likelihood)
    metric, value = headline_cells(_means(metrics), likelihood)
    return metric, f"{value} (mean of {len(runs)})"


def _means(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Of the metrics that all replicas have; errors of single runs are none of the mean's."""
    shared = {
        key: [value for each in metrics if (value := each.get(key)) is not None]
        for key in metrics[0]
        if not key.endswith("/se")
    }
    return {key: fmean(values) for key, values in shared.items() if len(values) == len(metrics)}


def _progress(state: JobState) -> str:
    """The step that a running job has validated last."""
    try:
        step = read_json(state.run.curves)["step"][-1]
        return f"{step}/{read_manifest(state.run)['config']['trainer.max_steps']}"
    except GenlabError:
        return ""


def _drawn(states: Sequence[JobState], height: int) -> Table:
    """As many jobs as fit, the urgent ones first, under a line that counts all."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    counts = Counter(state.state for state in states)
    title = ", ".join(f"{number} {name}" for name, number in counts.items())
    table = Table(box=box.SIMPLE, title=f"{len(states)} jobs: {title}", title_justify="left")
    for name in HEADER:
        table.add_column(name, justify="right" if name in ("job", "time") else "left")
    order = sorted(states, key=lambda s: URGENT.index(s.state) if s.state in URGENT else 9)
    fitting = {state.job.number for state in order[: max(height, 1)]}
    for state in states:
        if state.job.number in fitting:
            number, name, word, metric, value, time = row(state)
            if state.state == "running":
                metric, value = "step", _progress(state)
            word = "" if state.state == "waiting" else word
            style = COLOURS.get(state.state, "")
            table.add_row(number, name, Text(word, style=style), metric, value, time)
    return table
