"""Quantised images in memory, and where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Int, UInt8
from torch import Tensor

__all__ = ["ImageSource", "Images", "Splits"]


class Images(NamedTuple):
    """n images, a byte a number.

    Attributes:
        levels: ``[n, channels, height, width]``.
        labels: The class of each, or None.
    """

    levels: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | None

    def rows(self, index: slice | Int[Tensor, " m"]) -> Images:
        """The chosen images."""
        return Images(self.levels[index], None if self.labels is None else self.labels[index])


class Splits(NamedTuple):
    """What a model learns from, is chosen by, and is judged by; they have nothing in common."""

    train: Images
    validation: Images
    test: Images


class ImageSource(ABC):
    """A set of images with its usual split."""

    @abstractmethod
    def read(self) -> Splits:
        """Read all images.

        Raises:
            UserError: They are not where they should be, or damaged.
        """
