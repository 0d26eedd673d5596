"""The 2-D benchmark of the OT-CFM paper: how far the samples of 20 Euler steps are from true ones.

Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal
transport" (2024), table 2: the 2-Wasserstein distance of 10,000 samples and 10,000 true ones, by
exact optimal transport. What the paper prints must be squares of distances: two sets of 10,000 true
samples of its eight Gaussians are 0.35 apart. So both are printed, beside those of two true sets.

Each task is an ``experiment=``; the solve of a transport takes a few minutes and a few gigabytes.

    python scripts/wasserstein_ot_cfm.py [--seeds 1] [--points 10000] [KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

import torch

import genlab
from genlab.densities.inference import draw_samples, inference
from genlab.evaluation import wasserstein2

PUBLISHED = {"ot_cfm_moons": 0.111, "ot_cfm_eight_gaussians": 0.253,
             "ot_cfm_moons_to_eight_gaussians": 0.716}  # fmt: skip


def distances(task: str, seed: int, points: int, overrides: list[str]) -> tuple[float, float]:
    """The distance of the trained model's samples to true ones, and that of two true sets."""
    with tempfile.TemporaryDirectory() as folder:
        run = genlab.experiment(
            f"experiment={task}", f"seed={seed}", f"outputs={folder}", "logger=none", *overrides
        )
        run.fit()
    generator = torch.Generator().manual_seed(1000 + seed)
    first, second = (run.data.target.sample(points, generator=generator) for _ in range(2))
    with inference(run.model):
        drawn = draw_samples(run.model, points, generator=generator)
    return wasserstein2(drawn, first), wasserstein2(second, first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--tasks", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    for task in arguments.tasks:
        found = [
            distances(task, seed, arguments.points, arguments.overrides)
            for seed in range(arguments.seeds)
        ]
        ours, true = (statistics.mean(column) for column in zip(*found, strict=True))
        squares = [statistics.mean(d * d for d in column) for column in zip(*found, strict=True)]
        print(
            f"{task}: squared {squares[0]:.3f} (published {PUBLISHED[task]:.3f}, true against true "
            f"{squares[1]:.3f}); distance {ours:.3f}, {ours / true:.2f} times true against true",
            flush=True,
        )


if __name__ == "__main__":
    main()
