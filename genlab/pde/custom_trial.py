"""A user's own problem, tried: whether its residual hears of u, and where its cutoff vanishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde.custom_boundary import LOOKED_AT, UserBoundary, just_begun
from genlab.pde.derivatives import Jet, jets_of, joined
from genlab.pde.domain import Box, Domain
from genlab.pde.problem import zero_jets
from genlab.userfile import UserFile

if TYPE_CHECKING:
    from genlab.pde.problem import Problem

__all__ = ["refuse_cutoff", "refuse_deaf"]

HALVINGS = 40
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
    told = "initial_rate" in file.names or bool(problem.conditions())
    if problem.space < problem.dim and changing and not told:
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
    told = "boundary_points" in file.names
    if told:
        on = boundary.in_space(LOOKED_AT, draw)
        if problem.space < problem.dim:
            # Where time begins a boundary may be soft.
            on = on[~just_begun(problem.domain, on)]
    elif problem.conditions() or (problem.space < problem.dim and boundary.vanishes_at_first):
        return  # Another condition may hold on the whole edge, or none, of a flow out of it.
    else:
        on = _edge(problem.domain, x.double(), draw)
    if len(on) == 0:
        return
    values = boundary.in_cutoff(on)
    # Where it is not told, only some of the edge need be boundary, as of a flow through the domain.
    worst = values.abs().argmax() if told else values.abs().argmin()
    if values[worst].abs() > NEARLY * largest:
        where = "one of boundary_points" if told else "and zero nowhere on the boundary"
        _refuse(file, float(values[worst]), on[worst], f"{where}, expected zero there")


def _edge(
    domain: Domain, inside: Float[Tensor, "n d"], generator: torch.Generator
) -> Float[Tensor, "m d"]:
    """Points between those inside a domain and others of its box, halfway again and again."""
    outside = Box(domain.box).sample(len(inside), generator=generator, dtype=inside.dtype)
    far = ~domain.contains(outside)
    near, outside = inside[far], outside[far]
    for _ in range(HALVINGS):
        middle = (near + outside) / 2
        held = domain.contains(middle)[:, None]
        near, outside = torch.where(held, middle, near), torch.where(held, outside, middle)
    return near


def _refuse(file: UserFile, value: float, point: Float[Tensor, " d"], words: str) -> None:
    where = ", ".join(f"{coordinate:.4g}" for coordinate in point.tolist())
    raise file.error(
        "cutoff",
        f"cutoff(x) is {value:.4g} at x = [{where}], {words}",
        "write a function that is zero on the boundary and positive inside",
    )
