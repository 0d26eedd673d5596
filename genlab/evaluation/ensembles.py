"""Scores of conditional samples: several for each true one, under the context that it came with."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference
from genlab.evaluation.estimate import Estimate, estimate_mean, estimate_of_means
from genlab.evaluation.images import Reduction, consistency

__all__ = ["conditional_scores", "crps", "ensemble", "spread_skill"]

MEMBERS = 8
ROWS = 200
"""Test rows for each of which `MEMBERS` samples are drawn."""


def crps(members: Float[Tensor, "m n *event"], truth: Float[Tensor, "n *event"]) -> Estimate:
    """Continuous ranked probability score, the mean over numbers and rows, in their units.

    ``1/m sum_i |x_i - y| - 1/(2 m (m - 1)) sum_ij |x_i - x_j|``: the fair estimator, whose mean is
    the score of the distribution that the members are drawn from, whatever their number. That of a
    perfect one is the least (Ferro, "Fair scores for ensemble forecasts", 2014).

    References: doi:10.1002/qj.2270.

    >>> members = torch.tensor([[0.0], [1.0]])
    >>> crps(members.expand(2, 3), torch.tensor([0.0, 0.5, 1.0])).value
    0.0

    Args:
        members: Samples, m > 1 for each row.
        truth: The true number or array of each row.
    """
    m = len(members)
    ordered = members.double().sort(0).values
    # The sum of |x_i - x_j| over pairs: each member counts by its rank.
    rank = torch.arange(1 - m, m, 2, dtype=torch.float64).view(-1, *[1] * truth.ndim)
    pairs = (rank * ordered).sum(0) / (m * (m - 1))
    scores = (ordered - truth.double()).abs().mean(0) - pairs
    return estimate_mean(scores.reshape(len(truth), -1).mean(1))


def spread_skill(
    members: Float[Tensor, "m n *event"], truth: Float[Tensor, "n *event"]
) -> Estimate:
    """``sqrt((1 + 1/m) <Var> / <(mean - y)^2>)`` of m members: 1 where they scatter as the truth.

    Below 1 a model is too sure of itself, above too little. Both means are over numbers and rows;
    the variance is the unbiased one (Weigel, "Ensemble forecasts", in "Forecast verification: a
    practitioner's guide in atmospheric science", 2nd edition, 2012).

    References: doi:10.1002/9781119960003.

    >>> x = torch.randn(6, 2000, generator=torch.Generator().manual_seed(0))
    >>> round(spread_skill(x[1:], x[0]).value, 1)
    1.0

    Args:
        members: Samples, m > 1 for each row.
        truth: The true number or array of each row.
    """
    members, truth = members.double(), truth.double()
    error = (members.mean(0) - truth).square() / (1 + 1 / len(members))
    pair = torch.stack([members.var(0), error]).flatten(2 if truth.ndim > 1 else 1)
    rows = pair.reshape(2, len(truth), -1).mean(2).mT
    return estimate_of_means(lambda mean: (mean[0] / mean[1]).sqrt(), rows)


def ensemble(
    model: Density,
    context: Float[Tensor, "n c"],
    *,
    members: int,
    generator: torch.Generator,
    batch_size: int,
) -> Float[Tensor, "m n *event"]:
    """Several samples under each context, on the CPU.

    Args:
        model: A conditional density.
        context: A row for each place.
        members: How many under each.
        generator: Source of randomness.
        batch_size: Samples at once.
    """
    rows = context.repeat(members, *[1] * (context.ndim - 1))
    with inference(model, generator):
        drawn = draw_samples(model, len(rows), rows, generator=generator, batch_size=batch_size)
    members_first: Tensor = drawn.cpu().unflatten(0, (members, len(context)))
    return members_first


def conditional_scores(
    model: Density,
    test: Batch,
    reduction: Reduction | None,
    *,
    generator: torch.Generator,
    batch_size: int,
) -> dict[str, Estimate]:
    """Scores of what a model makes of context vectors, by tag.

    - ``test/crps``: `crps`, and ``test/crps/reference`` that of true samples that came with other
      contexts: what is reached without looking at them; of at least three rows.
    - ``test/spread_skill``: `spread_skill`.
    - ``test/misfit``: `consistency`, where the context is an observation of the sample, and
      ``test/misfit/reference`` that of the true ones: the noise in it.

    Args:
        model: A density given a vector.
        test: True samples with theirs.
        reduction: A, without its noise; None where the context is no observation.
        generator: Source of randomness.
        batch_size: Samples at once.
    """
    # From all over the set, in which rows of one trajectory stand beside each other.
    count = min(ROWS, len(test.x))
    rows = test.rows(torch.arange(count) * len(test.x) // count)
    assert rows.context is not None
    drawn = ensemble(
        model, rows.context, members=MEMBERS, generator=generator, batch_size=batch_size
    )
    scores = {"test/crps": crps(drawn, rows.x), "test/spread_skill": spread_skill(drawn, rows.x)}
    members = min(MEMBERS, count - 1)
    if members > 1:
        turns = [(step + 1) * count // (members + 1) for step in range(members)]
        others = torch.stack([rows.x.roll(turn, 0) for turn in turns])
        scores["test/crps/reference"] = crps(others, rows.x)
    if reduction is not None:
        for tag, x in (("test/misfit", drawn[0]), ("test/misfit/reference", rows.x)):
            scores[tag] = consistency(x, rows.context, reduction)
    return scores
