"""Latin hypercube points."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.samplers.even import EvenSampler
from genlab.samplers.sampler import Points

__all__ = ["LatinHypercube", "latin_hypercube"]


class LatinHypercube(EvenSampler):
    """Points whose every coordinate has one value in each of n slices (McKay et al., 1979).

    Each is uniform on the domain. In a domain that is no box they are those of a larger hypercube
    that lie in it.
    """

    def _spread(self) -> Points:
        generator = self._generator("points")
        low, high = torch.tensor(self.domain.box, dtype=torch.float64).unbind(1)
        share = 1.0 if self.domain.is_box else self.domain.volume / (high - low).prod().item()
        size = self.n_points
        x = low.new_empty(0, self.domain.dim)
        while len(x) < self.n_points:
            size = math.ceil(size / share)
            x = low + (high - low) * latin_hypercube(size, self.domain.dim, generator=generator)
            x = x[self.domain.contains(x)]
            # Where too few lie in the domain, the next hypercube has more points to choose from.
            share = min(share, 0.95)
        x = x[: self.n_points].to(torch.get_default_dtype())
        return Points(x, self.log_prob(x))


def latin_hypercube(n: int, dim: int, *, generator: torch.Generator) -> Float[Tensor, "n d"]:
    """n points of the unit cube, one in each slice of each coordinate, in random order.

    Args:
        n: Number of points.
        dim: Number of coordinates.
        generator: Source of randomness.
    """
    slices = torch.stack([torch.randperm(n, generator=generator) for _ in range(dim)], dim=1)
    return (slices + torch.rand(n, dim, dtype=torch.float64, generator=generator)) / n
