"""The two-sample test by a classifier: how often it tells a model's samples from true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genlab.evaluation.estimate import Estimate, estimate_mean, shares
from genlab.nn.angles import AngleFeatures

__all__ = ["c2st"]

HIDDEN = (64, 64)
EPOCHS = 30
BATCH = 200
LEARNING_RATE = 1e-3


def c2st(
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "n *event"],
    weight: Float[Tensor, " n"] | None = None,
    *,
    context: Float[Tensor, "n c"] | None = None,
    circular: Sequence[int] = (),
    folds: int = 5,
    generator: torch.Generator,
) -> Estimate:
    """Accuracy of a classifier on held-out points of two clouds: 1/2 where it cannot tell them.

    By scikit-learn's network of two layers of 64, cross-validated (Lopez-Paz, Oquab, "Revisiting
    classifier two-sample tests", 2017, arXiv:1610.06545). The accuracy t of the best classifier is
    ``1/2 + TV/2`` of the total variation distance TV of the two laws: this one bounds it from
    below. It sees what MMD and W2 hardly do, such as a thin bridge between two clusters.

    ``x_i`` and ``y_i`` are a pair, under one context where there is one, which the classifier is
    shown, and in one fold: of a pair that is torn apart the half that was learned would give away
    the other. The standard error is that of the mean over pairs; what folds share is left out.

    Args:
        x: First cloud.
        y: Second cloud, as large.
        weight: How much each pair counts; None where all count the same.
        context: What each pair was drawn under, encoded.
        circular: Coordinates that are angles, of which it sees the cosine and the sine.
        folds: Parts, each of which is judged by a classifier trained on the others.
        generator: Source of the folds and of the classifier's start.

    Returns:
        The accuracy; NaN where a point is not finite.

    Raises:
        ValueError: The clouds differ in shape, or have fewer pairs than folds.

    >>> x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    >>> c2st(x, x + 9, generator=torch.Generator()).value
    1.0
    """
    n = len(x)
    if x.shape != y.shape or n < folds:
        raise ValueError(
            f"y: expected as many points as x, at least {folds}, got {list(x.shape)}, "
            f"{list(y.shape)}"
        )
    x, y = (points.detach().cpu().double().flatten(1) for points in (x, y))
    if not (x.isfinite().all() and y.isfinite().all()):
        return Estimate(math.nan, math.nan)
    # scikit-learn takes a second to import: only who needs it waits.
    from sklearn.neural_network import MLPClassifier

    if circular:
        on_circles = AngleFeatures([i in circular for i in range(x.shape[1])])
        x, y = on_circles(x), on_circles(y)
    if context is not None:
        given = context.detach().cpu().double()
        x, y = torch.cat([x, given], 1), torch.cat([y, given], 1)
    both = torch.stack([x, y])
    std, mean = torch.std_mean(both, dim=(0, 1), correction=0)
    both = ((both - mean) / std.masked_fill(std == 0, 1.0)).float()
    labels = torch.tensor([0, 1])[:, None].expand(2, n)
    counts = 2 * n * shares(n, weight).expand(2, n) / 2
    fold = torch.randperm(n, generator=generator) % folds
    seed = int(torch.randint(2**31, (), generator=generator))
    right = torch.empty(2, n)
    for held in range(folds):
        inside = fold == held
        classifier = MLPClassifier(
            HIDDEN, batch_size=BATCH, learning_rate_init=LEARNING_RATE, max_iter=EPOCHS, tol=0,
            n_iter_no_change=EPOCHS, random_state=seed,
        )  # fmt: skip
        learned, judged = (both[:, rows].flatten(0, 1).numpy() for rows in (~inside, inside))
        classifier.fit(learned, labels[:, ~inside].flatten(), counts[:, ~inside].flatten())
        told = torch.from_numpy(np.asarray(classifier.predict(judged)))
        right[:, inside] = (told == labels[:, inside].flatten()).float().view(2, -1)
    return estimate_mean(right.mean(0), weight)
