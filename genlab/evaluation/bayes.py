"""A class-conditional density as a classifier."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import inference, log_probs
from genlab.evaluation.estimate import Estimate, estimate_mean

__all__ = ["bayes_accuracy"]

DENSITIES = 10_000
"""Log-densities that the accuracy may cost: one for each class of each sample."""


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
