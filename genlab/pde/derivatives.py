"""A function together with the derivatives that a PDE of second order asks for.

Of any function by reverse mode, twice (`differentiate`); of a perceptron `genlab.pde.propagation`
carries them forward through its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Carried", "Jet", "Jets", "Order", "differentiate", "jets_of", "joined"]

Order = Literal["value", "gradient", "laplacian", "hessian"]
"""How far a jet goes; each order holds those before it."""


class Jet(NamedTuple):
    """``u``, its gradient, its Laplacian over space, and its Hessian, at n points.

    What was not asked for is None, as the Hessian is where the Laplacian is enough.

    References: arXiv:2307.08214.

    >>> x = torch.tensor([[1.0, 2.0]])
    >>> u = differentiate(lambda x: x[:, 0] ** 2 * x[:, 1], x, 2, "hessian")
    >>> u.value, u.gradient, u.laplacian, u.hessian[:, 0, 1]
    (tensor([2.]), tensor([[4., 1.]]), tensor([4.]), tensor([2.]))

    Attributes:
        value: ``u``, ``[n]``.
        gradient: By every coordinate, time included, ``[n, d]``.
        laplacian: Sum of the second derivatives by the coordinates of space, ``[n]``.
        hessian: By every pair of coordinates, time included, ``[n, d, d]``.
    """

    value: Float[Tensor, " n"]
    gradient: Float[Tensor, "n d"] = None  # type: ignore[assignment]
    laplacian: Float[Tensor, " n"] = None  # type: ignore[assignment]
    hessian: Float[Tensor, "n d d"] = None  # type: ignore[assignment]

    def rows(self, index: slice | Int[Tensor, " m"]) -> Jet:
        """The jet at some of the points."""
        return Jet(*(None if part is None else part[index] for part in self))

    def plus(self, other: Jet) -> Jet:
        """The jet of the sum, as far as both go."""
        pairs = zip(self, other, strict=True)
        return Jet(*(None if a is None or b is None else a + b for a, b in pairs))

    def times(self, other: Jet, space: int) -> Jet:
        """The jet of the product, as far as both go.

        ``lap(u v) = u lap v + 2 grad u . grad v + v lap u``, and ``H(u v) = u H(v) + grad u grad v'
        + grad v grad u' + v H(u)``.

        Args:
            other: The other factor, at the same points.
            space: How many coordinates, the first ones, are space.
        """
        parts: tuple[Any, Any] = self, other
        (u, u_x, u_lap, u_xx), (v, v_x, v_lap, v_xx) = parts
        if u_x is None or v_x is None:
            return Jet(u * v)
        crossed = (u_x[:, :space] * v_x[:, :space]).sum(1)
        product = Jet(u * v, u[:, None] * v_x + v[:, None] * u_x)
        if u_lap is None or v_lap is None:
            return product
        product = product._replace(laplacian=u * v_lap + 2 * crossed + v * u_lap)
        if u_xx is None or v_xx is None:
            return product
        outer = u_x[:, :, None] * v_x[:, None]
        hessian = u[:, None, None] * v_xx + outer + outer.mT + v[:, None, None] * u_xx
        return product._replace(hessian=hessian)


Jets = Jet | tuple[Jet, ...]
"""Of a function with one value its jet; of one with several a tuple, one for each component."""


def jets_of(u: Jets) -> tuple[Jet, ...]:
    """The jets of all components, of one too."""
    return (u,) if isinstance(u, Jet) else u


def joined(jets: tuple[Jet, ...]) -> Jets:
    """The jet of one component itself, a tuple of several."""
    return jets[0] if len(jets) == 1 else jets


class Carried(NamedTuple):
    """The rows that carry a function: its value, its slopes, its second derivatives.

    Of these there is one row for the Laplacian, ``d (d + 1) / 2`` for the Hessian.

    References: arXiv:2307.08214.

    >>> Carried("laplacian", 3, 3).rows, Carried("hessian", 3, 3).rows
    (5, 10)

    Attributes:
        order: How far the derivatives go.
        dim: Number of coordinates ``d``.
        space: How many of them, the first ones, the Laplacian sums over.
    """

    order: Order
    dim: int
    space: int

    @property
    def seconds(self) -> int:
        """The place of the first second derivative: the rows before are value and slopes."""
        return 1 if self.order == "value" else 1 + self.dim

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The coordinates ``i <= j`` of each second derivative that has a row of its own."""
        if self.order != "hessian":
            return []
        return list(combinations_with_replacement(range(self.dim), 2))

    def by_pair(
        self, seconds: Float[Tensor, "seconds n m"]
    ) -> Iterator[tuple[tuple[int, int], Float[Tensor, "n m"]]]:
        """Each of `pairs` with its row; none where the one row is the Laplacian's."""
        return zip(self.pairs, seconds if self.pairs else (), strict=True)

    @property
    def rows(self) -> int:
        """Their number."""
        return self.seconds + (self.order == "laplacian") + len(self.pairs)

    def jets(self, rows: Float[Tensor, "rows n m"], bias: Float[Tensor, " m"] | None) -> Jets:
        """The jets whose parts, less ``bias`` of the values, stand side by side."""
        m = rows.shape[-1]
        biases = [None] * m if bias is None else [bias] if m == 1 else bias.unbind()
        columns = rows.unbind(-1)
        return joined(tuple(map(self._jet, columns, biases)))

    def _jet(self, rows: Float[Tensor, "rows n"], bias: Tensor | None) -> Jet:
        value, *others = rows.unbind()
        if bias is not None:
            value = value + bias
        if self.order == "value":
            return Jet(value)
        gradient = torch.stack(others[: self.dim], 1)
        if self.order == "gradient":
            return Jet(value, gradient)
        seconds = others[self.dim :]
        if self.order == "laplacian":
            return Jet(value, gradient, *seconds)
        place = dict(zip(self.pairs, seconds, strict=True))
        every = range(self.dim)
        hessian = [place[min(i, j), max(i, j)] for i in every for j in every]
        laplacian = sum((place[i, i] for i in range(1, self.space)), place[0, 0])
        shape = (-1, self.dim, self.dim)
        return Jet(value, gradient, laplacian, torch.stack(hessian, 1).view(shape))


