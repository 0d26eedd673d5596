"""Linear maps whose spectral norm stays below a bound, whatever their parameters become."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from genlab.batch import rowwise
from genlab.nn.padding import Padding
from genlab.nn.plain import Plain, forward_mode

__all__ = ["LipschitzConv2d", "LipschitzLayer", "LipschitzLinear", "SingularTriplet"]


TRAINING_ITERATIONS = 8
"""Power iterations a training step: a step moves the weight little, and the last vectors serve."""

TOLERANCE = 1e-5
"""Relative width of the bracket that a converged norm lies in."""

MAX_ITERATIONS = 10_000
MAX_SQUARINGS = 30


class SingularTriplet(NamedTuple):
    """The largest singular value of each map of a stack, with its vectors: ``W v = sigma u``.

    Attributes:
        sigma: ``sigma_1``; where it is a converged one, the upper end of its bracket.
        u: Unit vectors in the outputs, a batch of one for each map.
        v: Unit vectors in the inputs, likewise.
    """

    sigma: Float[Tensor, " stack"]
    u: Float[Tensor, "stack 1 *outputs"]
    v: Float[Tensor, "stack 1 *inputs"]


class LipschitzLayer(nn.Module, ABC):
    """``x -> W~ x`` with ``W~ = W / max(1, sigma(W) / c)``, hence ``|W~| <= c`` in the 2-norm.

    A stack of such maps, all of one shape, so that their norms are found together: alone, that
    costs a small network as much as its own work.

    ``sigma(W)`` is the largest singular value of the operator, by power iteration
    ``v <- W'u / |W'u|``, ``u <- Wv / |Wv|`` (Gouk et al., "Regularisation of neural networks by
    enforcing Lipschitz continuity", 2018; Behrmann et al., "Invertible residual networks", 2019,
    section 2.1). In training, each call first advances the saved vectors a little, as an optimiser
    step lies before it. In evaluation they are converged whenever the weight is another one, and
    sigma is an upper bound; that leaves the saved vectors alone, so that a run goes on after a
    validation as it would have without.

    References: arXiv:1804.04368, arXiv:1811.00995.

    >>> import genlab
    >>> layer = genlab.nn.LipschitzLinear(1, 3, 4, coefficient=0.9)
    >>> isinstance(layer, genlab.nn.LipschitzLayer)
    True

    Args:
        weight: The parameters ``W`` at the start, ``[stack, ...]``.
        inputs: Shape of one input.
        outputs: Shape of one output.
        coefficient: The bound ``c``.

    Attributes:
        u: Estimates of the first left singular vectors.
        v: Estimates of the first right singular vectors.
    """

    u: Float[Tensor, "stack 1 *outputs"]
    v: Float[Tensor, "stack 1 *inputs"]

    def __init__(
        self, weight: Tensor, *, inputs: Sequence[int], outputs: Sequence[int], coefficient: float
    ) -> None:
        super().__init__()
        self.coefficient = coefficient
        self.weight = nn.Parameter(weight)
        self.register_buffer("u", _unit(torch.randn(len(weight), 1, *outputs)))
        self.register_buffer("v", _unit(torch.randn(len(weight), 1, *inputs)))
        self._converged: tuple[Tensor, SingularTriplet] | None = None

    @abstractmethod
    def affine(self, x: Float[Tensor, "n ..."], weight: Tensor, bias: Tensor | None) -> Tensor:
        """``W x + b`` of one map of the stack."""

    @abstractmethod
    def multiply(self, x: Float[Tensor, "stack n ..."], weight: Tensor) -> Tensor:
        """``W x`` for all maps of the stack."""

    @abstractmethod
    def multiply_transposed(self, y: Float[Tensor, "stack n ..."], weight: Tensor) -> Tensor:
        """``W' y`` for all maps of the stack."""

    @abstractmethod
    def sensitivity(self, triplet: SingularTriplet) -> Tensor:
        """``d sigma / dW``, of the weight's shape."""

    def normalised(self, *, certain: bool = False) -> Float[Tensor, "stack ..."]:
        """``W~``, with its gradient through ``sigma``.

        Args:
            certain: Converge the norm in training too.
        """
        with torch.no_grad():
            lagging = self.training and not certain
            triplet = _plainly(self._advance, self.weight) if lagging else self.converged()
            sensitivity = self.sensitivity(triplet)
        if forward_mode():
            sigma = triplet.sigma + _dot(sensitivity, self.weight - self.weight.detach())
            return _Bounded.forward(self.weight, sigma, sensitivity, self.coefficient)
        scaled: Tensor = _Bounded.apply(  # type: ignore[no-untyped-call]
            self.weight, triplet.sigma, sensitivity, self.coefficient
        )
        return scaled

    @torch.no_grad()
    def norm(self, *, certain: bool = False) -> Float[Tensor, " stack"]:
        """The converged norm of the ``W~`` that `normalised` returns: in training, sigma may lag.

        Args:
            certain: As in `normalised`.
        """
        sigma = self.converged().sigma
        lagging = self.training and not certain
        used = _plainly(self._advanced, self.weight).sigma if lagging else sigma
        return sigma * self.coefficient / used.clamp_min(self.coefficient)

    @torch.no_grad()
    def converged(self) -> SingularTriplet:
        """The singular triplet to the tolerance, computed once for each state of the weight."""
        return _plainly(self._remembered, self.weight)

    def _remembered(self, weight: Tensor) -> SingularTriplet:
        # Compared as it is: fused optimisers change weights without counting up their version.
        if self._converged is None or not _same(weight, self._converged[0]):
            # Half precision would not tell when it has converged.
            wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
            triplet = SingularTriplet(*(part.to(weight) for part in self._converge(wide)))
            self._converged = weight.clone(), triplet
        return self._converged[1]

    def _advance(self, weight: Tensor) -> SingularTriplet:
        triplet = self._advanced(weight)
        self.u.copy_(triplet.u)
        self.v.copy_(triplet.v)
        return triplet

    def _advanced(self, weight: Tensor) -> SingularTriplet:
        u, v = self.u, self.v
        for _ in range(TRAINING_ITERATIONS):
            v = _unit(self.multiply_transposed(u, weight), v)
            u = _unit(self.multiply(v, weight), u)
        return SingularTriplet(_dot(u, self.multiply(v, weight)), u, v)

    def _converge(self, weight: Tensor) -> SingularTriplet:
        """Iterate until ``|W'Wv - sigma^2 v|``, the distance to a singular value, is small."""
        # A vector that led for long may have left the next one no share: give all a share again.
        generator = torch.Generator().manual_seed(0)
        fresh = torch.randn(self.v.shape, generator=generator).to(weight)
        v = _unit(self.v.to(weight) + _unit(fresh))
        for _ in range(MAX_ITERATIONS):
            image = self.multiply(v, weight)
            back = self.multiply_transposed(image, weight)
            square = _dot(image, image)
            residual = _norm(back - rowwise(square, v) * v)
            if not (residual > TOLERANCE * square).any():
                break
            v = _unit(back, v)
        return SingularTriplet((square + residual).sqrt(), _unit(image, self.u.to(image)), v)


