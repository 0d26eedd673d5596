"""The log-determinant of ``I + J`` for contractions: exactly, or by its power series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.nn.linearisation import Linearisation, take_rows
from genlab.nn.plain import forward_mode

__all__ = ["LogDet", "SeriesGradient", "exact_log_det", "roulette_lengths", "series_log_det"]

LogDet = Literal["exact", "power_series", "russian_roulette"]
SeriesGradient = Literal["neumann", "direct"]


def exact_log_det(jacobian: Float[Tensor, "*n d d"]) -> Float[Tensor, "*n"]:
    """``log det(I + J)`` for ``|J| < 1``, by elimination: the sum of the logarithms of the pivots.

    In one and two dimensions the pivots are written out; they are positive, in whichever order.
    """
    dim = jacobian.shape[-1]
    if dim == 1:
        return jacobian[..., 0, 0].log1p()
    if dim == 2:
        a, b, c, d = jacobian.flatten(-2).unbind(-1)
        return torch.log1p(a) + torch.log1p(d - b * c / (1 + a))
    # Half precision cannot be eliminated in.
    eliminable = jacobian.to(torch.promote_types(jacobian.dtype, torch.float32))
    identity = torch.eye(dim, dtype=eliminable.dtype, device=jacobian.device)
    if forward_mode():
        # There the determinant's own derivative is a constant to all derivatives around it.
        pivots = torch.linalg.lu_factor(identity + eliminable).LU.diagonal(dim1=-2, dim2=-1)
        log_det: Tensor = pivots.abs().log().sum(-1)
    else:
        log_det = torch.linalg.slogdet(identity + eliminable).logabsdet
    return log_det.to(jacobian.dtype)


def roulette_lengths(
    n: int, terms: int, generator: torch.Generator | None = None
) -> Int[Tensor, " n"]:
    """``N = terms + Geom(1/2)``, ``Geom >= 1``: how many terms each sample's series gets."""
    return terms + torch.empty(n).geometric_(0.5, generator=generator).long()


def series_log_det(
    linearisation: Linearisation,
    probe: Float[Tensor, "stack n *event"],
    lengths: Int[Tensor, " n"],
    order: Int[Tensor, "stack n"],
    *,
    certain: int,
    gradient: SeriesGradient,
) -> Float[Tensor, "stack n"]:
    """``log det(I + J) = sum_k (-1)^(k+1)/k tr(J^k)``, estimated with one probe a sample.

    ``sum_{k=1}^N (-1)^(k+1)/k v'J^k v / P(N >= k)`` (Hutchinson's trace; Kahn's roulette; Chen et
    al., "Residual flows for invertible generative modeling", 2019, equation 6). Its gradient is
    differentiated as it stands, ``direct``, with a memory that grows with N; or, ``neumann``, the
    estimate ``sum_{k=0}^N (-1)^k v'J^k (dJ) v / P(N >= k)`` (equation 8), for which nothing but the
    sum over k is kept. In forward mode, where nothing is kept, it is ``direct``.

    Each sample has a length of its own: a length that all share would be an error that they share,
    which no batch size averages out and no standard error over samples shows.

    Args:
        linearisation: The Jacobians ``J`` of each network at each sample.
        probe: ``v`` with ``E[v v'] = I``.
        lengths: The ``N``, on the CPU.
        order: In which order each network hands them out to the samples.
        certain: Terms that every sample gets; the k-th further one is there with chance 2^(1-k).
        gradient: How the gradient is estimated.
    """
    # Longest first: the samples that have a k-th term are the first rows.
    longest = max(lengths.tolist(), default=0)
    counts = [int((lengths >= k).sum()) for k in range(1, longest + 1)]
    if gradient == "direct" or forward_mode():
        return _series(linearisation, probe, order, counts, certain)[0]
    parts = (*linearisation.weights, *linearisation.slopes)

    # All tensors are arguments: what a closure holds belongs to another transform of torch.func.
    def again(probe: Tensor, order: Tensor, *parts: Tensor) -> Tensor:
        n = len(linearisation.weights)
        same = replace(linearisation, weights=parts[:n], slopes=parts[n:])
        return _series(same, probe, order, counts, certain)[1]

    with torch.no_grad():
        value, adjoint = _series(linearisation.detach(), probe, order, counts, certain)
    if torch.is_grad_enabled():
        image = linearisation.jvp(probe)
        value = _Neumann.apply(  # type: ignore[no-untyped-call]
            value, image, adjoint, again, probe, order, *parts
        )
    return value


class _Neumann(torch.autograd.Function):
    """``value``, whose derivative is ``w' (dJ) v`` for the adjoint ``w`` and the image ``J v``.

    The adjoint's own dependence on J has no part in it, but one in the derivatives of higher order:
    where there may be such, the adjoint is worked out ``again``, from the ``parts`` of J.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        value: Tensor, image: Tensor, adjoint: Tensor, again: Callable[..., Tensor], *parts: Tensor
    ) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, _, adjoint, ctx.again, *parts = inputs
        ctx.save_for_backward(adjoint, *parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        adjoint, *parts = ctx.saved_tensors
        if torch.is_grad_enabled():
            adjoint = ctx.again(*parts)
        along = gradient.view(*gradient.shape, *[1] * (adjoint.ndim - 2)) * adjoint
        return None, along, None, None, *(None for _ in parts)


def _series(
    jacobian: Linearisation,
    probe: Tensor,
    order: Int[Tensor, "stack n"],
    counts: list[int],
    certain: int,
) -> tuple[Float[Tensor, "stack n"], Float[Tensor, "stack n *event"]]:
    """The series, and ``sum_{k=0}^N (-1)^k J'^k v / P(N >= k)``."""
    jacobian, probe = jacobian.rows(order), take_rows(probe, order)
    values, adjoint, power = probe.new_zeros(order.shape), probe, probe
    for k, count in enumerate(counts, start=1):
        power = jacobian.rows(slice(count)).vjp(power[:, :count])
        factor = (-1) ** k * 2.0 ** max(0, k - certain - 1)
        trace = torch.linalg.vecdot(power.flatten(2), probe[:, :count].flatten(2))
        values = _add(values, trace, -factor / k)
        adjoint = _add(adjoint, power, factor)
    back = order.argsort(1)
    return take_rows(values, back), take_rows(adjoint, back)


def _add(total: Tensor, part: Tensor, factor: float) -> Tensor:
    """``total + factor part`` in the first rows."""
    first, rest = total[:, : part.shape[1]], total[:, part.shape[1] :]
    first = torch.add(first, part, alpha=factor)
    return torch.cat((first, rest), dim=1) if rest.shape[1] else first
