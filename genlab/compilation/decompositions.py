"""Torch's operations as simpler ones, which loops can compute."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._decomp import get_decompositions

from genlab.compilation.fusible import add_to_table, narrow_affine, narrow_product, table_entries

__all__ = ["decomposition"]

aten = torch.ops.aten
Formula = Callable[..., Any]


def decomposition(operation: Any) -> Formula:
    """What computes the same by simpler operations; where it cannot, it returns ``NotImplemented``.

    >>> decomposition(torch.ops.aten.rsub.Scalar)(torch.tensor([2.0]), 3)
    tensor([1.])
    """
    formula: Formula = DECOMPOSITIONS.get(operation, operation.decompose)
    if formula.__module__.startswith("torch._refs"):
        # They import it when they are first called, and the trace would have that in it.
        import torch._dynamo  # noqa: F401
    return formula


def _full(size: Any, number: float, like: Tensor, dtype: torch.dtype | None) -> Tensor:
    return torch.full(size, number, dtype=dtype or like.dtype)


def _lerp(a: Tensor, b: Tensor, weight: float) -> Tensor:
    return a + weight * (b - a) if abs(weight) < 0.5 else b - (1 - weight) * (b - a)


def _logsumexp(x: Tensor, dim: list[int], keepdim: bool = False) -> Tensor:
    if not x.numel():
        return x.exp().sum(dim, keepdim).log()
    largest = x.amax(dim, keepdim=True)
    largest = torch.where(largest.abs() == math.inf, 0.0, largest)
    found = (x - largest).exp().sum(dim, keepdim=True).log() + largest
    return found if keepdim else found.squeeze(dim)


def _selected_back(gradient: Tensor, size: list[int], dim: int, index: int) -> Tensor:
    zeros, index = _full(size, 0, gradient, None), index % size[dim]
    return torch.slice_scatter(zeros, gradient.unsqueeze(dim), dim, index, index + 1)


def _silu_back(gradient: Tensor, x: Tensor) -> Tensor:
    y = x.sigmoid()
    return gradient * y * (1 + x * (1 - y))


def _softmax(x: Tensor, dim: int, _: bool) -> Tensor:
    if not x.numel():
        return NotImplemented  # type: ignore[no-any-return]
    powers = (x - x.amax(dim, keepdim=True)).exp()
    return powers / powers.sum(dim, keepdim=True)


def _softmax_back(gradient: Tensor, y: Tensor, dim: int, _: torch.dtype) -> Tensor:
    weighted = gradient * y
    return weighted - y * weighted.sum(dim, keepdim=True)


def _softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    scaled = x if beta == 1 else x * beta
    return torch.where(scaled > threshold, x, scaled.exp().log1p() / beta)


def _softplus_back(gradient: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
    scaled = x if beta == 1 else x * beta
    power = scaled.exp()
    return torch.where(scaled > threshold, gradient, gradient * power / (power + 1))


# What most steps have: torch's own formulas import more than all the rest takes.
OWN: dict[Any, Formula] = {
    aten._efficientzerotensor.default: lambda size, dtype=None, **_: torch.zeros(size, dtype=dtype),
    aten.addcmul.default: lambda x, a, b, value=1: x + (a * b if value == 1 else value * a * b),
    aten.lerp.Scalar: _lerp,
    aten.logsumexp.default: _logsumexp,
    aten.masked_fill.Scalar: lambda x, mask, a: torch.where(mask, a, x).to(x.dtype),
    aten.new_full.default: lambda x, size, a, dtype=None, **_: _full(size, a, x, dtype),
    aten.new_ones.default: lambda x, size, dtype=None, **_: _full(size, 1, x, dtype),
    aten.new_zeros.default: lambda x, size, dtype=None, **_: _full(size, 0, x, dtype),
    aten.ones_like.default: lambda x, dtype=None, **_: _full(x.shape, 1, x, dtype),
    aten.zeros_like.default: lambda x, dtype=None, **_: _full(x.shape, 0, x, dtype),
    aten.rsub.Scalar: lambda x, a, alpha=1: torch.sub(a, x, alpha=alpha),
    aten.select_backward.default: _selected_back,
    aten.sgn.default: lambda x: x.sign(),
    aten.softplus.default: _softplus,
    aten.sigmoid_backward.default: lambda gradient, y: gradient * (y * (1 - y)),
    aten.silu.default: lambda x: x * x.sigmoid(),
    aten.silu_backward.default: _silu_back,
    aten._softmax.default: _softmax,
    aten._softmax_backward_data.default: _softmax_back,
    aten.softplus_backward.default: _softplus_back,
    aten.stack.default: lambda parts, dim=0: torch.cat([x.unsqueeze(dim) for x in parts], dim),
    aten.tanh_backward.default: lambda gradient, y: gradient * (1 - y * y),
    aten.unbind.int: lambda x, dim=0: [x.select(dim, k) for k in range(x.shape[dim])],
}

# What torch has formulas for, in all ways of calling it that are not above.
NAMES = (
    *("addcdiv", "addcmul", "diag_embed", "diagonal_backward", "dot", "elu", "elu_backward"),
    *("embedding_dense_backward", "eye", "gelu", "gelu_backward", "hardtanh"),
    *("hardtanh_backward", "leaky_relu", "leaky_relu_backward", "lerp", "log_sigmoid_backward"),
    *("log_sigmoid_forward", "_log_softmax", "_log_softmax_backward_data", "logaddexp", "logit"),
    *("logit_backward", "masked_fill", "mv", "norm", "rsub", "select_scatter"),
    *("slice_backward", "threshold", "threshold_backward", "tril", "triu", "vdot", "xlogy"),
)
DECOMPOSITIONS: dict[Any, Formula] = {
    **get_decompositions([getattr(aten, name) for name in NAMES]),
    **OWN,
    aten.gather.default: table_entries,
    aten.scatter_add.default: add_to_table,
    aten.mm.default: narrow_product,
    aten.addmm.default: narrow_affine,
}
