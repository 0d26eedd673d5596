"""Time a training step of nice, realnvp and nsf against zuko and nflows, side by side.

One process, one thread, batch 256, networks of 64-64, the same Adam, in dimensions 2 and 43.
Rounds of all contestants alternate, so that a change of the machine's speed meets all of them; the
ratio is the median over the rounds of genlab's time by that of the faster peer in the same round.
"compiled" is genlab with ``trainer.compile=true``, the whole step as one piece of code.

Shapes are equal. nice and realnvp: 8 couplings. nsf: 4 layers of splines with 8 bins on [-5, 5],
each of which maps every coordinate: one half by a network of the other, the other by constants;
zuko's NSF with ``passes=2``, nflows's coupling with ``apply_unconditional_transform``. nsf-half:
the same without the constants, so that a layer maps one half, as nflows's coupling does by default;
zuko has no such layer.

    python scripts/benchmark_peers.py [FAMILY ...] [--rounds 15] [--steps 40]
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable
from functools import partial

import nflows.distributions
import nflows.flows
import nflows.transforms
import torch
import zuko
from benchmark_compile import microseconds, whole

from genlab.batch import Batch
from genlab.models import NICE, NSF, RealNVP
from genlab.nn import MLP

HIDDEN, BATCH, BINS, BOUND = (64, 64), 256, 8, 5.0
Loss = Callable[[torch.Tensor], torch.Tensor]

LAYERS = {"nice": 8, "realnvp": 8, "nsf": 4, "nsf-half": 4}
SPLINES = {"bins": BINS, "bound": BOUND}
GENLAB = {
    "nice": NICE,
    "realnvp": RealNVP,
    "nsf": partial(NSF, **SPLINES),
    "nsf-half": partial(NSF, free_half=False, **SPLINES),
}
NFLOWS_SPLINE = partial(
    nflows.transforms.PiecewiseRationalQuadraticCouplingTransform,
    num_bins=BINS,
    tails="linear",
    tail_bound=BOUND,
)
NFLOWS = {
    "nice": nflows.transforms.AdditiveCouplingTransform,
    "realnvp": nflows.transforms.AffineCouplingTransform,
    "nsf": partial(NFLOWS_SPLINE, apply_unconditional_transform=True),
    "nsf-half": NFLOWS_SPLINE,
}
ZUKO = {
    # RealNVP is what zuko calls NICE: its couplings scale.
    "realnvp": zuko.flows.NICE,
    "nsf": partial(zuko.flows.NSF, bins=BINS, passes=2),
}


def conditioner(inputs: int, outputs: int) -> MLP:
    """genlab's own network: it has nflows's calling convention."""
    return MLP(inputs, outputs, hidden=HIDDEN, activation="relu")


def genlab_model(family: str, dim: int) -> tuple[torch.nn.Module, Loss]:
    model = GENLAB[family]((dim,), layers=LAYERS[family], hidden=HIDDEN, activation="relu")
    return model, lambda x: -model.log_prob(x).mean()


def nflows_model(family: str, dim: int) -> tuple[torch.nn.Module, Loss]:
    half = torch.arange(dim) < dim // 2
    layers = [NFLOWS[family](half if i % 2 else ~half, conditioner) for i in range(LAYERS[family])]
    model = nflows.flows.Flow(
        nflows.transforms.CompositeTransform(layers), nflows.distributions.StandardNormal([dim])
    )
    return model, lambda x: -model.log_prob(x).mean()


def zuko_model(family: str, dim: int) -> tuple[torch.nn.Module, Loss]:
    model = ZUKO[family](dim, transforms=LAYERS[family], hidden_features=HIDDEN)
    return model, lambda x: -model().log_prob(x).mean()


def steps_of(model: torch.nn.Module, loss: Loss, x: torch.Tensor) -> Callable[[], object]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(LAYERS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # nflows would like to know the width of the network, to scale its outputs.
    warnings.filterwarnings("ignore", message="Inputs to the softmax")
    for family in arguments.families or LAYERS:
        for dim in (2, 43):
            x = torch.randn(BATCH, dim)
            contestants = {
                "genlab": steps_of(*genlab_model(family, dim), x),
                "nflows": steps_of(*nflows_model(family, dim), x),
            }
            model, _ = genlab_model(family, dim)
            contestants["compiled"], _ = whole(model, Batch(x), clip=None, averaged=False)
            if family in ZUKO:
                contestants["zuko"] = steps_of(*zuko_model(family, dim), x)
            timers = {
                name: partial(microseconds, step, arguments.steps)
                for name, step in contestants.items()
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