class LipschitzLinear(LipschitzLayer):
    """Matrices ``W`` of ``out_features`` rows.

    References: arXiv:1804.04368, arXiv:1811.00995.

    >>> import genlab
    >>> layer = genlab.nn.LipschitzLinear(1, 3, 4, coefficient=0.9)
    >>> layer.weight.shape
    torch.Size([1, 4, 3])

    Args:
        stack: Number of matrices.
        in_features: Width of the input.
        out_features: Width of the output.
        coefficient: The bound ``c`` on the norm.
        scale: Factor on the start, a random orthogonal matrix.
    """

    def __init__(
        self,
        stack: int,
        in_features: int,
        out_features: int,
        *,
        coefficient: float,
        scale: float = 1.0,
    ) -> None:
        weight = torch.empty(stack, out_features, in_features)
        for matrix in weight:
            nn.init.orthogonal_(matrix, gain=scale)
        super().__init__(
            weight, inputs=(in_features,), outputs=(out_features,), coefficient=coefficient
        )

    def affine(
        self, x: Float[Tensor, "n i"], weight: Float[Tensor, "o i"], bias: Tensor | None
    ) -> Float[Tensor, "n o"]:
        return F.linear(x, weight, bias)

    def multiply(
        self, x: Float[Tensor, "stack n i"], weight: Float[Tensor, "stack o i"]
    ) -> Float[Tensor, "stack n o"]:
        return torch.bmm(x, weight.mT)

    def multiply_transposed(
        self, y: Float[Tensor, "stack n o"], weight: Float[Tensor, "stack o i"]
    ) -> Float[Tensor, "stack n i"]:
        return torch.bmm(y, weight)

    def sensitivity(self, triplet: SingularTriplet) -> Float[Tensor, "stack o i"]:
        return triplet.u.mT * triplet.v

    def _converge(self, weight: Tensor) -> SingularTriplet:
        """``2^k`` power iterations by k squarings of ``G = W'W`` (or ``WW'``, the smaller).

        ``|G^(2^k)|_F^(1/2^k) >= sigma^2`` falls to it, however close the singular values lie, and
        any column of ``G^(2^k)`` gives a vector that bounds sigma from below (Delattre et al.,
        "Efficient bound of Lipschitz constant for convolutional layers by Gram iteration", 2023).
        """
        wide = weight.shape[1] < weight.shape[2]
        weight = weight.mT if wide else weight
        power = weight.mT @ weight
        log_upper = power.new_zeros(len(power))
        tiny = torch.finfo(power.dtype).tiny
        for k in range(MAX_SQUARINGS):
            norm = _norm(power).clamp_min(tiny)
            log_upper = log_upper + norm.log() / 2**k
            power = power / rowwise(norm, power)
            column = power.diagonal(dim1=1, dim2=2).argmax(1)
            right = _unit(power.take_along_dim(column[:, None, None], dim=2))
            left = weight @ right
            lower, upper = _norm(left), (0.5 * log_upper).exp()
            if not (upper > (1 + TOLERANCE) * lower).any():
                break
            power = power @ power
        u, v = _unit(left).mT, right.mT
        return SingularTriplet(upper, v, u) if wide else SingularTriplet(upper, u, v)

    def extra_repr(self) -> str:
        stack, outputs, inputs = self.weight.shape
        return f"{stack} x ({inputs}, {outputs}), coefficient={self.coefficient:.4g}"


