"""Whether a conditional model is as sure as it may be: ranks of true samples among its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from genlab.batch import Batch
from genlab.densities.density import Density
from genlab.densities.inference import BATCH_SIZE, spawn
from genlab.evaluation.ensembles import ensemble
from genlab.evaluation.estimate import (
    Estimate,
    effective_rows,
    estimate_mean,
    estimate_of_pairs,
    shares,
)
from genlab.nn.angles import wrap_columns

__all__ = [
    "Calibration",
    "calibrate",
    "calibration_scores",
    "distance_ranks",
    "ranks_among",
    "reference_points",
]

DRAWS = 39
"""Samples under each context: ranks from 0 to 39, which divide evenly into all of `BINS`."""
BINS = (20, 10, 8, 5, 4, 2)
EXPECTED = 10
"""Rows that a bin of the histogram holds at least, on average."""
FEWEST = EXPECTED * BINS[-1]
NUMBERS = 2**26
"""Numbers of all draws together: 256 MB."""


@dataclass(frozen=True)
class Calibration:
    """Ranks of true samples among draws of a model under the contexts that they came with.

    Where the model is right each rank is uniform on ``0 .. m``. Those of the coordinates are of
    simulation-based calibration (Talts et al., "Validating Bayesian inference algorithms with
    simulation-based calibration", 2018, arXiv:1804.06788). That of the distance to a reference
    point is of TARP (Lemos et al., "Sampling-based accuracy testing of posterior estimators for
    general inference", 2023, arXiv:2302.03026): the ball round the point that reaches to the truth
    holds a share of the draws, and such balls are credible regions.

    >>> import genlab, torch
    >>> model = genlab.models.RealNVP(2, context_dim=1)
    >>> from genlab.batch import Batch
    >>> test = Batch(torch.randn(100, 2), torch.randn(100, 1))
    >>> found = calibrate(model, test, generator=torch.Generator())
    >>> found.coordinates.shape, found.draws, found.tarp.value < 1
    (torch.Size([100, 2]), 39, True)

    Attributes:
        coordinates: Draws that are smaller, in each coordinate.
        distance: Draws that are closer to the reference point.
        draws: m, for each row.
        weight: How much each row counts; None where all count the same.
        broken: Draws that are not finite, which rank above the truth.
    """

    coordinates: Int[Tensor, "n d"]
    distance: Int[Tensor, " n"]
    draws: int
    weight: Float[Tensor, " n"] | None = None
    broken: int = 0

    @property
    def rows(self) -> float:
        """Kish's effective number of rows."""
        return effective_rows(shares(len(self.distance), self.weight))

    @property
    def bins(self) -> int:
        """Bins of the histograms: as many as rows fill with `EXPECTED` each, and ranks with one."""
        most = min(self.rows / EXPECTED + 1e-6, self.draws + 1)
        return next((k for k in BINS if k <= most), BINS[-1])

    @property
    def expected(self) -> Float[Tensor, " k"]:
        """Share of a right model's rows in each bin: ``1/k`` where k divides ``m + 1``."""
        ranks = torch.arange(self.draws + 1)
        return self._binned(ranks[:, None])[:, 0].mean(0)

    @property
    def sbc(self) -> Estimate:
        """Divergence of the coordinates' ranks from uniform ones, the mean over coordinates.

        ``chi^2 = sum_b (p_b - e_b)^2 / e_b`` of the probabilities of the bins and those that are
        `expected`, by the unbiased mean over pairs of rows of ``1[b_i = b_j] / e_{b_i} - 1``: 0 in
        the mean for a calibrated model, so slightly negative values occur. Its root is the relative
        unevenness of the histogram. Coordinates of one row may depend on each other: the error is
        over rows (`estimate_of_pairs`).
        """
        p = shares(len(self.coordinates), self.weight)
        held = (self._binned(self.coordinates) / self.expected.sqrt()).flatten(1)
        h = (held @ held.T).div_(self.coordinates.shape[1]).sub_(1).fill_diagonal_(0)
        return estimate_of_pairs(p, h @ p, h @ p.square(), h.square() @ p.square())

    @property
    def tarp(self) -> Estimate:
        """Excess of the share of truths in credible regions over what these claim, on average.

        The region of credibility c is what lies between the draws of ranks ``(1 - c) / 2`` and
        ``(1 + c) / 2`` in distance from the reference point; its excess of coverage over c is
        averaged over c, ``1/2 - E |2 f - 1|`` of the relative rank f; of an odd number of ranks 1/2
        is ``1/2 - 1 / (2 (m + 1)^2)``, their own mean. 0 for a calibrated model, negative for one
        that is too sure, down to -1/2, positive for one that is not sure enough.
        """
        ranks = self.draws + 1
        relative = (self.distance.double() + 0.5) / ranks
        half = 0.5 - ranks % 2 / (2 * ranks**2)
        return estimate_mean(half - (2 * relative - 1).abs(), self.weight)

    @property
    def sbc_p_value(self) -> float:
        """Chance that a calibrated model has a coordinate whose ranks are as uneven, at most.

        The least p-value of Pearson's chi-square tests, times the number of coordinates
        (Bonferroni).
        """
        return min(1.0, self.coordinates.shape[1] * self._p_values(self.coordinates).min().item())

    @property
    def tarp_p_value(self) -> float:
        """The same of the ranks in distance."""
        return self._p_values(self.distance[:, None]).item()

    def histogram(self) -> Float[Tensor, "d k"]:
        """Share of the rows in each bin of each coordinate."""
        return self._shares(self.coordinates)

    def coverage(self) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
        """Credibilities of balls round the reference points, and the share of truths in them."""
        p = shares(len(self.distance), self.weight)
        levels = torch.arange(1, self.draws + 1)
        covered = p @ (self.distance[:, None] < levels).double()
        return levels.double() / (self.draws + 1), covered

    def _binned(self, ranks: Int[Tensor, "n d"]) -> Float[Tensor, "n d k"]:
        return one_hot(ranks * self.bins // (self.draws + 1), self.bins).double()

    def _shares(self, ranks: Int[Tensor, "n d"]) -> Float[Tensor, "d k"]:
        return torch.einsum("n,ndk->dk", shares(len(ranks), self.weight), self._binned(ranks))

    def _p_values(self, ranks: Int[Tensor, "n d"]) -> Float[Tensor, " d"]:
        off = self._shares(ranks) - self.expected
        statistic = self.rows * (off.square() / self.expected).sum(1)
        freedom = torch.full_like(statistic, (self.bins - 1) / 2)
        p_values: Tensor = torch.special.gammaincc(freedom, statistic / 2)
        return p_values


def calibrate(
    model: Density,
    test: Batch,
    *,
    generator: torch.Generator,
    rows: int = 1000,
    draws: int = DRAWS,
    batch_size: int = BATCH_SIZE,
) -> Calibration | None:
    """Rank test rows among draws under their contexts; None where there are fewer than `FEWEST`.

    There is none where some weights are negative either: no rows stand for a law by these.

    Of models whose samples are slow fewer rows are judged, ``model.test_samples // draws``: 256 of
    those that solve an ODE. So it is of long vectors.

    Args:
        model: A conditional density of vectors.
        test: True samples with their contexts; those without weight are passed over.
        generator: Source of randomness, on any device.
        rows: Rows that are judged, at most, from all over the set.
        draws: Samples under each context.
        batch_size: Samples at once.

    Raises:
        ValueError: The model takes no context, or its samples are no vectors.
    """
    if not model.context_encoder.dim or len(model.event_shape) != 1:
        raise ValueError("model: expected a density of vectors that is given a context")
    places = torch.arange(len(test.x))
    if test.weight is not None:
        weight = test.weight.cpu()
        if (weight < 0).any():
            return None
        places = places[weight > 0]
    most = min(rows, model.test_samples // draws, NUMBERS // (draws * model.event_shape[0]))
    count = min(len(places), max(most, FEWEST))
    if count < FEWEST:
        return None
    some = test.rows(places[torch.arange(count) * len(places) // count].to(test.x.device))
    assert some.context is not None
    drawn = ensemble(model, some.context, members=draws, generator=generator, batch_size=batch_size)
    source = spawn(generator)
    truth = wrap_columns(some.x.detach().cpu(), model.circular)
    encoded = model.context_encoder(some.context.to(model.device), count, model.dtype)
    assert encoded is not None
    reference = reference_points(truth, encoded.cpu(), generator=source)
    return Calibration(
        ranks_among(drawn, truth, generator=source),
        distance_ranks(drawn, truth, reference, model.circular, generator=source),
        draws,
        None if some.weight is None else some.weight.cpu(),
        int((~drawn.isfinite()).any(-1).sum()),
    )


def ranks_among(
    draws: Float[Tensor, "m n *shape"],
    truth: Float[Tensor, "n *shape"],
    *,
    generator: torch.Generator,
) -> Int[Tensor, "n *shape"]:
    """Number of the draws that are smaller; among equal ones the truth has any place alike.

    Args:
        draws: Draws for each row.
        truth: What is to be ranked among them.
        generator: Breaks ties, of numbers that are discrete.

    >>> draws = torch.tensor([[0.0], [1.0], [2.0]])
    >>> ranks_among(draws, torch.tensor([1.5]), generator=torch.Generator())
    tensor([2])
    """
    less, equal = (draws < truth).sum(0), (draws == truth).sum(0)
    u = torch.rand(truth.shape, generator=generator, dtype=torch.float64)
    return less + (u * (equal + 1)).long()


def distance_ranks(
    draws: Float[Tensor, "m n d"],
    truth: Float[Tensor, "n d"],
    reference: Float[Tensor, "n d"],
    circular: Sequence[int] = (),
    *,
    generator: torch.Generator,
) -> Int[Tensor, " n"]:
    """Number of the draws that are closer to a reference point than the truth is.

    Distances are in standard deviations of the truths, of angles by the shorter way round.

    Args:
        draws: Draws for each row.
        truth: The true sample of each row.
        reference: A point for each row, which may depend on its context but not on its truth.
        circular: Coordinates that are angles.
        generator: Breaks ties.
    """
    scale = _scale(truth)

    def squared(points: Float[Tensor, "*m n d"]) -> Float[Tensor, "*m n"]:
        return (wrap_columns(points - reference, circular) / scale).square().sum(-1)

    return ranks_among(squared(draws), squared(truth), generator=generator)


def reference_points(
    truth: Float[Tensor, "n d"], context: Float[Tensor, "n c"], *, generator: torch.Generator
) -> Float[Tensor, "n d"]:
    """A point for each row: the truth of another one, moved with the context of this one.

    It is moved by what a linear regression on half of the rows predicts for the other half. The
    points lie where truths do. Were they not moved, a model that ignores its context would pass,
    as its draws and the truths have one law then. Along one way through all rows each is the next
    one's reference, so that ranks of a right model are as independent as rows are, but for what
    regressions share.

    Args:
        truth: The true samples.
        context: Their encoded contexts.
        generator: Source of the order of the rows.
    """
    n = len(truth)
    way = torch.randperm(n, generator=generator)
    centred = truth.double() - truth.double().mean(0)
    given = context.double() - context.double().mean(0)
    reference = torch.empty_like(centred)
    reference[way] = truth[way.roll(1)].double()
    halves = way[: n // 2], way[n // 2 :]
    for learned, moved in (halves, halves[::-1]):
        # Of one-hot rows the columns depend on each other.
        reference[moved] += given[moved] @ (torch.linalg.pinv(given[learned]) @ centred[learned])
    return reference.to(truth.dtype)


def calibration_scores(
    model: Density, test: Batch, *, generator: torch.Generator, rows: int, batch_size: int
) -> dict[str, Estimate | float]:
    """Scores of how sure a conditional model is, by tag; nothing where there are hardly any rows.

    - ``test/sbc``, ``test/sbc/p_value``: `Calibration.sbc` and what goes with it.
    - ``test/tarp``, ``test/tarp/p_value``: `Calibration.tarp` alike.

    All are NaN where a draw is not finite.

    Args:
        model: A conditional density of vectors.
        test: True samples with their contexts.
        generator: Source of randomness.
        rows: Rows that are judged, at most.
        batch_size: Samples at once.
    """
    found = calibrate(model, test, generator=generator, rows=rows, batch_size=batch_size)
    if found is None:
        return {}
    lost = Estimate(math.nan, math.nan)
    return {
        "test/sbc": lost if found.broken else found.sbc,
        "test/sbc/p_value": math.nan if found.broken else found.sbc_p_value,
        "test/tarp": lost if found.broken else found.tarp,
        "test/tarp/p_value": math.nan if found.broken else found.tarp_p_value,
    }


def _scale(points: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """The standard deviation of each coordinate, 1 where that is 0."""
    std = points.std(0, correction=0)
    alike: Bool[Tensor, " d"] = std == 0
    return std.masked_fill(alike, 1.0)
