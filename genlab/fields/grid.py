"""Wavenumbers of the periodic square, and the classes of modes that a law treats alike.

A field has ``n x n`` values on ``[0, 2 pi)^2``, the first axis along x, the second along y. Its
modes are those of the unitary DFT, ``torch.fft.fft2(w, norm="ortho")``, in the order of that.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

__all__ = [
    "ModeClasses",
    "averaged",
    "class_means",
    "class_sums",
    "mode_classes",
    "squared_wavenumber",
    "wavenumbers",
]

ModeClasses = Literal["orbits", "shells", "modes"]
"""What modes count as alike.

Those that the symmetries of the square carry into each other (``orbits``: of one ``{|kx|, |ky|}``),
those of one rounded ``|k|`` (``shells``), or none but k and -k of a real field (``modes``).
"""


def wavenumbers(n: int) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "1 n"]]:
    """``kx`` as a column and ``ky`` as a row: integers in the order of the DFT, float64.

    >>> kx, ky = wavenumbers(5)
    >>> ky
    tensor([[ 0.,  1.,  2., -2., -1.]], dtype=torch.float64)

    Args:
        n: Points along a side; where they are even, -n/2 stands for n/2 too.
    """
    k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).round()
    return k[:, None], k[None]


def squared_wavenumber(n: int) -> Float[Tensor, "n n"]:
    """``|k|^2`` of each mode, float64."""
    kx, ky = wavenumbers(n)
    return kx.square() + ky.square()


def mode_classes(n: int, alike: ModeClasses = "orbits") -> Int[Tensor, "n n"]:
    """The number of each mode's class, from 0; classes are in the order of their first ``|k|``.

    >>> int(mode_classes(17).max()) + 1, int(mode_classes(17, "shells").max()) + 1
    (45, 12)

    Args:
        n: Points along a side.
        alike: What modes are of one class.
    """
    if alike == "shells":
        return squared_wavenumber(n).sqrt().round().long()
    kx, ky = (k.long() for k in wavenumbers(n))
    if alike == "orbits":
        small, large = torch.minimum(kx.abs(), ky.abs()), torch.maximum(kx.abs(), ky.abs())
        key = (large * large + small * small) * n + small
    else:
        index = kx % n * n + ky % n
        opposite = -kx % n * n + -ky % n
        key = (kx * kx + ky * ky) * n * n + torch.minimum(index, opposite)
    number: Tensor = key.unique(return_inverse=True)[1]
    return number


def class_sums(
    values: Shaped[Tensor, "*batch n n"], classes: Int[Tensor, "n n"]
) -> Shaped[Tensor, "*batch m"]:
    """The sum of the values of each class.

    >>> class_sums(torch.ones(3, 3), mode_classes(3))
    tensor([1., 4., 4.])

    Args:
        values: A number for each mode.
        classes: The class of each mode.
    """
    flat, which = values.flatten(-2), classes.flatten().to(values.device)
    sums = flat.new_zeros(*flat.shape[:-1], int(which.max()) + 1)
    return sums.index_add_(-1, which, flat)


def class_means(
    values: Shaped[Tensor, "*batch n n"], classes: Int[Tensor, "n n"]
) -> Shaped[Tensor, "*batch m"]:
    """The mean of the values of each class: a spectrum by shells, of ``|w^_k|^2``.

    >>> class_means(squared_wavenumber(3), mode_classes(3))
    tensor([0., 1., 2.], dtype=torch.float64)

    Args:
        values: A number for each mode.
        classes: The class of each mode.
    """
    return class_sums(values, classes) / classes.flatten().bincount().to(values)


def averaged(
    values: Shaped[Tensor, "*batch n n"], classes: Int[Tensor, "n n"]
) -> Shaped[Tensor, "*batch n n"]:
    """Each mode's value replaced by the mean of its class."""
    return class_means(values, classes)[..., classes.to(values.device)]
