"""The principle of flow matching."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch, weighted_mean
from genlab.models.flow_matching import FlowMatching
from genlab.models.velocities import marked
from genlab.nn.precision import full_precision, output_of
from genlab.objectives.couplings import Coupling
from genlab.paths.times import Times

__all__ = ["flow_matching_loss"]


@full_precision
def flow_matching_loss(
    model: FlowMatching,
    batch: Batch,
    *,
    coupling: Coupling,
    times: Times,
    context_dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """``E |N(x_t, t) - target|^2`` over a batch, weighted, mean over the coordinates.

    The target is the conditional velocity ``alpha' x_1 + sigma' x_0`` (or the data, or the noise,
    as the model predicts). Its gradient in expectation is that of the regression on the marginal
    velocity, which is not known (Lipman et al., "Flow matching for generative modeling", 2023,
    theorem 2).

    Args:
        model: Whose network is trained.
        batch: Data in data units.
        coupling: Which source point goes with which data point.
        times: Distribution of the times.
        context_dropout: Probability that a row's context is hidden, which teaches the network the
            unconditional velocity that guidance needs.
        generator: Source of randomness, on the model's device; torch's global one if None.
    """
    x1, context, _ = model.prepare(batch.x, batch.context)
    x0 = model.base.sample(len(x1), generator=generator)
    x0 = coupling.couple(x0, x1, batch.weight, context, generator=generator)
    sample = model.path.sample(x0, x1, times.sample(len(x1), x1, generator=generator))
    if context is not None:
        dropped = torch.rand(len(x1), generator=generator, device=x1.device) < context_dropout
        context = marked(context, dropped.to(context.dtype))
    output = output_of(model.network, sample.x_t, sample.t, context)
    error = (output - sample.target(model.prediction)).flatten(1).square().mean(1)
    return weighted_mean(error, batch.weight)
