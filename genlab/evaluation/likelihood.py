"""Likelihoods: how well a model predicts held-out samples and classes, and how far off it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, batches, device_of, inference, log_probs, spawn
from genlab.evaluation.estimate import Estimate, estimate_mean
from genlab.targets.target import Target

__all__ = [
    "bayes_accuracy",
    "bits_per_dim",
    "kl",
    "negative_log_likelihood",
    "negentropy_captured",
    "paired_log_probs",
]

DENSITIES = 10_000
"""Log-densities that the accuracy may cost: one for each class of each sample."""
NODES = 5
"""Nodes of quadrature in the place of a sample."""


def negative_log_likelihood(
    model: Density,
    batch: Batch,
    *,
    groups: Int[Tensor, " n"] | None = None,
    generator: torch.Generator | None = None,
    batch_size: int = BATCH_SIZE,
) -> Estimate:
    """Mean of ``-log p(x | c)`` over held-out samples, nats per sample; weights are honoured.

    It is ``inf`` as soon as one sample has density 0, and NaN as soon as one log-density is NaN.

    Args:
        model: The density that is judged.
        batch: Held-out samples in data units, with their context and weight.
        groups: What each sample belongs to, where those of one group depend on each other.
        generator: Repeats the draws of a likelihood that is an estimate.
        batch_size: Samples at once.

    Raises:
        ValueError: There is no sample of positive weight.
    """
    with inference(model, generator):
        log_p = log_probs(model, batch.x, batch.context, batch_size=batch_size)
    return estimate_mean(-log_p, batch.weight, groups)


def kl(
    model: Density,
    target: Target,
    *,
    n: int = 100_000,
    generator: torch.Generator,
    batch_size: int = BATCH_SIZE,
) -> Estimate:
    """``KL(target || model)`` in nats: the mean of ``log p - log p_model`` over fresh samples.

    The difference is paired, sample by sample, so that its error shrinks with the divergence
    itself. A model whose likelihood is a lower bound gives an upper bound. Where samples come with
    a context, it is the mean of ``log p(x | c) - log p_model(x | c)``. Where the target has a rule
    of quadrature, the mean is that rule's instead, without a standard error.

    Args:
        model: The density that is judged.
        target: What it should be; its density must be known.
        n: Number of samples of the target; a rule may have `NODES` times as many nodes.
        generator: Source of the samples, on any device.
        batch_size: Samples at once.

    Raises:
        NotImplementedError: The target is known by its samples only.
    """
    if (rule := target.quadrature(NODES * n)) is not None:
        x, weight = rule
        with inference(model, generator):
            log_q = log_probs(model, x, batch_size=batch_size)
        return Estimate(float(weight.cpu() @ (target.log_prob(x).cpu() - log_q)), 0.0)
    log_p, log_q = paired_log_probs(model, target, n, generator=generator, batch_size=batch_size)
    return estimate_mean(log_p - log_q)


def paired_log_probs(
    model: Density, target: Target, n: int, *, generator: torch.Generator, batch_size: int
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Log-densities of fresh samples of a target, under it and under a model.

    Args:
        model: The density that is judged.
        target: What it should be; its density must be known.
        n: Number of samples.
        generator: Source of the samples, on any device.
        batch_size: Samples at once.

    Returns:
        Those of the target and those of the model, in float64 on the CPU.
    """
    source, of_target, of_model = spawn(generator, device_of(target)), [], []
    with inference(model, generator):
        for rows in batches(n, batch_size):
            batch, log_p = target.draw_with_log_prob(rows.stop - rows.start, generator=source)
            of_target.append(log_p.cpu().double())
            of_model.append(log_probs(model, batch.x, batch.context, batch_size=batch_size))
    return torch.cat(of_target), torch.cat(of_model)


def negentropy_captured(divergence: Estimate, negentropy: float, se: float) -> Estimate:
    """``1 - KL / J``: 0 for the best Gaussian, 1 for the optimum, negative for what is worse.

    J, the negentropy, is the KL of the best Gaussian: its entropy, that of the Gaussian with the
    target's mean and covariance, less the target's (Comon, "Independent component analysis, a new
    concept?", 1994).

    Args:
        divergence: KL of the model, in nats.
        negentropy: J, in nats, above 0.
        se: Its standard error.

    >>> negentropy_captured(Estimate(2.0, 0.2), 8.0, 0.0)
    Estimate(value=0.75, se=0.025)
    """
    share = divergence.value / negentropy
    return Estimate(1 - share, math.hypot(divergence.se, share * se) / negentropy)


def bits_per_dim(nll: Estimate, event_shape: Sequence[int], levels: int) -> Estimate:
    """``NLL / (D log 2) + log2 L``: from the density of ``(level + u) / L`` to the mass of a level.

    The mean over u in [0, 1) bounds the code length of the levels themselves from above (Theis, van
    den Oord, Bethge, "A note on the evaluation of generative models", 2016, eq. 5,
    arXiv:1511.01844).

    Args:
        nll: Nats per sample.
        event_shape: Shape of one sample, of D numbers.
        levels: L, the number of values that each of them takes.

    >>> bits_per_dim(Estimate(0.0, 0.0), (1, 8, 8), 16)  # uniform on the cube
    Estimate(value=4.0, se=0.0)
    """
    nats = math.prod(event_shape) * math.log(2)
    return Estimate(nll.value / nats + math.log2(levels), nll.se / nats)


def bayes_accuracy(
    model: Density,
    test: Batch,
    training_labels: Int[Tensor, " m"],
    *,
    generator: torch.Generator,
    batch_size: int,
) -> Estimate:
    """Share of held-out samples whose class is ``argmax_c log p(x | c) + log p(c)``.

    ``p(c)`` are the frequencies in the training set. Of models whose log-densities are slow fewer
    samples are judged; the standard error tells.

    Args:
        model: A density conditioned on labels.
        test: Held-out samples with their labels.
        training_labels: Those of the training set.
        generator: Repeats the draws of a likelihood that is an estimate.
        batch_size: Samples at once.
    """
    classes = model.context_encoder.labels
    n = max(100, min(DENSITIES, model.test_samples // 10) // classes)
    rows = test.rows(slice(n))
    assert rows.context is not None
    log_prior = torch.bincount(training_labels, minlength=classes).double().log()
    joint = []
    for label in range(classes):
        with inference(model, generator):
            log_p = log_probs(model, rows.x, torch.tensor([label]), batch_size=batch_size)
        joint.append(log_p + log_prior[label])
    right = torch.stack(joint).argmax(0) == rows.context.cpu()
    return estimate_mean(right.double())
