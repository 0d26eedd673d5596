"""Conditions on a solution beside its PDE: rows that it makes zero where its domain ends or begins.

A network learns them as terms of its loss (Raissi, Perdikaris, Karniadakis, "Physics-informed
neural networks", 2019, doi:10.1016/j.jcp.2018.10.045), unless they are built into it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative, Positive
from genlab.constructor import Checked
from genlab.errors import UserError
from genlab.pde.boundary import Boundary, Faces
from genlab.pde.derivatives import Jet, Order
from genlab.pde.domain import Box

__all__ = ["Condition", "Dirichlet", "Initial", "Measured", "Neumann", "Periodic", "Robin"]

Function = Callable[[Float[Tensor, "n d"]], Float[Tensor, "n *k"]]
"""Of points to numbers: ``[n]`` for one component, ``[n, k]`` for several."""


class ConditionOptions(TypedDict, total=False):
    """Options of a condition that go to `Condition`, where their defaults stand."""

    components: Sequence[str] | None
    weight: NonNegative


class Condition(Checked, ABC):
    """Numbers that a solution makes zero at points, row by row.

    Subclasses implement `sample` and `rows`, and what of `target` and `normals` these need:

    >>> class Pinned(Condition):  # u = 1 at the origin of the plane
    ...     def sample(self, n, *, generator, dtype=None):
    ...         return torch.zeros(n, 2, dtype=dtype)
    ...     def rows(self, u, target, normal):
    ...         return u[0].value - 1
    >>> Pinned().rows((Jet(torch.ones(3)),), torch.zeros(3), None)
    tensor([0., 0., 0.])

    References: doi:10.1016/j.jcp.2018.10.045.

    Args:
        components: Names of the components of u that it tells of, in this order; all if None.
        weight: Of its mean square, beside that of all conditions.

    Attributes:
        order: How far the jets have to go that the rows are made of.
    """

    order: Order = "value"

    def __init__(
        self, *, components: Sequence[str] | None = None, weight: NonNegative = 1.0
    ) -> None:
        self.components = None if components is None else tuple(components)
        self.weight = weight

    @abstractmethod
    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "pn d"]:
        """Points of ``n`` rows: ``n`` of them, or several parts of ``n`` that rows look at.

        Args:
            n: Number of rows.
            generator: Source of randomness.
            dtype: Type of the coordinates, best that of the network: points in single precision
                miss edges in double precision. Torch's default if None.
        """

    def target(self, x: Float[Tensor, "pn d"]) -> Float[Tensor, "n *k"]:
        """The part that does not depend on ``u``, at points; zero unless a condition has one."""
        return torch.zeros_like(x[:, 0])

    def normals(self, x: Float[Tensor, "pn d"]) -> Float[Tensor, "n d"] | None:
        """Outward unit normals at points; None unless a condition has them."""
        return None

    @abstractmethod
    def rows(
        self, u: tuple[Jet, ...], target: Float[Tensor, "n *t"], normal: Float[Tensor, "n d"] | None
    ) -> Float[Tensor, "n *k"]:
        """The rows, zero for a solution.

        Args:
            u: The jets of the components at points.
            target: What `target` says there.
            normal: What `normals` says there.
        """

    def count(self, n: int, scale: float) -> float:
        """The weight of the square of each of ``n`` rows in the loss.

        Args:
            n: The number of rows.
            scale: The weight of all conditions.
        """
        return scale * self.weight / n


class _Prescribed(Condition):
    """Values on a boundary: what conditions at its points have in common."""

    def __init__(
        self, where: Boundary, value: Function, **options: Unpack[ConditionOptions]
    ) -> None:
        super().__init__(**options)
        self.where, self.value = where, value

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "n d"]:
        return self.where.sample(n, generator=generator, dtype=dtype)

    def target(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        return self.value(x)

    def rows(
        self, u: tuple[Jet, ...], target: Float[Tensor, "n *t"], normal: Float[Tensor, "n d"] | None
    ) -> Float[Tensor, "n *k"]:
        return _missed(self._columns(u, normal), target)

    def _columns(
        self, u: tuple[Jet, ...], normal: Float[Tensor, "n d"] | None
    ) -> list[Float[Tensor, " n"]]:
        """The columns of the prescribed values: the components of ``u``, unless there are more."""
        return [one.value for one in u]


class Robin(_Prescribed):
    """``a u + b du/dn = g`` on a boundary, ``du/dn = n . grad u`` by the outward normal.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> box = Box([(0, 1)])
    >>> cooled = Robin(Faces(box, [(0, "high")]), lambda x: 0 * x[:, 0], a=2.0, b=1.0)
    >>> x = cooled.sample(1, generator=None)
    >>> u = Jet(torch.tensor([3.0]), torch.tensor([[-6.0]]))
    >>> cooled.rows((u,), cooled.target(x), cooled.normals(x))
    tensor([0.])

    Args:
        where: The boundary.
        value: ``g``.
        a: Of the value.
        b: Of the normal derivative.
        **options: Those of `Condition`.
    """

    order: Order = "gradient"

    def __init__(
        self,
        where: Boundary,
        value: Function,
        *,
        a: float,
        b: float,
        **options: Unpack[ConditionOptions],
    ) -> None:
        super().__init__(where, value, **options)
        self.a, self.b = a, b

    def normals(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return self.where.normal(x)

    def _columns(
        self, u: tuple[Jet, ...], normal: Float[Tensor, "n d"] | None
    ) -> list[Float[Tensor, " n"]]:
        assert normal is not None
        return [self.a * one.value + self.b * (normal * one.gradient).sum(1) for one in u]


class Neumann(Robin):
    """``du/dn = g`` on a boundary.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> insulated = Neumann(Faces(Box([(0, 1)]), [(0, "low")]), lambda x: 0 * x[:, 0])
    >>> x = insulated.sample(1, generator=None)
    >>> u = Jet(torch.tensor([3.0]), torch.tensor([[-6.0]]))
    >>> insulated.rows((u,), insulated.target(x), insulated.normals(x))
    tensor([6.])

    Args:
        where: The boundary.
        value: ``g``.
        **options: Those of `Condition`.
    """

    def __init__(
        self, where: Boundary, value: Function, **options: Unpack[ConditionOptions]
    ) -> None:
        super().__init__(where, value, a=0.0, b=1.0, **options)


class Dirichlet(_Prescribed):
    """``u = g`` on a boundary.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> edge = Dirichlet(Faces(Box([(0, 1)])), lambda x: x[:, 0])
    >>> edge.rows((Jet(torch.tensor([3.0])),), torch.ones(1), None)
    tensor([2.])

    Args:
        where: The boundary.
        value: ``g``.
        **options: Those of `Condition`.
    """


class Initial(_Prescribed):
    """``u = g`` and ``u_t = h`` where time, the last coordinate, begins.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> begin = Faces(Box([(0, 1), (0, 2)]), [(1, "low")])
    >>> at_rest = Initial(begin, lambda x: x[:, 0], lambda x: 0 * x[:, 0])  # a string
    >>> x = at_rest.sample(5, generator=None)
    >>> u = Jet(x[:, 0], torch.tensor([[1.0, 3.0]]).expand(5, 2))
    >>> at_rest.rows((u,), at_rest.target(x), None)[0]
    tensor([0., 3.])

    Args:
        where: The points at which time begins.
        value: ``g``.
        rate: ``h``; None for an equation of first order in time.
        **options: Those of `Condition`.
    """

    def __init__(
        self,
        where: Boundary,
        value: Function,
        rate: Function | None = None,
        **options: Unpack[ConditionOptions],
    ) -> None:
        super().__init__(where, value, **options)
        self.rate = rate
        self.order = "value" if rate is None else "gradient"

    def target(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        values = super().target(x)
        if self.rate is None:
            return values
        parts = (part.view(len(x), -1) for part in (values, self.rate(x)))
        return torch.cat([*parts], 1)

    def _columns(
        self, u: tuple[Jet, ...], normal: Float[Tensor, "n d"] | None
    ) -> list[Float[Tensor, " n"]]:
        rates = [] if self.rate is None else [one.gradient[:, -1] for one in u]
        return [*super()._columns(u, normal), *rates]


class Periodic(Condition):
    """``u`` and its normal derivative are the same at two opposite sides of a box.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> ring = Periodic(Box([(0, 1), (0, 2)]), 0)
    >>> ring.sample(1, generator=None)[:, 0]
    tensor([0., 1.])

    Args:
        box: The box.
        coordinate: That of the two sides.
        **options: Those of `Condition`.

    Raises:
        UserError: The box has no such coordinate.
    """

    order: Order = "gradient"

    def __init__(self, box: Box, coordinate: int, **options: Unpack[ConditionOptions]) -> None:
        super().__init__(**options)
        if not 0 <= coordinate < box.dim:
            raise UserError(f"coordinate={coordinate}: expected one of 0 to {box.dim - 1}")
        self.box, self.coordinate = box, coordinate
        self.where = Faces(box, [(coordinate, "low")])

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "pn d"]:
        low = self.where.sample(n, generator=generator, dtype=dtype)
        high = low.clone()
        high[:, self.coordinate] = self.box.box[self.coordinate][1]
        return torch.cat((low, high))

    def target(self, x: Float[Tensor, "pn d"]) -> Float[Tensor, " n"]:
        return torch.zeros_like(x[: len(x) // 2, 0])

    def rows(
        self, u: tuple[Jet, ...], target: Float[Tensor, "n *t"], normal: Float[Tensor, "n d"] | None
    ) -> Float[Tensor, "n k"]:
        columns = [one.value for one in u] + [one.gradient[:, self.coordinate] for one in u]
        sides = (column.chunk(2) for column in columns)
        return torch.stack([high - low for low, high in sides], 1)


class Measured(Condition):
    """``(u(x_j) - y_j) / sigma``, data of independent normal errors of known size.

    Their squares are summed, not averaged, so that ``weight`` is what one standard deviation counts
    against the mean squared residual; no weight of all conditions enters. The less it is, the more
    the equation is believed (Raissi, Perdikaris, Karniadakis, 2019, doi:10.1016/j.jcp.2018.10.045,
    section 4).

    >>> data = Measured(torch.tensor([[0.5]]), torch.tensor([2.0]), sigma=0.1, weight=1.0)
    >>> data.rows((Jet(torch.tensor([2.3])),), torch.tensor([2.0]), None).round(decimals=3)
    tensor([3.])

    Args:
        x: Where, ``[n, d]``.
        y: What was measured, ``[n]``, or ``[n, k]`` of several components.
        sigma: Standard deviation of the errors.
        components: Names of the components that it tells of; all if None.
        weight: What one standard deviation counts.

    Raises:
        UserError: There are more places than measurements, or fewer.
    """

    def __init__(
        self,
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "m *k"],
        *,
        sigma: Positive,
        components: Sequence[str] | None = None,
        weight: NonNegative,
    ) -> None:
        super().__init__(components=components, weight=weight)
        if x.ndim != 2 or y.shape[:1] != x.shape[:1]:
            raise UserError(
                f"x {list(x.shape)} and y {list(y.shape)}: expected [n, d] and [n], or [n, k] of "
                "several components"
            )
        self.x, self.y, self.sigma = x, y, sigma

    def sample(
        self, n: int, *, generator: torch.Generator | None, dtype: torch.dtype | None = None
    ) -> Float[Tensor, "m d"]:
        return self.x.to(dtype or self.x.dtype)

    def target(self, x: Float[Tensor, "m d"]) -> Float[Tensor, "m *k"]:
        return self.y.to(x)

    def rows(
        self, u: tuple[Jet, ...], target: Float[Tensor, "n *t"], normal: Float[Tensor, "n d"] | None
    ) -> Float[Tensor, "n *k"]:
        return _missed([one.value for one in u], target) / self.sigma

    def count(self, n: int, scale: float) -> float:
        return self.weight


def _missed(
    columns: Sequence[Float[Tensor, " n"]], target: Float[Tensor, "*t"]
) -> Float[Tensor, "n *k"]:
    """Columns less their targets; one column as it is, several side by side.

    Raises:
        UserError: There are more targets or fewer.
    """
    values = columns[0] if len(columns) == 1 else torch.stack([*columns], 1)
    if target.shape[:1] != values.shape[:1] or target.numel() != values.numel():
        raise UserError(
            f"values of shape {list(target.shape)}, expected {list(values.shape)}: a row for each "
            "point, a column for each component"
        )
    return values - target.view(values.shape)
