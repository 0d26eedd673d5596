"""Densities given by an energy, ``e^{-U} / Z``: the four of Rezende and Mohamed, with exact Z."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.targets.exact import PlaneTarget
from genlab.targets.quadrature import Rectangle, centred_square, integrate_exp
from genlab.targets.rejection import GridEnvelope

__all__ = [
    "U1",
    "U2",
    "U3",
    "U4",
    "DoubleWell",
    "Energy",
    "MuellerBrown",
    "SmoothEnergy",
    "Valleys",
]


EDGE = 4.0
# Nats a unit of length: steep enough to let only 1/200 of a learned density's mass out.
WALL = 50.0


class Energy(PlaneTarget):
    """A density in the plane given by its energy, ``p(x) = e^{-U(x)} / Z`` on its support.

    References: arXiv:1505.05770.

    >>> import genlab, torch
    >>> target = genlab.targets.U1()
    >>> target.energy(torch.zeros(5, 2)).shape
    torch.Size([5])

    Attributes:
        log_z: ``log Z``.
    """

    log_z: float

    @abstractmethod
    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """``U(x)``, finite over the whole plane, also beyond the support of the density."""

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return -self.energy(x) - self.log_z


class SmoothEnergy(Energy):
    """An energy on the whole plane: ``Z`` by quadrature, samples by rejection from a grid envelope.

    Args:
        box: Rectangle beyond which no mass is left in double precision.
        scale: Shortest length over which the density changes.
    """

    def __init__(self, box: Rectangle, *, scale: float) -> None:
        super().__init__()
        self.box = box
        self.scale = scale
        self.log_z = math.log(integrate_exp(self._log_weight, box, scale / 2))
        self.envelope = GridEnvelope(self._log_weight, box)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        return self.envelope.sample(self._log_weight, n, generator)

    def _log_weight(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return -self.energy(x)


class U1(SmoothEnergy):
    """A ring of radius 2 whose left and right sides are heavy (Rezende and Mohamed 2015, table 1).

    ``U = (|z| - 2)^2 / .32 - log(e^{-(z1 - 2)^2 / .72} + e^{-(z1 + 2)^2 / .72})``.

    References: arXiv:1505.05770.

    >>> import genlab
    >>> target = genlab.targets.U1()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__(centred_square(6.0), scale=0.3)

    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        ring: Tensor = (torch.linalg.vector_norm(x, dim=1) - 2).square() / 0.32
        sides = torch.logaddexp(-(x[:, 0] - 2).square() / 0.72, -(x[:, 0] + 2).square() / 0.72)
        return ring - sides


class Valleys(Energy):
    """Gaussian valleys along curves ``z2 = c_k(z1)``, cut off at ``|z1| = 4``.

    ``e^{-U} = sum_k exp(-(z2 - c_k(z1))^2 / 2 s_k^2)``: ``z1`` is uniform and ``z2``, given it, a
    mixture with weights proportional to ``s_k``, so that ``Z = 8 sqrt(2 pi) sum_k s_k``. Beyond the
    cut, where the density is 0, the energy rises steeply.

    Args:
        widths: ``s_k``.
    """

    widths: Float[Tensor, " k"]

    def __init__(self, widths: tuple[float, ...]) -> None:
        super().__init__()
        self.box = ((-EDGE, EDGE), (-8.0, 8.0))
        self.scale = min(widths)
        self.bound = 5.0
        self.terms = len(widths)
        self.register_buffer("widths", torch.tensor(widths, dtype=torch.float64), persistent=False)
        self.log_z = math.log(2 * EDGE * math.sqrt(2 * math.pi) * sum(widths))

    @abstractmethod
    def valleys(self, z1: Float[Tensor, " n"]) -> Float[Tensor, "n k"]:
        """``c_k(z1)``, the floor of each valley."""

    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        z = (x[:, 1:] - self.valleys(x[:, 0])) / self.widths.to(x)
        beyond = (x[:, 0].abs() - EDGE).clamp_min(0)
        return WALL * beyond - torch.logsumexp(-0.5 * z.square(), 1)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        z1 = EDGE * (2 * torch.rand(n, generator=generator, device=self.device) - 1)
        share = self.widths.cumsum(0) / self.widths.sum()
        which = (torch.rand(n, 1, generator=generator, device=self.device) > share[:-1]).sum(1)
        noise = torch.randn(n, generator=generator, device=self.device)
        floor = self.valleys(z1).gather(1, which[:, None]).squeeze(1)
        return torch.stack((z1, floor + self.widths.float()[which] * noise), 1)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return torch.where(x[:, 0].abs() <= EDGE, super()._log_prob(x), -math.inf)


