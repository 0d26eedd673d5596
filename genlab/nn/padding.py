"""Shapes of images, and what lies beyond their edge."""

from __future__ import annotations

from typing import Literal

__all__ = ["Padding", "image_shape"]

Padding = Literal["zeros", "circular"]
"""What lies around an image: nothing, or itself again, as around a periodic field."""


def image_shape(word: str, event_shape: tuple[int, ...], other: str) -> tuple[int, int, int]:
    """Channels, height and width.

    Args:
        word: What needs them, as ``key=value``.
        event_shape: Shape of one sample.
        other: What to choose for samples of another shape.

    Raises:
        ValueError: It is another shape.
    """
    if len(event_shape) != 3:
        raise ValueError(
            f"{word}: expected samples of shape [channels, height, width], "
            f"got {list(event_shape)}; use {other}"
        )
    channels, height, width = event_shape
    return channels, height, width
