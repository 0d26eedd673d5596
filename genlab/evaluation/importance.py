"""Quality of a model as a proposal: its samples, weighted towards the target."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, batches, device_of, inference, spawn
from genlab.evaluation.estimate import Estimate
from genlab.targets.target import Target

__all__ = ["Weighted", "effective_sample_size", "log_partition", "resampled", "weighted_samples"]


class Weighted(NamedTuple):
    """Samples of a model with their weights under a target.

    >>> import genlab
    >>> target, model = genlab.targets.Gaussian(2), genlab.models.RealNVP(2)
    >>> weighted = weighted_samples(model, target, 5, generator=torch.Generator())
    >>> weighted.x.shape, weighted.log_weight.dtype
    (torch.Size([5, 2]), torch.float64)

    Attributes:
        x: Samples in data units, on the CPU.
        log_weight: ``log e^{-U(x)} / p(x)``, float64; ``-inf`` outside the target's support.
    """

    x: Float[Tensor, "n *event"]
    log_weight: Float[Tensor, " n"]


def weighted_samples(
    model: Density,
    target: Target,
    n: int,
    *,
    generator: torch.Generator,
    batch_size: int = BATCH_SIZE,
) -> Weighted:
    """Draw from a model, and weigh each sample by the target's density over the model's.

    Args:
        model: The proposal; its likelihood must be exact.
        target: What the weights lead to; its energy must be known.
        n: Number of samples.
        generator: Source of the samples, on any device.
        batch_size: Samples at once.
    """
    source = spawn(generator, model.device)
    points, log_weights = [], []
    with inference(model, generator):
        for rows in batches(n, batch_size):
            x, log_p = model.sample_with_log_prob(rows.stop - rows.start, generator=source)
            log_weights.append(_log_density(target, x).cpu() - log_p.cpu().double())
            points.append(x.cpu())
    return Weighted(torch.cat(points), torch.cat(log_weights))


def resampled(
    model: Density, target: Target, n: int, *, generator: torch.Generator
) -> Float[Tensor, "n *event"]:
    """``n`` samples of a model, drawn with replacement by their weights: nearly the target's."""
    x, log_weight = weighted_samples(model, target, n, generator=generator)
    chosen = torch.multinomial(_scaled(log_weight), n, replacement=True, generator=spawn(generator))
    return x[chosen]


def effective_sample_size(log_weight: Float[Tensor, " n"]) -> Estimate:
    """Kish's effective sample size as a fraction of n, ``(mean w)^2 / mean w^2``.

    It estimates ``1 / (1 + chi^2(target || model))`` (Agapiou, Papaspiliopoulos, Sanz-Alonso,
    Stuart, "Importance sampling: intrinsic dimension and computational cost", 2017, section 2.1,
    arXiv:1511.06196): 1 for a perfect model. The standard error is the delta method's, from the
    influence ``2 a w / b - a^2 w^2 / b^2 - a^2 / b`` of a sample, with ``a = mean w`` and ``b =
    mean w^2``. Regions that no sample reached are missing from both.

    Args:
        log_weight: Logarithms of weights, up to a common constant.

    >>> effective_sample_size(torch.tensor([0.0, 0.0, 0.0, -torch.inf])).value
    0.75
    """
    w = _scaled(log_weight)
    a, b = w.mean(), w.square().mean()
    fraction = a.square() / b
    influence = 2 * a * w / b - (a * w / b).square() - fraction
    return Estimate(fraction.item(), influence.std().item() / math.sqrt(len(w)))


def log_partition(log_weight: Float[Tensor, " n"]) -> Estimate:
    """``log Z``, the log of the mean weight, with the delta method's standard error.

    The mean weight is unbiased; its logarithm is too small by about half the squared error.

    Args:
        log_weight: Logarithms of weights ``e^{-U(x)} / p(x)`` of samples x of p, in nats.
    """
    w = _scaled(log_weight)
    value = log_weight.max() + w.mean().log()
    return Estimate(value.item(), (w.std() / w.mean()).item() / math.sqrt(len(w)))


def _log_density(target: Target, x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    """The log-density that lacks ``log_z``, ``-inf`` outside the support, NaN where ``x`` is."""
    x = x.to(device_of(target)).double()
    result = x.new_full((len(x),), math.nan)
    known = x.isfinite().flatten(1).all(1)
    if target.has_density:
        result[known] = target.log_prob(x[known]) + (target.log_z or 0.0)
    else:
        result[known] = -target.energy(x[known])
    return result


def _scaled(log_weight: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Weights of which the largest is 1."""
    return (log_weight.double() - log_weight.double().max()).exp()
