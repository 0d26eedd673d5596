"""Flow matching: the flow of an ODE, learned by regression on the velocity of known paths."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.ode import DivergenceMethod
from genlab.bijections.solvers import FixedStepSolver, ODESolver
from genlab.bounds import NonNegative, NonNegativeInt
from genlab.densities.base import Cylinder, StandardNormal, StandardUniform
from genlab.densities.density import Circular, Density, EventShape, angles_of, shape_of
from genlab.densities.solenoidal import SolenoidalNormal
from genlab.errors import UserError
from genlab.models.continuous import DOPRI8, ContinuousFlow
from genlab.models.velocities import GuidedVelocity, PredictedVelocity
from genlab.nn.context import Context
from genlab.nn.periodic_velocity import on_circles
from genlab.nn.residual_mlp import ResidualMLP
from genlab.nn.solenoidal import Solenoidal
from genlab.nn.velocity import Velocity, VelocityFactory
from genlab.paths.geodesic import GeodesicPath
from genlab.paths.path import LinearPath, Path, Prediction

__all__ = ["FlowMatching"]

Output = Literal["free", "stream_function"]

STRAIGHT = LinearPath(sigma_0=0.0)
# Eight evaluations a sample: by W2 within about the error of the forty of twenty midpoint steps.
ADAMS = FixedStepSolver(method="adams", steps=7)


class FlowMatching(ContinuousFlow):
    """``dx/dt = v(x, t)``, where v regresses on the speed of ``x_t = alpha x_1 + sigma x_0``.

    The minimiser of ``E|v(x_t, t) - (alpha' x_1 + sigma' x_0)|^2`` is the mean speed of all paths
    through a point, and its flow carries the source ``x_0`` to the data ``x_1`` (Lipman et al.,
    "Flow matching for generative modeling", 2023, theorems 1 and 2). Its density is that of the
    same ODE, ``log p(x) = log p_0(x(0)) - int_0^1 div v dt``.

    ``x_t`` and its speed stand in `genlab.paths`, the regression in `genlab.objectives`, the ODE
    and the integral in `genlab.bijections.ODE`.

    References: arXiv:2210.02747.

    >>> import genlab
    >>> model = genlab.models.FlowMatching(2)
    >>> model.sample(5).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample, or the length of a vector.
        network: Makes the network that is trained.
        path: How source and data are blended.
        prediction: What the network predicts: the ``velocity``, the data ``x1`` or the ``noise``.
        output: The velocity is ``free``, or that of a ``stream_function``: then data, samples and
            the source are velocities of a fluid, ``[2, n, n]``, without divergence, in data units,
            and the density is one of these, in ``n^2 - 1`` dimensions.
        source: Density at t = 0: ``gaussian``, ``uniform`` (on a cube, so that data which the flow
            brings outside of it have density 0), or any other one.
        solver: Follows the ODE to sample.
        evaluation: Follows it for log-densities.
        divergence: ``exact``, or the distribution of Hutchinson's probe, which a network that
            knows its divergence does without.
        guidance: Weight of classifier-free guidance; 1 for the conditional density as it is.
        circular: Coordinates that are angles: the source is uniform in them, v periodic, and a
            path takes the shorter way round (Chen, Lipman, "Flow matching on general geometries",
            2024, arXiv:2302.03660).
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ValueError: The source is unknown or of another shape, there is nothing to guide by, or
            angles are given a path or a prediction that they do not have.

    Attributes:
        sources: The words for what a flow starts from.
    """

    sources: ClassVar[tuple[str, ...]] = ("gaussian", "uniform")
    knows_angles: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        network: VelocityFactory = ResidualMLP,
        path: Path = STRAIGHT,
        prediction: Prediction = "velocity",
        output: Output = "free",
        source: str | Density = "gaussian",
        solver: ODESolver = ADAMS,
        evaluation: ODESolver = DOPRI8,
        divergence: DivergenceMethod = "exact",
        guidance: NonNegative = 1.0,
        circular: Circular = (),
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        shape, width = shape_of(event_shape), context_dim or labels
        if guidance != 1 and not width:
            raise ValueError(f"guidance={guidance:g}: an unconditional model has nothing to go by")
        angles = angles_of(circular, shape)
        if angles:
            path = _geodesic(path, prediction, angles)
        # A marked context has one more column.
        velocity: Velocity = on_circles(network, angles)(
            shape, context_dim=width + 1 if width else 0
        )
        if output == "stream_function":
            if (prediction, source) != ("velocity", "gaussian"):
                raise ValueError(
                    "output=stream_function: expected prediction=velocity and source=gaussian, "
                    f"got {prediction} and {source}"
                )
            velocity = Solenoidal(velocity, shape)
        velocity = GuidedVelocity(velocity, weight=guidance) if width else velocity
        if prediction != "velocity":
            velocity = PredictedVelocity(velocity, path=path, prediction=prediction)
        super().__init__(
            shape,
            velocity,
            solver=solver,
            evaluation=evaluation,
            divergence=divergence,
            gradient="backprop",
            circular=angles,
            context_dim=context_dim,
            labels=labels,
        )
        self.path = path
        self.prediction = prediction
        self.guidance = guidance
        solenoidal = output == "stream_function"
        self.base = SolenoidalNormal(shape) if solenoidal else _source(source, shape, angles)

    @property
    def network(self) -> Velocity:
        """The network that is trained: it makes the `prediction`, under a marked context."""
        velocity = self.ode.velocity
        while isinstance(velocity, GuidedVelocity | PredictedVelocity):
            velocity = velocity.network
        return velocity

    def _initialise(self, x: Float[Tensor, "n *event"], context: Context) -> None:
        if isinstance(self.base, SolenoidalNormal):
            if self.preprocessing is not None:
                raise UserError(
                    "output=stream_function: standardised, velocities have a divergence; "
                    "set `data.standardise=false`"
                )
            self.base.initialise(x)


def _geodesic(path: Path, prediction: Prediction, angles: tuple[int, ...]) -> GeodesicPath:
    """The straight path, on circles."""
    if type(path) is not LinearPath or path.sigma_0:
        raise ValueError(
            f"path: angles have straight paths only, got {path}; expected LinearPath(sigma_0=0)"
        )
    if prediction != "velocity":
        raise ValueError(
            f"prediction={prediction}: of angles the data are not known by the velocity; "
            "expected velocity"
        )
    return GeodesicPath(circular=angles)


def _source(source: str | Density, shape: tuple[int, ...], angles: tuple[int, ...]) -> Density:
    if isinstance(source, str):
        named = dict(zip(FlowMatching.sources, (StandardNormal, StandardUniform), strict=True))
        if source not in named:
            raise ValueError(f"source={source}: expected {' or '.join(named)}, or a density")
        # Angles are uniform, whatever the others are.
        if len(angles) == math.prod(shape) or (angles and source == "gaussian"):
            return Cylinder(shape, circular=angles)
        if angles:
            raise ValueError(f"source={source}: beside angles, expected gaussian, or a density")
        return named[source](shape)
    if source.event_shape != shape:
        raise ValueError(
            f"source: its samples have shape {list(source.event_shape)}, the data's {list(shape)}"
        )
    if set(source.circular) != set(angles):
        raise ValueError(
            f"source: its angles are {list(source.circular)}, the data's {list(angles)}"
        )
    return source
