"""Statistics of periodic fields, one value for each field: their scatter is the standard error."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.fields.gaussian import power
from genlab.fields.grid import class_sums, mode_classes, squared_wavenumber, wavenumbers
from genlab.fields.navier_stokes import NavierStokes

__all__ = [
    "Quantity",
    "bands",
    "energy",
    "enstrophy",
    "enstrophy_flux",
    "histogram",
    "increments",
    "moments",
    "separations",
    "spectrum",
    "structure_functions",
    "velocity",
    "vorticity",
]

Quantity = Literal["vorticity", "velocity", "scalar"]
"""What the numbers of a field are: a vorticity, the two components of a velocity, or any others."""


def spectrum(w: Float[Tensor, "b n n"]) -> Float[Tensor, "b s"]:
    """``E(s) = (1 / n^2) sum_{round |k| = s} |w^_k|^2`` of the unitary transform, s = 0, 1, ...

    The shells together hold the mean square of the field (Parseval); of a vorticity they are its
    enstrophy spectrum, twice over. The last shells are those of the square's corners, cut.

    Args:
        w: Fields of one channel.

    Returns:
        The power of each shell, in the square of the fields' unit, float64.

    >>> x = 2 * torch.pi / 9 * torch.arange(9.0).expand(1, 9, 9)
    >>> spectrum((3 * x).cos())[0].round(decimals=6).tolist()
    [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0]
    """
    n = w.shape[-1]
    return class_sums(power(w.double()) / n**2, mode_classes(n, "shells"))


def bands(n: int) -> tuple[slice, slice, slice]:
    """The shells of large, middle and small scales: thirds of their range in ``log |k|``.

    >>> bands(17)
    (slice(1, 3, None), slice(3, 6, None), slice(6, 12, None))
    """
    last = int(mode_classes(n, "shells").max())
    first, second = (math.ceil((last + 1) ** (third / 3)) for third in (1, 2))
    return slice(1, first), slice(first, second), slice(second, last + 1)


def velocity(w: Float[Tensor, "b n n"]) -> Float[Tensor, "b 2 n n"]:
    """``u = (d psi / dy, -d psi / dx)`` with ``-Lap psi = w - mean w``: the flow without a mean.

    Args:
        w: Vorticity, whose last but one axis is x and whose last one is y.

    >>> w = torch.randn(2, 9, 9, dtype=torch.float64)
    >>> torch.allclose(vorticity(velocity(w)), w - w.mean((1, 2), keepdim=True))
    True
    """
    n = w.shape[-1]
    kx, ky = (k.to(w.device) for k in wavenumbers(n))
    squared = squared_wavenumber(n).to(w.device)
    psi = torch.where(squared > 0, torch.fft.fft2(w.double()) / squared.clamp_min(1), 0)
    u: Tensor = torch.fft.ifft2(torch.stack([1j * ky * psi, -1j * kx * psi], 1)).real
    return u


def vorticity(u: Float[Tensor, "b 2 n n"]) -> Float[Tensor, "b n n"]:
    """``w = d u_y / dx - d u_x / dy`` of a periodic velocity.

    Args:
        u: Its components along x, the last but one axis, and y, the last one.
    """
    kx, ky = (k.to(u.device) for k in wavenumbers(u.shape[-1]))
    along_x, along_y = torch.fft.fft2(u.double()).unbind(1)
    w: Tensor = torch.fft.ifft2(1j * (kx * along_y - ky * along_x)).real
    return w


def energy(u: Float[Tensor, "b 2 n n"]) -> Float[Tensor, " b"]:
    """``1/2 mean |u|^2`` of a velocity."""
    return u.square().sum(1).mean((1, 2)) / 2


def enstrophy(w: Float[Tensor, "b n n"]) -> Float[Tensor, " b"]:
    """``1/2 mean (w - mean w)^2``."""
    return w.double().var((1, 2), correction=0) / 2


def moments(w: Float[Tensor, "b n n"]) -> Float[Tensor, "b 4"]:
    """Means of ``w, w^2, w^3, w^4`` over each field, of which a flatness of many is made."""
    powers = w.double().flatten(1)[..., None].expand(-1, -1, 4).cumprod(2)
    return powers.mean(1)


def separations(n: int) -> tuple[int, int, int]:
    """Three distances in steps of the grid: the next point, an eighth and a quarter of a side.

    >>> separations(17), separations(64)
    ((1, 2, 4), (1, 8, 16))
    """
    return 1, max(2, n // 8), max(3, n // 4)


def increments(u: Float[Tensor, "b 2 n n"], distance: int) -> Float[Tensor, "b m"]:
    """``(u(x + r e) - u(x)) . e``, longitudinal, with e along each axis.

    Args:
        u: Velocities.
        distance: r in steps of the grid.

    Returns:
        ``2 n^2`` of them for each field, those along x first.
    """
    along_x, along_y = u.unbind(1)
    both = (along_x.roll(-distance, -2) - along_x, along_y.roll(-distance, -1) - along_y)
    return torch.stack(both, 1).flatten(1)


def structure_functions(u: Float[Tensor, "b 2 n n"]) -> Float[Tensor, "b 2 r"]:
    """Means of the second and third powers of longitudinal increments, at 1 to ``n // 2`` steps.

    ``S_p(r) = < ((u(x + r e) - u(x)) . e)^p >``, over points and both axes.

    References: Tabeling, "Two-dimensional turbulence: a physicist approach" (2002),
    doi:10.1016/S0370-1573(01)00064-3.

    Args:
        u: Velocities.
    """
    found = []
    for distance in range(1, u.shape[-1] // 2 + 1):
        delta = increments(u.double(), distance)
        found.append(torch.stack([delta.square().mean(1), delta.pow(3).mean(1)], 1))
    return torch.stack(found, 2)


def enstrophy_flux(w: Float[Tensor, "b n n"]) -> Float[Tensor, "b s"]:
    """``Pi(k) = -(1 / n^2) sum_{|p| < k + 1/2} Re conj(w^_p) N^_p``, ``N = -u . grad w``, k >= 0.

    The enstrophy that the flow carries in unit time out of the shells up to k to smaller scales,
    per unit area: positive where it cascades. N is that of `NavierStokes`, which no aliasing
    enters; of an even n the modes of ``|k_i| = n / 2`` are left out. The last value is 0, as
    advection conserves ``mean w^2``. Of a Gaussian field without a preferred direction the mean is
    0 at each k.

    References: Tabeling, "Two-dimensional turbulence: a physicist approach" (2002), section 9,
    doi:10.1016/S0370-1573(01)00064-3.

    Args:
        w: Vorticity.

    Returns:
        In units of the vorticity cubed, float64.
    """
    n = w.shape[-1]
    flow = NavierStokes(n - 1 + n % 2, viscosity=0.0).to(w.device)
    state = flow.transform(w.double())
    hat, rate = (
        torch.fft.fft2(flow.restore(modes), norm="ortho") for modes in (state, flow.rate(state))
    )
    transfer = (hat.conj() * rate).real / flow.size**2
    flux: Tensor = -class_sums(transfer, mode_classes(flow.size, "shells")).cumsum(1)
    return flux


def histogram(values: Float[Tensor, "b m"], edges: Float[Tensor, " e"]) -> Float[Tensor, "b _"]:
    """The density of each field's numbers in cells; what lies outside counts towards the mass.

    Args:
        values: The numbers of each field.
        edges: Increasing ends of the cells.

    >>> values, edges = torch.tensor([[0.1, 0.2, 0.7, 9.0]]), torch.tensor([0.0, 0.5, 1.0])
    >>> histogram(values, edges)
    tensor([[1.0000, 0.5000]], dtype=torch.float64)
    """
    edges = edges.to(values)
    cell = torch.bucketize(values, edges, right=True)
    counts = torch.zeros(len(values), len(edges) + 1, dtype=torch.float64, device=values.device)
    counts.scatter_add_(1, cell, counts.new_ones(()).expand_as(cell))
    return counts[:, 1:-1] / values.shape[1] / edges.diff().double()
