"""Time a pass of EM against scikit-learn's, side by side in one process, and measure its memory.

Sixteen Gaussians with full covariances on 1e6 x 2 and 2e5 x 16 points, in float64, on one thread.
Rounds of both alternate, so that a change of the machine's speed meets both; the ratio is the
median over the rounds. Memory is what the process holds at most in three passes beyond what it held
before them, the data included then, in a process of its own for each number of points.

    python scripts/benchmark_gmm.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from genlab.batch import Batch
from genlab.models import GMM
from genlab.objectives import MixtureFit

COMPONENTS = 16
SIZES = ((1_000_000, 2), (200_000, 16))


def points(n: int, dim: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(COMPONENTS, dim, generator=generator, dtype=torch.float64)
    which = torch.randint(COMPONENTS, (n,), generator=generator)
    return centres[which] + torch.randn(n, dim, generator=generator, dtype=torch.float64)


def genlab_pass(x: torch.Tensor) -> Callable[[], float]:
    model = GMM(
        (x.shape[1],),
        components=COMPONENTS,
        max_components=COMPONENTS,
        covariance="full",
        start="random",
        restarts=1,
        tolerance=0.0,
        covariance_floor=1e-6,
    ).double()
    model.initialise(x[:1000])
    fit = MixtureFit(model)

    def step() -> float:
        fit.observe(Batch(x))
        return fit.advance().item()

    return step


def sklearn_pass(x: torch.Tensor) -> Callable[[], float]:
    points, means = x.numpy(), x[:COMPONENTS].numpy()
    precisions = np.broadcast_to(np.eye(x.shape[1]), (COMPONENTS, x.shape[1], x.shape[1]))
    weights = np.full(COMPONENTS, 1 / COMPONENTS)
    mixture = GaussianMixture(
        COMPONENTS,
        max_iter=1,
        means_init=means,
        weights_init=weights,
        precisions_init=precisions,
    )
    mixture.weights_, mixture.means_ = weights, means
    mixture.precisions_cholesky_ = precisions

    def step() -> float:
        likelihood, log_responsibilities = mixture._e_step(points)
        mixture._m_step(points, log_responsibilities)
        return -likelihood

    return step


def seconds(step: Callable[[], float]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def peak_megabytes(make: Callable[[torch.Tensor], Callable[[], float]], n: int, dim: int) -> float:
    """What three passes need at most beyond the data, in a process of their own."""
    read, write = os.pipe()
    if os.fork() == 0:
        step = make(points(n, dim))
        # Linux: from here on, the most is that of the passes.
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        for _ in range(3):
            step()
        os.write(write, str(resident("VmHWM") - before).encode())
        os._exit(0)
    os.wait()
    return float(os.read(read, 100)) / 1024


def resident(kind: str) -> int:
    """Kilobytes of memory that this process holds (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    makers = {"genlab": genlab_pass, "scikit-learn": sklearn_pass}
    for n, dim in SIZES:
        for name, make in makers.items():
            megabytes = [peak_megabytes(make, count, dim) for count in (n // 4, n // 2, n)]
            shown = ", ".join(f"{value:.0f}" for value in megabytes)
            print(f"{name} {n} x {dim}: {shown} MB beyond a quarter, half, all of the data")
        x = points(n, dim)
        steps = {name: make(x) for name, make in makers.items()}
        for step in steps.values():
            step()
        rounds = [
            {name: seconds(step) for name, step in steps.items()} for _ in range(arguments.rounds)
        ]
        times = {name: statistics.median(r[name] for r in rounds) for name in steps}
        ratio = statistics.median(r["genlab"] / r["scikit-learn"] for r in rounds)
        shown = "  ".join(f"{name} {value:.3f} s" for name, value in times.items())
        print(f"a pass on {n} x {dim}: {shown}; ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
