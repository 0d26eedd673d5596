"""Samplers whose points are uniform on the domain, each for itself; they look at no residual."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde.domain import Bounds, Domain
from genlab.randomness import scrambled_sobol
from genlab.samplers.sampler import Indicator, Points, Sampler

__all__ = ["EvenSampler", "LatinHypercube", "Sobol", "UniformSampler", "evenly", "latin_hypercube"]


@dataclass(kw_only=True, eq=False, repr=False)
class EvenSampler(Sampler):
    """Points ``x ~ 1 / |Omega|``, spread once or at every refresh; subclasses implement `_spread`.

    Attributes:
        resample: Draw fresh points at every refresh, and at every redraw.
    """

    looks: ClassVar[bool] = False
    resample: bool = True

    @abstractmethod
    def _spread(self) -> Points:
        """As many points as asked for, of the present round."""

    def _first(self) -> Points:
        return self._spread()

    def _refresh(self, points: Points, indicator: Indicator) -> Points:
        return self._spread() if self.resample else points

    def _redraw(self, points: Points) -> Points:
        return self._spread() if self.resample else points

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return x.new_full((len(x),), self.domain.log_uniform)


@dataclass(kw_only=True, eq=False, repr=False)
class UniformSampler(EvenSampler):
    """Independent points ``x ~ 1 / |Omega|``, drawn once or at every refresh.

    >>> from genlab.pde import Box
    >>> sampler = UniformSampler(domain=Box([(0, 1), (0, 2)]), n_points=5)
    >>> sampler.refresh(None, torch.zeros).log_q.exp()
    tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000])

    Attributes:
        resample: Draw fresh points at every refresh, and at every redraw.
    """

    resample: bool = False

    def _first(self) -> Points:
        # Those that the adaptive samplers start from too.
        return self._uniform(self.n_points, "first")

    def _spread(self) -> Points:
        return self._uniform(self.n_points, "points")


class LatinHypercube(EvenSampler):
    """Points whose every coordinate has one value in each of n slices.

    Each is uniform on the domain (McKay, Beckman, Conover, "A comparison of three methods for
    selecting values of input variables in the analysis of output from a computer code", 1979,
    doi:10.1080/00401706.1979.10489755). In a domain that is no box they are those of a larger
    hypercube that lie in it.

    >>> from genlab.pde import Box
    >>> x = LatinHypercube(domain=Box([(0, 4)]), n_points=4).refresh(None, torch.zeros).x
    >>> x[:, 0].floor().sort().values
    tensor([0., 1., 2., 3.])

    Attributes:
        resample: Draw fresh points at every refresh, and at every redraw.
    """

    def _spread(self) -> Points:
        generator = self._generator("points")
        low, high = torch.tensor(self.domain.box, dtype=torch.float64).unbind(1)
        share = 1.0 if self.domain.is_box else self.domain.volume / (high - low).prod().item()
        size = self.n_points
        x = torch.empty(0, self.domain.dim)
        while len(x) < self.n_points:
            size = math.ceil(size / share)
            x = low + (high - low) * latin_hypercube(size, self.domain.dim, generator=generator)
            x = below(self.domain.box, x, torch.get_default_dtype())
            x = x[self.domain.contains(x)]
            # Where too few lie in the domain, the next hypercube has more points to choose from.
            share = min(share, 0.95)
        x = x[: self.n_points]
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


class Sobol(EvenSampler):
    """The first points of Sobol's sequence that lie in the domain, scrambled afresh each time.

    Scrambled, each point is uniform on the domain, and together they leave smaller gaps than
    independent ones (Owen, "Scrambling Sobol' and Niederreiter-Xing points", 1998,
    doi:10.1006/jcom.1998.0487).

    >>> from genlab.pde import Box
    >>> x = Sobol(domain=Box([(0, 1), (0, 1)]), n_points=64).refresh(None, torch.zeros).x
    >>> (x > 0.5).sum(0)  # of 2^k points exactly half
    tensor([32, 32])

    Attributes:
        resample: Scramble again at every refresh, and at every redraw.
    """

    def _spread(self) -> Points:
        generator = self._generator("points")
        x = evenly(self.domain, self.n_points, generator=generator)
        # Every fourth one of a sequence lies in the same half of the domain.
        x = x[torch.randperm(len(x), generator=generator)]
        return Points(x, self.log_prob(x))


def evenly(
    domain: Domain, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
) -> Float[Tensor, "n d"]:
    """The first n points of a scrambled Sobol sequence that lie in a domain.

    Args:
        domain: The domain.
        n: Number of points.
        generator: Source of randomness.
        dtype: Type of the coordinates; torch's default if None.
    """
    dtype = dtype or torch.get_default_dtype()
    low, high = torch.tensor(domain.box, dtype=torch.float64).unbind(1)
    sequence = scrambled_sobol(domain.dim, generator=generator)
    found = [torch.empty(0, domain.dim, dtype=dtype)]
    missing = n
    while missing > 0:
        x = low + (high - low) * sequence.draw(missing, dtype=torch.float64)
        x = below(domain.box, x, dtype)
        found.append(x[domain.contains(x)])
        missing -= len(found[-1])
    return torch.cat(found)


def below(box: Bounds, x: Float[Tensor, "n d"], dtype: torch.dtype) -> Float[Tensor, "n d"]:
    """Points of a half-open box in another type, none of them rounded up to an upper face.

    >>> below([(0, 1)], torch.tensor([[1 - 1e-12]], dtype=torch.float64), torch.float32) < 1
    tensor([[True]])
    """
    low, high = torch.tensor(box, dtype=dtype).unbind(1)
    return x.to(dtype).minimum(torch.nextafter(high, low))
