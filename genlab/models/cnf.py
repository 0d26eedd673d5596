"""CNF: the flow of an ODE, learned by maximum likelihood."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from genlab.bijections.ode import DivergenceMethod, ODEGradient
from genlab.bijections.solvers import FixedStepSolver, ODESolver
from genlab.bounds import NonNegativeInt
from genlab.densities.density import Circular, EventShape, angles_of, shape_of
from genlab.models.continuous import DOPRI8, ContinuousFlow
from genlab.nn.dropout import refuse_dropout
from genlab.nn.periodic_velocity import on_circles
from genlab.nn.residual_mlp import ResidualMLP
from genlab.nn.velocity import VelocityFactory

__all__ = ["CNF"]

VELOCITY = partial(ResidualMLP, width=64, blocks=1, waves=16, wave_scale=2.5, frequencies=3)
RK4 = FixedStepSolver(method="rk4", steps=8)


class CNF(ContinuousFlow):
    """``dx/dt = v(x, t)``, along which ``d log p / dt = -div v``.

    ``log p(x) = log p_0(x(0)) - int_0^1 div v(x(t), t) dt`` with ``x(1) = x``, both integrated in
    `genlab.bijections.ODE` (Chen et al., "Neural
    ordinary differential equations", 2018; Grathwohl et al., "FFJORD", 2019).

    References: arXiv:1806.07366, arXiv:1810.01367.

    >>> import genlab
    >>> model = genlab.models.CNF(2)
    >>> model.sample(5).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample, or the length of a vector.
        network: Makes the velocity ``v``.
        solver: Follows the ODE in training, and to sample.
        evaluation: Follows it for log-densities outside of training.
        divergence: ``exact``, or the distribution of Hutchinson's probe, which a network that
            knows its divergence does without.
        gradient: ``backprop`` through the solver's steps, or by the ``adjoint`` ODE.
        circular: Coordinates that are angles: the base is uniform in them, and v periodic.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ArgumentError: The network has dropout.
    """

    knows_angles: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        network: VelocityFactory = VELOCITY,
        solver: ODESolver = RK4,
        evaluation: ODESolver = DOPRI8,
        divergence: DivergenceMethod = "exact",
        gradient: ODEGradient = "backprop",
        circular: Circular = (),
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        shape = shape_of(event_shape)
        angles = angles_of(circular, shape)
        velocity = on_circles(network, angles)(shape, context_dim=context_dim or labels)
        refuse_dropout(velocity)
        super().__init__(
            shape,
            velocity,
            solver=solver,
            evaluation=evaluation,
            divergence=divergence,
            gradient=gradient,
            circular=angles,
            context_dim=context_dim,
            labels=labels,
        )
