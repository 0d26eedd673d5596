"""A user's own problem, tried: whether its residual hears of u, and where its cutoff vanishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde.custom_boundary import LOOKED_AT, UserBoundary, just_begun
from genlab.pde.derivatives import Jet, jets_of, joined
from genlab.pde.problem import zero_jets
from genlab.userfile import UserFile

if TYPE_CHECKING:
    from genlab.pde.problem import Problem

__all__ = ["refuse_cutoff", "refuse_deaf"]

NEARLY = 1e-3
"""Of a cutoff's largest value: less is zero, also at points of single precision."""


@torch.enable_grad()
def refuse_deaf(
    problem: Problem,
    file: UserFile,
    what: str,
    x: Float[Tensor, "n d"],
    coefficients: Mapping[str, Float[Tensor, " n"]],
) -> Float[Tensor, "n *e"]:
    """The residual of ``u = 0``, by torch operations from one to the other.

    Args:
        problem: The problem.
        file: Its file.
        what: How its residual is called, in words.
        x: Points of the domain.
        coefficients: What its coefficients start from there.

    Raises:
        UserError: The residual does not depend on ``u``, or is of too few equations.
    """
    jets = jets_of(zero_jets(x, len(problem.components)))
    # No leaves: these may not be changed in place.
    live = tuple(Jet(*(part.clone().requires_grad_().clone() for part in jet)) for jet in jets)
    residual = problem.residual(x, joined(live), **coefficients)
    if not residual.requires_grad:
        raise file.error(
            "residual",
            f"{what} is the same for every u, expected an equation for it",
            "make it of u.value, u.gradient, u.laplacian or u.hessian by torch operations",
        )
    unknown = len(problem.components)
    if problem.equations < unknown and not problem.conditions():
        names = ", ".join(problem.components)
        raise file.error(
            "residual",
            f"{what} has equations: {problem.equations}, expected {unknown}, as many as components "
            f"({names})",
            "put them side by side by torch.stack((first, second), 1), or add conditions of data",
        )
    seconds = [jet.hessian for jet in live]
    second = torch.autograd.grad(residual.sum(), seconds, allow_unused=True, materialize_grads=True)
    changing = any(bool(slope[:, -1, -1].any()) for slope in second)
    if problem.space < problem.dim and changing and not problem.conditions():
        raise file.error(
            "residual",
            f"{what} has u_tt, but nothing says how fast u begins to change",
            "add initial_rate(x), the values of u_t where time begins, or a condition Initial",
        )
    return residual.detach()


def refuse_cutoff(problem: Problem, file: UserFile) -> None:
    """Refuse a cutoff that does not vanish on the boundary, or does inside.

    Args:
        problem: The problem.
        file: Its file.

    Raises:
        UserError: It is such a cutoff.
    """
    boundary = problem.boundary
    if not isinstance(boundary, UserBoundary) or "cutoff" not in file.names:
        return
    draw = torch.Generator().manual_seed(0)
    x = problem.domain.sample(LOOKED_AT, generator=draw)
    inside = boundary.in_cutoff(x)
    largest = inside.abs().max()
    finite = inside.isfinite()
    if not finite.all():
        _refuse(file, float(inside[~finite][0]), x[~finite][0], "expected a finite number")
    if inside.min() < -NEARLY * largest and inside.max() > NEARLY * largest:
        raise file.error(
            "cutoff",
            "cutoff(x) changes its sign in the domain, expected zero on the boundary only",
            "write a product of factors that are positive inside",
        )
    if "boundary_points" in file.names:
        on = boundary.in_space(LOOKED_AT, draw)
        if problem.space < problem.dim:
            # Where time begins a boundary may be soft.
            on = on[~just_begun(problem.domain, on)]
        values = boundary.in_cutoff(on)
        if len(on) == 0:
            return
        worst = values.abs().argmax()
        value = float(values[worst])
        if abs(value) > NEARLY * largest:
            _refuse(file, value, on[worst], "one of boundary_points, expected zero")


def _refuse(file: UserFile, value: float, point: Float[Tensor, " d"], words: str) -> None:
    where = ", ".join(f"{coordinate:.4g}" for coordinate in point.tolist())
    raise file.error(
        "cutoff",
        f"cutoff(x) is {value:.4g} at x = [{where}], {words}",
        "write a function that is zero on the boundary and positive inside",
    )
