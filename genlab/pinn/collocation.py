"""What Lightning's loop runs over in a solve: rows without coordinates, as points are chosen."""

from __future__ import annotations

from collections.abc import Sequence

from genlab.batch import Batch
from genlab.bounds import PositiveInt
from genlab.data.module import DataModule
from genlab.data.streams import NoSamples, Stream

__all__ = ["Collocation"]


class Collocation(DataModule):
    """Steps on the points that the solver itself holds.

    Args:
        event_shape: Shape of a point, which the sampler's model takes from here.
    """

    def __init__(self, *, event_shape: Sequence[PositiveInt]) -> None:
        super().__init__(event_shape=event_shape, batch_size=1, standardise=False)
        self._stream = NoSamples()

    @property
    def stream(self) -> Stream:
        return self._stream

    @property
    def validation(self) -> Batch:
        """One row, for one validation, on points that the solver knows."""
        return self._stream.rows(0, 1)

    @property
    def test(self) -> None:
        return None
