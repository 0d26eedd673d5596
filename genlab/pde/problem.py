"""The contract of a problem: a PDE of second order, its boundary values, and its solution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.constructor import Checked
from genlab.pde.boundary import Boundary, Faces
from genlab.pde.coefficients import Coefficient
from genlab.pde.conditions import Condition, Dirichlet
from genlab.pde.derivatives import Jet, Jets, Order, jets_of, joined
from genlab.pde.domain import Domain
from genlab.pde.grid import Grid

__all__ = ["Problem", "Reference", "squared", "zero_jets"]

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
        exact: The exact solution there, ``[n]``, or ``[n, m]`` of ``m`` components; None where it
            is not known.
    """

    x: Float[Tensor, "n d"]
    weight: Float[Tensor, " n"]
    exact: Float[Tensor, "n *m"] | None


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

    A system has several `components`: its operator takes a tuple of their jets, and returns a
    column for each equation; its other functions have a column for each component.

    >>> class Rotation(Problem):  # u' = v, v' = -u
    ...     components = ("u", "v")
    ...     def operator(self, x, u):
    ...         u, v = u
    ...         return torch.stack((u.gradient[:, 0] - v.value, v.gradient[:, 0] + u.value), 1)
    ...     def exact(self, x):
    ...         return torch.cat((x.sin(), x.cos()), 1)
    >>> problem = Rotation(box, Faces(box, [(0, "low")]), n_points=50)
    >>> problem.equations, problem.order, problem.lift(torch.ones(1, 1)).abs()
    (2, 'laplacian', tensor([[0., 1.]]))

    Args:
        domain: Where the PDE holds.
        boundary: Where ``u`` is prescribed; ``Faces(box, [])`` where other conditions hold.
        n_points: Collocation points that a solution is sought with.
        space: How many coordinates are space; all if None.

    Attributes:
        components: Names of the components of ``u``.
        prescribed_components: Those that the boundary prescribes.
        up_to_constant: Those that are known up to a constant only, as a pressure is.
        coefficients: What is not known of the equation, by the names that `operator` takes it by.
        periodic: The coordinates that the box is closed to a ring in; no face of theirs belongs to
            the boundary.
        has_exact: Whether `exact` is implemented.
        has_lift: Whether the boundary can be made hard.
    """

    components: tuple[str, ...] = ("u",)
    prescribed_components: tuple[str, ...] | None = None
    up_to_constant: tuple[str, ...] = ()
    coefficients: Mapping[str, Coefficient] = {}
    periodic: tuple[int, ...] = ()

    def __init__(
        self, domain: Domain, boundary: Boundary, *, n_points: PositiveInt, space: int | None = None
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
        on_faces = isinstance(self.boundary, Faces) and bool(self.boundary.faces)
        return on_faces or type(self).lift is not Problem.lift

    @property
    def lift_cost(self) -> int:
        """Boundary values that `lift` takes at each point: the cost of a hard boundary."""
        own = type(self).lift is not Problem.lift
        return self.boundary.lift_cost if isinstance(self.boundary, Faces) and not own else 1

    @cached_property
    def order(self) -> Order:
        """The jets that `operator` needs: with the Hessian only where it looks at it."""
        return "hessian" if self._tried[0] else "laplacian"

    @cached_property
    def equations(self) -> int:
        """The number of columns that `operator` returns; 1 where it returns none."""
        return self._tried[1]

    @abstractmethod
    def operator(
        self, x: Float[Tensor, "n d"], u: Any, *args: Any, **coefficients: Any
    ) -> Float[Tensor, "n *e"]:
        """``N(u)`` at points, from the derivatives of ``u`` there.

        Args:
            x: The points.
            u: The jet of ``u`` there; of a system a tuple, one for each component.
            coefficients: Each by its name, as a number for each point, ``[n]``.
        """

    def source(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *e"]:
        """``f`` at points; zero unless a problem has one."""
        zero = torch.zeros_like(x[:, 0])
        return zero if self.equations == 1 else zero[:, None].expand(-1, self.equations)

    def residual(
        self, x: Float[Tensor, "n d"], u: Jets, **coefficients: Float[Tensor, " n"]
    ) -> Float[Tensor, "n *e"]:
        """``r(u) = N(u) - f``, which a solution makes zero everywhere."""
        return self.operator(x, u, **coefficients) - self.source(x)

    def exact(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        """The solution, or a reference computed to many more digits than a network reaches.

        Raises:
            NotImplementedError: It is not known.
        """
        raise NotImplementedError(f"{type(self).__name__} has no known solution")

    def prescribed(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        """``b`` at points of the boundary; the exact solution unless a problem says otherwise.

        Of a system, a column for each of the `prescribed_components`.
        """
        exact = self.exact(x)
        return exact if exact.ndim == 1 else exact[:, self.places(self.prescribed_components)]

    def places(self, components: tuple[str, ...] | None) -> list[int]:
        """The place of each of some components; of all if None."""
        named = self.components if components is None else components
        return [self.components.index(name) for name in named]

    def essential(self) -> tuple[Condition, ...]:
        """The conditions that a hard boundary holds, and that a soft one learns."""
        named, boundary = self.prescribed_components, self.boundary
        if isinstance(boundary, Faces) and not boundary.faces:
            return ()
        return (Dirichlet(boundary, self.prescribed, components=named),)

    def conditions(self) -> tuple[Condition, ...]:
        """The conditions beside them, which are learned in any case: none by default."""
        return ()

    def left_open(self, *, hard: bool) -> str:
        """The condition that is missing, and a remedy; empty where none is.

        Args:
            hard: Whether the boundary is to be hard.
        """
        return ""

    def lift(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        """``g`` of a hard boundary, in the whole domain: equal to ``b`` on the boundary.

        Of a system, a column for each component, zero where it is not prescribed.

        Raises:
            NotImplementedError: No smooth one is known.
        """
        if not isinstance(self.boundary, Faces):
            raise NotImplementedError(f"{type(self).__name__} has no lift of its boundary values")
        if len(self.components) == 1:
            return self.boundary.lift(x, self.prescribed)
        number = len(self.places(self.prescribed_components))
        parts = (partial(self._prescribed_column, j) for j in range(number))
        columns = [self.boundary.lift(x, part) for part in parts]
        return self._filled(columns, torch.zeros_like(x[:, 0]))

    def _prescribed_column(self, j: int, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return self.prescribed(x)[:, j]

    def cutoff(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        """``w`` of a hard boundary, in the whole domain: zero on the boundary.

        Of a system, a column for each component, one where it is not prescribed.
        """
        cutoff = self._vanishing(x)
        if len(self.components) == 1:
            return cutoff
        columns = [cutoff] * len(self.places(self.prescribed_components))
        return self._filled(columns, torch.ones_like(cutoff))

    def _vanishing(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The cutoff of each component that is prescribed."""
        return self.boundary.cutoff(x)

    def _filled(
        self, prescribed: Sequence[Float[Tensor, " n"]], other: Float[Tensor, " n"]
    ) -> Float[Tensor, "n m"]:
        """Columns of the components that are prescribed, at their places among all of them."""
        columns = [other] * len(self.components)
        for place, column in zip(self.places(self.prescribed_components), prescribed, strict=True):
            columns[place] = column
        return torch.stack(columns, 1)

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

    @cached_property
    def _tried(self) -> tuple[bool, int]:
        """Whether `operator` looks at the Hessian, and how many columns it returns."""
        x = self.domain.sample(1, generator=torch.Generator().manual_seed(0))
        jets = tuple(_Probe(*jet) for jet in jets_of(zero_jets(x, len(self.components))))
        columns = self.operator(x, joined(jets), **self._start(x))
        return any(jet.asked for jet in jets), columns[0].numel()

    def _start(self, x: Float[Tensor, "n d"]) -> dict[str, Float[Tensor, " n"]]:
        """The start values of the coefficients, at each point."""
        return {
            name: torch.full_like(x[:, 0], coefficient.start)
            for name, coefficient in self.coefficients.items()
        }


class _Probe(Jet):
    """A jet that notes whether its Hessian is looked at."""

    asked = False

    @property
    def hessian(self) -> Float[Tensor, "n d d"]:
        self.asked = True
        return self[3]


def zero_jets(x: Float[Tensor, "n d"], components: int) -> Jets:
    """The jets of ``u = 0``.

    Args:
        x: The points.
        components: How many ``u`` has.
    """
    zero, (n, d) = torch.zeros_like(x[:, 0]), x.shape
    return joined((Jet(zero, torch.zeros_like(x), zero, x.new_zeros(n, d, d)),) * components)


def squared(residual: Float[Tensor, "n *e"]) -> Float[Tensor, " n"]:
    """``|r|^2`` at each point: the sum over the equations, where there are several.

    >>> squared(torch.tensor([[3.0, 4.0]])), squared(torch.tensor([3.0]))
    (tensor([25.]), tensor([9.]))
    """
    squares = residual.square()
    return squares if squares.ndim == 1 else squares.sum(1)
