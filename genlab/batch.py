"""What loaders yield and objectives take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from genlab.errors import UserError

__all__ = [
    "Batch",
    "Chunk",
    "concatenated",
    "effective_fraction",
    "mass",
    "rowwise",
    "side_by_side",
    "squared_distances",
    "weighted_mean",
]


class Batch(NamedTuple):
    """n samples, with what they are conditioned on and how much each of them counts.

    Attributes:
        x: Samples in data units, ``[n, *event]``; ``[n, 0]`` where a target has no samples, and a
            batch only says how many of its own a model is to draw.
        context: A vector ``[n, c]`` or an integer label ``[n]`` for each sample, or None.
        weight: Importance weights ``[n]``, 1 in the mean over all rows to learn from, or None where
            all count the same; not negative, unless an objective bears them so.
    """

    x: Float[Tensor, "n *event"]
    context: Shaped[Tensor, "n ..."] | None = None
    weight: Float[Tensor, " n"] | None = None

    def split(self, size: int) -> Iterator[Batch]:
        """Consecutive batches of ``size`` rows; the last one may be shorter."""
        for start in range(0, len(self.x), size):
            yield self.rows(slice(start, start + size))

    def cast(self, device: torch.device, dtype: torch.dtype) -> Batch:
        """All parts on a device, those that are no labels in a type."""
        context, weight = self.context, self.weight
        if context is not None:
            context = context.to(device, dtype if context.is_floating_point() else None)
        return Batch(
            self.x.to(device, dtype), context, None if weight is None else weight.to(device, dtype)
        )

    def refuse_unusable(self) -> None:
        """Let nothing start from rows that are no numbers, or from none.

        Raises:
            UserError: There is no row, or one with NaN or an infinite value.
        """
        if not len(self.x):
            raise UserError("data: there are no rows")
        if bad := self.unusable:
            raise UserError(
                f"data: {bad} of the first {len(self.x)} rows hold NaN or infinite values; "
                "leave them out"
            )

    @property
    def unusable(self) -> int:
        """Number of rows with NaN or an infinite value, in whichever part."""
        usable = self.x.flatten(1).isfinite().all(1)
        for part in (self.context, self.weight):
            if part is not None:
                usable &= part.view(len(part), *part.shape[1:] or (1,)).isfinite().all(1)
        return int((~usable).sum())

    def rows(self, index: slice | Int[Tensor, " m"]) -> Batch:
        """The chosen rows of all parts."""
        context, weight = self.context, self.weight
        return Batch(
            self.x[index],
            None if context is None else context[index],
            None if weight is None else weight[index],
        )


def concatenated(batches: Sequence[Batch]) -> Batch:
    """The rows of one batch after those of another; all have the same parts."""
    x, context, weight = zip(*batches, strict=True)
    return Batch(
        torch.cat(x),
        None if context[0] is None else torch.cat(context),
        None if weight[0] is None else torch.cat(weight),
    )


class Chunk(NamedTuple):
    """The batches of several training steps in one piece, so that one transfer serves them all.

    Attributes:
        batch: The rows of all steps, in order.
        steps: Number of training steps.
    """

    batch: Batch
    steps: int

    def cast(self, device: torch.device, dtype: torch.dtype) -> Chunk:
        """The same steps on a device, what is no label in a type."""
        return Chunk(self.batch.cast(device, dtype), self.steps)

    def batches(self) -> Iterator[Batch]:
        """The batch of each step."""
        return self.batch.split(len(self.batch.x) // self.steps)


def side_by_side(chunks: Sequence[Chunk]) -> list[Batch]:
    """The batches of each step, those of all chunks side by side: ``[N, n, ...]``."""
    steps = chunks[0].steps
    parts = zip(*(chunk.batch for chunk in chunks), strict=True)
    stacked = [
        [None] * steps if own[0] is None else torch.stack(own).unflatten(1, (steps, -1)).unbind(1)
        for own in parts
    ]
    return [Batch(*step) for step in zip(*stacked, strict=True)]


def weighted_mean(
    values: Float[Tensor, " n"], weight: Float[Tensor, " n"] | None
) -> Float[Tensor, ""]:
    """``sum_i w_i v_i / sum_i |w_i|``; the plain mean without weights.

    Signed weights of a few rows may sum to nothing, or to less: the mean over such a batch would
    have the wrong sign. Times the mean of their sizes, as in a step, it is the mean of ``w_i v_i``,
    which is without bias. Where none counts it is 0.

    >>> weighted_mean(torch.tensor([1.0, 4.0]), torch.tensor([1.0, -1.0]))
    tensor(-1.5000)
    """
    if weight is None:
        return values.mean()
    return (weight * values).sum() / mass(weight)


def mass(weight: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """``sum_i |w_i|``, by which a weighted mean is divided; never quite 0."""
    return weight.abs().sum().clamp_min(torch.finfo(weight.dtype).tiny)


def effective_fraction(log_weight: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Kish's effective sample size as a fraction of n, ``(sum w)^2 / (n sum w^2)``.

    1 for equal weights, 1/n where one weight outweighs all others (Kish, "Survey sampling", 1965).
    """
    weight = (log_weight - log_weight.max()).exp()
    return weight.sum().square() / (len(weight) * weight.square().sum())


def rowwise(values: Shaped[Tensor, " n"], like: Tensor) -> Tensor:
    """One value for each row, to stand beside all numbers of the rows of another tensor."""
    return values.view(-1, *[1] * (like.ndim - 1))


def squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """``|x_i - y_j|^2``, computed about a median of y's rows.

    A matrix product gives ``|x|^2 + |y|^2 - 2 x y``, of which nothing is left where the norms are
    large beside the distances: far from the origin.

    Args:
        x: Points.
        y: Other points, at least one.

    >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    >>> squared_distances(x + 1000, x + 1000)
    tensor([[ 0., 25.],
            [25.,  0.]])
    """
    some = y[:: math.ceil(len(y) / 1000)]
    centre = some.sort(0).values[len(some) // 2]
    return torch.cdist(x - centre, y - centre).square_()
