"""Networks of bounded Lipschitz constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.nn.context import Context
from genlab.nn.linearisation import DenseLinearisation, Linearisation
from genlab.nn.lipschitz import LipschitzConv2d, LipschitzLayer, LipschitzLinear
from genlab.nn.padding import Padding
from genlab.nn.plain import forward_mode

__all__ = [
    "LIPSCHITZ_ACTIVATIONS",
    "LipschitzActivation",
    "LipschitzConvNet",
    "LipschitzFunction",
    "LipschitzFunctions",
    "LipschitzMLP",
    "LipschitzNetwork",
    "Smooth",
    "lipswish",
    "sine",
]


LipschitzActivation = Literal["sine", "lipswish"]

Values = Float[Tensor, "*shape"]


class Smooth(NamedTuple):
    """An activation of Lipschitz constant 1.

    Attributes:
        value: ``s(x)``.
        with_slope: ``s(x)`` and ``s'(x)``.
    """

    value: Callable[[Values], Values]
    with_slope: Callable[[Values], tuple[Values, Values]]


def sine(x: Values) -> tuple[Values, Values]:
    """``sin x`` and its slope ``cos x``, in [-1, 1]."""
    return _value_and_slope(_Sine, x)


def lipswish(x: Values) -> tuple[Values, Values]:
    """``x sigmoid(x) / 1.1`` and its slope, in [-0.091, 0.99986] (Chen et al., 2019, equation 9).

    The paper's factor on the argument, ``x sigmoid(b x) / 1.1``, is the sharpness of the network.
    """
    return _value_and_slope(_LipSwish, x)


def _value_and_slope(fused: type[_Sine | _LipSwish], x: Values) -> tuple[Values, Values]:
    apply: Callable[[Values], tuple[Values, Values]] = fused.apply
    return fused.forward(x) if forward_mode() else apply(x)


LIPSCHITZ_ACTIVATIONS: dict[str, Smooth] = {
    "sine": Smooth(torch.sin, sine),
    "lipswish": Smooth(lambda x: F.silu(x) / 1.1, lipswish),
}


class _Sine(torch.autograd.Function):
    """The backward pass needs no sine and no cosine: both are there."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sin(x), torch.cos(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, to_value: Tensor, to_slope: Tensor) -> Tensor:
        value, slope = ctx.saved_tensors
        return torch.addcmul(to_value * slope, to_slope, value, value=-1)


class _LipSwish(torch.autograd.Function):
    """With ``s = sigmoid(x)``: slope ``s (1 + x (1-s))``, curvature ``s (1-s) (2 + x (1-2s))``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s = torch.sigmoid(x)
        value = x * s
        slope = torch.addcmul(s, value, 1 - s)
        return value / 1.1, slope / 1.1

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, to_value: Tensor, to_slope: Tensor) -> Tensor:
        x, slope = ctx.saved_tensors
        s = torch.sigmoid(x)
        curvature = s * (1 - s) / 1.1 * (2 + x * (1 - 2 * s))
        return torch.addcmul(to_value * slope, to_slope, curvature)


SPREAD = 10.0
"""Sharpest over smoothest unit at the start: wavelengths from a data set's width to a tenth."""

LAST_SCALE = 0.1
"""Norm of the last layer at the start, where a block is to be near the identity."""


