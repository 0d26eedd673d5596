"""A perceptron's value and derivatives, carried forward together through its layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genlab.nn.mlp import MLP
from genlab.nn.smooth import SmoothActivation, three_derivatives
from genlab.pde.derivatives import Carried, Jets, Order

__all__ = ["Product", "Tape", "embed", "propagate", "record"]

Product = Callable[[Float[Tensor, " _"]], Float[Tensor, " _"]]
"""Multiplies a vector by a matrix that is not made."""


def propagate(
    network: MLP,
    activation: SmoothActivation,
    x: Float[Tensor, "n d"],
    space: int,
    scale: Float[Tensor, " d"],
    *,
    order: Order = "laplacian",
    periodic: Sequence[int] = (),
) -> Jets:
    """The jet of ``x -> network(scale x)``, differentiable once more by the network's parameters.

    One pass through the layers moves ``u``, its ``d`` first derivatives and its Laplacian side by
    side, as ``d + 2`` rows of one matrix product: in two dimensions as fast as reverse mode twice,
    in ten several times as fast (Li et al., "A computational framework for neural network-based
    variational Monte Carlo with forward Laplacian", 2024, arXiv:2307.08214). The Hessian has a row
    for each pair of coordinates in the place of the Laplacian.

    Args:
        network: A perceptron, with an output for each component of ``u``.
        activation: Its nonlinearity.
        x: The points.
        space: How many coordinates, the first ones, the Laplacian sums over.
        scale: Factor on each coordinate.
        order: How far the derivatives go.
        periodic: Coordinates that the network sees by ``sin`` and ``cos``; see `embed`.
    """
    carried = Carried(order, x.shape[1], space)
    first, *others = (layer for layer in network if isinstance(layer, nn.Linear))
    if periodic:
        rows = _embedded(x, scale, periodic, carried) @ first.weight.T
    else:
        weight = first.weight * scale
        z = x @ weight.T
        slopes = weight.T[: carried.seconds - 1, None].expand(-1, len(x), -1)
        seconds = z.new_zeros(carried.rows - carried.seconds, *z.shape)
        rows = torch.cat((z[None], slopes, seconds))
    bias = first.bias
    for layer in others:
        hidden: Tensor = _Activate.apply(rows, bias, activation, carried)  # type: ignore[no-untyped-call]
        rows = hidden @ layer.weight.T
        bias = layer.bias
    return carried.jets(rows, bias)


def embed(x: Float[Tensor, "n d"], periodic: Sequence[int]) -> Float[Tensor, "n f"]:
    """The coordinates, those of period 2 as ``sin(pi x_i), cos(pi x_i)``, the others as they are.

    A function of these is periodic with all its derivatives (Dong, Ni, "A method for representing
    periodic functions and enforcing exactly periodic boundary conditions with deep neural
    networks", 2021, arXiv:2007.07442).

    >>> embed(torch.tensor([[0.5, 3.0]]), [0]).round(decimals=3)
    tensor([[1., -0., 3.]])
    """
    angle = math.pi * x
    columns = (
        (angle[:, i].sin(), angle[:, i].cos()) if i in periodic else (x[:, i],)
        for i in range(x.shape[1])
    )
    return torch.stack([column for group in columns for column in group], 1)


def _embedded(
    x: Float[Tensor, "n d"], scale: Float[Tensor, " d"], periodic: Sequence[int], carried: Carried
) -> Float[Tensor, "rows n f"]:
    """The rows of ``x -> embed(scale x)``."""
    value = embed(x * scale, periodic)
    rows = value.new_zeros(carried.rows, *value.shape)
    rows[0] = value
    if carried.order == "value":
        return rows
    column = 0
    for i in range(carried.dim):
        if i not in periodic:
            rows[1 + i, :, column] = scale[i]
            column += 1
            continue
        rate = math.pi * scale[i]
        sine, cosine = value[:, column], value[:, column + 1]
        rows[1 + i, :, column], rows[1 + i, :, column + 1] = rate * cosine, -rate * sine
        row = None
        if carried.order == "hessian":
            row = rows[carried.seconds + carried.pairs.index((i, i))]
        elif carried.order == "laplacian" and i < carried.space:
            row = rows[-1]
        if row is not None:
            row[:, column : column + 2] = -rate.square() * value[:, column : column + 2]
        column += 2
    return rows


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
        weights: Those of the linear layers then: the layers may hold others since.
        inputs: The rows that each of them saw, ``[rows, n, in]``.
        passed: What each nonlinearity between them did.
        output: The rows of the network's value, ``[rows, n, m]``.
        carried: What the rows are.
    """

    weights: list[Float[Tensor, "out _"]]
    inputs: list[Float[Tensor, "rows n _"]]
    passed: list[Activated]
    output: Float[Tensor, "rows n m"]
    carried: Carried

    @torch.no_grad()
    def jacobian(
        self,
        function: Callable[..., Float[Tensor, "k *e"]],
        unknowns: Float[Tensor, " c"] | None = None,
        *,
        out: Float[Tensor, "ke weights"] | None = None,
    ) -> tuple[Float[Tensor, " ke"], Float[Tensor, "ke weights"]]:
        """``r_i`` and ``d r_i / d theta``, by the parameters in the network's order.

        Of several equations there is a row for each, point by point, and a pass back for each.
        A row may also tell of points that stand together, as of two sides of a periodic domain:
        row i of the i-th of each ``k`` points.

        Args:
            function: Takes the jets to ``r``, ``[n]`` or ``[n, e]``, point by point: a PDE's
                operator.
            unknowns: Numbers beside the parameters that ``r`` depends on, ``[c]``. The function
                then takes a copy of them for each point, ``[n, c]``, as its second argument; their
                columns are the last ones.
            out: Where the Jacobian is written.
        """
        r, cotangents = self._cotangents(function, unknowns)
        n, sizes = self.output.shape[1], self._sizes(unknowns)
        shape = (n, len(cotangents), sum(sizes))
        together = n > len(r)
        made = self.output.new_empty(shape) if out is None or together else out.view(shape)
        for e, (cotangent, *others) in enumerate(cotangents):
            blocks = made[:, e].split(sizes, 1)
            self._back(cotangent, blocks)
            for block, slope in zip(blocks[2 * len(self.weights) :], others, strict=True):
                block.copy_(slope)
        if together:
            made = made.view(-1, len(r), *shape[1:]).sum(0)
            made = made if out is None else out.view_as(made).copy_(made)
        return r.flatten(), made.flatten(0, 1)

    @torch.no_grad()
    def products(
        self,
        function: Callable[..., Float[Tensor, "k *e"]],
        unknowns: Float[Tensor, " c"] | None = None,
    ) -> tuple[Float[Tensor, " ke"], Product, Product]:
        """``r``, and what multiplies by its Jacobian ``J`` and by its transpose, which is not made.

        Args:
            function: Takes the jets to ``r``, as of `jacobian`.
            unknowns: Numbers beside the parameters, as of `jacobian`.
        """
        r, cotangents = self._cotangents(function, unknowns)
        sizes, of_layers = self._sizes(unknowns), 2 * len(self.weights)

        @torch.no_grad()
        def forward(v: Float[Tensor, " weights"]) -> Float[Tensor, " ke"]:
            blocks = v.split(sizes)
            tangent = self._push(blocks)
            columns = []
            for cotangent, *others in cotangents:
                column = (cotangent * tangent).sum((0, 2))
                for slope, block in zip(others, blocks[of_layers:], strict=True):
                    column = column + slope @ block
                columns.append(column.view(-1, len(r)).sum(0))
            return torch.stack(columns, 1).flatten()

        @torch.no_grad()
        def backward(w: Float[Tensor, " ke"]) -> Float[Tensor, " weights"]:
            each = w.view(len(r), -1).repeat(self.output.shape[1] // len(r), 1)
            total = sum(
                cotangent * each[:, e, None] for e, (cotangent, *_) in enumerate(cotangents)
            )
            assert isinstance(total, Tensor)
            parts = self._pull(total)
            for place in range(len(sizes) - of_layers):
                weighed = (
                    slopes[place].T @ each[:, e] for e, (_, *slopes) in enumerate(cotangents)
                )
                parts.append(torch.stack([*weighed]).sum(0))
            return torch.cat(parts)

        return r.flatten(), forward, backward

    def _cotangents(
        self, function: Callable[..., Float[Tensor, "k *e"]], unknowns: Float[Tensor, " c"] | None
    ) -> tuple[Float[Tensor, "k *e"], list[tuple[Tensor, ...]]]:
        """``r``, and of each equation its derivatives by the output's rows, and by the unknowns."""
        output = self.output.detach().requires_grad_()
        inputs = [output]
        if unknowns is not None:
            copies = unknowns.detach().expand(output.shape[1], -1).clone()
            inputs.append(copies.requires_grad_())
        with torch.enable_grad():
            r = function(self.carried.jets(output, None), *inputs[1:])
            cotangents = [
                torch.autograd.grad(one.sum(), inputs, retain_graph=True, materialize_grads=True)
                for one in r.view(len(r), -1).unbind(1)
            ]
        return r.detach(), cotangents

    def _sizes(self, unknowns: Float[Tensor, " c"] | None) -> list[int]:
        """Numbers of the parameters, in the order of the Jacobian's columns."""
        # Of each weight, and of the bias behind it.
        sizes = [size for weight in self.weights for size in (weight.numel(), len(weight))]
        return sizes if unknowns is None else [*sizes, len(unknowns)]

    def _push(self, blocks: Sequence[Float[Tensor, " _"]]) -> Float[Tensor, "rows n m"]:
        """The tangent of the output's rows, from one of the parameters."""
        tangent: Tensor | None = None
        for i, weight in enumerate(self.weights):
            moved = self.inputs[i] @ blocks[2 * i].view_as(weight).T
            if tangent is not None:
                moved += tangent @ weight.T
            moved[0] += blocks[2 * i + 1]
            tangent = self.passed[i].ahead(moved) if i < len(self.passed) else moved
        assert tangent is not None
        return tangent

    def _pull(self, cotangent: Float[Tensor, "rows n m"]) -> list[Float[Tensor, " _"]]:
        """The gradient by the parameters, from a cotangent of the output's rows."""
        parts: list[Tensor] = []
        for i, weight in reversed([*enumerate(self.weights)]):
            outer = cotangent.flatten(0, 1).T @ self.inputs[i].flatten(0, 1)
            parts = [outer.flatten(), cotangent[0].sum(0), *parts]
            if i > 0:
                cotangent = self.passed[i - 1].back(cotangent @ weight)
        return parts

    def _back(
        self, cotangent: Float[Tensor, "rows n m"], blocks: Sequence[Float[Tensor, "n _"]]
    ) -> None:
        """Write the rows of the Jacobian by the parameters, in blocks of columns."""
        for i, weight in reversed([*enumerate(self.weights)]):
            outer = cotangent.permute(1, 2, 0) @ self.inputs[i].permute(1, 0, 2)
            blocks[2 * i].copy_(outer.flatten(1))
            blocks[2 * i + 1].copy_(cotangent[0])
            if i > 0:
                cotangent = self.passed[i - 1].back(cotangent @ weight)


@torch.no_grad()
def record(
    network: MLP,
    activation: SmoothActivation,
    x: Float[Tensor, "n d"],
    space: int,
    scale: Float[Tensor, " d"],
    *,
    order: Order = "laplacian",
    periodic: Sequence[int] = (),
) -> Tape:
    """The tape of ``x -> network(scale x)``; see `propagate`."""
    carried = Carried(order, x.shape[1], space)
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    inputs = [_embedded(x, scale, periodic, carried)]
    passed: list[Activated] = []
    for layer in layers[:-1]:
        passed.append(activate(inputs[-1] @ layer.weight.T, layer.bias, activation, carried))
        inputs.append(passed[-1].out)
    output = inputs[-1] @ layers[-1].weight.T
    output[0] += layers[-1].bias
    weights = [layer.weight.clone() for layer in layers]
    return Tape(weights, inputs, passed, output, carried)


class Activated(NamedTuple):
    """The rows of a layer behind a nonlinearity, with what is needed to go back.

    References: arXiv:2307.08214.

    >>> rows = torch.ones(4, 3, 1)  # of three points in the plane
    >>> passed = activate(rows, torch.zeros(1), "tanh", Carried("laplacian", 2, 2))
    >>> passed.back(torch.ones(4, 3, 1)).shape
    torch.Size([4, 3, 1])

    Attributes:
        out: ``s``, ``s' z_i``, and ``s' lap z + s'' sum_i z_i^2`` over space, or ``s' z_ij + s''
            z_i z_j``.
        rows: What went in: ``z``, its slopes ``z_i``, and its second derivatives.
        slope: ``s'``.
        curve: ``s''``.
        third: The derivative of ``s''``.
        products: ``sum_i z_i^2``, or ``z_i z_j``: what ``s''`` is multiplied by.
        carried: What the rows are.
    """

    out: Float[Tensor, "rows n w"]
    rows: Float[Tensor, "rows n w"]
    slope: Float[Tensor, "n w"]
    curve: Float[Tensor, "n w"]
    third: Float[Tensor, "n w"]
    products: Float[Tensor, "seconds n w"]
    carried: Carried

    def back(self, cotangent: Float[Tensor, "rows n w"]) -> Float[Tensor, "rows n w"]:
        """The cotangent of the rows that went in, from that of those that came out."""
        carried, rows, curve = self.carried, self.rows, self.curve
        out = cotangent * self.slope
        seconds = cotangent[carried.seconds :]
        if carried.order == "laplacian":
            inner = slice(1, 1 + carried.space)
            out[inner].addcmul_(rows[inner], 2 * curve * seconds[0])
        for (i, j), second in carried.by_pair(seconds):
            bent = curve * second
            out[1 + i].addcmul_(rows[1 + j], bent)
            out[1 + j].addcmul_(rows[1 + i], bent)
        if carried.order == "value":
            return out
        crossed = (rows[1:] * cotangent[1:]).sum(0)
        out[0].addcmul_(curve, crossed)
        for product, second in zip(self.products, seconds, strict=True):
            out[0].addcmul_(self.third, product * second)
        return out

    def ahead(self, tangent: Float[Tensor, "rows n w"]) -> Float[Tensor, "rows n w"]:
        """The tangent of the rows that came out, from that of those that went in."""
        carried, rows, moved = self.carried, self.rows, tangent[0]
        out = tangent * self.slope
        out[1:].addcmul_(rows[1:], self.curve * moved)
        seconds = out[carried.seconds :]
        if carried.order == "laplacian":
            inner = slice(1, 1 + carried.space)
            crossed = (rows[inner] * tangent[inner]).sum(0)
            seconds[0].addcmul_(self.curve, crossed, value=2)
        for (i, j), second in carried.by_pair(seconds):
            crossed = rows[1 + i] * tangent[1 + j] + rows[1 + j] * tangent[1 + i]
            second.addcmul_(self.curve, crossed)
        for product, second in zip(self.products, seconds, strict=True):
            second.addcmul_(self.third, product * moved)
        return out


def activate(
    rows: Float[Tensor, "rows n w"],
    bias: Float[Tensor, " w"],
    activation: SmoothActivation,
    carried: Carried,
) -> Activated:
    """``s(z + b)`` with its derivatives by the inputs of the network."""
    value, slope, curve, third = three_derivatives(activation, rows[0] + bias)
    seconds = carried.seconds
    products = rows.new_empty(len(rows) - seconds, *value.shape)
    if carried.order == "laplacian":
        torch.sum(rows[1 : 1 + carried.space].square(), 0, out=products[0])
    for (i, j), product in carried.by_pair(products):
        torch.mul(rows[1 + i], rows[1 + j], out=product)
    out = rows * slope
    out[0] = value
    out[seconds:].addcmul_(curve, products)
    return Activated(out, rows, slope, curve, third, products, carried)


class _Activate(torch.autograd.Function):
    """One node of the graph in place of ten: on small networks these cost more than the numbers."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Float[Tensor, "rows n w"],
        bias: Float[Tensor, " w"],
        activation: SmoothActivation,
        carried: Carried,
    ) -> Float[Tensor, "rows n w"]:
        out, *kept, ctx.carried = activate(rows, bias, activation, carried)
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, cotangent: Float[Tensor, "rows n w"]
    ) -> tuple[Float[Tensor, "rows n w"], Float[Tensor, " w"], None, None]:
        rows, slope, curve, third, products = ctx.saved_tensors
        passed = Activated(rows, rows, slope, curve, third, products, ctx.carried)
        out = passed.back(cotangent)
        return out, out[0].sum(0), None, None