class _Bounded(torch.autograd.Function):
    """``W c / max(sigma, c)``: one node for what would be many."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, sigma: Tensor, sensitivity: Tensor, coefficient: float) -> Tensor:
        return weight * rowwise(coefficient / sigma.clamp_min(coefficient), weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        weight, sigma, sensitivity, ctx.coefficient = inputs
        ctx.save_for_backward(weight, sigma, sensitivity)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        weight, sigma, sensitivity = ctx.saved_tensors
        bounded = sigma.clamp_min(ctx.coefficient)
        # d(c / sigma) = -(c / sigma) dsigma / sigma, where the bound is active.
        along = _dot(gradient, weight) / bounded * (sigma > ctx.coefficient)
        gradient = gradient - rowwise(along, weight) * sensitivity
        return gradient * rowwise(ctx.coefficient / bounded, weight), None, None, None


def _plainly(find: Callable[[Tensor], SingularTriplet], weight: Tensor) -> SingularTriplet:
    if torch.compiler.is_compiling():
        return find(weight.detach())
    return SingularTriplet(*Plain.apply(find, weight.detach()))  # type: ignore[no-untyped-call]


def _same(a: Tensor, b: Tensor) -> bool:
    return (a.dtype, a.device) == (b.dtype, b.device) and torch.equal(a, b)


def _dot(a: Float[Tensor, "stack ..."], b: Float[Tensor, "stack ..."]) -> Float[Tensor, " stack"]:
    product: Tensor = torch.linalg.vecdot(a.flatten(1), b.flatten(1))
    return product


def _norm(x: Float[Tensor, "stack ..."]) -> Float[Tensor, " stack"]:
    norm: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return norm


def _unit(x: Tensor, previous: Tensor | None = None) -> Tensor:
    """``x / |x|``; a trace of the previous vector keeps the iteration alive where the map is 0."""
    if previous is not None:
        x = torch.add(x, previous, alpha=1e-12)
    return F.normalize(x.flatten(1), dim=1).view_as(x)


class LipschitzConv2d(LipschitzLayer):
    """Convolutions of stride 1, padded so that images keep their size.

    The norm is that of the operator on images of that size, not that of the reshaped kernel, which
    may be far smaller (Gouk et al., 2018, section 4.2).

    References: arXiv:1804.04368.

    >>> import genlab
    >>> layer = genlab.nn.LipschitzConv2d(1, 2, 2, size=(8, 8), kernel_size=3, coefficient=0.9)
    >>> layer.weight.shape
    torch.Size([1, 2, 2, 3, 3])

    Args:
        stack: Number of convolutions.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        size: Height and width of the images.
        kernel_size: Side of the kernel, odd.
        coefficient: The bound on the norm.
        padding: What lies around an image: ``zeros``, or ``circular``, itself again.
        scale: Factor on the start, a random orthogonal kernel.

    Raises:
        ValueError: The side of the kernel is even.
    """

    def __init__(
        self,
        stack: int,
        in_channels: int,
        out_channels: int,
        *,
        size: Sequence[int],
        kernel_size: int,
        coefficient: float,
        padding: Padding = "zeros",
        scale: float = 1.0,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size: expected an odd number, got {kernel_size}")
        weight = torch.empty(stack, out_channels, in_channels, kernel_size, kernel_size)
        for kernel in weight:
            nn.init.orthogonal_(kernel, gain=scale)
        super().__init__(
            weight,
            inputs=(in_channels, *size),
            outputs=(out_channels, *size),
            coefficient=coefficient,
        )
        self.padding = padding
        self.margin = kernel_size // 2

    def affine(
        self, x: Float[Tensor, "n i h w"], weight: Float[Tensor, "o i k k"], bias: Tensor | None
    ) -> Float[Tensor, "n o h w"]:
        return F.conv2d(self._padded(x), weight, bias)

    def multiply(
        self, x: Float[Tensor, "stack n i h w"], weight: Float[Tensor, "stack o i k k"]
    ) -> Float[Tensor, "stack n o h w"]:
        y = F.conv2d(self._padded(_side_by_side(x)), weight.flatten(0, 1), groups=len(x))
        return _apart(y, len(x))

    def multiply_transposed(
        self, y: Float[Tensor, "stack n o h w"], weight: Float[Tensor, "stack o i k k"]
    ) -> Float[Tensor, "stack n i h w"]:
        # The adjoint of a convolution that keeps the size has the turned kernel and the same edges.
        turned = weight.transpose(1, 2).flip(-1, -2).flatten(0, 1)
        return _apart(F.conv2d(self._padded(_side_by_side(y)), turned, groups=len(y)), len(y))

    def sensitivity(self, triplet: SingularTriplet) -> Float[Tensor, "stack o i k k"]:
        stack, outputs, *kernel = self.weight.shape
        gradient: Tensor = conv2d_weight(
            self._padded(_side_by_side(triplet.v)),
            [stack * outputs, *kernel],
            _side_by_side(triplet.u),
            groups=stack,
        )
        return gradient.view_as(self.weight)

    def _padded(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c _ _"]:
        mode = "circular" if self.padding == "circular" else "constant"
        return F.pad(x, (self.margin,) * 4, mode=mode)

    def extra_repr(self) -> str:
        stack, outputs, inputs, side, _ = self.weight.shape
        height, width = self.v.shape[-2:]
        return (
            f"{stack} x ({inputs}, {outputs}), {side}x{side} on {height}x{width}, "
            f"coefficient={self.coefficient:.4g}"
        )


def _side_by_side(x: Float[Tensor, "stack n c h w"]) -> Float[Tensor, "n stack_c h w"]:
    """The stack as groups of channels."""
    return x.transpose(0, 1).flatten(1, 2)


def _apart(x: Float[Tensor, "n stack_c h w"], stack: int) -> Float[Tensor, "stack n c h w"]:
    groups: Tensor = x.unflatten(1, (stack, -1))
    return groups.transpose(0, 1)
