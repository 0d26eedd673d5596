"""A function together with the derivatives that a PDE of second order asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Jet", "differentiate"]


class Jet(NamedTuple):
    """``u``, its gradient, and its Laplacian over space, at n points.

    Attributes:
        value: ``u``, ``[n]``.
        gradient: By every coordinate, time included, ``[n, d]``.
        laplacian: Sum of the second derivatives by the coordinates of space, ``[n]``.
    """

    value: Float[Tensor, " n"]
    gradient: Float[Tensor, "n d"]
    laplacian: Float[Tensor, " n"]

    def rows(self, index: slice | Int[Tensor, " m"]) -> Jet:
        """The jet at some of the points."""
        return Jet(*(part[index] for part in self))

    def plus(self, other: Jet) -> Jet:
        """The jet of the sum."""
        return Jet(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, other: Jet, space: int) -> Jet:
        """The jet of the product, by ``lap(u v) = u lap v + 2 grad u . grad v + v lap u``.

        Args:
            other: The other factor, at the same points.
            space: How many coordinates, the first ones, are space.
        """
        u, v = self, other
        crossed = (u.gradient[:, :space] * v.gradient[:, :space]).sum(1)
        return Jet(
            u.value * v.value,
            u.value[:, None] * v.gradient + v.value[:, None] * u.gradient,
            u.value * v.laplacian + 2 * crossed + v.value * u.laplacian,
        )


@torch.enable_grad()
def differentiate(
    function: Callable[[Float[Tensor, "n d"]], Float[Tensor, " n"]],
    x: Float[Tensor, "n d"],
    space: int,
) -> Jet:
    """The jet of any function of points, row by row, by reverse-mode differentiation twice.

    It is a constant to whatever follows: no gradient flows back into the function's parameters.

    Args:
        function: Takes points ``[n, d]`` to values ``[n]``, each row for itself.
        x: The points.
        space: How many coordinates, the first ones, the Laplacian sums over.
    """
    x = x.detach().requires_grad_()
    value = function(x)
    gradient = torch.zeros_like(x)
    laplacian = torch.zeros_like(x[:, 0])
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    if gradient.requires_grad:
        for i in range(space):
            (second,) = torch.autograd.grad(
                gradient[:, i].sum(), x, retain_graph=True, materialize_grads=True
            )
            laplacian += second[:, i]
    return Jet(value.detach(), gradient.detach(), laplacian)
