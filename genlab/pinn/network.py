"""The network u of a PINN, with its boundary values built in or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.bounds import NonNegative, Positive, PositiveInt
from genlab.errors import UserError
from genlab.nn.constants import Constants
from genlab.nn.mlp import MLP
from genlab.nn.smooth import SmoothActivation
from genlab.pde import Jet, Problem, differentiate, propagate, record
from genlab.pde.boundary import rows_at_once

__all__ = ["Frame", "Network"]

# Boundary values at each point: where a lift takes more of them, an automatic boundary is soft.
MOST_VALUES = 250


class Frame(NamedTuple):
    """Points, and all that does not change there while the network learns.

    >>> from genlab.pde import Peak
    >>> frame = Network(Peak()).frame(torch.rand(5, 2))
    >>> frame.rows(slice(2)).lift.gradient.shape
    torch.Size([2, 2])

    Attributes:
        x: The points ``[n, d]``.
        source: The right-hand side ``f`` there, ``[n]``.
        lift: The jet of ``g``; None where the boundary is soft.
        cutoff: The jet of ``w``; None where the boundary is soft.
    """

    x: Float[Tensor, "n d"]
    source: Float[Tensor, " n"]
    lift: Jet | None
    cutoff: Jet | None

    def rows(self, index: slice | Int[Tensor, " m"]) -> Frame:
        """The frame of some of the points."""
        return Frame(
            self.x[index],
            self.source[index],
            None if self.lift is None else self.lift.rows(index),
            None if self.cutoff is None else self.cutoff.rows(index),
        )


class Network(Constants):
    """``u = g + w v`` with a hard boundary, ``u = v`` with a soft one; ``v`` a perceptron.

    A hard boundary holds exactly, whatever ``v`` is; a soft one is learned, as a term
    ``boundary_weight`` times the mean of ``(u - b)^2`` in the loss (Raissi, Perdikaris,
    Karniadakis, "Physics-informed neural networks", 2019, doi:10.1016/j.jcp.2018.10.045). The
    perceptron sees each coordinate centred and scaled to ``[-1, 1]``.

    >>> from genlab.pde import Burgers
    >>> u = Network(Burgers(), hidden=[16, 16])
    >>> u(torch.tensor([[1.0, 0.5], [0.5, 0.0]]))  # the prescribed values, before any training
    tensor([ 0., -1.], grad_fn=<AddBackward0>)

    Args:
        problem: What u has to solve.
        hidden: Widths of the hidden layers.
        activation: A smooth nonlinearity.
        gain: Of the initial weights, beside those that keep the variance of a linear network
            (Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
            networks", 2010, proceedings.mlr.press/v9/glorot10a.html).
        boundary: ``hard``, ``soft``, or ``auto``: hard where the problem can be, and where its lift
            takes at most 250 boundary values at each point, as of all faces in five dimensions.
        boundary_weight: Weight of a soft boundary in the loss.
        boundary_points: Number of points on a soft boundary, drawn anew at each refresh.

    Attributes:
        hard: Whether the boundary is hard.
        remarks: What a user should know of its boundary.

    Raises:
        UserError: A hard boundary is wanted that the problem does not have, or a soft one; or
            the problem does not say how its solution begins.
    """

    centre: Float[Tensor, " d"]
    scale: Float[Tensor, " d"]

    def __init__(
        self,
        problem: Problem,
        *,
        hidden: Sequence[PositiveInt] = (32, 32, 32, 32, 32),
        activation: SmoothActivation = "gelu",
        gain: Positive = 1.0,
        boundary: Literal["hard", "soft", "auto"] = "auto",
        boundary_weight: NonNegative = 100.0,
        boundary_points: PositiveInt = 200,
    ) -> None:
        super().__init__()
        if boundary == "hard" and not problem.has_lift:
            raise UserError(
                "boundary=hard: this problem knows no smooth function with its boundary "
                "values; use `boundary='soft'`"
            )
        self.problem = problem
        self.activation: SmoothActivation = activation
        costly = problem.has_lift and problem.lift_cost > MOST_VALUES
        self.hard = problem.has_lift and (boundary == "hard" or (boundary == "auto" and not costly))
        self.remarks: tuple[str, ...] = ()
        if costly and boundary != "soft":
            values = f"{problem.lift_cost:,} boundary values at each point"
            self.remarks = (
                f"`boundary='hard'`: its lift takes {values}; `boundary='soft'` takes none"
                if self.hard
                else f"`boundary='auto'`: soft, as the lift of a hard one takes {values}",
            )
        if not self.hard:
            # A user's file may not tell where its boundary is: known now rather than in the run.
            problem.boundary.sample(1, generator=torch.Generator().manual_seed(0))
        if left_open := problem.left_open(hard=self.hard):
            raise UserError(left_open)
        self.boundary_weight = boundary_weight
        self.boundary_points = boundary_points
        self.layers = MLP(problem.dim, 1, hidden=hidden, activation=activation)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight, gain)
                nn.init.zeros_(layer.bias)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        box = torch.tensor(self.problem.domain.box)
        return {"centre": box.mean(1), "scale": 2 / (box[:, 1] - box[:, 0])}

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``u`` at points of the domain."""
        value: Tensor = self.layers((x - self.centre) * self.scale).squeeze(1)
        if not self.hard:
            return value
        return self.problem.lift(x) + self.problem.cutoff(x) * value

    def frame(self, x: Float[Tensor, "n d"]) -> Frame:
        """The frame of points that are used for many steps, computed once."""
        lift = cutoff = None
        if self.hard:
            jets = [
                differentiate(self.problem.lift, part, self.problem.space)
                for part in x.split(rows_at_once(self.problem.lift_cost))
            ]
            lift = Jet(*map(torch.cat, zip(*jets, strict=True)))
            cutoff = differentiate(self.problem.cutoff, x, self.problem.space)
        return Frame(x, self.problem.source(x), lift, cutoff)

    def jet(self, frame: Frame) -> Jet:
        """``u`` with its derivatives, differentiable by the parameters."""
        x, space = frame.x - self.centre, self.problem.space
        return self._bounded(frame, propagate(self.layers, self.activation, x, space, self.scale))

    def linearise(
        self, frame: Frame, rows: Callable[[Frame, Jet], Float[Tensor, " n"]]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n weights"]]:
        """Numbers at the points of a frame, and their derivatives by each of the weights.

        Args:
            frame: The points.
            rows: Takes the frame and the jet of ``u`` there to the numbers, point by point.
        """
        x, space = frame.x - self.centre, self.problem.space
        tape = record(self.layers, self.activation, x, space, self.scale)
        return tape.jacobian(lambda v: rows(frame, self._bounded(frame, v)))

    def _bounded(self, frame: Frame, v: Jet) -> Jet:
        """``g + w v``."""
        if frame.lift is None or frame.cutoff is None:
            return v
        return frame.lift.plus(frame.cutoff.times(v, self.problem.space))

    def residual(self, frame: Frame, u: Jet | None = None) -> Float[Tensor, " n"]:
        """``r(u)`` at the points of a frame, differentiable by the parameters.

        Args:
            frame: The points.
            u: The jet there, where it is known already.
        """
        return self.problem.operator(frame.x, u or self.jet(frame)) - frame.source

    def edge(self, x: Float[Tensor, "n d"]) -> Frame:
        """The frame of points on a soft boundary: what is prescribed there is its source."""
        return Frame(x, self.problem.prescribed(x), None, None)

    def miss(self, edge: Frame, u: Jet) -> Float[Tensor, " n"]:
        """``u - b`` on a soft boundary."""
        return u.value - edge.source

    def boundary_loss(self, x: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """Mean of ``(u - b)^2`` at points of a soft boundary, times its weight."""
        difference = self(x) - self.problem.prescribed(x)
        penalty: Tensor = self.boundary_weight * difference.square().mean()
        return penalty

    def cast(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A tensor in the type and on the device of the network."""
        return x.to(self.scale)

    def diagnostics(self) -> dict[str, float]:
        """Nothing: the learner's own scalars are what the logs show."""
        return {}
