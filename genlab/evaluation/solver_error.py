"""How far the solver of a continuous flow leaves its log-densities from those of its ODE."""

from __future__ import annotations

import copy

import torch

from genlab.batch import Batch
from genlab.densities.inference import BATCH_SIZE, context_rows, inference, log_probs
from genlab.models.continuous import ContinuousFlow

__all__ = ["solver_error"]


def solver_error(
    model: ContinuousFlow, batch: Batch, *, rows: int = 100, batch_size: int = BATCH_SIZE
) -> float:
    """``max |log p - log p*|`` in nats over the first rows of a batch.

    ``log p`` is by the evaluation's solver, in the model's number type; ``log p*`` by a finer one
    (`ODESolver.finer`), in double precision. NaN as soon as one log-density is NaN.

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
