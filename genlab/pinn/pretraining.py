"""A PINN that is trained for some steps on uniform points: what residuals to learn come from."""

from __future__ import annotations

import torch

from genlab.pinn.network import Network
from genlab.randomness import generator

__all__ = ["pretrain"]

RATE = 2e-3
FRESH_EVERY = 50


def pretrain(network: Network, *, steps: int, seed: int) -> None:
    """Lower the mean of ``r^2`` by Adam, with fresh uniform points every 50 steps.

    Args:
        network: ``u``, changed in place.
        steps: Gradient steps.
        seed: Seed of the points.
    """
    problem = network.problem
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for step in range(steps):
        if step % FRESH_EVERY == 0:
            draw = generator(seed, "pretraining", step)
            x = problem.domain.sample(problem.n_points, generator=draw)
            frame = network.frame(network.cast(x))
            if not network.hard:
                edge = problem.boundary.sample(network.boundary_points, generator=draw)
                edge = network.cast(edge)
        optimizer.zero_grad()
        loss = network.residual(frame).square().mean()
        if not network.hard:
            loss = loss + network.boundary_loss(edge)
        loss.backward()
        optimizer.step()
