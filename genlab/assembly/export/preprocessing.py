"""The way from data units to a model's own, written down and made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from genlab.bijections.argmax import Argmax
from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.coordinates import OnCoordinates
from genlab.bijections.domains import LogitTransform, Probit, UnitBox
from genlab.bijections.elementwise_affine import Standardise
from genlab.bijections.half_line import HalfLine
from genlab.bijections.posterior import PosteriorStandardise
from genlab.bijections.spectral import SpectralStandardise, SpectralStandardiseGiven
from genlab.errors import UserError, nearest

__all__ = ["described", "made"]


class Kind(NamedTuple):
    """How one kind of bijection is written down, and made of that; its numbers are weights."""

    describe: Callable[[Any], dict[str, Any]]
    make: Callable[..., Bijection]


KINDS: dict[str, tuple[type[Bijection], Kind]] = {
    "standardise": (
        Standardise,
        Kind(
            lambda layer: {"shape": list(layer.mean.shape), "untouched": list(layer.untouched)},
            lambda shape, untouched: Standardise(tuple(shape), untouched=untouched),
        ),
    ),
    "spectral_standardise": (
        SpectralStandardise,
        Kind(
            lambda layer: {"shape": list(layer.log_scale.shape), "alike": layer.alike},
            lambda shape, alike: SpectralStandardise(torch.ones(*shape), alike=alike),
        ),
    ),
    "spectral_standardise_given": (
        SpectralStandardiseGiven,
        Kind(
            lambda layer: {"shape": list(layer.log_scale.shape), "alike": layer.alike},
            lambda shape, alike: SpectralStandardiseGiven(torch.ones(*shape), alike=alike),
        ),
    ),
    "posterior_standardise": (
        PosteriorStandardise,
        Kind(
            lambda layer: {
                "shape": list(layer.log_scale.shape),
                "factor": layer.factor,
                "alike": layer.alike,
            },
            lambda shape, factor, alike: PosteriorStandardise(
                torch.ones(*shape), factor=factor, alike=alike
            ),
        ),
    ),
    "logit": (
        LogitTransform,
        Kind(lambda layer: {"alpha": layer.alpha}, lambda alpha: LogitTransform(alpha)),
    ),
    "on_coordinates": (
        OnCoordinates,
        Kind(
            lambda layer: {
                "inner": described(layer.inner),
                "places": list(layer.places),
                "dim": layer.dim,
            },
            lambda inner, places, dim: OnCoordinates(_whole(inner), places, dim),
        ),
    ),
    "half_line": (
        HalfLine,
        Kind(
            lambda layer: {
                "edges": list(layer.edges),
                "upward": list(layer.upward),
                "tail": layer.tail,
            },
            lambda edges, upward, tail: HalfLine(edges, upward=upward, tail=tail),
        ),
    ),
    "probit": (
        Probit,
        Kind(
            lambda layer: {
                "box": None if layer.box is None else [list(ends) for ends in layer.box.intervals]
            },
            lambda box: Probit(None if box is None else UnitBox(box, len(box))),
        ),
    ),
    "argmax": (
        Argmax,
        Kind(lambda layer: {"categories": layer.categories}, lambda categories: Argmax(categories)),
    ),
    "compose": (
        Compose,
        Kind(
            lambda layer: {"layers": [described(part) for part in layer]},
            lambda layers: Compose(map(_whole, layers)),
        ),
    ),
}


def described(preprocessing: Bijection | None) -> dict[str, Any] | None:
    """A bijection in plain containers, without its numbers.

    >>> described(LogitTransform(0.05))
    {'kind': 'logit', 'alpha': 0.05}

    Raises:
        UserError: It is of a kind that has no description.
    """
    if preprocessing is None:
        return None
    for name, (kind, how) in KINDS.items():
        if type(preprocessing) is kind:
            return {"kind": name, **how.describe(preprocessing)}
    raise UserError(
        f"export: data that a {type(preprocessing).__name__} brings to the model's units cannot be "
        f"written down; those by {', '.join(KINDS)} can"
    )


def made(node: Mapping[str, Any] | None) -> Bijection | None:
    """The bijection of a description.

    Raises:
        UserError: The description is of no known kind.
    """
    if node is None:
        return None
    settings = dict(node)
    name = settings.pop("kind", None)
    if name not in KINDS:
        raise UserError(f"config.json: preprocessing.kind={name}; {nearest(str(name), KINDS)}")
    return KINDS[name][1].make(**settings)


def _whole(node: Mapping[str, Any]) -> Bijection:
    part = made(node)
    assert part is not None
    return part
