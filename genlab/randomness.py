"""Random numbers as a pure function of a seed and of what they are for."""

from __future__ import annotations

import zlib

import numpy as np
import torch

__all__ = ["generator"]


def generator(
    seed: int, purpose: str, index: int = 0, *, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator for the ``index``-th draw for some ``purpose``, independent of all others.

    Nothing has to be saved to go on with it after an interruption: the same arguments give the same
    numbers.

    Args:
        seed: The run's seed, at least 0.
        purpose: What the numbers are for, such as ``"train"``.
        index: Number of the draw.
        device: Where the numbers are drawn.
    """
    words = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), index]).generate_state(2)
    return torch.Generator(device).manual_seed(int(words[0]) << 32 | int(words[1]))