@dataclass(frozen=True)
class LipschitzFunction:
    """One network ``x -> g(x; c)`` with its weights worked out and its context taken in.

    Attributes:
        layers: What multiplies by a weight.
        weights: The weights, sharpness included.
        biases: The bias of each layer; None for the first one where ``shift`` holds it.
        shift: What context and bias add to the first layer, ``[n, *hidden]``, or None.
        activation: The nonlinearity.
    """

    layers: Sequence[LipschitzLayer]
    weights: Sequence[Tensor]
    biases: Sequence[Tensor | None]
    shift: Tensor | None
    activation: Smooth

    def __call__(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        for index in range(len(self.layers) - 1):
            x = self.activation.value(self._affine(index, x))
        return self._affine(-1, x)

    def linearise(
        self, x: Float[Tensor, "n *event"]
    ) -> tuple[Float[Tensor, "n *event"], list[Tensor]]:
        """``g(x)``, and the slopes of each hidden layer on the way."""
        slopes = []
        for index in range(len(self.layers) - 1):
            x, slope = self.activation.with_slope(self._affine(index, x))
            slopes.append(slope)
        return self._affine(-1, x), slopes

    def rows(self, index: Int[Tensor, " m"]) -> LipschitzFunction:
        """The function for some of the rows of the context."""
        return self if self.shift is None else replace(self, shift=self.shift[index])

    def _affine(self, index: int, x: Tensor) -> Tensor:
        y = self.layers[index].affine(x, self.weights[index], self.biases[index])
        return y + self.shift if index == 0 and self.shift is not None else y


@dataclass(frozen=True)
class LipschitzFunctions:
    """The functions of a stack of networks.

    Attributes:
        each: The functions.
        layers: What multiplies by a weight.
        weights: The weights of all functions, ``[stack, ...]``.
        event_shape: Shape of one input.
        linearisation: What the Jacobians are kept as.
    """

    each: Sequence[LipschitzFunction]
    layers: Sequence[LipschitzLayer]
    weights: Sequence[Tensor]
    event_shape: Sequence[int]
    linearisation: type[Linearisation]

    def jacobians(self, slopes: Sequence[Sequence[Tensor]], first: int = 0) -> Linearisation:
        """Those of some functions in a row, from the slopes that each returned."""
        chosen = slice(first, first + len(slopes))
        return self.linearisation(
            self.layers,
            [weight[chosen] for weight in self.weights],
            [torch.stack(layer) for layer in zip(*slopes, strict=True)],
            self.event_shape,
        )


class LipschitzNetwork(nn.Module):
    """``g = W~_L s_L ... s_1(W~_1 x + b_1(c))`` with ``|g(x) - g(y)| <= bound |x - y|``.

    A stack of such networks, all of one shape.

    The activations are ``s_w(h) = s(w h) / w``, each unit with a sharpness ``w > 0`` of its own,
    learned: the Lipschitz constant of ``s_w`` is that of ``s``, which is 1, whatever ``w``. Without
    it a wide network of norm 1 is nearly linear: each of ``h`` rows that see ``d`` inputs has norm
    ``sqrt(d / h)`` only, so that no unit ever leaves the middle of its activation. At the start the
    sharpness makes up for that, and spreads over a decade above. (LipSwish has one such number a
    layer, by the name of beta: Chen et al., "Residual flows", 2019, equation 9.)

    The context moves the first layer's bias, so that it is free of the bound.

    References: arXiv:1906.02735.

    >>> import genlab, torch
    >>> network = genlab.nn.LipschitzMLP(1, 2, hidden=[16], activation="lipswish", bound=0.9)
    >>> g = network.at(None).each[0]
    >>> g(torch.randn(5, 2)).shape
    torch.Size([5, 2])

    Args:
        layers: The linear maps; the product of their coefficients is the bound.
        event_shape: Shape of one input and one output.
        activation: Name of the nonlinearity ``s``.
        context_dim: Width of the context; 0 for none.
        linearisation: What the Jacobians are kept as.

    Attributes:
        stack: Number of networks.
    """

    def __init__(
        self,
        layers: Sequence[LipschitzLayer],
        *,
        event_shape: Sequence[int],
        activation: LipschitzActivation,
        context_dim: int,
        linearisation: type[Linearisation],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.event_shape = tuple(event_shape)
        self.activation = LIPSCHITZ_ACTIVATIONS[activation]
        self.linearisation = linearisation
        self.stack = len(layers[0].weight)
        shapes = [tuple(layer.weight.shape[:2]) for layer in layers]
        # Phases of all kinds; the last layer adds a mere shift.
        self.biases = nn.ParameterList(math.pi * (2 * torch.rand(s) - 1) for s in shapes[:-1])
        self.biases.append(torch.zeros(shapes[-1]))
        self.log_sharpness = nn.ParameterList(
            0.5 * math.log(max(shape[1] / event_shape[0], 1)) + math.log(SPREAD) * torch.rand(shape)
            for shape in shapes[:-1]
        )
        width = self.stack * shapes[0][1]
        self.context = nn.Linear(context_dim, width, bias=False) if context_dim else None

    def at(self, context: Context, *, certain: bool = False) -> LipschitzFunctions:
        """The functions for a context, with weights that satisfy the bound.

        Args:
            context: One row for each sample.
            certain: Converge the norms in training too, where they lag behind the weights.
        """
        layers = [cast(LipschitzLayer, layer) for layer in self.layers]
        weights = self._weights(layers, certain)
        biases: list[tuple[Tensor | None, ...]] = [bias.unbind(0) for bias in self.biases]
        shifts: tuple[Tensor | None, ...] = (None,) * self.stack
        if self.context is not None:
            shift = self.context(context).unflatten(1, (self.stack, -1)) + self.biases[0]
            shifts = shift.view(*shift.shape, *[1] * (len(self.event_shape) - 1)).unbind(1)
            biases[0] = (None,) * self.stack
        functions = [
            LipschitzFunction(layers, own_weights, own_biases, own_shift, self.activation)
            for own_weights, own_biases, own_shift in zip(
                zip(*(weight.unbind(0) for weight in weights), strict=True),
                zip(*biases, strict=True),
                shifts,
                strict=True,
            )
        ]
        return LipschitzFunctions(functions, layers, weights, self.event_shape, self.linearisation)

    def lipschitz(self, *, certain: bool = False) -> Float[Tensor, " stack"]:
        """A bound on each constant: the product of the converged norms of the weights in use.

        Args:
            certain: As in `at`.
        """
        layers = [cast(LipschitzLayer, layer) for layer in self.layers]
        return torch.stack([layer.norm(certain=certain) for layer in layers]).prod(0)

    def _weights(self, layers: Sequence[LipschitzLayer], certain: bool) -> list[Tensor]:
        """``A_l = diag(w_l) W~_l diag(1 / w_{l-1})``: then the activations are plain ``s``."""
        weights = [layer.normalised(certain=certain) for layer in layers]
        for index, log_sharpness in enumerate(self.log_sharpness):
            after = weights[index + 1]
            row, column = log_sharpness.exp()[:, :, None], (-log_sharpness).exp()[:, None]
            weights[index] = weights[index] * row.view(*row.shape, *[1] * (after.ndim - 3))
            weights[index + 1] = after * column.view(*column.shape, *[1] * (after.ndim - 3))
        return weights


class LipschitzMLP(LipschitzNetwork):
    """Multilayer perceptrons from R^d to R^d.

    References: arXiv:1811.00995, arXiv:1906.02735.

    >>> import genlab
    >>> network = genlab.nn.LipschitzMLP(3, 2, hidden=[16], activation="sine", bound=0.9)
    >>> bool((network.lipschitz(certain=True) < 0.91).all())
    True

    Args:
        stack: Number of networks.
        dim: Number of coordinates.
        hidden: Widths of the hidden layers, at least one.
        activation: Name of the nonlinearity.
        bound: Bound on each Lipschitz constant; the layers have an equal share in it.
        context_dim: Width of the context; 0 for none.
    """

    def __init__(
        self,
        stack: int,
        dim: int,
        *,
        hidden: Sequence[int],
        activation: LipschitzActivation,
        bound: float,
        context_dim: int = 0,
    ) -> None:
        super().__init__(
            _layers(partial(LipschitzLinear, stack), [dim, *hidden, dim], bound),
            event_shape=(dim,),
            activation=activation,
            context_dim=context_dim,
            linearisation=DenseLinearisation,
        )


class LipschitzConvNet(LipschitzNetwork):
    """Convolutional networks between images of one size.

    References: arXiv:1804.04368, arXiv:1906.02735.

    >>> import genlab, torch
    >>> network = genlab.nn.LipschitzConvNet(
    ...     1, (1, 8, 8), hidden=[4], kernel_size=3, activation="sine", bound=0.9
    ... )
    >>> network.at(None).each[0](torch.randn(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])

    Args:
        stack: Number of networks.
        event_shape: Channels, height and width.
        hidden: Channels of the hidden layers, at least one.
        kernel_size: Side of the kernels, odd.
        activation: Name of the nonlinearity.
        bound: Bound on each Lipschitz constant; the layers have an equal share in it.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        context_dim: Width of the context; 0 for none.
    """

    def __init__(
        self,
        stack: int,
        event_shape: tuple[int, int, int],
        *,
        hidden: Sequence[int],
        kernel_size: int,
        activation: LipschitzActivation,
        bound: float,
        padding: Padding = "zeros",
        context_dim: int = 0,
    ) -> None:
        channels, *size = event_shape
        make = partial(LipschitzConv2d, stack, size=size, kernel_size=kernel_size, padding=padding)
        super().__init__(
            _layers(make, [channels, *hidden, channels], bound),
            event_shape=event_shape,
            activation=activation,
            context_dim=context_dim,
            linearisation=Linearisation,
        )


def _layers(
    make: Callable[..., LipschitzLayer], widths: Sequence[int], bound: float
) -> list[LipschitzLayer]:
    """Layers of these widths with an equal share in a bound, of which the last starts small."""
    scales = [*[1.0] * (len(widths) - 2), LAST_SCALE]
    share = bound ** (1 / len(scales))
    pairs = zip(pairwise(widths), scales, strict=True)
    return [make(*pair, coefficient=share, scale=scale) for pair, scale in pairs]
