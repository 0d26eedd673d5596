"""The judge of a network: its error against the solution, and its residual, on fixed points."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde import Problem, squared
from genlab.pinn.network import Frame, Network
from genlab.randomness import generator

__all__ = ["Judge", "centred"]

ROWS_AT_ONCE = 8192
CONDITION_POINTS = 1000


class Judge:
    """Measures networks on the problem's reference points, which are prepared once.

    Conditions that are learned are looked at on points of their own, always the same.

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
        """``|r(u)|^2`` at each reference point, float64 on the CPU."""
        return _joined(squared(network.residual(frame)) for frame in self._prepared(network))

    def errors(self, network: Network) -> Float[Tensor, "n m"] | None:
        """``u - u*`` at each reference point, float64 on the CPU; None without a solution."""
        reference = self.problem.reference()
        if reference.exact is None:
            return None
        u = _joined(network(frame.x) for frame in self._prepared(network))
        return centred(self.problem, u - reference.exact, reference.weight)

    @torch.no_grad()
    def metrics(self, network: Network) -> dict[str, float]:
        """``residual``, the mean of ``|r|^2`` over the domain, and the errors where they are known.

        ``relative_l2`` is ``|u - u*| / |u*|`` in the norm of ``L^2``, so that ``u = 0`` has 1; it
        is NaN where ``u* = 0``. Of a system it is that of all components together, and
        ``relative_l2/NAME`` that of each; one that is known up to a constant is taken without its
        mean. ``max_error`` is the largest ``|u - u*|`` of any component. ``conditions`` is what
        the conditions that are learned contribute to the loss. Of an inverse problem,
        ``coefficient/NAME`` is what was found, and ``coefficient_error/NAME`` its relative error,
        NaN where the truth is zero.
        """
        reference = self.problem.reference()
        weight = reference.weight / reference.weight.sum()
        metrics = {"residual": float(weight @ self.squared_residual(network))}
        if network.has_conditions:
            draw = generator(0, "boundary reference")
            metrics["conditions"] = float(network.miss(network.conditions(draw, CONDITION_POINTS)))
        errors = self.errors(network)
        if errors is not None and reference.exact is not None:
            exact = centred(self.problem, reference.exact, reference.weight)
            squares, norms = (
                torch.stack([weight @ column for column in part.square().unbind(1)])
                for part in (errors, exact)
            )
            metrics["relative_l2"] = _ratio(squares.sum(), norms.sum())
            metrics["max_error"] = float(errors.abs().max())
            if len(norms) > 1:
                for name, *parts in zip(self.problem.components, squares, norms, strict=True):
                    metrics[f"relative_l2/{name}"] = _ratio(*parts)
        for name, value in network.coefficients.items():
            metrics[f"coefficient/{name}"] = float(value)
            truth = self.problem.coefficients[name].exact
            if truth is not None:
                error = abs(float(value) / truth - 1) if truth else math.nan
                metrics[f"coefficient_error/{name}"] = error
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
def _joined(parts: Iterator[Float[Tensor, "m *c"]]) -> Float[Tensor, "n *c"]:
    return torch.cat([part.cpu().double() for part in parts])


def centred(
    problem: Problem, values: Float[Tensor, "n *m"], weight: Float[Tensor, " n"]
) -> Float[Tensor, "n m"]:
    """Values of all components, those that are known up to a constant without their mean.

    Args:
        problem: The PDE, which says of which components this is.
        values: ``u``, or a difference of two.
        weight: What each point counts in an integral.
    """
    values = values.view(len(values), -1)
    if not problem.up_to_constant:
        return values
    values, places = values.clone(), problem.places(problem.up_to_constant)
    values[:, places] -= weight @ values[:, places] / weight.sum()
    return values


def _ratio(square: Float[Tensor, ""], norm: Float[Tensor, ""]) -> float:
    """The ratio of two norms, of their squares."""
    return float(square.sqrt() / norm.sqrt()) if norm > 0 else math.nan
