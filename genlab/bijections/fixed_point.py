"""Solving ``x + g(x) = y`` for a contraction ``g``, to a guaranteed distance from the solution."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genlab.batch import rowwise
from genlab.errors import RunError

__all__ = ["Contraction", "FixedPointMethod", "solve"]

FixedPointMethod = Literal["anderson", "plain"]

Contraction = Callable[[Tensor, Tensor], Tensor]
"""``g(x, rows)``: the contraction at ``x``, which belongs to these rows of the batch."""

Accepted = Callable[[Tensor, Tensor], Float[Tensor, " n"]]
"""The largest error that ``x`` may have, which belongs to these rows of the batch."""

ROUNDING = 4.0
"""Rounding errors of one evaluation of ``x + g(x)``, in units of the type's precision."""

SLACK = 2.0
"""How much closer than asked for the number of steps would lead, were it not for rounding."""

DEPTH = 4
"""Steps that Anderson's method remembers."""


@torch.no_grad()
def solve(
    g: Contraction,
    y: Float[Tensor, "n *event"],
    *,
    lipschitz: float,
    tolerance: float,
    solver: FixedPointMethod,
) -> Float[Tensor, "n *event"]:
    """The ``x`` with ``x + g(x) = y``, sample by sample, in the 2-norm.

    ``plain`` iterates ``x <- y - g(x)`` and stops a sample on ``|x_new - x_old| L / (1 - L) < tol``
    (Banach's a-posteriori bound; Behrmann et al., "Invertible residual networks", 2019, algorithm
    1). ``anderson`` combines the last steps (Anderson, 1965; Walker, Ni, "Anderson acceleration
    for fixed-point iterations", 2011, doi:10.1137/10078356X) and stops on
    ``|x + g(x) - y| / (1 - L) < tol``; where its step does not shrink the residual by ``L``, which
    the plain one does, it takes the plain one.

    Both bounds hold for the error ``|x - x*|`` itself. ``tol`` is ``tolerance (1 + |y|)``, or what
    the number type resolves of numbers as large as ``1 + max(|x|, |y|)`` if that is more.

    Args:
        g: The contraction.
        y: Right-hand sides.
        lipschitz: A bound ``L < 1`` on its Lipschitz constant.
        tolerance: Largest error, relative to ``1 + |y|``.
        solver: The method.

    Raises:
        RunError: ``L`` is no bound below 1, or some sample did not converge in as many steps as a
            contraction needs at most.
    """
    if not lipschitz < 1:
        raise RunError(f"a residual block has Lipschitz bound {lipschitz:g}: no inverse is certain")
    first = g(y, _all_rows(y))
    if lipschitz == 0 or not len(y):
        return y - first
    resolved = ROUNDING * torch.finfo(y.dtype).eps / (1 - lipschitz)
    size = 1 + _norm(y)

    def accepted(x: Tensor, rows: Tensor) -> Float[Tensor, " m"]:
        return torch.maximum(tolerance * size[rows], resolved * size[rows].maximum(1 + _norm(x)))

    # Each step leaves L of the first one, which is long where g(0) is large.
    steps = _norm(first) / size
    farthest = steps.where(steps.isfinite(), 1.0).amax().clamp_min(1).item()
    goal = max(tolerance, resolved) * (1 - lipschitz) / (SLACK * farthest)
    most = 2 + math.ceil(math.log(goal) / math.log(lipschitz))
    search = _plain if solver == "plain" else _anderson
    x, left = search(g, y, first, lipschitz, accepted, most)
    if left:
        raise RunError(
            f"the inverse of a residual block did not converge: {left} of {len(y)} samples after "
            f"{most} steps of the solver {solver!r} at Lipschitz bound {lipschitz:.4g}"
        )
    return x


def _plain(
    g: Contraction, y: Tensor, first: Tensor, lipschitz: float, accepted: Accepted, most: int
) -> tuple[Tensor, int]:
    """The solution, and the number of samples that are not there yet."""
    solution = y.clone()
    rows, x, value = _all_rows(y), y, first
    for _ in range(most):
        new = y[rows] - value
        error = _norm(new - x) * (lipschitz / (1 - lipschitz))
        solution[rows] = new
        # Whatever is NaN goes on.
        going = ~(error < accepted(new, rows))
        rows, x = rows[going], new[going]
        if not len(rows):
            break
        value = g(x, rows)
    return solution, len(rows)


def _anderson(
    g: Contraction, y: Tensor, first: Tensor, lipschitz: float, accepted: Accepted, most: int
) -> tuple[Tensor, int]:
    """The solution, and the number of samples that are not there yet."""
    solution = y.clone()
    rows, x, target, residual = _all_rows(y), y, y, -first
    steps: list[tuple[Tensor, Tensor]] = []
    for _ in range(most):
        plain = x + residual
        new = _accelerated(plain, residual, steps)
        after = target - new - g(new, rows)
        worse = ~(_norm(after) <= lipschitz * _norm(residual))
        if worse.any():
            new[worse] = plain[worse]
            after[worse] = target[worse] - plain[worse] - g(plain[worse], rows[worse])
        steps = [(new - x, after - residual), *steps[: DEPTH - 1]]
        x, residual = new, after
        solution[rows] = x
        going = ~(_norm(residual) / (1 - lipschitz) < accepted(x, rows))
        if not going.all():
            rows, x, residual, target = _kept(going, rows, x, residual, target)
            steps = [(dx, dr) for dx, dr in (_kept(going, *step) for step in steps)]
        if not len(rows):
            break
    return solution, len(rows)


def _accelerated(plain: Tensor, residual: Tensor, steps: list[tuple[Tensor, Tensor]]) -> Tensor:
    """``x + r - sum_j c_j (dx_j + dr_j)`` with the ``c`` that minimise ``|r - sum_j c_j dr_j|``.

    By Gram-Schmidt on the ``dr_j``, newest first, with the ``dx_j`` carried along: cheaper for many
    small systems than a batch of factorisations.
    """
    x, left = plain.clone(), residual
    basis: list[tuple[Tensor, Tensor, Tensor]] = []
    for dx, dr in steps:
        direction, move = dr, dx + dr
        for other, other_move, square in basis:
            share = _along(direction, other, square)
            direction, move = direction - share * other, move - share * other_move
        square = _dot(direction, direction)
        share = _along(left, direction, square)
        left, x = left - share * direction, x - share * move
        basis.append((direction, move, square))
    return x


def _along(x: Tensor, direction: Tensor, square: Float[Tensor, " n"]) -> Float[Tensor, "n ..."]:
    share = _dot(x, direction) / square.clamp_min(torch.finfo(x.dtype).tiny)
    return rowwise(share, x)


def _dot(a: Float[Tensor, "n *event"], b: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    product: Tensor = torch.linalg.vecdot(a.flatten(1), b.flatten(1))
    return product


def _norm(x: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    norm: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return norm


def _all_rows(y: Tensor) -> Int[Tensor, " n"]:
    return torch.arange(len(y), device=y.device)


def _kept(going: Bool[Tensor, " n"], *values: Tensor) -> tuple[Tensor, ...]:
    return tuple(value[going] for value in values)
