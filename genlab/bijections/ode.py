"""The flow of an ODE, as a bijection between its two ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.by_torchdiffeq import Field, VelocityAlone
from genlab.bijections.solvers import ODESolver
from genlab.nn.context import Context
from genlab.nn.dropout import refuse_dropout
from genlab.nn.velocity import Velocity, basis, trace

__all__ = ["ODE", "DivergenceMethod", "ODEGradient", "PathCosts", "coarsely"]

DivergenceMethod = Literal["exact", "rademacher", "gaussian"]
ODEGradient = Literal["backprop", "adjoint"]

Values = TypeVar("Values")

# Stretches of time that are shown one by one.
STRETCHES = 8


class PathCosts(NamedTuple):
    """Integrals over time that regularisers of a flow's paths put a price on, for each sample.

    References: arXiv:2002.02798.

    >>> import genlab, torch
    >>> ode = genlab.models.CNF(2).ode
    >>> z, log_det, costs = ode.forward_with_costs(torch.randn(5, 2), jacobian=False)
    >>> costs.kinetic.shape
    torch.Size([5])

    Attributes:
        kinetic: ``int |v|^2 dt``; least for straight paths at constant speed.
        jacobian: ``int |dv/dx|_F^2 dt``, or its estimate by the probe; None where not asked for.
    """

    kinetic: Float[Tensor, " n"]
    jacobian: Float[Tensor, " n"] | None


@dataclass
class Count:
    """Evaluations of the velocity in one solve.

    Attributes:
        calls: All so far, those of a gradient by the adjoint ODE included.
        forward: Those of the solve itself, set at its end.
    """

    calls: int = 0
    forward: int = 0

    def counted(self, evaluate: Callable[[Tensor, Tensor], Values]) -> Callable[..., Values]:
        """The same function of time and place, of which each call counts."""

        def counting(t: Tensor, x: Tensor) -> Values:
            self.calls += 1
            return evaluate(t, x)

        return counting


class ODE(Bijection):
    """``dx/dt = v(x, t, c)`` from the latent at t = 0 to the data at t = 1.

    `forward` follows the field back from the data and integrates the divergence:
    ``log|det| = -int_0^1 div v dt`` (Chen et al., "Neural ordinary differential equations", 2018,
    theorem 1). The exact divergence is the trace of the Jacobian. Hutchinson's estimate is
    ``e' (dv/dx) e`` with one probe e for the whole of a solve, so that the integrand is smooth
    (Grathwohl et al., "FFJORD", 2019, section 3.1); torch's global generator draws it.

    No autocast rounds the velocity: an adaptive solver would take the rounding for steepness.

    References: arXiv:1806.07366, arXiv:1810.01367.

    >>> import genlab, torch
    >>> ode = genlab.models.CNF(2).ode
    >>> z, log_det = ode(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

    Args:
        velocity: The field.
        solver: Follows it in training, and to generate: what is trained is what samples.
        evaluation: Follows it for the log-determinants outside of training, so finely that they
            are the ODE's, not those of a discretisation.
        divergence: ``exact``, or the distribution of the probe of Hutchinson's estimate, for a
            velocity that does not know its divergence (`Velocity.knows_divergence`).
        gradient: ``backprop`` through the solver, or by the ``adjoint`` ODE, whose memory does not
            grow with the number of steps; a context then gets no gradient.
        start: Time of the latent.
        end: Time of the data.

    Raises:
        ArgumentError: By a log-determinant in training, if the velocity has dropout.
    """

    def __init__(
        self,
        velocity: Velocity,
        *,
        solver: ODESolver,
        evaluation: ODESolver,
        divergence: DivergenceMethod,
        gradient: ODEGradient,
        start: float = 0.0,
        end: float = 1.0,
    ) -> None:
        super().__init__()
        self.velocity = velocity
        self.solver = solver
        self.evaluation = evaluation
        self.divergence = divergence
        self.gradient = gradient
        self.start = start
        self.end = end
        self._counts: dict[str, Count] = {}

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        z, log_det = self._solve(self._field(x, context), x, context, self.end, self.start)
        return z, log_det

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        x, log_det = self._solve(self._field(z, context), z, context, self.start, self.end)
        return x, log_det

    def generate(
        self, z: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        return self._carry(z, context, self.start, self.end, purpose="sample")

    def encode(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, "n *event"]:
        return self._carry(x, context, self.end, self.start, purpose="code")

    def forward_with_costs(
        self, x: Float[Tensor, "n *event"], context: Context = None, *, jacobian: bool
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"], PathCosts]:
        """`forward`, and what the regularisers of the paths need, from the same evaluations.

        Args:
            x: Data.
            context: Encoded context.
            jacobian: Integrate the Jacobian's norm too, which needs all of the Jacobian.
        """
        field = self._field(x, context, kinetic=True, jacobian=jacobian)
        z, log_det, kinetic, *rest = self._solve(
            field, x, context, self.end, self.start, rates=2 + int(jacobian)
        )
        # Backward in time, each integral comes with the opposite sign.
        return z, log_det, PathCosts(-kinetic, -rest[0] if rest else None)

    @property
    def is_exact(self) -> bool:
        """Whether log-determinants are those of the flow, and no estimates."""
        return self.divergence == "exact" or self.velocity.knows_divergence

    def evaluations(self) -> dict[str, float]:
        """Evaluations of the velocity in the last solves that were not compiled, by tag.

        ``ode/nfe`` for the last log-determinant, ``ode/nfe_backward`` for its gradient by the
        adjoint ODE, ``ode/nfe_sample`` for the last samples.
        """
        likelihood, sample = self._counts.get("likelihood"), self._counts.get("sample")
        found: dict[str, float] = {}
        if likelihood is not None:
            found["ode/nfe"] = likelihood.forward
            if self.gradient == "adjoint":
                found["ode/nfe_backward"] = likelihood.calls - likelihood.forward
        if sample is not None:
            found["ode/nfe_sample"] = sample.forward
        return found

    def between(self, start: float, end: float) -> ODE:
        """The same flow from one time to another, with its share of a fixed number of steps."""
        whole = self.end - self.start
        share = (end - start) / whole if whole else 1.0
        return ODE(
            self.velocity,
            solver=self.solver.part(share),
            evaluation=self.evaluation.part(share),
            divergence=self.divergence,
            gradient=self.gradient,
            start=start,
            end=end,
        ).train(self.training)

    def steps(self) -> list[Bijection]:
        times = torch.linspace(self.end, self.start, STRETCHES + 1, dtype=torch.float64).tolist()
        return [self.between(times[i + 1], times[i]) for i in range(STRETCHES)]

    def _carry(
        self,
        x: Float[Tensor, "n *event"],
        context: Context,
        start: float,
        end: float,
        *,
        purpose: str,
    ) -> Float[Tensor, "n *event"]:
        """Points alone, as `solver` follows them."""
        velocity = self._velocity(context)
        (x,) = self._follow(
            self.solver, lambda t, x: (velocity(t, x),), x, start, end, rates=0, purpose=purpose
        )
        return x

    def _velocity(self, context: Context) -> VelocityAlone:
        return lambda t, x: self.velocity(x, t, context)

    def _field(
        self,
        x: Float[Tensor, "n *event"],
        context: Context,
        *,
        kinetic: bool = False,
        jacobian: bool = False,
    ) -> Field:
        """The velocity, its divergence, and the rates of the costs that are asked for."""
        # The norm of a Jacobian is to be estimated even where its trace is known.
        known = self.divergence == "exact" if jacobian else self.is_exact
        probe = None if known else self._probe(x)

        def diverging(t: Tensor, x: Tensor) -> tuple[Tensor, ...]:
            if probe is None:
                v, divergence = self.velocity.with_divergence(x, t, context)
            else:
                v, divergence = self.velocity.with_estimate(x, t, context, probe)
            return (v, divergence, _square(v)) if kinetic else (v, divergence)

        if not jacobian:
            return diverging
        directions = basis(x) if probe is None else probe[None]

        def field(t: Tensor, x: Tensor) -> tuple[Tensor, ...]:
            v, columns = self.velocity.with_tangents(x, t, context, directions)
            divergence = trace(columns) if probe is None else _inner(columns[0], probe)
            costs = [_square(v)] if kinetic else []
            return v, divergence, *costs, _square(columns.movedim(0, 1))

        return field

    def _probe(self, x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
        if self.divergence == "gaussian":
            return torch.randn_like(x)
        return torch.randint_like(x, 2).mul_(2).sub_(1)

    def _solve(
        self,
        field: Field,
        x: Float[Tensor, "n *event"],
        context: Context,
        start: float,
        end: float,
        *,
        rates: int = 1,
    ) -> tuple[Tensor, ...]:
        if self.training:
            refuse_dropout(self.velocity)
        return self._follow(
            self.solver if self.training else self.evaluation,
            field,
            x,
            start,
            end,
            rates=rates,
            purpose="likelihood",
            velocity=self._velocity(context),
        )

    def _follow(
        self,
        solver: ODESolver,
        field: Field,
        x: Float[Tensor, "n *event"],
        start: float,
        end: float,
        *,
        rates: int,
        purpose: str,
        velocity: VelocityAlone | None = None,
    ) -> tuple[Tensor, ...]:
        if not len(x):
            # There is no way to follow; one look at the field ties it to the parameters.
            v, *values = field(x.new_tensor(start), x)
            return x + v, *values
        # A count would be a constant to the compiler, and each new one another program.
        count = None if torch.compiler.is_compiling() else Count()
        if count is not None:
            self._counts[purpose] = count
            field = count.counted(field)
            velocity = velocity and count.counted(velocity)
        result = solver.solve(
            field, x, start=start, end=end, rates=rates, adjoint=self._adjoint(), velocity=velocity
        )
        if count is not None:
            count.forward = count.calls
        return result

    def _adjoint(self) -> list[Tensor] | None:
        if self.gradient == "backprop" or not torch.is_grad_enabled():
            return None
        return [p for p in self.velocity.parameters() if p.requires_grad]

    def extra_repr(self) -> str:
        return f"solver={self.solver}, divergence={self.divergence}, gradient={self.gradient}"


@contextmanager
def coarsely(module: nn.Module) -> Iterator[None]:
    """Let the evaluations of a module's ODEs be as coarse as a comparison of weights allows.

    A validation tells which of a run's weights are best, and needs no more (`ODESolver.coarser`).

    >>> import genlab
    >>> model = genlab.models.CNF(2)
    >>> with coarsely(model):
    ...     model.ode.evaluation.method
    'dopri5'
    >>> model.ode.evaluation.method
    'dopri8'

    Args:
        module: What has ODEs somewhere, or none.
    """
    fine = {ode: ode.evaluation for ode in module.modules() if isinstance(ode, ODE)}
    for ode, solver in fine.items():
        ode.evaluation = solver.coarser()
    try:
        yield
    finally:
        for ode, solver in fine.items():
            ode.evaluation = solver


def _square(values: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    """The squared norm of each sample's values."""
    return values.flatten(1).square().sum(1)


def _inner(a: Float[Tensor, "n *event"], b: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
    return (a * b).flatten(1).sum(1)
