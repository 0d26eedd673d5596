"""Whole runs, whose two sides take turns in one process: against a bare loop, and together."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

import genlab
from benchmarks.cells import Cell
from benchmarks.compiled import whole_step
from genlab.assembly import Replicas, Training, experiment
from genlab.batch import Batch, Chunk
from genlab.config.compose import compose

__all__ = ["paired"]

TOGETHER, STEPS = 16, 500
REPLICAS = ("data=moons", f"trainer.max_steps={STEPS}", "trainer.accelerator=cpu")
ALONE_EACH_ROUND = 4
FIRST_CHUNKS = 5  # which find what they need

Found = dict[str, dict[str, Any]]


def paired(cell: Cell, *, rounds: int) -> Found:
    """Microseconds of a step of both sides, in pairs."""
    with tempfile.TemporaryDirectory() as folder:
        if cell.subject == "replicas":
            return _replicas(cell, Path(folder), rounds=min(rounds, 3))
        whole = cell.subject == "train_compiled"
        words = (f"model={cell.family}", f"trainer.compile={whole}", "trainer.max_steps=1000")
        run = genlab.experiment(*words, f"outputs={folder}")
        bare = BareLoop(whole=whole)
        with patch.object(Training, "conclude", lambda *_: {}):
            run.fit(callbacks=[bare])
    trained, alone = (list(times) for times in zip(*bare.times[FIRST_CHUNKS:], strict=True))
    return {"genlab train": {"us": trained}, "bare loop": {"us": alone}}


class BareLoop(Callback):
    """After each chunk of steps that the Trainer has run, a copy takes as many by a bare loop.

    Gradient, clipping, Adam on the same batches. Validations, figures and checkpoints fall between
    chunks: they are not steady state.

    Args:
        whole: Whether each step is compiled whole, on both sides.
    """

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.step: Callable[[Batch], object] | None = None
        self.times: list[tuple[float, float]] = []

    def on_train_start(self, trainer: pl.Trainer, learner: Any) -> None:
        self.model = copy.deepcopy(learner.model)
        self.objective = copy.deepcopy(learner.objective)
        self.clip = learner.settings.gradient_clip
        self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: Any, outputs: Any, batch: Chunk, index: int
    ) -> None:
        trained = time.perf_counter() - self.started
        if self.step is None:
            self.step = self.step_for(next(batch.batches()))
        start = time.perf_counter()
        for rows in batch.batches():
            self.step(rows)
        bare = time.perf_counter() - start
        self.times.append((trained / batch.steps * 1e6, bare / batch.steps * 1e6))
        self.started = time.perf_counter()

    def step_for(self, batch: Batch) -> Callable[[Batch], object]:
        """The step of the loop, for rows such as these."""
        if self.whole:
            return whole_step(self.model, self.objective, batch, clip=self.clip)[0]
        optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

        def step(batch: Batch) -> None:
            optimizer.zero_grad()
            self.objective.loss(self.model, batch).backward()
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            optimizer.step()

        return step


def _replicas(cell: Cell, folder: Path, *, rounds: int) -> Found:
    """Sixteen trainings without tests and figures, in turns; the processor's time of one thread."""
    assert cell.layers is not None
    width = 8 * cell.layers
    size = (
        f"model={cell.family}",
        f"model.layers={cell.layers}",
        f"model.hidden=[{width},{width}]",
    )
    words = [*REPLICAS, *size, f"data.batch_size={cell.batch}", f"outputs={folder}"]
    seeds = count()

    def alone() -> None:
        experiment(*words, "callbacks=minimal", f"seed={next(seeds)}").fit()

    def together(place: Path) -> None:
        place.mkdir()
        settings = [*words, "callbacks=minimal", f"trainer.replicas={TOGETHER}"]
        runs = Replicas(compose("train", settings), place)
        runs.fit()
        assert all(replica.error is None for replica in runs.runs)

    found: Found = {"together": {"us": []}, "one by one": {"us": []}}
    with patch.object(Training, "conclude", lambda *_: {}):
        alone()  # what is done once in a process
        for number in range(rounds):
            each = sum(_seconds(alone) for _ in range(ALONE_EACH_ROUND)) / ALONE_EACH_ROUND
            once = _seconds(partial(together, folder / f"together-{number}"))
            found["one by one"]["us"].append(each / STEPS * 1e6)
            found["together"]["us"].append(once / TOGETHER / STEPS * 1e6)
    return found


def _seconds(work: Callable[[], object]) -> float:
    """How long one thread computes."""
    started = time.process_time()
    work()
    return time.process_time() - started
