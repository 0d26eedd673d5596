"""CNF: the flow of an ODE, learned by maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence

from genlab.bijections.ode import Divergence, Gradient
from genlab.bijections.solvers import Solver
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.models.continuous import ContinuousFlow
from genlab.nn.velocity import VelocityFactory

__all__ = ["CNF"]


class CNF(ContinuousFlow):
    """``dx/dt = v(x, t)``, along which ``d log p / dt = -div v``.

    ``log p(x) = log p_0(x(0)) - int_0^1 div v(x(t), t) dt`` with ``x(1) = x`` (Chen et al., "Neural
    ordinary differential equations", 2018; Grathwohl et al., "FFJORD", 2019).

    Args:
        event_shape: Shape of one sample.
        network: Makes the velocity ``v``.
        solver: Follows the ODE in training, and to sample.
        evaluation: Follows it for log-densities outside of training.
        divergence: ``exact``, or the distribution of Hutchinson's probe.
        gradient: ``backprop`` through the solver's steps, or by the ``adjoint`` ODE.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        network: VelocityFactory,
        solver: Solver,
        evaluation: Solver,
        divergence: Divergence,
        gradient: Gradient,
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        shape = tuple(event_shape)
        super().__init__(
            shape,
            network(shape, context_dim=context_dim or labels),
            solver=solver,
            evaluation=evaluation,
            divergence=divergence,
            gradient=gradient,
            context_dim=context_dim,
            labels=labels,
        )
