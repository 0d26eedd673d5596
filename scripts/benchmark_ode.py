"""Time the continuous families against what they should be compared with, in one process.

- A training step of a CNF (dopri5, rtol 1e-5, 64-64, batch 256, dim 2, exact divergence) against
  zuko's; the error of both log-densities is printed beside, so that speed is not bought by it.
- A training step of flow matching against a bare regression step of the same network, and of a
  plain MLP as wide and as deep.
- The exact divergence of the networks' own rules against those that hold for any network.
- Samples of flow matching, 20 and 200 midpoint steps: the rate, and the memory that it takes.

Contestants run in turns, one thread; a ratio is the median over the rounds.

    python scripts/benchmark_ode.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
import zuko
from torch import nn
from torch.func import jacrev, vmap

from genlab.batch import Batch
from genlab.bijections import AdaptiveSolver, FixedStepSolver
from genlab.models import CNF, FlowMatching
from genlab.nn import ConcatSquashMLP, ResidualMLP, Velocity
from genlab.objectives import Independent, flow_matching_loss
from genlab.paths import LinearPath, Times

SQUASH = partial(ConcatSquashMLP, hidden=[64, 64], activation="silu", frequencies=3)
RESIDUAL = partial(
    ResidualMLP, width=128, blocks=4, activation="silu", waves=32, wave_scale=3.0, frequencies=4
)


def dopri5(tolerance: float) -> AdaptiveSolver:
    return AdaptiveSolver(method="dopri5", rtol=tolerance, atol=tolerance / 10)


def cnf(solver: AdaptiveSolver | FixedStepSolver, gradient: str = "backprop") -> CNF:
    model = CNF(
        (2,),
        network=SQUASH,
        solver=solver,
        evaluation=solver,
        divergence="exact",
        gradient=gradient,
    )
    # Not from the zero velocity that it starts with, which would take no steps.
    nn.init.kaiming_uniform_(model.ode.velocity.last.weight, a=5**0.5)
    return model


def flow_matching(steps: int = 20) -> FlowMatching:
    return FlowMatching(
        (2,),
        network=RESIDUAL,
        path=LinearPath(sigma_0=0.0),
        prediction="velocity",
        source="gaussian",
        solver=FixedStepSolver(method="midpoint", steps=steps),
        evaluation=dopri5(1e-5),
        divergence="exact",
        guidance=1.0,
    )


def step(model: nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def run() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return run


def in_turns(
    contestants: dict[str, Callable[[], None]], rounds: int, calls: dict[str, int]
) -> list[dict[str, float]]:
    """Seconds a call of each contestant, round by round."""

    def seconds(name: str) -> float:
        start = time.perf_counter()
        for _ in range(calls.get(name, 1)):
            contestants[name]()
        return (time.perf_counter() - start) / calls.get(name, 1)

    for name in contestants:
        contestants[name]()
    return [{name: seconds(name) for name in contestants} for _ in range(rounds)]


def report(title: str, rounds: list[dict[str, float]], reference: str) -> None:
    print(title)
    for name in rounds[0]:
        ratio = statistics.median(r[name] / r[reference] for r in rounds)
        milliseconds = statistics.median(r[name] for r in rounds) * 1e3
        print(f"  {name:34} {milliseconds:9.2f} ms  {ratio:6.2f}", flush=True)


def compare_cnf(rounds: int) -> None:
    x = torch.randn(256, 2)
    peer = zuko.flows.CNF(2, hidden_features=(64, 64))
    ours = {
        "genlab": cnf(dopri5(1e-5)),
        "genlab, adjoint": cnf(dopri5(1e-5), "adjoint"),
        "genlab, rk4 in 8 steps": cnf(FixedStepSolver(method="rk4", steps=8)),
    }
    contestants = {
        name: step(model, lambda model=model: -model.log_prob(x).mean())
        for name, model in ours.items()
    }
    contestants["zuko"] = step(peer, lambda: -peer().log_prob(x).mean())
    errors = [_error(cnf, x), _zuko_error(x)]
    print(f"largest error of log p at 1e-5: genlab {errors[0]:.1e}, zuko {errors[1]:.1e}")
    report("CNF training step", in_turns(contestants, rounds, {}), "zuko")


def _error(make: Callable[[AdaptiveSolver], CNF], x: torch.Tensor) -> float:
    model, fine = make(dopri5(1e-5)).double(), make(dopri5(1e-10)).double()
    fine.load_state_dict(model.state_dict())
    with torch.no_grad():
        return (model.log_prob(x.double()) - fine.log_prob(x.double())).abs().max().item()


def _zuko_error(x: torch.Tensor) -> float:
    model = zuko.flows.CNF(2, hidden_features=(64, 64)).double()
    fine = zuko.flows.CNF(2, hidden_features=(64, 64), atol=1e-11, rtol=1e-10).double()
    fine.load_state_dict(model.state_dict())
    found = [m().log_prob(x.double()).detach() for m in (model, fine)]
    return (found[0] - found[1]).abs().max().item()


def compare_flow_matching(rounds: int) -> None:
    x, t, target = torch.randn(512, 2), torch.rand(512), torch.randn(512, 2)
    model, network = flow_matching(), RESIDUAL((2,), context_dim=0)
    widths = [network.features.dim + network.embedding.dim, *[128] * 5]
    layers = [(nn.Linear(i, o), nn.SiLU()) for i, o in pairwise(widths)]
    plain = nn.Sequential(*(part for layer in layers for part in layer), nn.Linear(128, 2))
    features = torch.randn(512, widths[0])
    times = Times(distribution="logit_normal", mean=1.0, std=1.3)
    contestants = {
        "flow matching": step(
            model,
            lambda: flow_matching_loss(model, Batch(x), pairing=Independent(), times=times),
        ),
        "bare regression, the same network": step(
            network, lambda: (network(x, t) - target).square().mean()
        ),
        "bare regression, a plain MLP": step(
            plain, lambda: (plain(features) - target).square().mean()
        ),
    }
    calls = dict.fromkeys(contestants, 20)
    report(
        "Flow matching training step, batch 512",
        in_turns(contestants, 3 * rounds, calls),
        "bare regression, the same network",
    )


def compare_divergences(rounds: int) -> None:
    for dim in (2, 43):
        for make in (SQUASH, RESIDUAL):
            network, x, t = make((dim,), context_dim=0), torch.randn(256, dim), torch.tensor(0.3)
            contestants = {
                "own rule": partial(network.with_divergence, x, t),
                "forward mode, any network": partial(_any_divergence, network, x, t),
                "reverse mode, any network": partial(_reverse_divergence, network, x, t),
            }
            name = f"Velocity and divergence of {type(network).__name__}, dim {dim}"
            report(name, in_turns(contestants, rounds, {}), "own rule")


def _any_divergence(network: Velocity, x: torch.Tensor, t: torch.Tensor) -> None:
    class Any(Velocity):
        def forward(self, x: torch.Tensor, t: torch.Tensor, context: None = None) -> torch.Tensor:
            return network(x, t)

    Any().with_divergence(x, t)


def _reverse_divergence(network: Velocity, x: torch.Tensor, t: torch.Tensor) -> None:
    vmap(jacrev(lambda x: network(x[None], t)[0]))(x).diagonal(dim1=1, dim2=2).sum(1)


def sampling() -> None:
    n = 100_000
    for steps in (20, 200):
        reader, writer = os.pipe()
        # In a process of its own, so that its peak is its own.
        if os.fork() == 0:
            model = flow_matching(steps)
            with torch.no_grad():
                model.sample(100)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                start = time.perf_counter()
                model.sample(n)
                seconds = time.perf_counter() - start
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            os.write(writer, f"{seconds} {grown}".encode())
            os._exit(0)
        os.wait()
        seconds, grown = map(float, os.read(reader, 100).split())
        print(f"{n} samples, {steps} midpoint steps: {n / seconds:.0f} a second, {grown:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    compare_cnf(arguments.rounds)
    compare_flow_matching(arguments.rounds)
    compare_divergences(arguments.rounds)
    sampling()


if __name__ == "__main__":
    main()
