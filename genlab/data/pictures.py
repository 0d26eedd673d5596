"""Quantised pictures in memory, and where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Int, UInt8
from torch import Tensor

__all__ = ["PictureSource", "Pictures", "Splits"]


class Pictures(NamedTuple):
    """n pictures, a byte a number.

    Attributes:
        levels: ``[n, channels, height, width]``.
        labels: The class of each, or None.
    """

    levels: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | None

    def rows(self, index: slice | Int[Tensor, " m"]) -> Pictures:
        """The chosen pictures."""
        return Pictures(self.levels[index], None if self.labels is None else self.labels[index])


class Splits(NamedTuple):
    """What a model learns from, is chosen by, and is judged by; they have nothing in common."""

    train: Pictures
    validation: Pictures
    test: Pictures


class PictureSource(ABC):
    """A set of pictures with its usual split."""

    @abstractmethod
    def read(self) -> Splits:
        """Read all pictures.

        Raises:
            UserError: They are not where they should be, or damaged.
        """
