"""Quality of a model as a proposal: its samples, weighted towards the target."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, batches, device_of, inference, spawn
from genlab.evaluation.estimate import Estimate
from genlab.evaluation.pareto import fit_tail
from genlab.targets.target import Target

__all__ = [
    "Weighted",
    "drawn_by_weight",
    "effective_sample_size",
    "log_partition",
    "pareto_k",
    "resampled",
    "weighted_samples",
]

BELOW = 0.025
"""Probability below two standard errors, as of a Gaussian."""


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
    return x[drawn_by_weight(_scaled(log_weight), n, generator=generator)]


def drawn_by_weight(
    weight: Float[Tensor, " k"], n: int, *, generator: torch.Generator
) -> Int[Tensor, " n"]:
    """Places of ``n`` rows drawn by weight, in random order.

    Each row comes ``n`` times its share of the weight, rounded down or up: n equal steps through
    the sum of the weights, from a random start (systematic resampling: Kitagawa, "Monte Carlo
    filter and smoother for non-Gaussian nonlinear state space models", 1996,
    doi:10.1080/10618600.1996.10474692).

    Args:
        weight: How much each row counts, none below 0 and not all 0.
        n: How many to draw.
        generator: Source of randomness, on any device.

    >>> drawn_by_weight(torch.tensor([1.0, 0.0, 3.0]), 4, generator=torch.Generator()).sort()[0]
    tensor([0, 2, 2, 2])
    """
    source = spawn(generator)
    sums = weight.detach().cpu().double().cumsum(0)
    start = torch.rand((), generator=source)
    steps = (torch.arange(n, dtype=torch.float64) + start) / n * sums[-1]
    rows = torch.searchsorted(sums, steps, right=True)
    return rows[torch.randperm(n, generator=source)]


def effective_sample_size(log_weight: Float[Tensor, " n"]) -> Estimate:
    """Kish's effective sample size as a fraction of n, ``(mean w)^2 / mean w^2``.

    It estimates ``1 / (1 + chi^2(target || model))`` (Agapiou, Papaspiliopoulos, Sanz-Alonso,
    Stuart, "Importance sampling: intrinsic dimension and computational cost", 2017, section 2.1,
    arXiv:1511.06196): 1 for a perfect model. Regions that no sample reached are missing from it.

    The standard error is the larger of two. One is the jackknife's (Efron, Stein, "The jackknife
    estimate of variance", 1981, doi:10.1214/aos/1176345462), which, unlike the delta method's, is
    not misled by a single weight above all others. The other says what the fraction would be if
    ``E w^2`` had the tail of `fit_tail`, for of heavy weights a sample lacks the largest, and finds
    too large a fraction: two standard errors reach down to its 2.5 % quantile. Where the tail's
    shape is above 0.7, rely on neither.

    Args:
        log_weight: Logarithms of weights, up to a common constant.

    >>> effective_sample_size(torch.tensor([0.0, 0.0, 0.0, -torch.inf])).value
    0.75
    """
    w = _scaled(log_weight)
    a, b = w.mean(), w.square().mean()
    fraction = (a.square() / b).item()
    tail = fit_tail(w)
    body = w[w <= tail.threshold].square().sum() / len(w)
    extended = a.square() / (body + tail.share * tail.second_moments())
    missed = (fraction - _quantile(extended, tail.posterior, BELOW)) / 2
    return Estimate(fraction, max(_jackknife(w), missed))


def pareto_k(log_weight: Float[Tensor, " n"]) -> float:
    """The shape of the weights' tail, Pareto k: above 0.7 their means are not to be relied on.

    Args:
        log_weight: Logarithms of weights, up to a common constant.
    """
    return fit_tail(_scaled(log_weight)).shape


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


def _jackknife(w: Float[Tensor, " n"]) -> float:
    """Standard error of the effective fraction, from the fractions without one weight each."""
    n = len(w)
    first, second = w.sum() - w, w.square().sum() - w.square()
    # Nothing may be left of a difference to the largest, which may be nearly all of a sum.
    top = w.argmax()
    others = torch.cat([w[:top], w[top + 1 :]])
    others = others / others.max()
    first[top], second[top] = others.sum(), others.square().sum()
    left = first.square() / second / (n - 1)
    return ((n - 1) / n * (left - left.mean()).square().sum()).sqrt().item()


def _quantile(values: Float[Tensor, " m"], mass: Float[Tensor, " m"], level: float) -> float:
    """The least value up to which there is this mass; infinite where there are no values."""
    ordered, places = values.sort()
    up_to = mass[places].cumsum(0)
    return min(ordered[up_to >= level].tolist(), default=math.inf)


def _scaled(log_weight: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Weights of which the largest is 1."""
    return (log_weight.double() - log_weight.double().max()).exp()
