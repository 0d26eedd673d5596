"""How a continuous flow moves: the ways of particles, and what its solver errs by."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.inference import BATCH_SIZE, context_rows, inference, log_probs, spawn
from genlab.models.continuous import ContinuousFlow

__all__ = ["solver_error", "straightness", "to_data", "trajectories"]

# Stretches that a way is measured by: their chords are as long as the way itself, to 1e-3.
STRETCHES = 32


def trajectories(
    model: ContinuousFlow,
    z: Float[Tensor, "n *event"],
    times: Float[Tensor, " k"],
    context: Float[Tensor, "n c"] | None = None,
) -> Float[Tensor, "k n *event"]:
    """Where the solver that samples has brought points of the base at each time.

    A solver of equal steps takes its share of them from each time to the next, but at least one.

    Args:
        model: The caller has put it under `inference`.
        z: Points at the first time, in the units that the model works in.
        times: Increasing, in [0, 1].
        context: Encoded context.
    """
    ways = [z]
    for start, end in pairwise(times.tolist()):
        ways.append(model.ode.between(start, end).generate(ways[-1], context))
    return torch.stack(ways)


def to_data(model: ContinuousFlow, x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
    """From the units that the model works in to those of the data."""
    return x if model.preprocessing is None else model.preprocessing.generate(x)


def straightness(
    model: ContinuousFlow,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    n: int = 2000,
    generator: torch.Generator,
) -> float:
    """``E int_0^1 |x(1) - x(0) - v|^2 dt / E |x(1) - x(0)|^2``: 0 for straight ways only.

    What Liu, Gong, Liu, "Flow straight and fast" (2023, section 2.2) call S, relative to the length
    of the chords. As the mean of v along a way is its chord, it is the kinetic energy in excess of
    what the straight ways at constant speed would have; it is measured in the units that the model
    works in, and tells how few steps a solver needs.

    Args:
        model: A continuous flow.
        context: One row, or n rows, as in `Density.sample`.
        n: Number of particles.
        generator: Source of randomness, on any device.
    """
    times = torch.linspace(0, 1, STRETCHES + 1, dtype=torch.float64)
    with inference(model, generator):
        placed = context_rows(context, n, slice(n), model.device)
        rows = model.context_encoder(placed, n, model.dtype)
        z = model.base.sample(n, generator=spawn(generator, model.device))
        ways = trajectories(model, z, times, rows).double()
        energy = STRETCHES * _mean_square(ways[1:] - ways[:-1]).sum()
        chord = _mean_square(ways[-1:] - ways[:1]).sum()
    return ((energy - chord) / chord).item()


def _mean_square(steps: Float[Tensor, "k n *event"]) -> Float[Tensor, " k"]:
    return steps.flatten(2).square().sum(2).mean(1)


def solver_error(
    model: ContinuousFlow, batch: Batch, *, rows: int = 100, batch_size: int = BATCH_SIZE
) -> float:
    """``max |log p - log p*|`` in nats over the first rows of a batch.

    ``log p`` is by the evaluation's solver, in the model's number type; ``log p*`` by a finer one
    (`Solver.finer`), in double precision. NaN as soon as one log-density is NaN.

    Args:
        model: A continuous flow whose divergence is exact.
        batch: Points in data units, with their context.
        rows: So many of them at most.
        batch_size: Points at once.
    """
    few = slice(rows)
    x, context = batch.x[few], batch.context
    context = context_rows(context, len(batch.x), few, torch.device("cpu"))
    # Not every device has double precision.
    finer = copy.deepcopy(model).cpu().double()
    finer.ode.evaluation = model.ode.evaluation.finer()
    with inference(model), inference(finer):
        found, truth = (log_probs(m, x, context, batch_size=batch_size) for m in (model, finer))
    return (found - truth).abs().max().item()
