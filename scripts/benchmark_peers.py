"""Time a training step of nice and realnvp against zuko and nflows, side by side in one process.

Eight couplings of 64-64, batch 256, one thread, the same Adam, in dimensions 2 and 43.
Rounds of all contestants alternate, so that a change of the machine's speed meets all of them; the
ratio is the median over the rounds of genlab's time by that of the faster peer in the same round.
"compiled" is genlab with ``trainer.compile=true``.

    python scripts/benchmark_peers.py [--rounds 15] [--steps 40]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import nflows.distributions
import nflows.flows
import nflows.transforms
import torch
import zuko

from genlab.models import NICE, RealNVP
from genlab.nn import MLP

LAYERS, HIDDEN, BATCH = 8, (64, 64), 256
Loss = Callable[[torch.Tensor], torch.Tensor]


OPTIONS = {"nice": {"scaling": True}, "realnvp": {"actnorm": False, "mixing": "none"}}


def conditioner(inputs: int, outputs: int) -> MLP:
    """genlab's own network: it has nflows's calling convention."""
    return MLP(inputs, outputs, hidden=HIDDEN, activation="relu")


def genlab_model(family: str, dim: int) -> tuple[torch.nn.Module, Loss]:
    make = {"nice": NICE, "realnvp": RealNVP}[family]
    model = make((dim,), layers=LAYERS, hidden=HIDDEN, activation="relu", **OPTIONS[family])
    return model, lambda x: -model.log_prob(x).mean()


def nflows_model(family: str, dim: int) -> tuple[torch.nn.Module, Loss]:
    coupling = {
        "nice": nflows.transforms.AdditiveCouplingTransform,
        "realnvp": nflows.transforms.AffineCouplingTransform,
    }[family]
    half = torch.arange(dim) < dim // 2
    layers = [coupling(half if i % 2 else ~half, conditioner) for i in range(LAYERS)]
    model = nflows.flows.Flow(
        nflows.transforms.CompositeTransform(layers), nflows.distributions.StandardNormal([dim])
    )
    return model, lambda x: -model.log_prob(x).mean()


def zuko_model(family: str, dim: int) -> tuple[torch.nn.Module, Loss]:
    # RealNVP is what zuko calls NICE: its couplings scale.
    model = zuko.flows.NICE(dim, transforms=LAYERS, hidden_features=HIDDEN)
    return model, lambda x: -model().log_prob(x).mean()


def timer(model: torch.nn.Module, loss: Loss, dim: int, steps: int) -> Callable[[], float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x = torch.randn(BATCH, dim)

    def microseconds() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            loss(x).backward()
            optimizer.step()
        return (time.perf_counter() - start) / steps * 1e6

    return microseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for family in ("nice", "realnvp"):
        for dim in (2, 43):
            contestants = {"genlab": genlab_model(family, dim), "nflows": nflows_model(family, dim)}
            model, loss = genlab_model(family, dim)
            contestants["compiled"] = model, torch.compile(loss)
            if family == "realnvp":
                contestants["zuko"] = zuko_model(family, dim)
            timers = {
                name: timer(model, loss, dim, arguments.steps)
                for name, (model, loss) in contestants.items()
            }
            for measure in timers.values():
                measure()
            rounds = [
                {name: measure() for name, measure in timers.items()}
                for _ in range(arguments.rounds)
            ]
            times = {name: statistics.median(r[name] for r in rounds) for name in timers}
            ratios = {
                name: statistics.median(
                    r[name] / min(r[peer] for peer in ("nflows", "zuko") if peer in r)
                    for r in rounds
                )
                for name in ("genlab", "compiled")
            }
            shown = "  ".join(f"{name} {value:.0f} us" for name, value in times.items())
            print(
                f"{family} dim {dim}: {shown}; ratio {ratios['genlab']:.2f}, "
                f"compiled {ratios['compiled']:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
