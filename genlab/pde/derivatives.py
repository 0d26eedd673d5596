"""A function together with the derivatives that a PDE of second order asks for.

Of any function by reverse mode, twice (`differentiate`); of a perceptron carried forward through
its layers together with its value (`propagate`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genlab.nn.mlp import MLP
from genlab.nn.smooth import SmoothActivation, three_derivatives

__all__ = ["Jet", "Tape", "differentiate", "propagate", "record"]


class Jet(NamedTuple):
    """``u``, its gradient, and its Laplacian over space, at n points.

    References: arXiv:2307.08214.

    >>> x = torch.tensor([[1.0, 2.0]])
    >>> differentiate(lambda x: x[:, 0] ** 2 * x[:, 1], x, 2)
    Jet(value=tensor([2.]), gradient=tensor([[4., 1.]]), laplacian=tensor([4.]))

    Attributes:
        value: ``u``, ``[n]``.
        gradient: By every coordinate, time included, ``[n, d]``.
        laplacian: Sum of the second derivatives by the coordinates of space, ``[n]``.
    """

    value: Float[Tensor, " n"]
    gradient: Float[Tensor, "n d"]
    laplacian: Float[Tensor, " n"]

    @classmethod
    def of(cls, rows: Float[Tensor, "rows n 1"], bias: Tensor | float = 0.0) -> Jet:
        """The jet whose value (less ``bias``), slopes and Laplacian stand side by side."""
        value, *gradient, laplacian = rows.squeeze(-1).unbind()
        return cls(value + bias, torch.stack(gradient, 1), laplacian)

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


def propagate(
    network: MLP,
    activation: SmoothActivation,
    x: Float[Tensor, "n d"],
    space: int,
    scale: Float[Tensor, " d"],
) -> Jet:
    """The jet of ``x -> network(scale x)``, differentiable once more by the network's parameters.

    One pass through the layers moves ``u``, its ``d`` first derivatives and its Laplacian side by
    side, as ``d + 2`` rows of one matrix product: in two dimensions as fast as reverse mode twice,
    in ten several times as fast (Li et al., "A computational framework for neural network-based
    variational Monte Carlo with forward Laplacian", 2024, arXiv:2307.08214).

    Args:
        network: A perceptron with one output.
        activation: Its nonlinearity.
        x: The points.
        space: How many coordinates, the first ones, the Laplacian sums over.
        scale: Factor on each coordinate.
    """
    first, *others = (layer for layer in network if isinstance(layer, nn.Linear))
    weight = first.weight * scale
    z = x @ weight.T
    slopes = weight.T[:, None].expand(-1, len(x), -1)
    rows = torch.cat((z[None], slopes, torch.zeros_like(z)[None]))
    bias = first.bias
    for layer in others:
        hidden: Tensor = _Activate.apply(rows, bias, activation, space)  # type: ignore[no-untyped-call]
        rows = hidden @ layer.weight.T
        bias = layer.bias
    return Jet.of(rows, bias)


class Tape(NamedTuple):
    """A pass of `propagate` that was recorded, to be taken back for each point on its own.

    A least-squares step asks for ``d r_i / d theta`` of every point, for which autograd would take
    a pass each. Here one pass back carries a cotangent for each point through all layers, and a
    batch of outer products makes the rows of the Jacobian.

    References: arXiv:2307.08214.

    >>> network, x = MLP(2, 1, hidden=[8], activation="tanh"), torch.rand(5, 2)
    >>> tape = record(network, "tanh", x, 2, torch.ones(2))
    >>> r, jacobian = tape.jacobian(lambda u: u.laplacian + u.value)
    >>> r.shape, jacobian.shape
    (torch.Size([5]), torch.Size([5, 33]))

    Attributes:
        layers: The linear layers.
        inputs: The rows that each of them saw, ``[rows, n, in]``.
        passed: What each nonlinearity between them did.
        output: The rows of the network's value, ``[rows, n, 1]``.
    """

    layers: list[nn.Linear]
    inputs: list[Float[Tensor, "rows n _"]]
    passed: list[Activated]
    output: Float[Tensor, "rows n 1"]

    @torch.no_grad()
    def jacobian(
        self, function: Callable[[Jet], Float[Tensor, " n"]]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n weights"]]:
        """``r_i`` and ``d r_i / d theta``, by the parameters in the network's order.

        Args:
            function: Takes the jet to ``r``, ``[n]``, point by point: a PDE's operator.
        """
        output = self.output.detach().requires_grad_()
        with torch.enable_grad():
            r = function(Jet.of(output))
            (cotangent,) = torch.autograd.grad(r.sum(), output)
        sizes = [p.numel() for layer in self.layers for p in (layer.weight, layer.bias)]
        jacobian = output.new_empty(len(r), sum(sizes))
        blocks = jacobian.split(sizes, 1)
        for i, layer in reversed([*enumerate(self.layers)]):
            outer = cotangent.permute(1, 2, 0) @ self.inputs[i].permute(1, 0, 2)
            blocks[2 * i].copy_(outer.flatten(1))
            blocks[2 * i + 1].copy_(cotangent[0])
            if i > 0:
                cotangent = self.passed[i - 1].back(cotangent @ layer.weight)
        return r.detach(), jacobian


@torch.no_grad()
def record(
    network: MLP,
    activation: SmoothActivation,
    x: Float[Tensor, "n d"],
    space: int,
    scale: Float[Tensor, " d"],
) -> Tape:
    """The tape of ``x -> network(scale x)``; see `propagate`."""
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    slopes = torch.diag(scale)[:, None].expand(-1, len(x), -1)
    inputs = [torch.cat(((x * scale)[None], slopes, torch.zeros_like(x)[None]))]
    passed: list[Activated] = []
    for layer in layers[:-1]:
        passed.append(activate(inputs[-1] @ layer.weight.T, layer.bias, activation, space))
        inputs.append(passed[-1].out)
    output = inputs[-1] @ layers[-1].weight.T
    output[0] += layers[-1].bias
    return Tape(layers, inputs, passed, output)


class Activated(NamedTuple):
    """The rows of a layer behind a nonlinearity, with what is needed to go back.

    References: arXiv:2307.08214.

    >>> rows = torch.ones(4, 3, 1)  # of three points in the plane
    >>> passed = activate(rows, torch.zeros(1), "tanh", 2)
    >>> passed.back(torch.ones(4, 3, 1)).shape
    torch.Size([4, 3, 1])

    Attributes:
        out: ``s``, ``s' z_i``, and ``s' lap z + s'' sum_i z_i^2`` over space.
        rows: What went in: ``z``, its slopes ``z_i``, and its Laplacian.
        slope: ``s'``.
        curve: ``s''``.
        third: The derivative of ``s''``.
        squares: ``sum_i z_i^2``.
        space: How many coordinates, the first ones, the sum goes over.
    """

    out: Float[Tensor, "rows n w"]
    rows: Float[Tensor, "rows n w"]
    slope: Float[Tensor, "n w"]
    curve: Float[Tensor, "n w"]
    third: Float[Tensor, "n w"]
    squares: Float[Tensor, "n w"]
    space: int

    def back(self, cotangent: Float[Tensor, "rows n w"]) -> Float[Tensor, "rows n w"]:
        """The cotangent of the rows that went in, from that of those that came out."""
        inner = slice(1, 1 + self.space)
        last = cotangent[-1]
        out = cotangent * self.slope
        out[inner].addcmul_(self.rows[inner], 2 * self.curve * last)
        crossed = (self.rows[1:] * cotangent[1:]).sum(0)
        out[0].addcmul_(self.curve, crossed).addcmul_(self.third, self.squares * last)
        return out


def activate(
    rows: Float[Tensor, "rows n w"],
    bias: Float[Tensor, " w"],
    activation: SmoothActivation,
    space: int,
) -> Activated:
    """``s(z + b)`` with its derivatives by the inputs of the network."""
    value, slope, curve, third = three_derivatives(activation, rows[0] + bias)
    squares = rows[1 : 1 + space].square().sum(0)
    out = rows * slope
    out[0] = value
    out[-1].addcmul_(curve, squares)
    return Activated(out, rows, slope, curve, third, squares, space)


class _Activate(torch.autograd.Function):
    """One node of the graph in place of ten: on small networks these cost more than the numbers."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Float[Tensor, "rows n w"],
        bias: Float[Tensor, " w"],
        activation: SmoothActivation,
        space: int,
    ) -> Float[Tensor, "rows n w"]:
        out, *kept, ctx.space = activate(rows, bias, activation, space)
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, cotangent: Float[Tensor, "rows n w"]
    ) -> tuple[Float[Tensor, "rows n w"], Float[Tensor, " w"], None, None]:
        rows, slope, curve, third, squares = ctx.saved_tensors
        passed = Activated(rows, rows, slope, curve, third, squares, ctx.space)
        out = passed.back(cotangent)
        return out, out[0].sum(0), None, None
