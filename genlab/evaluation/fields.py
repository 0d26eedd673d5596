"""Scores of generated fields: their statistics beside those of true ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.densities.inference import batches
from genlab.evaluation.distances import wasserstein1
from genlab.evaluation.estimate import Estimate, estimate_mean, estimate_of_means
from genlab.fields.statistics import (
    Quantity,
    bands,
    energy,
    enstrophy,
    enstrophy_flux,
    increments,
    moments,
    separations,
    spectrum,
    velocity,
    vorticity,
)

__all__ = ["BANDS", "field_scores", "field_statistics", "flatness", "flux_wavenumbers"]

BANDS = ("test/retention/energetic", "test/retention/inertial", "test/retention/dissipative")
"""Names of large, middle and small scales."""

AT_ONCE = 2**18
"""Numbers of the fields that are transformed at once."""

INCREMENTS = 2**18
"""Increments at each distance that are compared: of large sets, those from every few points."""

HALVINGS = 8
"""Ways to cut true fields into two sets, whose distance is the unit of others."""

EMPTY = 1e-9
"""Share of the power, but for the mean's, below which a shell holds nothing but rounding."""

ROUNDING = 1e-28
"""The same of the power with the mean's: what a transform in double precision leaves of zeros."""

SAME = 1e-6
"""Distance of two true sets, in its unit, below which they differ by rounding alone."""

CERTAIN = 4.0
"""Standard errors from 0 from which on there is a flux."""

Statistics = Mapping[str, Float[Tensor, "b *_"]]
"""Numbers by name, a row for each field."""


