"""What the families that follow an ODE share."""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.bijections.bijection import Compose
from genlab.bijections.ode import ODE, Divergence, Gradient, PathCosts
from genlab.bijections.solvers import Solver
from genlab.models.flow import Flow
from genlab.nn.precision import full_precision
from genlab.nn.velocity import Velocity

__all__ = ["ContinuousFlow"]


class ContinuousFlow(Flow):
    """The flow of ``dx/dt = v(x, t, c)`` from the base at t = 0 to the data at t = 1.

    The log-density is exact where the divergence is, up to the error of the ``evaluation`` solver,
    which an evaluation reports as ``ode/error``: with the configurations' default less than 1e-5
    nats in double precision. With Hutchinson's probe it is an unbiased estimate, and labelled so.

    Args:
        event_shape: Shape of one sample.
        velocity: ``v``, under encoded contexts.
        solver: Follows the ODE to sample, and where its log-density is trained.
        evaluation: Follows it for log-densities outside of training.
        divergence: ``exact``, or the distribution of Hutchinson's probe.
        gradient: ``backprop`` through the solver's steps, or by the ``adjoint`` ODE.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Attributes:
        ode: The flow, as a bijection of preprocessed data.
    """

    # Each is a solve of a hundred evaluations of the velocity and its divergence.
    test_samples = 10_000

    def __init__(
        self,
        event_shape: tuple[int, ...],
        velocity: Velocity,
        *,
        solver: Solver,
        evaluation: Solver,
        divergence: Divergence,
        gradient: Gradient,
        context_dim: int,
        labels: int,
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        self.likelihood = "exact" if divergence == "exact" else "estimate"
        self.layers = Compose(
            [
                ODE(
                    velocity,
                    solver=solver,
                    evaluation=evaluation,
                    divergence=divergence,
                    gradient=gradient,
                )
            ]
        )

    @property
    def ode(self) -> ODE:
        (ode,) = self.layers
        assert isinstance(ode, ODE)
        return ode

    @full_precision
    def log_prob_and_costs(
        self,
        x: Float[Tensor, "n *event"],
        context: Shaped[Tensor, "..."] | None = None,
        *,
        jacobian: bool,
    ) -> tuple[Float[Tensor, " n"], PathCosts]:
        """`log_prob`, and what regularisers of the paths need, from the same evaluations.

        Args:
            x: Points in data units.
            context: One row or n rows, as in `log_prob`.
            jacobian: Integrate the norm of the Jacobian too.
        """
        inner, rows, scale = self.prepare(x, context)
        z, log_det, costs = self.ode.forward_with_costs(inner, rows, jacobian=jacobian)
        return self.base.log_prob(z) + log_det + scale, costs

    def diagnostics(self) -> dict[str, float]:
        return self.ode.evaluations()

    def _initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> None:
        """Nothing starts from data: no need to follow the ODE."""
