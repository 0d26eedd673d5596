"""Measure the memory of a training step at batch 4,096 against zuko and nflows, by depth.

Networks of 64-64, the same Adam, one thread, float32. Shapes are equal, as `benchmark_peers.py`
has them: couplings for nice and realnvp, and for nsf splines of 8 bins that map every coordinate.
What is told is the most that a process of its own holds in three steps beyond what it held before
them, when the model, its gradients and the optimiser's state were there.

    python scripts/benchmark_memory.py [FAMILY ...] [--dim 2] [--depths 2,4,8,16] [--figure FILE]
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nflows.distributions
import nflows.flows
import nflows.transforms
import torch
import zuko

from genlab.models import NICE, NSF, RealNVP
from genlab.nn import MLP

HIDDEN, BATCH, BINS, BOUND = (64, 64), 4096, 8, 5.0
Loss = Callable[[torch.Tensor], torch.Tensor]
Maker = Callable[[int, int], tuple[torch.nn.Module, Loss]]

GENLAB = {"nice": NICE, "realnvp": RealNVP, "nsf": partial(NSF, bins=BINS, bound=BOUND)}
NFLOWS = {
    "nice": nflows.transforms.AdditiveCouplingTransform,
    "realnvp": nflows.transforms.AffineCouplingTransform,
    "nsf": partial(
        nflows.transforms.PiecewiseRationalQuadraticCouplingTransform,
        num_bins=BINS,
        tails="linear",
        tail_bound=BOUND,
        apply_unconditional_transform=True,
    ),
}
# RealNVP is what zuko calls NICE: its couplings scale.
ZUKO = {"realnvp": zuko.flows.NICE, "nsf": partial(zuko.flows.NSF, bins=BINS, passes=2)}


def genlab_flow(family: str, dim: int, depth: int) -> tuple[torch.nn.Module, Loss]:
    model = GENLAB[family]((dim,), layers=depth, hidden=HIDDEN, activation="relu")
    return model, lambda x: -model.log_prob(x).mean()


def nflows_flow(family: str, dim: int, depth: int) -> tuple[torch.nn.Module, Loss]:
    def network(inputs: int, outputs: int) -> MLP:
        return MLP(inputs, outputs, hidden=HIDDEN, activation="relu")

    half = torch.arange(dim) < dim // 2
    layers = [NFLOWS[family](half if i % 2 else ~half, network) for i in range(depth)]
    model = nflows.flows.Flow(
        nflows.transforms.CompositeTransform(layers), nflows.distributions.StandardNormal([dim])
    )
    return model, lambda x: -model.log_prob(x).mean()


def zuko_flow(family: str, dim: int, depth: int) -> tuple[torch.nn.Module, Loss]:
    model = ZUKO[family](dim, transforms=depth, hidden_features=HIDDEN)
    return model, lambda x: -model().log_prob(x).mean()


def resident(kind: str) -> int:
    """Kilobytes of memory that this process holds (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


def peak_megabytes(make: Maker, dim: int, depth: int) -> float:
    """What three steps need at most, in a process of their own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        torch.manual_seed(0)
        model, loss = make(dim, depth)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def step(x: torch.Tensor) -> None:
            optimizer.zero_grad()
            loss(x).backward()
            optimizer.step()

        x = torch.randn(BATCH, dim)
        step(x[:16])
        # Linux: from here on, the most is that of the steps.
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        for _ in range(3):
            step(x)
        os.write(write, str(resident("VmHWM") - before).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    found = float(os.read(read, 100)) / 1024
    os.close(read)
    return found


def draw(figure: Path, dim: int, megabytes: dict[tuple[str, str], dict[int, float]]) -> None:
    import matplotlib.pyplot as plt

    families = list(dict.fromkeys(family for family, _ in megabytes))
    _, axes = plt.subplots(1, len(families), figsize=(4 * len(families), 3.2), squeeze=False)
    for axis, family in zip(axes[0], families, strict=True):
        for (own, name), by_depth in megabytes.items():
            if own == family:
                axis.plot(list(by_depth), list(by_depth.values()), "o-", label=name)
        axis.set(title=f"{family}, dim {dim}", xlabel="layers", ylim=(0, None))
        axis.legend()
    axes[0, 0].set_ylabel("MB of a training step")
    plt.tight_layout()
    plt.savefig(figure, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(GENLAB))
    parser.add_argument("--dim", type=int, default=2)
    parser.add_argument("--depths", default="2,4,8,16")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # nflows would like to know the width of the network, to scale its outputs.
    warnings.filterwarnings("ignore", message="Inputs to the softmax")
    megabytes: dict[tuple[str, str], dict[int, float]] = {}
    for family in arguments.families or GENLAB:
        makers = {"genlab": genlab_flow, "nflows": nflows_flow}
        if family in ZUKO:
            makers["zuko"] = zuko_flow
        for depth in map(int, arguments.depths.split(",")):
            for name, make in makers.items():
                found = peak_megabytes(partial(make, family), arguments.dim, depth)
                megabytes.setdefault((family, name), {})[depth] = found
            shown = {name: megabytes[family, name][depth] for name in makers}
            least = min(value for name, value in shown.items() if name != "genlab")
            told = "  ".join(f"{name} {value:.1f} MB" for name, value in shown.items())
            print(
                f"{family} dim {arguments.dim}, {depth} layers: {told}; "
                f"ratio {shown['genlab'] / least:.2f}",
                flush=True,
            )
    if arguments.figure:
        draw(arguments.figure, arguments.dim, megabytes)


if __name__ == "__main__":
    main()
