"""Random numbers as a pure function of a seed and of what they are for."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch.quasirandom import SobolEngine

__all__ = ["generator", "scrambled_sobol"]


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


def scrambled_sobol(dim: int, *, generator: torch.Generator | None) -> SobolEngine:
    """A Sobol sequence of the unit cube, scrambled: each of its points is uniform.

    Together they leave smaller gaps than independent ones (Owen, "Scrambling Sobol' and
    Niederreiter-Xing points", 1998, doi:10.1006/jcom.1998.0487).

    Args:
        dim: Coordinates of a point.
        generator: What the scrambling is drawn from, on the CPU.
    """
    seed = torch.randint(2**31, (), generator=generator).item()
    return SobolEngine(dim, scramble=True, seed=int(seed))