class U2(Valleys):
    """A sine wave, ``e^{-U} = n_.4(z2 - sin(pi z1 / 2))`` (Rezende and Mohamed 2015, table 1).

    References: arXiv:1505.05770.

    >>> import genlab
    >>> target = genlab.targets.U2()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__((0.4,))
        self.bound = EDGE
        self.entropy = math.log(2 * EDGE * 0.4) + 0.5 * math.log(2 * math.pi * math.e)

    def valleys(self, z1: Float[Tensor, " n"]) -> Float[Tensor, "n 1"]:
        return _wave(z1)[:, None]


class U3(Valleys):
    """A sine wave that splits in two and joins again (Rezende and Mohamed 2015, table 1).

    The second valley lies lower by ``3 exp(-(z1 - 1)^2 / .72)``.

    References: arXiv:1505.05770.

    >>> import genlab
    >>> target = genlab.targets.U3()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__((0.35, 0.35))

    def valleys(self, z1: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        wave = _wave(z1)
        return torch.stack((wave, wave - 3 * (-(z1 - 1).square() / 0.72).exp()), 1)


class U4(Valleys):
    """A sine wave that forks in two (Rezende and Mohamed 2015, table 1).

    The second valley lies lower by ``3 sigmoid((z1 - 1) / .3)``.

    References: arXiv:1505.05770.

    >>> import genlab
    >>> target = genlab.targets.U4()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__((0.4, 0.35))

    def valleys(self, z1: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
        wave = _wave(z1)
        return torch.stack((wave, wave - 3 * torch.sigmoid((z1 - 1) / 0.3)), 1)


def _wave(z1: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return torch.sin(math.pi / 2 * z1)


# A, a, b, c, x0, y0 of each term of the Mueller-Brown potential.
MUELLER_BROWN = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


# The exponent above which that potential goes on along the tangent, far outside of its wells.
STEEP = 20.0


class DoubleWell(SmoothEnergy):
    """``U = x^4 - 6 x^2 - x / 2 + y^2 / 2`` (Noe et al. 2019, Boltzmann generators).

    References: arXiv:1812.01729.

    >>> import genlab
    >>> target = genlab.targets.DoubleWell()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    def __init__(self) -> None:
        super().__init__(((-4.2, 4.2), (-9.0, 9.0)), scale=0.2)

    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        square = x[:, 0].square()
        return square * (square - 6) - x[:, 0] / 2 + x[:, 1].square() / 2


class MuellerBrown(SmoothEnergy):
    """The Mueller-Brown potential at temperature 10, ``U = V / 10`` (Mueller and Brown 1979).

    ``V = sum_i A_i exp(a_i (x - x_i)^2 + b_i (x - x_i) (y - y_i) + c_i (y - y_i)^2)``. Where an
    exponent is so large that no mass is left in double precision, its tangent keeps V finite.

    References: doi:10.1007/BF00547608.

    >>> import genlab
    >>> target = genlab.targets.MuellerBrown()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])
    """

    bound = 2.0

    def __init__(self) -> None:
        super().__init__(((-2.5, 2.0), (-1.25, 3.0)), scale=0.06)

    def energy(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        energy = torch.zeros_like(x[:, 0])
        for height, a, b, c, x0, y0 in MUELLER_BROWN:
            dx, dy = x[:, 0] - x0, x[:, 1] - y0
            exponent = dx * (a * dx + b * dy) + c * dy.square()
            beyond = (exponent - STEEP).clamp_min(0)
            energy = energy + height / 10 * exponent.clamp_max(STEEP).exp() * (1 + beyond)
        return energy
