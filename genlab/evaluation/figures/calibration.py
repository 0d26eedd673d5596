"""The calibration of a conditional model: histograms of ranks, and coverage by credibility."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from genlab.evaluation.calibration import Calibration
from genlab.evaluation.figures.style import MODEL, TRUTH, panels

__all__ = ["binomial_band", "calibration_figure"]

SHOWN = 5
"""Coordinates whose histograms can be told apart."""
WITHIN = 0.99
"""Probability of a band of right models."""
COLOURS = (MODEL, "#7b3fa0", "#2a9d6a", "#c23b5a", "#8a6d1f")


def calibration_figure(
    found: Calibration, *, names: Sequence[str] | None = None, shown: Sequence[int] | None = None
) -> Figure:
    """Two panels: ranks of each coordinate (SBC), and coverage against credibility (TARP).

    Of a right model 99 of 100 bins, and of 100 points of the curve, are in the blue bands. Bars
    that are high at both ends, and a curve above the diagonal on the left and below it on the
    right, are of a model that is too sure; the reverse of one that is not sure enough; bars that
    rise or fall of one whose samples are too small or too large.

    Args:
        found: Ranks of true samples.
        names: Names of the coordinates.
        shown: Which of them are shown, from 0; the first five if None.
    """
    figure, (left, right) = panels(1, 2, side=4.0, height=4.6)
    rows, expected = max(1, round(found.rows)), found.expected
    edges = np.append(0, expected.cumsum(0).numpy())
    few, many = ((bound / rows / expected).numpy() for bound in binomial_band(rows, expected))
    low, high = np.append(few, few[-1]), np.append(many, many[-1])
    left.fill_between(edges, low, high, step="post", color=TRUTH, alpha=0.18, linewidth=0)
    left.axhline(1, color=TRUTH, linewidth=1)
    places = list(range(found.coordinates.shape[1]) if shown is None else shown)[:SHOWN]
    heights = (found.histogram() / expected).numpy()
    for colour, place in zip(COLOURS, places, strict=False):
        name = f"x{place + 1}" if names is None else names[place]
        left.stairs(heights[place], edges, color=colour, linewidth=2, label=name)
    left.set_xlim(0, 1)
    left.set_ylim(0, max(2.0, 1.3 * float(heights[places].max())))
    left.set_title("Ranks of the truth", fontsize=14)
    left.set_xlabel("share of draws that are smaller", fontsize=12)
    left.set_ylabel("density", fontsize=12)
    left.legend(fontsize=11, frameon=False, ncols=min(3, len(places)), loc="upper center")

    levels, covered = found.coverage()
    low, high = (bound.numpy() / rows for bound in binomial_band(rows, levels))
    x = levels.numpy()
    right.fill_between(x, low, high, color=TRUTH, alpha=0.18, linewidth=0, label="calibrated")
    right.plot([0, 1], [0, 1], color=TRUTH, linewidth=1)
    right.plot(x, covered.numpy(), color=MODEL, linewidth=2, label="model")
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    right.set_title("Coverage (TARP)", fontsize=14)
    right.set_xlabel("credibility", fontsize=12)
    right.set_ylabel("share of truths inside", fontsize=12)
    right.legend(fontsize=11, frameon=False, loc="upper left")
    return figure


def binomial_band(
    n: int, probability: Float[Tensor, " k"]
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Between which numbers of n trials a binomial count lies in `WITHIN` of all cases.

    Args:
        n: Trials.
        probability: Of a success, above 0 and below 1.

    >>> low, high = binomial_band(100, torch.tensor([0.5]))
    >>> int(low), int(high)
    (37, 63)
    """
    counts = torch.arange(n + 1, dtype=torch.float64)
    p = probability.double()[:, None]
    choose = torch.lgamma(torch.tensor(n + 1.0, dtype=torch.float64)) - (
        torch.lgamma(counts + 1) + torch.lgamma(n - counts + 1)
    )
    up_to = (choose + counts * p.log() + (n - counts) * torch.log1p(-p)).exp().cumsum(1)
    tail = (1 - WITHIN) / 2
    low, high = ((up_to < level).sum(1).double() for level in (tail, 1 - tail))
    return low, high