@torch.enable_grad()
def differentiate(
    function: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n *m"]],
    x: Float[Tensor, "n d"],
    space: int,
    order: Order = "laplacian",
) -> Jets:
    """The jet of any function of points, row by row, by reverse-mode differentiation twice.

    It is a constant to whatever follows: no gradient flows back into the function's parameters.

    Args:
        function: Takes points ``[n, d]`` to values ``[n]``, or ``[n, m]`` of ``m`` components,
            each row for itself.
        x: The points.
        space: How many coordinates, the first ones, the Laplacian sums over.
        order: How far the derivatives go.
    """
    x = x.detach().requires_grad_()
    values = function(x)
    if values.ndim == 1:
        return _jet_of(values, x, space, order)
    return joined(tuple(_jet_of(value, x, space, order) for value in values.unbind(1)))


def _jet_of(value: Float[Tensor, " n"], x: Float[Tensor, "n d"], space: int, order: Order) -> Jet:
    if order == "value":
        return Jet(value.detach())
    gradient = torch.zeros_like(x)
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True, materialize_grads=True)
    if order == "gradient":
        return Jet(value.detach(), gradient.detach())
    laplacian = torch.zeros_like(x[:, 0])
    hessian = x.new_zeros(*x.shape, x.shape[1]) if order == "hessian" else None
    if gradient.requires_grad:
        for i in range(space if hessian is None else x.shape[1]):
            (second,) = torch.autograd.grad(
                gradient[:, i].sum(), x, retain_graph=True, materialize_grads=True
            )
            if i < space:
                laplacian += second[:, i]
            if hessian is not None:
                hessian[:, i] = second
    jet = Jet(value.detach(), gradient.detach(), laplacian)
    return jet if hessian is None else jet._replace(hessian=hessian)
