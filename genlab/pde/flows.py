"""Flows: of a viscous fluid in the plane, and of what is carried along faster than it spreads."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive, PositiveInt
from genlab.pde.boundary import Faces
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Box
from genlab.pde.problem import Problem

__all__ = ["Cavity", "Kovasznay", "Layer"]


class NavierStokes(Problem):
    """Steady flow ``(u, v)`` of an incompressible fluid under the pressure ``p``, in a box.

    ``(u, v) . grad u + p_x = lap u / Re``, the same of ``v`` with ``p_y``, and ``u_x + v_y = 0``.
    The boundary prescribes the velocity, so that the pressure is known up to a constant.

    Args:
        box: The box.
        reynolds: Reynolds number ``Re``.
        n_points: Collocation points that a solution is sought with.
    """

    components = ("u", "v", "p")
    prescribed_components = ("u", "v")
    up_to_constant = ("p",)

    def __init__(self, box: Box, *, reynolds: float, n_points: int) -> None:
        super().__init__(box, Faces(box), n_points=n_points)
        self.reynolds = reynolds

    def operator(self, x: Float[Tensor, "n 2"], u: tuple[Jet, Jet, Jet]) -> Float[Tensor, "n 3"]:
        along, across, p = u
        momentum = [
            along.value * one.gradient[:, 0]
            + across.value * one.gradient[:, 1]
            + p.gradient[:, i]
            - one.laplacian / self.reynolds
            for i, one in enumerate((along, across))
        ]
        return torch.stack([*momentum, along.gradient[:, 0] + across.gradient[:, 1]], 1)


class Kovasznay(NavierStokes):
    """Flow behind a grid, ``[-1/2, 1] x [-1/2, 3/2]``: an exact solution of Navier and Stokes.

    ``u = 1 - e^(l x) cos 2 pi y``, ``v = (l / 2 pi) e^(l x) sin 2 pi y``, ``p = -e^(2 l x) / 2``
    with ``l = Re / 2 - (Re^2 / 4 + 4 pi^2)^(1/2)`` (Kovasznay, "Laminar flow behind a
    two-dimensional grid", 1948, doi:10.1017/S0305004100023999).

    >>> Kovasznay().exact(torch.tensor([[0.0, 0.0], [0.0, 0.5]])).round(decimals=3)
    tensor([[ 0.0000, -0.0000, -0.5000],
            [ 2.0000,  0.0000, -0.5000]])

    Args:
        Re: Reynolds number.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, Re: Positive = 20.0, n_points: PositiveInt = 2000) -> None:  # noqa: N803
        super().__init__(Box([(-0.5, 1.0), (-0.5, 1.5)]), reynolds=Re, n_points=n_points)

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
        half = self.reynolds / 2
        rate = half - math.sqrt(half**2 + 4 * math.pi**2)
        decay, angle = torch.exp(rate * x[:, 0]), 2 * math.pi * x[:, 1]
        u = 1 - decay * torch.cos(angle)
        v = rate / (2 * math.pi) * decay * torch.sin(angle)
        return torch.stack((u, v, -decay.square() / 2), 1)


class Cavity(NavierStokes):
    """Flow in ``[0, 1]^2`` under a lid that slides with the speed ``u = 16 x^2 (1 - x)^2``.

    The speed is one in the middle and vanishes at both corners, with its slope, so that the flow
    has no singularity there, as it has where the lid slides as a whole (Ghia, Ghia, Shin, "High-Re
    solutions for incompressible flow using the Navier-Stokes equations and a multigrid method",
    1982, doi:10.1016/0021-9991(82)90058-4). No exact solution is known.

    >>> Cavity().prescribed(torch.tensor([[0.5, 1.0], [0.5, 0.0]]))
    tensor([[1., 0.],
            [0., 0.]])

    Args:
        Re: Reynolds number.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, Re: Positive = 100.0, n_points: PositiveInt = 2000) -> None:  # noqa: N803
        super().__init__(Box([(0.0, 1.0), (0.0, 1.0)]), reynolds=Re, n_points=n_points)

    def prescribed(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        lid = 16 * (x[:, 0] * (1 - x[:, 0])).square()
        speed = torch.where(x[:, 1] < 1, 0.0, lid)
        return torch.stack((speed, torch.zeros_like(speed)), 1)


class Layer(Problem):
    """``-e lap u + (2, 3) . grad u + u = f`` on ``[0, 1]^2``: two boundary layers.

    ``u = (x - exp(2 (x - 1) / e)) (y^2 - exp(3 (y - 1) / e))`` falls to zero at ``x = 1`` and
    ``y = 1`` in layers of width ``e / 2`` and ``e / 3``; at the other sides it is at most
    ``exp(-2 / e)``.

    References: John, Knobloch, Savescu, "A posteriori optimization of parameters in stabilized
    methods for convection-diffusion problems", Comput. Methods Appl. Mech. Engrg. 200, 2011,
    2916-2929.

    >>> Layer(epsilon=0.1).exact(torch.tensor([[0.5, 0.5], [1.0, 0.5]])).round(decimals=4)
    tensor([0.1250, 0.0000])

    Args:
        epsilon: The diffusivity ``e``.
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, epsilon: Positive = 0.05, n_points: PositiveInt = 2000) -> None:
        box = Box([(0.0, 1.0)] * 2)
        super().__init__(box, Faces(box), n_points=n_points)
        self.epsilon = epsilon

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        carried = 2 * u.gradient[:, 0] + 3 * u.gradient[:, 1]
        return carried + u.value - self.epsilon * u.laplacian

    def source(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        # Of each factor alone, -e X'' + 2 X' = 2 and -e Y'' + 3 Y' = 6 y - 2 e: the layers cancel.
        along, across = self._factors(x)
        return 2 * across + along * (6 * x[:, 1] - 2 * self.epsilon) + along * across

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        along, across = self._factors(x)
        return along * across

    def _factors(self, x: Float[Tensor, "n 2"]) -> tuple[Tensor, Tensor]:
        place, height = x.unbind(1)
        along = place - torch.exp(2 * (place - 1) / self.epsilon)
        return along, height.square() - torch.exp(3 * (height - 1) / self.epsilon)
