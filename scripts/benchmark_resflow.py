"""Time a training step of resflow against normflows, and weigh what it keeps for its backward pass.

Eight blocks of 64-64, batch 256, one thread, the same Adam, in dimensions 2 and 43. Both sides take
turns; the ratio is the median over the rounds. genlab takes its defaults (the exact determinant in
2 dimensions, Russian roulette in 43); normflows its own: roulette with two certain terms and the
gradient by the Neumann series, with five power iterations a step. "compiled" is genlab with
``trainer.compile=true``.

The memory is that of the tensors that a training step's graph keeps, for a power series of so many
terms in 43 dimensions.

    python scripts/benchmark_resflow.py [--rounds 15] [--steps 10] [--figure memory.png]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import normflows
import torch

from genlab.evaluation.figures.style import panels
from genlab.models import ResFlow

LAYERS, HIDDEN, BATCH = 8, [64, 64], 256
TERMS = (2, 5, 10, 20, 50)
Step = Callable[[], None]


def genlab_model(dim: int, **options: Any) -> ResFlow:
    defaults = {
        "layers": LAYERS,
        "hidden": HIDDEN,
        "activation": "sine",
        "lipschitz": 0.98,
        "log_det": "auto",
        "terms": 2,
        "evaluation_terms": 20,
        "gradient": "neumann",
        "solver": "anderson",
        "tolerance": 1e-10,
        "actnorm": True,
    }
    return ResFlow((dim,), **defaults | options)


def genlab_step(dim: int, *, compiled: bool, activation: str = "sine") -> Step:
    model = genlab_model(dim, activation=activation)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x = torch.randn(BATCH, dim)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return -model.log_prob(x).mean()

    evaluate = torch.compile(loss) if compiled else loss

    def step() -> None:
        optimizer.zero_grad()
        evaluate(x).backward()
        optimizer.step()

    return step


def normflows_step(dim: int) -> Step:
    blocks = [
        normflows.flows.Residual(
            normflows.nets.LipschitzMLP([dim, *HIDDEN, dim], lipschitz_const=0.98)
        )
        for _ in range(LAYERS)
    ]
    model = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(dim), blocks).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x = torch.randn(BATCH, dim)

    def step() -> None:
        optimizer.zero_grad()
        model.forward_kld(x).backward()
        optimizer.step()
        normflows.utils.update_lipschitz(model, 5)

    return step


def timed(step: Step, steps: int) -> float:
    """Microseconds a step."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps * 1e6


def kept_megabytes(model: ResFlow, x: torch.Tensor) -> float:
    """Megabytes that the graph of a training step keeps."""
    storages: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model.log_prob(x).mean()
    assert loss.requires_grad
    return sum(storages.values()) / 2**20


def draw_memory(kept: dict[str, list[float]], path: Path) -> None:
    """Memory over the number of terms, a line for each way to the gradient."""
    figure, (axis,) = panels(1, 1, side=4.4)
    for gradient, values in kept.items():
        axis.plot(TERMS, values, "o-", label=gradient)
    axis.set(xlabel="terms of the series", ylabel="MB that a step keeps", ylim=(0, None))
    axis.legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--figure", type=Path, help="where to draw the memory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for dim in (2, 43):
        contestants = {
            "normflows": normflows_step(dim),
            "genlab": genlab_step(dim, compiled=False),
            "lipswish": genlab_step(dim, compiled=False, activation="lipswish"),
            "compiled": genlab_step(dim, compiled=True),
        }
        for step in contestants.values():
            timed(step, 3)
        rounds = [
            {name: timed(step, arguments.steps) for name, step in contestants.items()}
            for _ in range(arguments.rounds)
        ]
        for name in contestants:
            median = statistics.median(times[name] for times in rounds)
            ratio = statistics.median(times[name] / times["normflows"] for times in rounds)
            print(f"dim {dim}: {name} {median:.0f} us, ratio {ratio:.2f}", flush=True)
    x = torch.randn(BATCH, 43)
    series = {"log_det": "power_series"}
    kept = {
        gradient: [
            kept_megabytes(genlab_model(43, **series, terms=terms, gradient=gradient), x)
            for terms in TERMS
        ]
        for gradient in ("neumann", "direct")
    }
    for gradient, values in kept.items():
        shown = ", ".join(f"{k} terms {mb:.1f} MB" for k, mb in zip(TERMS, values, strict=True))
        print(f"{gradient}: {shown}")
    if arguments.figure is not None:
        draw_memory(kept, arguments.figure)


if __name__ == "__main__":
    main()
