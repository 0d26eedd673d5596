"""Rows of a table as points: noise for what is discrete, and the bijections onto the line."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections.argmax import Argmax
from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.coordinates import OnCoordinates
from genlab.bijections.domains import Probit, UnitBox
from genlab.bijections.half_line import HalfLine
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.streams import Blocks, Stream
from genlab.densities.density import Density
from genlab.densities.inference import log_probs
from genlab.densities.seeded_noise import row_shifts, uniform_points
from genlab.errors import UserError
from genlab.nn.angles import wrap
from genlab.randomness import generator

__all__ = ["Redrawn", "log_masses", "onto_lines", "points", "redrawn", "refuse_no_room"]

LEAST_VALUES = 8
"""That a type of numbers has to tell between two integers."""

DRAWS = 16
"""Points of a row whose mean density is its mass."""

# Numbers of noise that are drawn at a time: 2 MB.
BLOCK = 2**18


def onto_lines(columns: ColumnTransforms) -> Bijection | None:
    """What carries points onto the line, coordinate by coordinate; None where they are on it.

    A bounded column goes by the quantile function of the normal distribution, so that a uniform one
    becomes exactly normal; an integer one is bounded by the ends of its cells, ``[low, high + 1]``.
    """
    parts: list[tuple[Bijection, tuple[int, ...]]] = []
    if columns.log:
        parts.append((HalfLine([0.0] * len(columns.log), tail="log"), columns.places(columns.log)))
    ends = {
        name: (low, high + (name in columns.integer))
        for name, (low, high) in columns.bounds.items()
    }
    boxes = [name for name, pair in ends.items() if all(map(math.isfinite, pair))]
    halves = [name for name in ends if name not in boxes]
    if boxes:
        box = UnitBox([ends[name] for name in boxes], len(boxes))
        parts.append((Probit(box), columns.places(boxes)))
    if halves:
        upward = [math.isfinite(ends[name][0]) for name in halves]
        edges = [ends[name][0 if up else 1] for name, up in zip(halves, upward, strict=True)]
        parts.append((HalfLine(edges, upward=upward), columns.places(halves)))
    for name, levels in columns.levels.items():
        parts.append((Argmax(len(levels)), tuple(columns.block(name))))
    if not parts:
        return None
    return Compose(OnCoordinates(inner, places, columns.dim) for inner, places in parts)


def points(
    columns: ColumnTransforms,
    values: Float[np.ndarray, "n c"],
    noise: Float[Tensor, "n noisy"],
    dtype: torch.dtype,
) -> Float[Tensor, "n dim"]:
    """The points of rows.

    Args:
        columns: What the columns hold.
        values: Rows, of categories their numbers, of angles radians or degrees as ``columns`` says.
        noise: Uniform on [0, 1), in double precision.
        dtype: Of the points.
    """
    rows = torch.from_numpy(np.asarray(values, dtype=np.float64))
    x = rows.new_zeros(len(rows), columns.dim)
    x[:, list(columns.starts)] = rows
    angles = list(columns.angles)
    x[:, angles] = wrap(x[:, angles].deg2rad() if columns.degrees else x[:, angles])
    return redrawn(x, columns.noisy, noise, dtype)


def redrawn(
    x: Float[Tensor, "n dim"],
    noisy: tuple[int, ...],
    noise: Float[Tensor, "n noisy"],
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "n dim"]:
    """The same rows with other noise, none of which is rounded to an edge of its cell: that may be
    the edge of a support, where a density is 0.
    """
    if not noisy:
        return x if dtype is None else x.to(dtype)
    places = list(noisy)
    cells = x[:, places].floor()
    x = x.to(dtype or x.dtype, copy=True)
    low, high = cells.to(x.dtype), (cells + 1).to(x.dtype)
    inside = (cells.double() + noise.double().clamp_min(2.0**-24)).to(x.dtype)
    x[:, places] = inside.clamp(low.nextafter(high), high.nextafter(low))
    return x


def refuse_no_room(
    where: str,
    columns: ColumnTransforms,
    values: Float[np.ndarray, "n c"],
    dtype: torch.dtype,
    way: str,
) -> None:
    """Refuse integers so large that a type of numbers leaves no room for noise between them.

    Args:
        where: The rows, as the user named them.
        columns: What their columns hold.
        values: The rows.
        dtype: Of the points.
        way: What gives them double precision.

    Raises:
        UserError: There are such integers.
    """
    limit = 1 / (LEAST_VALUES * torch.finfo(dtype).eps)
    for name in columns.integer:
        largest = np.abs(values[:, columns.names.index(name)]).max(initial=0)
        if largest >= limit:
            kind = str(dtype).removeprefix("torch.")
            way = "subtract a constant from it" if dtype == torch.float64 else f"use {way}"
            raise UserError(
                f"{where}: column {name!r} of `integer` reaches {largest:.0f}, where {kind} "
                f"leaves no room for noise; {way}"
            )


class Redrawn(Blocks, Stream):
    """A stream of points whose noise is drawn anew each time a row is seen.

    Args:
        stream: The points, with any noise.
        noisy: The coordinates that have some.
        seed: The run's seed.
    """

    def __init__(self, stream: Stream, noisy: tuple[int, ...], *, seed: int) -> None:
        super().__init__(seed=seed, block=max(1, BLOCK // len(noisy)))
        self.stream = stream
        self.noisy = noisy

    def rows(self, start: int, stop: int) -> Batch:
        batch = self.stream.rows(start, stop)
        return batch._replace(x=redrawn(batch.x, self.noisy, self._slice(start, stop)))

    def _make(self, index: int) -> Float[Tensor, "block noisy"]:
        source = generator(self.seed, "noise", index)
        return torch.rand(self.block, len(self.noisy), generator=source)


def log_masses(
    model: Density,
    columns: ColumnTransforms,
    values: Float[np.ndarray, "n c"],
    context: Shaped[Tensor, "..."] | None = None,
) -> Float[Tensor, " n"]:
    """The log-density of rows, in nats, a mass in what is discrete.

    ``P(row) = E[p(x)]`` over the points x of a row, of which ``log mean_s p(x_s)`` over a few is a
    lower bound in expectation, tighter than that of one (Burda, Grosse, Salakhutdinov, "Importance
    weighted autoencoders", 2016, arXiv:1509.00519). They are a function of the row.

    Args:
        model: A density of points; the caller has put it under `inference`.
        columns: What the columns hold.
        values: Rows, of categories their numbers.
        context: One row or n rows, as in `Density.log_prob`.
    """
    found = [
        log_probs(model, points(columns, values, noise, model.dtype), context)
        for noise in _even_noise(columns, values)
    ]
    return torch.stack(found).logsumexp(0) - math.log(len(found))


def _even_noise(
    columns: ColumnTransforms, values: Float[np.ndarray, "n c"]
) -> Iterator[Float[Tensor, "n noisy"]]:
    count = len(columns.noisy)
    if not count:
        yield torch.empty(len(values), 0, dtype=torch.float64)
        return
    shifts = row_shifts(torch.from_numpy(np.asarray(values, dtype=np.float64)), count)
    for point in uniform_points(DRAWS, count):
        yield (point + shifts).frac()
