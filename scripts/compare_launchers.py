"""Run one sweep by each launcher: are the metrics the same to the bit, and what does each take?

Jobs compute with one thread. Ray connects to a cluster of two nodes that is started here, of one
core each, so that jobs run on both. The first launcher is what the others are compared with.

    pip install -c scripts/constraints.txt -e '.[parallel,slurm,ray]'
    python scripts/compare_launchers.py [--launchers basic joblib ...] [OVERRIDE ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genlab.runs.files import read_json

LAUNCHERS = ("basic", "joblib", "submitit_local", "ray")
SWEEP = (
    "model=nice,realnvp",
    "data=moons,rings",
    "seed=0,1,2,3",
    "model.layers=2",
    "data.val_size=200",
    "data.test_size=200",
    "trainer.max_steps=40",
    "trainer.val_every=20",
    "trainer.accelerator=cpu",
    "callbacks.images=null",
)

Metrics = dict[str, dict[str, float | None]]


def sweep(launcher: str, folder: Path, overrides: list[str]) -> tuple[Metrics, float]:
    """The metrics of every job by its number, and the seconds from the start to the table."""
    words = [*SWEEP, f"outputs={folder}", f"hydra/launcher={launcher}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    with settings(launcher) as own:
        subprocess.run(
            [sys.executable, "-m", "genlab", "train", "-m", *words, *own],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
    seconds = time.perf_counter() - start
    found = {path.parent.name: read_json(path) for path in folder.glob("*/*-sweep/*/metrics.json")}
    return {job: without_times(metrics) for job, metrics in found.items()}, seconds


@contextmanager
def settings(launcher: str) -> Iterator[list[str]]:
    """What a launcher is told, while what it needs is there."""
    if launcher == "joblib":
        yield ["hydra.launcher.n_jobs=2"]
    elif launcher == "ray":
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield [f"hydra.launcher.ray.init.address={cluster.address}"]
        cluster.shutdown()
    else:
        yield []


def without_times(metrics: dict[str, float | None]) -> dict[str, float | None]:
    """What a job computed."""
    return {tag: value for tag, value in metrics.items() if not tag.startswith("time/")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--launchers", nargs="+", choices=LAUNCHERS, default=LAUNCHERS)
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    arguments = parser.parse_intermixed_args()
    expected: Metrics | None = None
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for launcher in arguments.launchers:
            found, seconds = sweep(launcher, Path(folder) / launcher, arguments.overrides)
            expected = found if expected is None else expected
            differing = sorted(
                f"{job}: {tag}"
                for job in {*expected, *found}
                for tag in {*expected.get(job, {}), *found.get(job, {})}
                if expected.get(job, {}).get(tag) != found.get(job, {}).get(tag)
            )
            same &= not differing
            verdict = f"differ: {', '.join(differing)}" if differing else "the same"
            print(f"{launcher:14}  {len(found)} jobs  {seconds:6.1f} s  {verdict}", flush=True)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