def field_statistics(x: Float[Tensor, "b c n n"], quantity: Quantity) -> dict[str, Tensor]:
    """Statistics of each field, computed batch by batch, in float64 on the CPU.

    - ``spectrum`` ``[b, c, s]`` and ``moments`` ``[b, c, 4]`` of each channel, but of a velocity
      those of its vorticity;
    - of a flow also ``energy`` and ``enstrophy`` ``[b]``, ``flux`` ``[b, s]``, and ``increments``
      ``[b, 3, m]`` at three distances.

    References: Tabeling, "Two-dimensional turbulence: a physicist approach" (2002),
    doi:10.1016/S0370-1573(01)00064-3.

    >>> numbers = field_statistics(torch.randn(10, 1, 9, 9), "vorticity")
    >>> numbers["spectrum"].shape, numbers["flux"].shape, numbers["increments"].shape
    (torch.Size([10, 1, 7]), torch.Size([10, 7]), torch.Size([10, 3, 162]))

    Args:
        x: Fields in data units.
        quantity: What they are.
    """
    stride = math.ceil(2 * x.shape[-1] ** 2 * len(x) / INCREMENTS)
    parts = [
        _statistics(x[rows].detach().cpu().double(), quantity, stride)
        for rows in batches(len(x), max(1, AT_ONCE // x[0].numel()))
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _statistics(x: Float[Tensor, "b c n n"], quantity: Quantity, stride: int) -> dict[str, Tensor]:
    if quantity == "scalar":
        return {
            "spectrum": spectrum(x.flatten(0, 1)).unflatten(0, x.shape[:2]),
            "moments": moments(x.flatten(0, 1)).unflatten(0, x.shape[:2]),
        }
    w, u = (vorticity(x), x) if quantity == "velocity" else (x[:, 0], velocity(x[:, 0]))
    delta = [increments(u, r)[:, ::stride] for r in separations(x.shape[-1])]
    return {
        "spectrum": spectrum(w)[:, None],
        "moments": moments(w)[:, None],
        "energy": energy(u),
        "enstrophy": enstrophy(w),
        "flux": enstrophy_flux(w),
        "increments": torch.stack(delta, 1),
    }


def field_scores(
    drawn: Float[Tensor, "m c n n"],
    truth: Float[Tensor, "b c n n"],
    other: Float[Tensor, "b c n n"],
    quantity: Quantity,
    *,
    snapshots: int = 1,
    generator: torch.Generator,
) -> dict[str, Estimate]:
    """Scores that tell generated fields from true ones, by tag.

    - ``test/spectrum``: the largest relative error of a shell's power, but for the mean's.
    - ``test/log_spectral_distance``: the root mean square difference of the shells' levels, as a
      multiple of that of two true sets; ``.../decibels``, itself.
    - ``test/retention/...``: the power of large, middle and small scales over the true one.
    - ``test/flatness``: ``<(w - <w>)^4> / <(w - <w>)^2>^2``, 3 of Gaussian fields.

    Of a flow moreover

    - ``test/energy``, ``test/enstrophy``: their means.
    - ``test/enstrophy_flux``: the largest relative error of the flux through three wavenumbers
      (`flux_wavenumbers`), where true fields have one.
    - ``test/increments``: the mean 1-Wasserstein distance of longitudinal increments of velocity
      at three distances, each in standard deviations, as a multiple of that of two true sets;
      ``.../w1``, itself.

    ``target/...`` is the same number of true fields, and ``.../reference`` the same distance of two
    true sets: the mean over some ways to cut all true fields in two.

    Args:
        drawn: Generated fields, in data units.
        truth: True ones, as many.
        other: As many others.
        quantity: What they are.
        snapshots: True fields beside each other that are of one trajectory: errors are over these.
        generator: Cuts true fields in two.
    """
    n, size = truth.shape[-1], len(truth) // snapshots
    ours = field_statistics(drawn, quantity)
    true = _over(snapshots, field_statistics(torch.cat([truth, other]), quantity))
    first = _rows(true, slice(size))
    halves = list(_halves(true, size, generator))
    scores = {
        name: _retention(ours, first, band) for name, band in zip(BANDS, bands(n), strict=True)
    }
    means = {"flatness": flatness}
    if quantity != "scalar":
        means |= {name: partial(_mean, name=name) for name in ("energy", "enstrophy")}
    for name, mean in means.items():
        scores[f"test/{name}"], scores[f"target/{name}"] = mean(ours), mean(true)

    shells = true["spectrum"].mean(0)
    rounding = ROUNDING * shells.sum(1, keepdim=True)
    kept = shells > rounding + EMPTY * shells[:, 1:].sum(1, keepdim=True)
    kept[:, 0] = False
    distances: dict[str, tuple[str, Score]] = {
        "test/spectrum": ("", partial(_spectrum_error, kept=kept)),
        "test/log_spectral_distance": ("decibels", partial(_log_spectral_distance, kept=kept)),
    }
    if quantity != "scalar":
        distances["test/increments"] = ("w1", _increments_distance)
        at = [k for k in flux_wavenumbers(n) if k < true["flux"].shape[1]]
        fluxes = [estimate_mean(true["flux"][:, k]) for k in at]
        if all(abs(flux.value) > CERTAIN * flux.se for flux in fluxes):
            distances["test/enstrophy_flux"] = ("", partial(_flux_error, at=at))
    if not kept.any():  # of constant fields
        distances = {}
    for tag, (unit, score) in distances.items():
        found = score(ours, first)
        between = estimate_mean(torch.tensor([score(a, b).value for a, b in halves]))
        if unit:
            scores[tag], scores[f"{tag}/{unit}"] = _multiple(found, between), found
        else:
            scores[tag], scores[f"{tag}/reference"] = found, between
    return scores


def flux_wavenumbers(n: int) -> tuple[int, int, int]:
    """Wavenumbers at which fluxes are compared: 1/4, 3/8 and 1/2 of the points of a side.

    >>> flux_wavenumbers(17)
    (4, 6, 8)
    """
    return n // 4, 3 * n // 8, n // 2


def flatness(statistics: Statistics) -> Estimate:
    """``<(w - <w>)^4> / <(w - <w>)^2>^2`` over fields and points, the mean over channels."""
    return estimate_of_means(_flatness, statistics["moments"])


Score = Callable[[Statistics, Statistics], Estimate]
"""A distance of generated fields from true ones."""


def _flatness(moments: Float[Tensor, "c 4"]) -> Float[Tensor, ""]:
    first, second, third, fourth = moments.unbind(1)
    variance = second - first.square()
    central = fourth - 4 * first * third + 6 * first.square() * second - 3 * first.pow(4)
    return (central / variance.square()).mean()


def _mean(statistics: Statistics, *, name: str) -> Estimate:
    return estimate_mean(statistics[name])


def _retention(ours: Statistics, true: Statistics, band: slice) -> Estimate:
    def ratio(a: Float[Tensor, "c s"], b: Float[Tensor, "c s"]) -> Float[Tensor, ""]:
        return (a[:, band].sum(1) / b[:, band].sum(1)).mean()

    return estimate_of_means(ratio, ours["spectrum"], true["spectrum"])


def _spectrum_error(ours: Statistics, true: Statistics, *, kept: Bool[Tensor, "c s"]) -> Estimate:
    return estimate_of_means(
        lambda a, b: (a[kept] / b[kept] - 1).abs().max(), ours["spectrum"], true["spectrum"]
    )


def _log_spectral_distance(
    ours: Statistics, true: Statistics, *, kept: Bool[Tensor, "c s"]
) -> Estimate:
    return estimate_of_means(
        lambda a, b: 10 * (a[kept] / b[kept]).log10().square().mean().sqrt(),
        ours["spectrum"],
        true["spectrum"],
    )


def _flux_error(ours: Statistics, true: Statistics, *, at: list[int]) -> Estimate:
    return estimate_of_means(
        lambda a, b: (a / b - 1).abs().max(), ours["flux"][:, at], true["flux"][:, at]
    )


def _increments_distance(ours: Statistics, true: Statistics) -> Estimate:
    """The mean over distances; increments at several ones depend on each other: errors add up.

    NaN where true fields are laminar, so that there is no unit.
    """
    value = se = 0.0
    for a, b in zip(ours["increments"].unbind(1), true["increments"].unbind(1), strict=True):
        distance, scale = wasserstein1(a, b), 3 * b.std(correction=0).item() or math.nan
        value, se = value + distance.value / scale, se + distance.se / scale
    return Estimate(value, se)


def _multiple(of: Estimate, unit: Estimate) -> Estimate:
    """NaN where true sets do not differ but by rounding, so that there is no unit."""
    if unit.value < SAME:
        return Estimate(math.nan, math.nan)
    value = of.value / unit.value
    return Estimate(value, math.hypot(of.se, value * unit.se) / unit.value)


def _over(snapshots: int, statistics: Statistics) -> Statistics:
    """Those of trajectories: the means of their fields, and all increments of these."""
    means = {
        name: values.unflatten(0, (-1, snapshots)).mean(1)
        for name, values in statistics.items()
        if name != "increments"
    }
    if "increments" not in statistics:
        return means
    delta = statistics["increments"].unflatten(0, (-1, snapshots))
    return {**means, "increments": delta.transpose(1, 2).flatten(2)}


def _rows(statistics: Statistics, index: slice | Tensor) -> Statistics:
    return {name: values[index] for name, values in statistics.items()}


def _halves(
    statistics: Statistics, size: int, generator: torch.Generator
) -> Iterator[tuple[Statistics, Statistics]]:
    """True fields in two sets of ``size``, in some ways."""
    for _ in range(HALVINGS):
        order = torch.randperm(2 * size, generator=generator)
        yield _rows(statistics, order[:size]), _rows(statistics, order[size:])
