"""Time ``trainer.replicas`` against the same runs one after the other, in one process.

Both train in turns: some runs alone, then all together, and again, so that what else the machine
does hits both. A time is the processor's, of one thread and of a whole training, from the
configuration on: data, model, steps, validations, logging, checkpoints. Tests and figures are the
same work for a run either way, and nothing that replicas share: they are left out, and what they
take is printed beside.

    python scripts/benchmark_replicas.py [--replicas N] [--rounds N] [OVERRIDE ...]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import patch

from genlab.assembly import Replicas, Training, experiment
from genlab.config.compose import compose

SETTINGS = (
    ("model=realnvp", "model.layers=4", "model.hidden=[32,32]", "data.batch_size=64"),
    ("model=nsf", "model.layers=4", "model.hidden=[32,32]", "data.batch_size=64"),
    ("model=realnvp", "model.layers=8", "model.hidden=[64,64]", "data.batch_size=256"),
    ("model=nsf", "model.layers=8", "model.hidden=[64,64]", "data.batch_size=256"),
)
COMMON = ("data=moons", "trainer.max_steps=500", "trainer.accelerator=cpu", "callbacks=minimal")
ALONE_EACH_ROUND = 4


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicas", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    for setting in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            overrides = [*COMMON, *setting, f"outputs={folder}", *arguments.overrides]
            compare(overrides, Path(folder), arguments.replicas, arguments.rounds)


def compare(overrides: Sequence[str], folder: Path, replicas: int, rounds: int) -> None:
    """Print both times for one configuration."""
    seeds, number = count(), count()
    alone, together = [], []
    train_alone(overrides, next(seeds))  # what is done once in a process
    with untested():
        for _ in range(rounds):
            for _ in range(ALONE_EACH_ROUND):
                alone.append(seconds(lambda: train_alone(overrides, next(seeds))))
            place = folder / f"together-{next(number)}"
            together.append(seconds(partial(train_together, overrides, place, replicas)))
    whole = seconds(lambda: train_alone(overrides, next(seeds)))
    each, all_at_once = statistics.median(alone), statistics.median(together)
    print(
        f"{' '.join(overrides[len(COMMON) : len(COMMON) + 4])}: {replicas} runs one by one "
        f"{replicas * each:.1f} s, together {all_at_once:.1f} s, "
        f"{replicas * each / all_at_once:.1f} times faster; "
        f"tests and figures of a run {whole - each:.1f} s",
        flush=True,
    )


def train_alone(overrides: Sequence[str], seed: int) -> None:
    experiment(*overrides, f"seed={seed}").fit()


def train_together(overrides: Sequence[str], folder: Path, replicas: int) -> None:
    folder.mkdir()
    runs = Replicas(compose("train", [*overrides, f"trainer.replicas={replicas}"]), folder)
    runs.fit()
    assert all(replica.error is None for replica in runs.runs)


@contextmanager
def untested() -> Iterator[None]:
    """Let a run be over when it is trained."""
    with patch.object(Training, "conclude", lambda *_: {}):
        yield


def seconds(work: Callable[[], object]) -> float:
    """How long one thread computes: what it takes on a machine that does nothing else."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
