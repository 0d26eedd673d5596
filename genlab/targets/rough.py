"""Rough samples of a target, to start a model from."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import effective_fraction
from genlab.errors import UserError
from genlab.targets.target import Target

__all__ = ["rough_samples"]

CANDIDATES = 2**15
# Effective candidates that a mean and a spread need: they are then good to a few percent.
SHARE = 0.02
HALVINGS = 50


@torch.no_grad()
def rough_samples(
    target: Target, n: int, *, generator: torch.Generator
) -> Float[Tensor, "n *event"]:
    """Samples of the target, or, where it has none, of the coldest ``e^{-beta U}`` within reach.

    Uniform points of ``[-bound, bound]^d`` are resampled with weights ``e^{-beta U}``, where
    ``beta <= 1`` is the largest at which their effective sample size is a fiftieth of their number.
    In many dimensions the points that are left are hotter than the target, but lie about it.

    Args:
        target: Has samples or an energy.
        n: Number of samples.
        generator: Source of randomness on the CPU, where the target lies.

    Raises:
        UserError: No point has a finite energy.
    """
    if target.has_samples:
        return target.sample(n, generator=generator)
    uniform = torch.rand(CANDIDATES, *target.event_shape, generator=generator)
    x = target.bound * (2 * uniform - 1)
    energy = target.energy(x.double())
    x, energy = x[energy.isfinite()], energy[energy.isfinite()]
    if not len(x):
        raise UserError(
            f"target: its density is 0 at each of {CANDIDATES} points in "
            f"[-{target.bound:g}, {target.bound:g}]^{x.shape[1]}; set a bound that holds its mass"
        )
    weight = (-_coldest(energy) * (energy - energy.min())).exp()
    return x[torch.multinomial(weight, n, replacement=True, generator=generator)]


def _coldest(energy: Float[Tensor, " k"]) -> float:
    """The largest ``beta <= 1`` that leaves enough effective candidates, by bisection."""
    enough = min(SHARE * CANDIDATES / len(energy), 1.0)
    if effective_fraction(-energy) >= enough:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if effective_fraction(-middle * energy) >= enough:
            low = middle
        else:
            high = middle
    return low
