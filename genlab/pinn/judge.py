"""The judge of a network: its error against the solution, and its residual, on fixed points."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde import Problem
from genlab.pinn.network import Frame, Network
from genlab.randomness import generator

__all__ = ["Judge"]

ROWS_AT_ONCE = 8192
BOUNDARY_POINTS = 1000


class Judge:
    """Measures networks on the problem's reference points, which are prepared once.

    A soft boundary is looked at on points of its own, always the same.

    >>> from genlab.pde import Diffusion
    >>> judge = Judge(Diffusion())
    >>> sorted(judge.metrics(Network(judge.problem)))
    ['max_error', 'relative_l2', 'residual']

    Args:
        problem: What is solved.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._frames: list[Frame] = []

    def squared_residual(self, network: Network) -> Float[Tensor, " n"]:
        """``r(u)^2`` at each reference point, float64 on the CPU."""
        return _joined(network.residual(frame).square() for frame in self._prepared(network))

    def error(self, network: Network) -> Float[Tensor, " n"] | None:
        """``|u - u*|`` at each reference point, float64 on the CPU; None without a solution."""
        reference = self.problem.reference()
        if reference.exact is None:
            return None
        u = _joined(network(frame.x) for frame in self._prepared(network))
        return (u - reference.exact).abs()

    @torch.no_grad()
    def metrics(self, network: Network) -> dict[str, float]:
        """``residual``, the mean of ``r^2`` over the domain, and the errors where they are known.

        ``relative_l2`` is ``|u - u*| / |u*|`` in the norm of ``L^2``, so that ``u = 0`` has 1; it
        is NaN where ``u* = 0``.
        ``max_error`` is the largest ``|u - u*|``. ``boundary`` is the term of a soft boundary in
        the loss, with its weight.
        """
        reference = self.problem.reference()
        weight = reference.weight / reference.weight.sum()
        metrics = {"residual": float(weight @ self.squared_residual(network))}
        if not network.hard:
            draw = generator(0, "boundary reference")
            edge = self.problem.boundary.sample(BOUNDARY_POINTS, generator=draw)
            metrics["boundary"] = float(network.boundary_loss(network.cast(edge)))
        error = self.error(network)
        if error is not None and reference.exact is not None:
            norm = (weight @ reference.exact.square()).sqrt()
            relative = (weight @ error.square()).sqrt() / norm
            metrics["relative_l2"] = float(relative) if norm > 0 else math.nan
            metrics["max_error"] = float(error.max())
        return metrics

    def _prepared(self, network: Network) -> list[Frame]:
        """The frames of all points, in parts that caches hold."""
        known = self._frames[0].x if self._frames else None
        if (
            known is None
            or known.dtype != network.scale.dtype
            or known.device != network.scale.device
        ):
            x = network.cast(self.problem.reference().x)
            self._frames = [network.frame(rows) for rows in x.split(ROWS_AT_ONCE)]
        return self._frames


@torch.no_grad()
def _joined(parts: Iterator[Float[Tensor, " m"]]) -> Float[Tensor, " n"]:
    return torch.cat([part.cpu().double() for part in parts])
