"""The E-step of Gaussian mixtures: responsibilities, and the sums over rows that it leaves.

Everything is for ``G`` mixtures at once, each with a weighting of the rows of its own, and in
float64 where the device has it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import threshold

from genlab.densities.mixtures import Mixtures, wide

__all__ = ["BITS", "EStep", "Expectation", "Statistics"]

BITS = math.log2(math.e)


class Statistics(NamedTuple):
    """Sums over rows ``x_i`` with weights ``v_gi`` and ``r = v p(k | x)``; sums of pieces add up.

    They are centred at the component's present mean and whitened, ``z = W (x - mu)``: what the
    M-step subtracts is small, and vanishes where EM converges, so that no digits are lost.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> v, z = torch.tensor([1.0, 3.0]), torch.zeros(1, 1, 2)  # two rows, one Gaussian
    >>> total, square = v.sum(0, keepdim=True), v.square().sum(0, keepdim=True)
    >>> Statistics(torch.zeros(1), total, square, total[:, None], z, z).rows
    tensor([1.6000])

    Attributes:
        log_likelihood: ``sum_i v log p(x_i)``, ``[G]``.
        mass: ``sum_i v``, ``[G]``.
        square_mass: ``sum_i v^2``, ``[G]``.
        counts: ``sum_i r``, ``[G, K]``.
        first: ``sum_i r z``, ``[G, K, D]``.
        second: ``sum_i r z (x - mu)^T``, ``[G, K, D, D]``; where ``W`` is diagonal,
            ``sum_i r z^2``, ``[G, K, D]``.

    Covariances of low rank have those of `FactorExpectation` in the place of the last two.
    """

    log_likelihood: Float[Tensor, " g"]
    mass: Float[Tensor, " g"]
    square_mass: Float[Tensor, " g"]
    counts: Float[Tensor, "g k"]
    first: Float[Tensor, "g k d"]
    second: Float[Tensor, "..."]

    def plus(self, other: Statistics | None) -> Statistics:
        """The statistics of both sets of rows."""
        return self if other is None else Statistics(*map(torch.add, self, other))

    @property
    def rows(self) -> Float[Tensor, " g"]:
        """Kish's effective number of rows, ``mass^2 / sum_i v^2``; 0 without mass."""
        return self.mass.square() / self.square_mass.where(self.mass > 0, 1.0)


class EStep(ABC):
    """The E-step under given parameters: adds up its statistics, a piece of the data at a time.

    Pieces are worked on in the type of the rows; their sums are added in float64, where the device
    has it.

    Args:
        mixtures: How many there are.
        like: A tensor of the type and on the device of the rows.

    Attributes:
        numbers: Numbers that a row makes.
        of_rows: Sums over the rows of ``v log p(x)`` in nats, of ``v`` and of ``v^2``.
    """

    numbers: int

    def __init__(self, mixtures: int, like: Tensor) -> None:
        zeros = like.new_zeros(3, mixtures)
        self.of_rows = zeros if like.device.type == "mps" else zeros.double()

    @abstractmethod
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights.

        Args:
            x: Rows.
            weight: Non-negative weights of the rows, for all mixtures or for each.
        """

    @abstractmethod
    def statistics(self) -> Statistics:
        """Those of all rows so far."""

    def _shares(
        self, joint: Float[Tensor, "g k n"], weight: Float[Tensor, "#g n"]
    ) -> Float[Tensor, "g k n"]:
        """Weighted responsibilities, in the place of ``log2 p(x, k)`` of rows that stand last."""
        # In place: a piece is as large as the cache, and each copy would leave it.
        highest = joint.amax(1, keepdim=True)
        # Far from a component: 0 at once, not by way of the denormals, which CPUs are slow on.
        negligible = 0.7 * math.log2(torch.finfo(joint.dtype).tiny)
        r = threshold(joint.sub_(highest), negligible, -math.inf, inplace=True).exp2_()
        total = r.sum(1, keepdim=True)
        log_p = (total.log2() + highest)[:, 0] / BITS
        r.mul_(weight[:, None] / total)
        weight = weight.expand(len(r), -1)
        likelihood, square = (torch.linalg.vecdot(weight, part) for part in (log_p, weight))
        self.of_rows += torch.stack((likelihood, weight.sum(1), square))
        return r

    def _statistics(self, counts: Tensor, first: Tensor, second: Tensor) -> Statistics:
        """With the sums over rows."""
        return Statistics(*wide(self.of_rows), *map(wide, (counts, first, second)))


class Expectation(EStep):
    """The E-step on whitened rows.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> halves = Mixtures(torch.full((1, 2), 0.5).log(), torch.zeros(1, 2, 1), torch.ones(1, 2, 1))
    >>> x = torch.tensor([[1.0], [2.0]])
    >>> Expectation(halves, x).add(x, torch.ones(1, 2))  # each answers for half of each row
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])

    Args:
        mixtures: The parameters.
        like: As `EStep` takes it.
    """

    @torch.no_grad()
    def __init__(self, mixtures: Mixtures, like: Tensor) -> None:
        super().__init__(len(mixtures.means), like)
        self.numbers = mixtures.means.numel()
        centre = mixtures.means.mean((0, 1))
        self.shift = mixtures.means - centre
        about = mixtures._replace(means=self.shift)
        dim = mixtures.means.shape[-1]
        scale = about.diagonal.log().sum(-1) - 0.5 * dim * math.log(2 * math.pi)
        # In bits: exp2 takes half the time of exp.
        constant = (about.log_weights + scale) * BITS
        self.centre, self.constant = centre.to(like), constant[..., None].to(like)
        self.about = Mixtures(*(part.to(like) for part in about))
        self.diagonal = mixtures.roots.ndim == 3
        width = 2 if self.diagonal else dim + 1
        self.counts = self.of_rows.new_zeros(mixtures.log_weights.shape)
        self.moments = self.of_rows.new_zeros(width, self.numbers)

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        x = x - self.centre
        # Rows last from here on: what is done to each row is done to neighbours in memory.
        homogeneous = torch.cat((x.mT, torch.ones_like(x[None, :, 0])))
        z = self.about.whiten(homogeneous[:-1].mT)
        square = z.square()
        # In place from here on: a piece is as large as the cache, and each copy would leave it.
        distance = square.sum(1).view(*self.counts.shape, -1)
        joint = torch.add(self.constant, distance, alpha=-0.5 * BITS, out=distance)
        r = self._shares(joint, weight)
        self.counts += r.sum(2)
        if self.diagonal:
            each = r.view(len(z), -1, 1)
            self.moments += torch.stack((z @ each, square @ each)).view_as(self.moments)
        else:
            z.mul_(r.view(len(z), 1, -1))
            # The thin matrix first: twice as fast as the other way round.
            self.moments += homogeneous @ z.flatten(0, 1).mT
        return r

    def statistics(self) -> Statistics:
        shape = self.shift.shape
        moments = wide(self.moments)
        if self.diagonal:
            first, second = moments.view(2, *shape)
        else:
            first, second = moments[-1].view(shape), moments[:-1].mT.reshape(*shape, -1)
            second = second - first[..., None] * self.shift[..., None, :]
        return self._statistics(self.counts, first, second)
