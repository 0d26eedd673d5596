"""The user's own problem: one Python file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import rowwise
from genlab.bounds import PositiveInt
from genlab.errors import UserError
from genlab.pde.boundary import Boundary, Faces
from genlab.pde.conditions import Condition, Initial
from genlab.pde.custom_boundary import LOOKED_AT, NEARLY, UserBoundary, at_first, given, just_begun
from genlab.pde.custom_domain import boundary_of, domain_of
from genlab.pde.custom_settings import SETTINGS, Settings
from genlab.pde.custom_trial import refuse_cutoff, refuse_deaf
from genlab.pde.cylinder import Cylinder, CylinderBoundary
from genlab.pde.derivatives import Jets, differentiate, jets_of
from genlab.pde.domain import Box
from genlab.pde.problem import Problem, zero_jets
from genlab.userfile import UserFile

__all__ = ["CustomProblem"]

TRIAL = 5
"""Points that a user's functions are tried on."""
FUNCTIONS = (
    "residual",
    "inside",
    "boundary",
    "initial",
    "initial_rate",
    "exact",
    "cutoff",
    "boundary_points",
)


class CustomProblem(Problem):
    """A problem that a Python file defines by these names::

        box = [[-1, 1], [-1, 1]]     # an interval for each coordinate
        def residual(x, u):          # [n], zero for a solution; u has .value [n],
                                     # .gradient [n, d], .laplacian [n] and .hessian [n, d, d]
        time = True                  # if the last coordinate is time, with no condition at its end
        domain = Box(...) - Disk()   # instead of both: of genlab.pde, or a `Cylinder` in time
        def inside(x):               # if the domain is a part of the box: [n], true inside
        def boundary(x):             # [n], prescribed values; zero without it
        def initial(x):              # [n], those where time begins; those of `boundary` without it
        def initial_rate(x):         # [n], u_t there, of an equation with u_tt
        def exact(x):                # [n], if the solution is known
        def cutoff(x):               # [n], zero on the boundary only } of a domain with `inside`,
        def boundary_points(n, generator):    # [n, d], on it         } for a hard, a soft boundary
        components = ["u", "p"]      # of a system: residual takes a tuple of them, and returns a
                                     # column for each equation, `exact` one for each component
        prescribed = ["u"]           # those that `boundary` and `initial` have a column for
        up_to_constant = ["p"]       # those that are known up to a constant
        coefficients = {"D": 0.3}    # unknown numbers with what they start from, that are positive
                                     # unless they are a `Coefficient`: residual(x, u, D)
        faces = [(0, "low")]         # of the box in space, where `boundary` holds; else on all
        periodic = [1]               # coordinates that the box is closed to a ring in
        conditions = [Neumann(...)]  # others, of genlab.pde: Robin, Periodic, Measured, ...

    Functions take points ``[n, d]`` of float32 or float64, and must be made of torch operations.
    On a box, hard and soft boundaries need nothing else. With ``inside``, a hard one needs
    ``cutoff``, and ``boundary`` must then make sense in the whole domain. If there is time too,
    ``initial`` is given, and the other two tell of the boundary in space; or else these tell of
    where time begins too. A ``domain`` brings boundary points and cutoff itself. Values are built
    in where the boundary is hard, and so is ``initial_rate`` on a box, or on a ``Cylinder`` without
    ``boundary``, unless it jumps to what goes on at the sides; ``conditions`` are learned.

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
        domain = domain_of(self._file)
        if domain.dim != dim:
            raise UserError(
                f"dim={dim}: the box of `{self._file.key}` has {domain.dim} "
                f"interval{'s' if domain.dim > 1 else ''}; set `dim={domain.dim}`"
            )
        time = self._file.names.get("time", isinstance(self._file.names.get("domain"), Cylinder))
        if not isinstance(time, bool):
            raise self._file.error("time", f"time is {time!r}, expected True or False")
        self._prescribed = self._file.function("boundary")
        self._initial = self._file.function("initial")
        if self._initial is not None and not time:
            raise self._file.error(
                "initial",
                "defines initial(x), but no time",
                "add time = True, for the last coordinate to be time",
            )
        space = domain.dim - 1 if time else domain.dim
        settings = Settings.of(self._file, domain, space)
        self.components, self.prescribed_components = settings.components, settings.prescribed
        self.up_to_constant, self.coefficients = settings.up_to_constant, settings.coefficients
        self.periodic, self._conditions = settings.periodic, settings.conditions
        boundary: Boundary
        if isinstance(domain, Box):
            boundary = Faces(domain, settings.faces)
        else:
            begins = self._initial is not None
            boundary = boundary_of(self._file, domain, time=time, begins=begins)
        super().__init__(domain, boundary, n_points=n_points, space=space)
        self._rate = self._file.function("initial_rate")
        if self._rate is not None and not (time and isinstance(domain, Box | Cylinder)):
            raise self._file.error(
                "initial_rate",
                "defines initial_rate(x), which a box with time = True or a Cylinder has",
                "add time = True, or a domain in place of inside(x)",
            )
        residual = self._file.function("residual")
        if residual is None:
            cure = f"write {self._call}: zero for a solution, such as u.laplacian + 1"
            raise self._file.missing("function residual(x, u)", "residual", cure)
        self._residual: Callable[..., Any] = residual
        self._file.refuse_misspelt(FUNCTIONS, SETTINGS)
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

    def operator(
        self, x: Float[Tensor, "n d"], u: Jets, **coefficients: Float[Tensor, " n"]
    ) -> Float[Tensor, "n *e"]:
        what, cure = self._call, self._given(x)
        columns = self._file.call(
            what, lambda: self._residual(x, u, **coefficients), given=f"expected {what}: {cure}"
        )
        several = len(self.components) > 1 and getattr(columns, "ndim", 1) == 2
        shape = (len(x), columns.shape[1]) if several else (len(x),)
        return self._file.tensor(what, lambda: columns, shape, given=given(x), cure=cure)

    def exact(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        if self._exact is None:
            return super().exact(x)
        return self._values("exact", self._exact, x, len(self.components))

    def prescribed(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        values = self._on_boundary(x)
        if self._initial is None:
            return values
        begun = just_begun(self.domain, x)
        first = self._at_first(x)
        return torch.where(rowwise(begun, first), first, values)

    def essential(self) -> tuple[Condition, ...]:
        return (*super().essential(), *(self._beginning() if self._holds_rate else ()))

    def conditions(self) -> tuple[Condition, ...]:
        return (*(() if self._holds_rate else self._beginning()), *self._conditions)

    def _beginning(self) -> tuple[Condition, ...]:
        """The condition that tells of the rate."""
        if self._rate is None:
            return ()
        begin: Boundary
        if isinstance(self.domain, Cylinder):
            begin = CylinderBoundary(self.domain, ["bottom"])
        else:
            assert isinstance(self.domain, Box)
            begin = Faces(self.domain, [(self.domain.dim - 1, "low")])
        return (
            Initial(begin, self.prescribed, self._rate_of, components=self.prescribed_components),
        )

    def _rate_of(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        assert self._rate is not None
        return self._values("initial_rate", self._rate, x)

    @cached_property
    def _sides(self) -> Boundary | None:
        """The boundary in space, at all times; None where nothing is prescribed there."""
        if isinstance(self.domain, Cylinder):
            return CylinderBoundary(self.domain, ["lateral"])
        assert isinstance(self.domain, Box)
        assert isinstance(self.boundary, Faces)
        faces = [face for face in self.boundary.faces if face[0] < self.space]
        return Faces(self.domain, faces) if faces else None

    @cached_property
    def _holds_rate(self) -> bool:
        """Whether a hard boundary holds the rate: where the sides move at first as it says.

        Elsewhere no smooth function does both.
        """
        at_rest = isinstance(self.boundary, CylinderBoundary) and self._prescribed is None
        lifted = self.has_lift and (at_rest or isinstance(self.boundary, Faces))
        if self._rate is None or not lifted:
            return False
        if self._sides is None:
            return True
        draw = torch.Generator().manual_seed(0)
        x = self._sides.sample(LOOKED_AT, generator=draw, dtype=torch.float64)
        x = at_first(self.domain, x[:, :-1])
        rate = self._rate_of(x).view(len(x), -1)
        jets = jets_of(differentiate(self._on_boundary, x, self.space, "gradient"))
        slopes = torch.stack([jet.gradient[:, -1] for jet in jets], 1)
        return bool((rate - slopes).abs().max() <= NEARLY * (1 + slopes.abs().max()))

    def _values(
        self,
        name: str,
        function: Callable[..., Any],
        x: Float[Tensor, "n d"],
        columns: int | None = None,
    ) -> Float[Tensor, "n *k"]:
        """The values of a function of the file, a column for each component that it tells of."""
        k = len(self.places(self.prescribed_components)) if columns is None else columns
        shape = (len(x),) if len(self.components) == 1 else (len(x), k)
        cure = f"x is {list(x.shape)}, a point in each row"
        if len(self.components) > 1:
            cure += "; return a column for each component"
        return self._file.tensor(
            f"{name}(x)", lambda: function(x), shape, given=given(x), cure=cure
        )

    @property
    def _call(self) -> str:
        """The call of the residual, in words."""
        return f"residual({', '.join(('x', 'u', *self.coefficients))})"

    def _given(self, x: Float[Tensor, "n d"]) -> str:
        """The jets that the residual is given, in words."""
        n, d = x.shape
        names = ", ".join(self.components)
        each = f"u is a tuple ({names}), each with" if len(self.components) > 1 else "u has"
        return (
            f"{each} value [{n}], gradient [{n}, {d}], laplacian [{n}] and hessian [{n}, {d}, {d}]"
        )

    def _zero(self, x: Float[Tensor, "n d"], columns: int) -> Float[Tensor, "n *k"]:
        zero = torch.zeros_like(x[:, 0])
        return zero if len(self.components) == 1 else zero[:, None].repeat(1, columns)

    def _on_boundary(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        if self._prescribed is None:
            return self._zero(x, len(self.places(self.prescribed_components)))
        return self._values("boundary", self._prescribed, x)

    def _at_first(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        """``u`` where time begins, at the places of some points."""
        assert self._initial is not None
        return self._values("initial", self._initial, at_first(self.domain, x[:, :-1]))

    @property
    def lift_cost(self) -> int:
        if self._prescribed is None and self._initial is None and not self._holds_rate:
            return 0
        return self.boundary.lift_cost if isinstance(self.boundary, Faces) else 1

    def lift(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        if self.lift_cost == 0:
            return self._zero(x, len(self.components))
        if self._holds_rate:
            return self._lift_with_rate(x)
        if isinstance(self.boundary, Faces):
            return super().lift(x)
        values = self._on_boundary(x)
        if self._initial is not None:
            # What is prescribed at first differs inside only: the difference goes on.
            first = at_first(self.domain, x[:, :-1])
            values = values + self._at_first(x) - self._on_boundary(first)
        if len(self.components) == 1:
            return values
        return self._filled(values.unbind(1), torch.zeros_like(x[:, 0]))

    def _lift_with_rate(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        """``g = h + L (b - h)``, ``h = u_0 + (t - t_0) u_1`` and ``L`` the lift of the sides."""
        columns = list(self._begun(x).view(len(x), -1).unbind(1))
        if isinstance(self._sides, Faces):
            columns = [
                column + self._sides.lift(x, partial(self._beside, j))
                for j, column in enumerate(columns)
            ]
        if len(self.components) == 1:
            return columns[0]
        return self._filled(columns, torch.zeros_like(x[:, 0]))

    def _begun(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *k"]:
        """``h``: how ``u`` goes on from where time begins, in the first order."""
        first = at_first(self.domain, x[:, :-1])
        rate = self._rate_of(first)
        return self.prescribed(first) + rowwise(x[:, -1] - first[:, -1], rate) * rate

    def _beside(self, j: int, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``b - h`` of one component."""
        return (self.prescribed(x) - self._begun(x)).view(len(x), -1)[:, j]

    def _vanishing(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        cutoff = super()._vanishing(x)
        if not self._holds_rate:
            return cutoff
        # Squared in time, so that neither u nor u_t is changed where it begins.
        start, end = self.domain.box[-1]
        return cutoff * (x[:, -1] - start) / (end - start)

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
        mistake = f"time = True, but {what}: nothing says how u begins"
        cure = f"add initial(x), the values of u at {start}, or {remedy}"
        return str(self._file.error("time", mistake, cure))

    def _try(self) -> None:
        """Find mistakes before anything is trained on them."""
        draw = torch.Generator().manual_seed(0)
        x = self.domain.sample(TRIAL, generator=draw)
        residual = refuse_deaf(self, self._file, self._call, x, self._start(x))
        values = {"residual of u = 0": residual, "boundary": self._on_boundary(x)}
        if self._initial is not None:
            values["initial"] = self._at_first(x)
        if self._rate is not None and self.order != "hessian":
            raise self._file.error(
                "initial_rate",
                f"defines initial_rate(x), but {self._call} has no u_tt",
                "leave it out, or write u_tt as u.hessian[:, -1, -1]",
            )
        if self._rate is not None:
            values["initial_rate"] = self._values("initial_rate", self._rate, x)
        if self.has_exact:
            values["exact"] = self.exact(x)
        for name, value in values.items():
            self._refuse_infinite(name, value, x)
        refuse_cutoff(self, self._file)
        for number, condition in enumerate(self._conditions):
            name = f"conditions[{number}]"
            rows, at = self._file.call(name, partial(self._rows, condition))
            self._refuse_infinite(f"{name} of u = 0", rows, at, number)

    def _rows(self, condition: Condition) -> tuple[Float[Tensor, "n *k"], Float[Tensor, "n d"]]:
        """The rows of a condition that ``u = 0`` is put to, at some points."""
        x = condition.sample(TRIAL, generator=torch.Generator().manual_seed(0)).float()
        if x.shape[1:] != (self.dim,):
            raise UserError(f"points of shape {list(x.shape)}, expected [n, {self.dim}]")
        jets = jets_of(zero_jets(x, len(self.components)))
        chosen = tuple(jets[place] for place in self.places(condition.components))
        rows = condition.rows(chosen, condition.target(x), condition.normals(x))
        return rows, x[: len(rows)]

    def _refuse_infinite(
        self,
        name: str,
        values: Float[Tensor, "n *k"],
        x: Float[Tensor, "n d"],
        item: int | None = None,
    ) -> None:
        for numbers, point in zip(values.view(len(x), -1).tolist(), x.tolist(), strict=True):
            for number in numbers:
                if not math.isfinite(number):
                    where = ", ".join(f"{coordinate:.4g}" for coordinate in point)
                    raise self._file.error(
                        re.match(r"\w+", name)[0],  # type: ignore[index]
                        f"{name} is {number} at x = [{where}], expected a finite number",
                        "look there for a division by zero, or for a root or a logarithm of it",
                        item=item,
                    )
