"""The von Mises distribution: densities and exact draws of any concentration."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["log_von_mises", "sample_von_mises"]


def log_von_mises(
    turn: Float[Tensor, "*shape"], concentration: Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    """``kappa (cos a - 1) - log(2 pi e^-kappa I_0(kappa))``: nats, ``a`` counted from the mean.

    ``e^-kappa I_0(kappa)`` overflows for no ``kappa``, and ``cos a - 1 = -2 sin^2(a / 2)`` keeps
    the digits of a sharp bump (Mardia, Jupp, "Directional statistics", 1999, section 3.5).

    References: doi:10.1002/9780470316979.

    >>> round(log_von_mises(torch.zeros(()), torch.zeros(())).exp().item() * 2 * torch.pi, 4)
    1.0

    Args:
        turn: Angles from the mean, in radians, known up to full turns.
        concentration: ``kappa >= 0``; a bump is about ``kappa^(-1/2)`` wide.
    """
    scaled = torch.special.i0e(concentration)
    log_p: Tensor = -2 * concentration * (turn / 2).sin().square() - scaled.log()
    return log_p - math.log(2 * math.pi)


def sample_von_mises(
    concentration: Float[Tensor, "*shape"], *, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """One angle about 0 in ``[-pi, pi]`` for each concentration, in double precision.

    By rejection from a wrapped Cauchy distribution, of which at least 65 % are taken (Best, Fisher,
    "Efficient simulation of the von Mises distribution", 1979).

    References: doi:10.2307/2346732.

    >>> angles = sample_von_mises(torch.full((1000,), 1e4))
    >>> bool(angles.abs().max() < 0.06)
    True

    Args:
        concentration: ``kappa >= 0``.
        generator: Source of randomness; torch's global one if None.
    """
    kappa = concentration.detach().double().flatten()
    tau = 1 + (1 + 4 * kappa.square()).sqrt()
    # (tau - sqrt(2 tau)) / 2 kappa, without its difference of nearly equal numbers at kappa = 0.
    rho = 2 * kappa / (tau + (2 * tau).sqrt())
    # r - 1 = (1 - rho)^2 / 2 rho.
    excess = (1 - rho).square() / (2 * rho)
    angles = torch.empty_like(kappa)
    waiting = torch.arange(len(kappa), device=kappa.device)
    while len(waiting):
        u = torch.rand(3, len(waiting), dtype=kappa.dtype, device=kappa.device, generator=generator)
        k, extra = kappa[waiting], excess[waiting]
        z = (math.pi * u[0]).cos()
        # cos of the candidate, from 1 downwards: 1 - f = (r - 1) (1 - z) / (r + z).
        below = extra * (1 - z) / (1 + extra + z)
        below = torch.where(k > 0, below, 1 - z)
        c = k * (extra + below)
        taken = ((c * (2 - c) > u[1]) | ((c / u[1]).log() + 1 >= c)) | (k == 0)
        half = (below / 2).clamp(0, 1).sqrt().asin()
        angles[waiting[taken]] = (2 * half * torch.where(u[2] < 0.5, -1.0, 1.0))[taken]
        waiting = waiting[~taken]
    return angles.view_as(concentration)
