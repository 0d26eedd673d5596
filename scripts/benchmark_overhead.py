"""Time a step of ``genlab train`` against a bare PyTorch loop over the same model and rows.

Both train in one process and take turns: after each chunk of steps that the Trainer has run, with
its data, logging and progress, a copy of the model takes as many steps on the same batches in a
bare loop (gradient, clipping, Adam). The ratio is the median over the chunks; validations, figures
and checkpoints, which fall between chunks, are not steady state and drop out of it.

    python scripts/benchmark_overhead.py [OVERRIDE ...]
"""

from __future__ import annotations

import copy
import statistics
import sys
import tempfile
import time
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

import genlab
from genlab.batch import Chunk
from genlab.objectives import negative_log_likelihood


class BareLoop(Callback):
    """Runs the bare loop after each chunk and keeps both times, in microseconds a step."""

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.model = copy.deepcopy(learner.model)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        self.clip = learner.settings.gradient_clip
        self.times: list[tuple[float, float]] = []
        self.started = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        learner: pl.LightningModule,
        outputs: Any,
        batch: Chunk,
        index: int,
    ) -> None:
        trained = time.perf_counter() - self.started
        start = time.perf_counter()
        for rows in batch.batches():
            self.optimizer.zero_grad()
            negative_log_likelihood(self.model, rows).backward()
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
        bare = time.perf_counter() - start
        self.times.append((trained / batch.steps * 1e6, bare / batch.steps * 1e6))
        self.started = time.perf_counter()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = genlab.experiment("trainer.max_steps=3000", f"outputs={folder}", *sys.argv[1:])
        bare = BareLoop()
        run.fit(callbacks=[bare])
    times = bare.times[5:]
    trained, alone = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    print(f"genlab train {trained:.0f} us a step, bare loop {alone:.0f} us, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
