"""The boundary of a set of the plane, from those of the two parts that it is made of."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genlab.pde.pieces import Arc, Curve, Segment

__all__ = ["arrangement"]

NEARLY = 1e-9
"""Of the largest coordinate: points that are no farther apart are one."""


def arrangement(
    first: Sequence[Curve],
    second: Sequence[Curve],
    contains: Callable[[Float[Tensor, "n 2"]], Bool[Tensor, " n"]],
) -> list[Curve]:
    """The curves that bound a set, with the outward side on their right.

    The curves of both parts are cut where they meet. Of the pieces, those count that have the set
    on one side only (Requicha, Voelcker, "Boolean operations in solid modeling: boundary evaluation
    and merging algorithms", 1985, doi:10.1109/PROC.1985.13108); one of those that coincide.

    Args:
        first: Those that bound one part.
        second: Those that bound the other.
        contains: Whether points belong to the set.
    """
    every = [*first, *second]
    tolerance = NEARLY * max(abs(end) for curve in every for side in curve.box for end in side)
    pieces = [piece for curve in first for piece in _cut(curve, second, tolerance)]
    pieces += [piece for curve in second for piece in _cut(curve, first, tolerance)]
    middle = torch.cat([piece.at(torch.tensor([[0.5]], dtype=torch.float64)) for piece in pieces])
    step = torch.cat([p.normal(x) for p, x in zip(pieces, middle[:, None], strict=True)])
    behind, ahead = (contains(middle + sign * tolerance * step).tolist() for sign in (-1, 1))
    kept: list[Curve] = []
    for piece, inner, outer in zip(pieces, behind, ahead, strict=True):
        again = any(other.near(piece.point(0.5), tolerance) for other in kept)
        if inner != outer and not again:
            kept.append(piece if inner else piece.part(1.0, 0.0))
    return kept


def _cut(curve: Curve, others: Sequence[Curve], tolerance: float) -> list[Curve]:
    """The pieces of a curve between the points where others meet it, begin or end on it."""
    points = [
        point
        for other in others
        if _apart(curve, other) <= tolerance
        for point in (*_meeting(curve, other, tolerance), *other.ends)
        if other.near(point, tolerance) and curve.near(point, tolerance)
    ]
    little = tolerance / curve.measure
    shares = [0.0]
    for share in [*sorted(map(curve.share, points)), 1.0]:
        if share - shares[-1] > little and (share == 1 or share < 1 - little):
            shares.append(share)
    return [curve.part(a, b) for a, b in pairwise(shares)]


def _apart(one: Curve, other: Curve) -> float:
    """The distance of the boxes of two curves along a coordinate; negative where they overlap."""
    sides = zip(one.box, other.box, strict=True)
    return max(max(a[0], b[0]) - min(a[1], b[1]) for a, b in sides)


def _meeting(one: Curve, other: Curve, tolerance: float) -> list[complex]:
    """Points where the lines or circles of two curves meet; none if these are the same."""
    if isinstance(one, Segment) and isinstance(other, Segment):
        return _lines(one, other)
    if isinstance(one, Arc) and isinstance(other, Arc):
        return _circles(one, other, tolerance)
    segment, arc = (one, other) if isinstance(one, Segment) else (other, one)
    assert isinstance(segment, Segment)
    assert isinstance(arc, Arc)
    return _line_and_circle(segment, arc, tolerance)


def _lines(one: Segment, other: Segment) -> list[complex]:
    cross = (one.side.conjugate() * other.side).imag
    if abs(cross) <= NEARLY * one.measure * other.measure:
        return []
    share = ((other.ends[0] - one.ends[0]).conjugate() * other.side).imag / cross
    return [one.point(share)]


def _line_and_circle(segment: Segment, arc: Arc, tolerance: float) -> list[complex]:
    foot = segment.point(segment.share(arc.center))
    height = abs(foot - arc.center)
    if height > arc.radius + tolerance:
        return []
    half = _leg(arc.radius, height, tolerance) * segment.side / segment.measure
    return [foot - half, foot + half]


def _circles(one: Arc, other: Arc, tolerance: float) -> list[complex]:
    between = other.center - one.center
    apart, radii = abs(between), (one.radius, other.radius)
    if apart <= tolerance or not max(radii) - min(radii) - tolerance <= apart:
        return []
    if apart > sum(radii) + tolerance:
        return []
    along = (apart**2 + one.radius**2 - other.radius**2) / (2 * apart)
    unit = cmath.rect(1.0, cmath.phase(between))
    half = 1j * unit * _leg(one.radius, abs(along), tolerance)
    return [one.center + along * unit - half, one.center + along * unit + half]


def _leg(hypotenuse: float, leg: float, tolerance: float) -> float:
    """The other leg of a right triangle; none of curves that only touch."""
    if hypotenuse - leg <= tolerance:
        return 0.0
    return math.sqrt(hypotenuse**2 - leg**2)
