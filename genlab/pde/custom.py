"""The user's own problem: one Python file."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import PositiveInt
from genlab.errors import UserError
from genlab.pde.boundary import Boundary, Faces
from genlab.pde.custom_boundary import LOOKED_AT, UserBoundary, at_first, given, just_begun
from genlab.pde.derivatives import Jet
from genlab.pde.domain import Box, Domain, IndicatorDomain
from genlab.pde.problem import Problem
from genlab.userfile import UserFile, refuse_box

__all__ = ["CustomProblem"]

TRIAL = 5
"""Points that a user's functions are tried on."""
FUNCTIONS = ("residual", "inside", "boundary", "initial", "exact", "cutoff", "boundary_points")


class CustomProblem(Problem):
    """A problem that a Python file defines by these names::

        box = [[-1, 1], [-1, 1]]     # an interval for each coordinate
        def residual(x, u):          # [n], zero for a solution; u has .value [n],
                                     # .gradient [n, d] and .laplacian [n]
        time = True                  # if the last coordinate is time, with no condition at its end
        def inside(x):               # if the domain is a part of the box: [n], true inside
        def boundary(x):             # [n], prescribed values; zero without it
        def initial(x):              # [n], those where time begins; those of `boundary` without it
        def exact(x):                # [n], if the solution is known
        def cutoff(x):               # [n], zero on the boundary only } of a domain with `inside`,
        def boundary_points(n, generator):    # [n, d], on it         } for a hard, a soft boundary

    Functions take points ``[n, d]`` of float32 or float64, and must be made of torch operations.
    On a box, hard and soft boundaries need nothing else. With ``inside``, a hard one needs
    ``cutoff``, and ``boundary`` must then make sense in the whole domain. If there is time too,
    ``initial`` is given, and the other two tell of the boundary in space; or else these tell of
    where time begins too.

    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".py") as file:
    ...     print("box = [[0, 1]]", "residual = lambda x, u: u.laplacian + 2", sep=";", file=file)
    ...     file.flush()
    ...     problem = CustomProblem(file=file.name, dim=1)
    >>> problem.domain.box
    ((0.0, 1.0),)

    Args:
        file: Path of the file.
        dim: Number of coordinates, as many as the box has intervals.
        n_points: Collocation points that a solution is sought with.

    Raises:
        UserError: The file is missing or fails, or what it defines does not fit.
    """

    def __init__(self, *, file: str, dim: PositiveInt = 2, n_points: PositiveInt = 1000) -> None:
        self._file = UserFile(file, "file")
        domain = self._domain()
        if domain.dim != dim:
            raise UserError(
                f"dim={dim}: the box of `{self._file.key}` has {domain.dim} "
                f"interval{'s' if domain.dim > 1 else ''}; set `dim={domain.dim}`"
            )
        time = self._file.names.get("time", False)
        if not isinstance(time, bool):
            raise UserError(f"{self._file.key}: time is {time!r}, expected True or False")
        self._prescribed = self._file.function("boundary")
        self._initial = self._file.function("initial")
        if self._initial is not None and not time:
            raise UserError(
                f"{self._file.key}: defines initial(x), but no time\n"
                "add time = True, for the last coordinate to be time"
            )
        boundary: Boundary
        if isinstance(domain, Box):
            every = Faces(domain).faces
            boundary = Faces(domain, every[:-1] if time else None)
        else:
            boundary = UserBoundary(self._file, domain, begins=self._initial is not None)
        space = domain.dim - 1 if time else domain.dim
        super().__init__(domain, boundary, n_points=n_points, space=space)
        residual = self._file.function("residual")
        if residual is None:
            raise self._file.missing("residual(x, u)", "residual")
        self._residual: Callable[..., Any] = residual
        self._file.refuse_misspelt(FUNCTIONS)
        self._exact = self._file.function("exact")
        self._try()

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions of a file that is not importable cannot be pickled: the file is what is kept.
        problem = partial(CustomProblem, file=self._file.path, dim=self.dim, n_points=self.n_points)
        return problem, ()

    @property
    def has_exact(self) -> bool:
        return self._exact is not None

    @property
    def has_lift(self) -> bool:
        return self.boundary.has_cutoff

    def operator(self, x: Float[Tensor, "n d"], u: Jet) -> Float[Tensor, " n"]:
        what = "residual(x, u)"
        return self._file.tensor(what, lambda: self._residual(x, u), (len(x),), given=given(x))

    def exact(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        exact = self._exact
        if exact is None:
            return super().exact(x)
        return self._file.tensor("exact(x)", lambda: exact(x), (len(x),), given=given(x))

    def prescribed(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        values = self._on_boundary(x)
        if self._initial is None:
            return values
        return torch.where(just_begun(self.domain, x), self._at_first(x), values)

    def _on_boundary(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        values = self._prescribed
        if values is None:
            return torch.zeros_like(x[:, 0])
        return self._file.tensor("boundary(x)", lambda: values(x), (len(x),), given=given(x))

    def _at_first(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``u`` where time begins, at the places of some points."""
        values, first = self._initial, at_first(self.domain, x[:, :-1])
        assert values is not None
        return self._file.tensor("initial(x)", lambda: values(first), (len(x),), given=given(x))

    @property
    def lift_cost(self) -> int:
        if self._prescribed is None and self._initial is None:
            return 0
        return self.boundary.lift_cost if isinstance(self.boundary, Faces) else 1

    def lift(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        if self.lift_cost == 0:
            return torch.zeros_like(x[:, 0])
        if isinstance(self.boundary, Faces):
            return super().lift(x)
        values = self._on_boundary(x)
        if self._initial is None:
            return values
        # What is prescribed at first differs from these inside only: the difference goes on.
        return values + self._at_first(x) - self._on_boundary(at_first(self.domain, x[:, :-1]))

    def left_open(self, *, hard: bool) -> str:
        said = self.space == self.dim or self._initial is not None
        if said or not isinstance(self.boundary, UserBoundary):
            return ""
        start = f"t = {self.domain.box[-1][0]:g}"
        if hard:
            held = self.boundary.vanishes_at_first
            what, remedy = f"cutoff(x) is not zero at {start}", "make cutoff(x) zero there"
        else:
            draw = torch.Generator().manual_seed(0)
            x = self.boundary.sample(LOOKED_AT, generator=draw)
            held = bool(just_begun(self.domain, x).any())
            what = f"none of {LOOKED_AT} boundary_points lies at {start}"
            remedy = "have some boundary_points lie there"
        if held:
            return ""
        return (
            f"{self._file.key}: time = True, but {what}: nothing says how u begins\n"
            f"add initial(x), the values of u at {start}, or {remedy}"
        )

    def _domain(self) -> Domain:
        box, inside = self._file.names.get("box"), self._file.function("inside")
        if box is None:
            raise UserError(f"{self._file.key}: defines no box = [[low, high], ...]")
        refuse_box(box, self._file.key)
        if inside is None:
            return Box(box)
        return IndicatorDomain(
            box,
            lambda x: self._file.tensor("inside(x)", lambda: inside(x), (len(x),)).bool(),
        )

    def _try(self) -> None:
        """Find mistakes before anything is trained on them."""
        draw = torch.Generator().manual_seed(0)
        x = self.domain.sample(TRIAL, generator=draw)
        zero = Jet(x[:, 0] * 0, x * 0, x[:, 0] * 0, x[:, :, None] * x[:, None] * 0)
        values = {"residual of u = 0": self.residual(x, zero), "boundary": self._on_boundary(x)}
        if self._initial is not None:
            values["initial"] = self._at_first(x)
        if self.has_exact:
            values["exact"] = self.exact(x)
        for name, value in values.items():
            for number, point in zip(value.tolist(), x.tolist(), strict=True):
                if not math.isfinite(number):
                    where = ", ".join(f"{coordinate:.4g}" for coordinate in point)
                    raise UserError(
                        f"{self._file.key}: {name} is {number} at x = [{where}], expected a finite "
                        "number"
                    )
