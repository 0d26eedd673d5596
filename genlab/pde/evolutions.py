"""Evolutions in one dimension of space, (x, t) in [-1, 1] x [0, 1]."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.pde.boundary import Faces
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Box
from genlab.pde.problem import Problem

__all__ = ["AllenCahn", "Burgers", "Diffusion"]

NODES = 100  # of the quadrature behind Burgers' solution
INTERVALS = 512  # of space, behind Allen and Cahn's
STEPS = 1000  # of time


class Evolution(Problem):
    """``u_t = ...`` from a prescribed ``u(x, 0)``, with prescribed values at ``x = -1, 1``.

    Args:
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, n_points: PositiveInt = 2000) -> None:
        box = Box([(-1.0, 1.0), (0.0, 1.0)])
        faces = Faces(box, [(0, "low"), (0, "high"), (1, "low")])
        super().__init__(box, faces, n_points=n_points, space=1)


class Diffusion(Evolution):
    """``u_t = u_xx + (pi^2 - 1) e^-t sin(pi x)``, solved by ``u = sin(pi x) e^-t``.

    A problem of Wu, Zhu, Tan, Kartha, Lu, "A comprehensive study of non-adaptive and
    residual-based adaptive sampling for physics-informed neural networks" (2023,
    arXiv:2207.10289).

    >>> Diffusion().exact(torch.tensor([[0.5, 0.0], [0.5, 1.0]]))
    tensor([1.0000, 0.3679])

    Args:
        n_points: Collocation points that a solution is sought with.
    """

    def __init__(self, *, n_points: PositiveInt = 500) -> None:
        super().__init__(n_points=n_points)

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        return u.gradient[:, 1] - u.laplacian

    def source(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return (math.pi**2 - 1) * self.exact(x)

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return torch.sin(math.pi * x[:, 0]) * torch.exp(-x[:, 1])


class Burgers(Evolution):
    """``u_t + u u_x = nu u_xx``, ``u(x, 0) = -sin(pi x)``, ``nu = 0.01 / pi``: a shock at 0.

    Exact by Cole and Hopf: with nodes ``z_j`` and weights ``w_j`` of Gauss and Hermite,
    ``xi_j = x - (4 nu t)^(1/2) z_j`` and ``W_j = w_j exp(-cos(pi xi_j) / (2 pi nu))``,
    ``u = -sum W sin(pi xi) / sum W`` (Basdevant et al., "Spectral and finite difference solutions
    of the Burgers equation", 1986, doi:10.1016/0045-7930(86)90036-8).

    >>> Burgers().exact(torch.tensor([[-0.5, 0.0], [-0.01, 1.0], [0.01, 1.0]]))
    tensor([ 1.0000,  0.5943, -0.5943])

    Args:
        n_points: Collocation points that a solution is sought with.
    """

    viscosity = 0.01 / math.pi

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        convection = u.value * u.gradient[:, 0]
        return u.gradient[:, 1] + convection - self.viscosity * u.laplacian

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        nodes, weights = (x.new_tensor(part) for part in np.polynomial.hermite.hermgauss(NODES))
        width = (4 * self.viscosity * x[:, 1:]).sqrt()
        angle = math.pi * (x[:, :1] - width * nodes)
        log_weight = weights.log() - angle.cos() / (2 * math.pi * self.viscosity)
        return -(log_weight.softmax(1) * angle.sin()).sum(1)

    def prescribed(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        # Zero at both ends, where rounding would leave 1e-8 of the sine.
        return torch.where(x[:, 0].abs() < 1, -torch.sin(math.pi * x[:, 0]), 0.0)


class AllenCahn(Evolution):
    """``u_t = 0.001 u_xx + 5 (u - u^3)``, ``u(x, 0) = x^2 cos(pi x)``, -1 at both ends.

    The problem of Wu et al., "A comprehensive study of non-adaptive and residual-based adaptive
    sampling for physics-informed neural networks" (2023, arXiv:2207.10289). Its reference is a sine
    series of ``u + 1`` in space; in time exact steps of reaction and of diffusion, alternating as
    in Strang's splitting ("On the construction and comparison of difference schemes", 1968,
    doi:10.1137/0705041), extrapolated to fourth order.

    >>> AllenCahn().exact(torch.tensor([[0.25, 0.0], [-1.0, 1.0], [0.0, 1.0]]))
    tensor([ 0.0442, -1.0000,  0.2753])

    Args:
        n_points: Collocation points that a solution is sought with.
    """

    diffusivity = 0.001

    def operator(self, x: Float[Tensor, "n 2"], u: Jet) -> Float[Tensor, " n"]:
        reaction = 5 * (u.value - u.value**3)
        return u.gradient[:, 1] - self.diffusivity * u.laplacian - reaction

    def exact(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        series = _allen_cahn_series(self.diffusivity).to(x.device)
        # Between the computed times, the cubic through the four nearest.
        place = x[:, 1].double() * STEPS
        first = (place.floor() - 1).clamp(0, STEPS - 3)
        offset = place - first
        coefficients = torch.zeros(len(x), INTERVALS - 1).to(series)
        for j in range(4):
            others = [k for k in range(4) if k != j]
            weight = torch.stack([(offset - k) / (j - k) for k in others]).prod(0)
            coefficients += weight[:, None] * series[(first + j).long()]
        mode = torch.arange(1, INTERVALS).to(series)
        angle = (x[:, :1].double() + 1) * (math.pi / 2)
        return ((coefficients * torch.sin(angle * mode)).sum(1) - 1).to(x)

    def prescribed(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return x[:, 0].square() * torch.cos(math.pi * x[:, 0])


@cache
def _allen_cahn_series(diffusivity: float) -> Float[Tensor, "times modes"]:
    """Coefficients of ``sin(k pi (x + 1) / 2)`` in ``u + 1``, at every time step."""
    from scipy.fft import dst

    x = np.linspace(-1, 1, INTERVALS + 1)[1:-1]
    decay = diffusivity * (np.pi / 2 * np.arange(1, INTERVALS)) ** 2

    def strang(u: Float[np.ndarray, " nodes"], step: float) -> Float[np.ndarray, " nodes"]:
        """Half of the reaction, all of the diffusion, the other half: second order in the step."""
        fade = np.exp(-10 * (step / 2))
        u = u / np.sqrt(u**2 + (1 - u**2) * fade)
        # The transform is its own inverse, up to the factor 2 INTERVALS.
        u = dst(np.exp(-decay * step) * dst(u + 1, 1), 1) / (2 * INTERVALS) - 1
        following: Float[np.ndarray, " nodes"] = u / np.sqrt(u**2 + (1 - u**2) * fade)
        return following

    step, u = 1 / STEPS, x**2 * np.cos(np.pi * x)
    states = [u]
    for _ in range(STEPS):
        u = (4 * strang(strang(u, step / 2), step / 2) - strang(u, step)) / 3
        states.append(u)
    return torch.from_numpy(dst(np.stack(states) + 1, 1) / INTERVALS)
