"""Beginnings of fits of mixtures: the best of several starts, of several numbers of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.batch import Batch, rowwise
from genlab.densities.mixture_parameters import AnyMixtures
from genlab.densities.mixtures import Covariance, Mixtures, inverse, precision_root, wide
from genlab.models.gmm import GMM
from genlab.nn.angles import wrap_columns
from genlab.objectives.expectation_maximisation import Statistics, maximisation, sweep

__all__ = ["better_nearby", "chosen", "likeliest_starts", "maximised"]

# Passes after which a start is judged: soon, or when EM has left the plateau that round Gaussians
# set out on, where starts that end best are none of the first.
TRIAL = 10
LONG_TRIAL = 30
# Passes that the best are then given at most, until none gains as much any more, in nats a row:
# enough to choose by.
PASSES = 100
GAIN = 2e-5
# How far from the number of Gaussians that was found others are tried.
REACH = 2
# Starts of each for one of the model's ``restarts``, where few rows make them cheap.
MORE = 8
# How many of them are followed.
FOLLOWED = 3
# Multiplications that a pass may cost, for all starts: a row's for each Gaussian are its
# coordinates squared.
MULTIPLICATIONS = 2**20
# The smallest variance that rows are whitened by, as a share of that in all directions.
LEAST_WIDTH = 1e-9


def likeliest_starts(
    model: GMM,
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "g n"],
    components: int,
    *,
    tries: int,
    kept: int = 1,
    whitened: bool = False,
) -> AnyMixtures:
    """Of several starts for each weighting those that are likeliest after a few steps of EM.

    >>> import genlab
    >>> model = genlab.models.GMM(2)
    >>> x, weight = torch.randn(50, 2), torch.ones(1, 50)
    >>> likeliest_starts(model, x, weight, 3, tries=5, kept=2).means.shape
    torch.Size([2, 3, 2])

    Args:
        model: Says how to start.
        x: Standardised rows.
        weight: How much each counts.
        components: Gaussians of each mixture.
        tries: Starts for each weighting; a single Gaussian has one.
        kept: How many of them come back, first all weightings' likeliest, then their second.
        whitened: Start with Gaussians of the shape of all rows, instead of round ones, and judge
            them later.
    """
    tries = tries if components > 1 else 1
    ways = weight.repeat(tries, 1)
    if whitened:
        each = (_whitened_starts(model, x, own, components, tries) for own in weight)
        parts = (torch.stack(part, 1).flatten(0, 1) for part in zip(*each, strict=True))
        mixtures: AnyMixtures = Mixtures(*parts)
    else:
        mixtures = model.starts(x, ways, components)
        mixtures = type(mixtures)(*map(wide, mixtures))
    for _ in range(LONG_TRIAL if whitened else TRIAL):
        mixtures = maximised(
            model, mixtures, sweep(mixtures, x, ways, angles=model.joint_angles)[0]
        )
    likelihood = sweep(mixtures, x, ways, angles=model.joint_angles)[0].log_likelihood.view(
        tries, -1
    )
    best = likelihood.argsort(dim=0, descending=True, stable=True)[:kept]
    every = torch.arange(len(weight), device=best.device)
    parts = (part.unflatten(0, likelihood.shape)[best, every].flatten(0, 1) for part in mixtures)
    return type(mixtures)(*parts)


def _whitened_starts(
    model: GMM, x: Float[Tensor, "n d"], weight: Float[Tensor, " n"], components: int, tries: int
) -> Mixtures:
    """Starts ``[tries, K]`` that are round where all rows have the covariance I.

    So a long cloud of long clusters is started on as if it were round: EM itself does not depend on
    the coordinates, and needs far fewer steps. Diagonal covariances do depend on them, and stay,
    and so do angles.
    """
    rows, counts = wide(x), wide(weight)
    counts = counts if counts.sum() > 0 else torch.ones_like(counts)
    mean = counts @ rows / counts.sum()
    mean[list(model.joint_angles)] = 0  # where the turn begins tells nothing
    root = torch.eye(rows.shape[1]).to(rows)
    if model.covariance in ("full", "tied") and not model.joint_angles:
        spread = (rows - mean).mT @ (counts[:, None] * (rows - mean)) / counts.sum()
        # What has no width is left with some, so that rounding does not decide.
        least = model.covariance_floor + LEAST_WIDTH * spread.trace()
        root = precision_root(spread + least * root)
    round_ones = model.starts(((rows - mean) @ root.mT).to(x), weight.repeat(tries, 1), components)
    assert isinstance(round_ones, Mixtures)
    log_weights, means, roots = map(wide, round_ones)
    roots = roots if roots.ndim == 3 else roots @ root
    return Mixtures(log_weights, mean + means @ inverse(root).mT, roots)


def better_nearby(model: GMM, mixtures: Mixtures, batch: Batch) -> Mixtures:
    """The mixtures, or others of about as many Gaussians whose BIC is lower, one for each class.

    A search that grows a mixture by cuts is greedy: some structures no cut of the whole leads to,
    as cigars side by side, and a Gaussian too many it never takes back. So numbers around the found
    one are started from anew, and around the best as long as it improves. As many starts are made
    as few rows make cheap; where even the model's ``restarts`` are not, the mixtures stay.

    Args:
        model: Says how to start.
        mixtures: What was found, ``[classes, K]``.
        batch: The rows.
    """
    x, weight, _ = model.standardised(batch)
    [(best, criterion)] = _followed(model, mixtures, x, weight)
    tried: set[int] = set()
    while near := _numbers_near(best, model.max_components) - tried:
        for count in sorted(near):
            a_start = len(weight) * x.numel() * x.shape[1] * count
            affordable = MULTIPLICATIONS // max(1, a_start)
            if affordable < model.restarts:
                continue
            tries = min(affordable, MORE * model.restarts)
            found = likeliest_starts(
                model, x, weight, count, tries=tries, kept=FOLLOWED, whitened=True
            )
            assert isinstance(found, Mixtures)
            for other, of_other in _followed(model, found, x, weight):
                best = chosen(best, other, of_other < criterion, model.covariance)
                criterion = torch.minimum(criterion, of_other)
        tried |= near
    return best


def _numbers_near(mixtures: Mixtures, most: int) -> set[int]:
    """Numbers of Gaussians that are within reach of those of a mixture."""
    present = mixtures.log_weights.isfinite().sum(1).tolist()
    reached = {own + step for own in present for step in range(-REACH, REACH + 1)}
    return {count for count in reached if 1 <= count <= most}


def _followed(
    model: GMM, mixtures: Mixtures, x: Float[Tensor, "n d"], weight: Float[Tensor, "g n"]
) -> Iterator[tuple[Mixtures, Float[Tensor, " g"]]]:
    """One mixture for each weighting or several, after many steps of EM, and its part of the BIC.

    It is infinite where a Gaussian has fewer rows than parameters: such few can have any
    likelihood.
    """
    classes = len(weight)
    ways = weight.repeat(len(mixtures.means) // classes, 1)
    likelihood = torch.full_like(wide(ways[:, 0]), -math.inf)
    price = model.mixture.per_gaussian
    for _ in range(PASSES):
        statistics, _ = sweep(mixtures, x, ways, angles=model.joint_angles)
        gain, likelihood = statistics.log_likelihood - likelihood, statistics.log_likelihood
        if (gain <= GAIN * statistics.mass).all():
            break
        followed = maximised(model, mixtures, statistics)
        assert isinstance(followed, Mixtures)
        mixtures = followed
    present = mixtures.log_weights.isfinite()
    rows = statistics.rows[:classes].sum()
    a_unit = rows / statistics.mass[:classes].sum()
    criterion = present.sum(1) * price * rows.log() - 2 * a_unit * likelihood
    thin = present & (statistics.counts * a_unit < price)
    criterion = criterion.where(~thin.any(1), math.inf)
    for some in zip(*(part.split(classes) for part in (*mixtures, criterion)), strict=True):
        yield Mixtures(*some[:3]), some[3]


def chosen(
    mixtures: Mixtures, others: Mixtures, which: Bool[Tensor, " g"], covariance: Covariance
) -> Mixtures:
    """The mixtures with some of them replaced by others, with fewer or more Gaussians.

    Those of fewer are filled up with Gaussians of weight 0, which stand last.

    Args:
        mixtures: ``[G, K]``.
        others: ``[G, J]``.
        which: What to replace.
        covariance: The form of the covariances, that of ``tied`` ones is shared.
    """
    most = max(mixtures.means.shape[1], others.means.shape[1])

    def widened(one: Mixtures) -> Mixtures:
        number = torch.arange(most, device=one.means.device)
        index = number.clamp(max=one.means.shape[1] - 1)
        log_weights = one.log_weights[:, index].where(number == index, -math.inf)
        roots = one.roots if covariance == "tied" else one.roots[:, index]
        return Mixtures(log_weights, one.means[:, index], roots)

    joined = [
        torch.where(rowwise(which, own), other, own)
        for own, other in zip(widened(mixtures), widened(others), strict=True)
    ]
    width = int(joined[0].isfinite().sum(1).max())
    own = 1 if covariance == "tied" else width
    return Mixtures(joined[0][:, :width], joined[1][:, :width], joined[2][:, :own])


def maximised(model: GMM, mixtures: AnyMixtures, statistics: Statistics) -> AnyMixtures:
    """The M-step as the model has it: means of angles stay in one turn, deviations below a half."""
    angles = model.joint_angles
    found = maximisation(
        mixtures,
        statistics,
        model.covariance,
        floor=model.covariance_floor,
        ceiling=model.widest**2,
        angles=angles,
    )
    return found._replace(means=wrap_columns(found.means, angles)) if angles else found
