"""The contract of a problem: a PDE of second order, its boundary values, and its solution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.constructor import Checked
from genlab.pde.boundary import Boundary, Faces
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Domain
from genlab.pde.grid import Grid

__all__ = ["Problem", "Reference"]

SIDE = 256
"""Points a side of the grid that solutions are compared on."""

ROWS_AT_ONCE = 4096
"""Points that a solution is computed at together: a series takes hundreds of numbers for each."""


class Reference(NamedTuple):
    """Points that a solution is judged on, the same for every run.

    >>> from genlab.pde import Peak
    >>> reference = Peak().reference()
    >>> reference.x.shape, reference.exact.shape
    (torch.Size([65536, 2]), torch.Size([65536]))

    Attributes:
        x: Points of the domain, ``[n, d]``, float64.
        weight: What each counts in ``int f dx / |Omega| = sum w f / sum w``, ``[n]``.
        exact: The exact solution there, ``[n]``; None where it is not known.
    """

    x: Float[Tensor, "n d"]
    weight: Float[Tensor, " n"]
    exact: Float[Tensor, " n"] | None


class Problem(Checked, ABC):
    """``N(u) = f`` in the domain, ``u = b`` on the boundary.

    The coordinates of space come first, time is the last one. All functions work row by row, and
    give float64 for float64. Subclasses implement `operator`, and the functions that they know:

    >>> from genlab.pde import Box, differentiate
    >>> class Parabola(Problem):  # -u'' = 2 on [0, 1], zero at both ends
    ...     def operator(self, x, u):
    ...         return -u.laplacian - 2
    ...     def exact(self, x):
    ...         return x[:, 0] * (1 - x[:, 0])
    >>> box = Box([(0, 1)])
    >>> problem = Parabola(box, Faces(box), n_points=50)
    >>> x = torch.tensor([[0.25]])
    >>> problem.residual(x, differentiate(problem.exact, x, 1))
    tensor([0.])

    Args:
        domain: Where the PDE holds.
        boundary: Where ``u`` is prescribed.
        n_points: Collocation points that a solution is sought with.
        space: How many coordinates are space; all if None.

    Attributes:
        has_exact: Whether `exact` is implemented.
        has_lift: Whether the boundary can be made hard.
    """

    def __init__(
        self,
        domain: Domain,
        boundary: Boundary,
        *,
        n_points: PositiveInt,
        space: int | None = None,
    ) -> None:
        self.domain = domain
        self.boundary = boundary
        self.n_points = n_points
        self.space = domain.dim if space is None else space
        self._reference: Reference | None = None

    @property
    def dim(self) -> int:
        """Number of coordinates, time included."""
        return self.domain.dim

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Their names: ``x``, ``x y`` or ``x1 x2 ...`` of space, then ``t`` where there is time."""
        space = ("x", "y") if self.space <= 2 else tuple(f"x{i + 1}" for i in range(self.space))
        return (*space[: self.space], *("t",) * (self.dim - self.space))

    @property
    def has_exact(self) -> bool:
        return type(self).exact is not Problem.exact

    @property
    def has_lift(self) -> bool:
        return isinstance(self.boundary, Faces) or type(self).lift is not Problem.lift

    @property
    def lift_cost(self) -> int:
        """Boundary values that `lift` takes at each point: the cost of a hard boundary."""
        own = type(self).lift is not Problem.lift
        return self.boundary.lift_cost if isinstance(self.boundary, Faces) and not own else 1

    @abstractmethod
    def operator(self, x: Float[Tensor, "n d"], u: Jet) -> Float[Tensor, " n"]:
        """``N(u)`` at points, from the derivatives of ``u`` there."""

    def source(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``f`` at points; zero unless a problem has one."""
        return torch.zeros_like(x[:, 0])

    def residual(self, x: Float[Tensor, "n d"], u: Jet) -> Float[Tensor, " n"]:
        """``r(u) = N(u) - f``, which a solution makes zero everywhere."""
        return self.operator(x, u) - self.source(x)

    def exact(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The solution, or a reference computed to many more digits than a network reaches.

        Raises:
            NotImplementedError: It is not known.
        """
        raise NotImplementedError(f"{type(self).__name__} has no known solution")

    def prescribed(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``b`` at points of the boundary; the exact solution unless a problem says otherwise."""
        return self.exact(x)

    def left_open(self, *, hard: bool) -> str:
        """The condition that is missing, and a remedy; empty where none is.

        Args:
            hard: Whether the boundary is to be hard.
        """
        return ""

    def lift(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``g`` of a hard boundary, in the whole domain: equal to ``b`` on the boundary.

        Raises:
            NotImplementedError: No smooth one is known.
        """
        if not isinstance(self.boundary, Faces):
            raise NotImplementedError(f"{type(self).__name__} has no lift of its boundary values")
        return self.boundary.lift(x, self.prescribed)

    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``w`` of a hard boundary, in the whole domain: zero on the boundary."""
        return self.boundary.cutoff(x)

    def reference(self) -> Reference:
        """The points that a solution is judged on, computed once."""
        if self._reference is None:
            x, weight = self._reference_points()
            exact = None
            if self.has_exact:
                exact = torch.cat([self.exact(rows) for rows in x.split(ROWS_AT_ONCE)])
            self._reference = Reference(x, weight, exact)
        return self._reference

    def _reference_points(self) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        """In the plane a grid of 256 x 256 points, those inside; else as many of a fixed draw."""
        if self.dim == 2:
            x = Grid(self.domain, SIDE).x
        else:
            draw = torch.Generator().manual_seed(0)
            x = self.domain.sample(SIDE**2, generator=draw, dtype=torch.float64)
        return x, torch.ones_like(x[:, 0])
