"""The network u of a PINN, with its boundary values built in or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.batch import rowwise
from genlab.bounds import NonNegative, Positive, PositiveInt
from genlab.errors import UserError
from genlab.nn.constants import Constants
from genlab.nn.mlp import MLP
from genlab.nn.smooth import SmoothActivation
from genlab.pde import (
    Coefficient,
    Condition,
    Jet,
    Jets,
    Order,
    Problem,
    Product,
    Tape,
    differentiate,
    embed,
    jets_of,
    joined,
    propagate,
    record,
)
from genlab.pde.boundary import rows_at_once

__all__ = ["Frame", "Network", "Term"]

T = TypeVar("T")

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
        source: The right-hand side ``f`` there, or of a condition what does not depend on u.
        lift: The jets of ``g``; None where the boundary is soft.
        cutoff: The jets of ``w``; None where the boundary is soft.
        order: How far the jets of ``u`` have to go there.
        normal: Outward normals ``[n, d]``, where a condition asks for them.
    """

    x: Float[Tensor, "n d"]
    source: Float[Tensor, "n *e"]
    lift: Jets | None
    cutoff: Jets | None
    order: Order = "laplacian"
    normal: Float[Tensor, "n d"] | None = None

    def rows(self, index: slice | Int[Tensor, " m"]) -> Frame:
        """The frame of some of the points, each of which has rows of its own."""
        return Frame(
            self.x[index],
            self.source[index],
            _some(self.lift, index),
            _some(self.cutoff, index),
            self.order,
            None if self.normal is None else self.normal[index],
        )


class Term(NamedTuple):
    """Rows ``w_i f(u)(x_i)``: a residual in the domain, or what is missed on its boundary.

    References: doi:10.1016/j.jcp.2018.10.045.

    >>> from genlab.pde import Peak
    >>> network = Network(Peak(), hidden=[8])
    >>> term = Term(network.frame(torch.rand(5, 2)), network.residual, torch.ones(5))
    >>> term.weight.shape
    torch.Size([5])

    Attributes:
        frame: The points.
        value: Takes a frame, the jets of ``u`` there and the coefficients to ``f``, ``[n]``, or
            ``[n, e]`` with a column for each equation.
        weight: The square root of what each square counts in the loss, ``[n]``.
    """

    frame: Frame
    value: Callable[..., Float[Tensor, "n *e"]]
    weight: Float[Tensor, " n"]

    def weighted(self, *of: Any) -> Float[Tensor, "n *e"]:
        """``w_i f``, of what `value` takes."""
        values = self.value(*of)
        return rowwise(self.weight, values) * values

    def split(self, size: int) -> list[Term]:
        """The same rows in terms of at most so many points, each of which has rows of its own."""
        places = [slice(i, i + size) for i in range(0, len(self.weight), size)]
        return [Term(self.frame.rows(at), self.value, self.weight[at]) for at in places]


class Network(Constants):
    """``u = g + w v`` with a hard boundary, ``u = v`` with a soft one; ``v`` a perceptron.

    A hard boundary holds exactly, whatever ``v`` is; a soft one is learned, as a term
    ``boundary_weight`` times the mean of ``(u - b)^2`` in the loss (Raissi, Perdikaris,
    Karniadakis, "Physics-informed neural networks", 2019, doi:10.1016/j.jcp.2018.10.045). The
    perceptron sees each coordinate centred and scaled to ``[-1, 1]``, and a periodic one by ``sin``
    and ``cos``. It has an output for each component of ``u``, where there are several. What is not
    known of the equation is learned as further parameters.

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
        first_gain: Standard deviation of the first layer's weights, where each of its biases puts
            the middle of its nonlinearity at a uniform point of the domain's box; None for weights
            as of the other layers, and no biases.
        last_gain: Factor on the last layer's weights.
        boundary: ``hard``, ``soft``, or ``auto``: hard where the problem can be, and where its lift
            takes at most 250 boundary values at each point, as of all faces in five dimensions.
        boundary_weight: Weight of a soft boundary in the loss.
        boundary_points: Number of points on a soft boundary, drawn anew at each refresh, and of
            each other condition.

    Attributes:
        hard: Whether the boundary is hard.
        unknowns: The weights of the problem's coefficients; None where it has none.
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
        first_gain: Positive | None = None,
        last_gain: Positive = 1.0,
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
        self.boundary_weight = boundary_weight
        self.boundary_points = boundary_points
        for condition in self._learned:
            # A user's file may not tell where its boundary is: known now rather than in the run.
            condition.sample(1, generator=torch.Generator().manual_seed(0))
        if left_open := problem.left_open(hard=self.hard):
            raise UserError(left_open)
        inputs, outputs = problem.dim + len(problem.periodic), len(problem.components)
        self.layers = MLP(inputs, outputs, hidden=hidden, activation=activation)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight, gain)
                nn.init.zeros_(layer.bias)
        self._spread(first_gain, last_gain)
        # Behind the layers, so that its columns of a Jacobian are the last ones.
        self.unknowns = Unknowns(problem.coefficients) if problem.coefficients else None
        self.set_constants()

    @torch.no_grad()
    def _spread(self, first_gain: float | None, last_gain: float) -> None:
        """Let the hinges of the first layer cover the box, and the last layer start small."""
        linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        first, last = linear[0], linear[-1]
        if first_gain is not None:
            first.weight.normal_(0.0, first_gain)
            hinge = torch.empty_like(first.weight).uniform_(-1.0, 1.0)
            first.bias.copy_(-(first.weight * hinge).sum(1))
        last.weight.mul_(last_gain)

    def constant_tensors(self) -> dict[str, Tensor]:
        box = torch.tensor(self.problem.domain.box)
        return {"centre": box.mean(1), "scale": 2 / (box[:, 1] - box[:, 0])}

    @property
    def coefficients(self) -> dict[str, Float[Tensor, ""]]:
        """The coefficients by name, as they are now, differentiable by their weights."""
        return {} if self.unknowns is None else self.unknowns.of(self.unknowns.weight)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n *m"]:
        """``u`` at points of the domain, ``[n]``, or ``[n, m]`` of ``m`` components."""
        inputs, periodic = (x - self.centre) * self.scale, self.problem.periodic
        value: Tensor = self.layers(embed(inputs, periodic) if periodic else inputs)
        if value.shape[1] == 1:
            value = value.squeeze(1)
        if not self.hard:
            return value
        return self.problem.lift(x) + self.problem.cutoff(x) * value

    def frame(self, x: Float[Tensor, "n d"]) -> Frame:
        """The frame of points that are used for many steps, computed once."""
        order = self.problem.order
        return Frame(x, self.problem.source(x), *self._bounds(x, order), order)

    def jet(self, frame: Frame) -> Jets:
        """``u`` with its derivatives, differentiable by the parameters."""
        return self._bounded(frame, self._carried(propagate, frame))

    def _carried(self, carry: Callable[..., T], frame: Frame) -> T:
        """``v`` at the points of a frame, by `propagate`, or its tape, by `record`."""
        return carry(
            self.layers,
            self.activation,
            frame.x - self.centre,
            self.problem.space,
            self.scale,
            order=frame.order,
            periodic=self.problem.periodic,
        )

    def linearise(
        self,
        frame: Frame,
        value: Callable[..., Float[Tensor, "n *e"]],
        *,
        out: Float[Tensor, "ne weights"] | None = None,
    ) -> tuple[Float[Tensor, " ne"], Float[Tensor, "ne weights"]]:
        """Numbers at the points of a frame, and their derivatives by each of the weights.

        Of ``[n, e]`` numbers the rows stand point by point.

        Args:
            frame: The points.
            value: Takes the frame, the jets of ``u`` there and the coefficients to the numbers.
            out: Where the derivatives are written.
        """
        tape, of = self._recorded(frame, value)
        return tape.jacobian(*of, out=out)

    def products(
        self, frame: Frame, value: Callable[..., Float[Tensor, "n *e"]]
    ) -> tuple[Float[Tensor, " ne"], Product, Product]:
        """`linearise`, with what multiplies by the derivatives and by their transpose.

        Args:
            frame: The points.
            value: Takes the frame, the jets of ``u`` there and the coefficients to the numbers.
        """
        tape, of = self._recorded(frame, value)
        return tape.products(*of)

    def _recorded(
        self, frame: Frame, value: Callable[..., Float[Tensor, "n *e"]]
    ) -> tuple[Tape, tuple[Callable[..., Any], Tensor | None]]:
        """The tape of ``v``, and the numbers as a function of its jets and of the unknowns."""
        tape, unknowns = self._carried(record, frame), self.unknowns
        if unknowns is None:
            return tape, (lambda v: value(frame, self._bounded(frame, v)), None)

        def with_unknowns(v: Jets, weight: Tensor) -> Tensor:
            return value(frame, self._bounded(frame, v), unknowns.of(weight))

        return tape, (with_unknowns, unknowns.weight)

    def _bounds(self, x: Float[Tensor, "n d"], order: Order) -> tuple[Jets | None, Jets | None]:
        """The jets of lift and cutoff at points; None where the boundary is soft."""
        if not self.hard:
            return None, None
        problem = self.problem
        parts = x.split(rows_at_once(problem.lift_cost))
        lift = _stacked([differentiate(problem.lift, part, problem.space, order) for part in parts])
        return lift, differentiate(problem.cutoff, x, problem.space, order)

    def _bounded(self, frame: Frame, v: Jets) -> Jets:
        """``g + w v``."""
        if frame.lift is None or frame.cutoff is None:
            return v
        parts = zip(jets_of(frame.lift), jets_of(frame.cutoff), jets_of(v), strict=True)
        return joined(tuple(g.plus(w.times(v, self.problem.space)) for g, w, v in parts))

    def residual(
        self,
        frame: Frame,
        u: Jets | None = None,
        coefficients: Mapping[str, Float[Tensor, " n"]] | None = None,
    ) -> Float[Tensor, "n *e"]:
        """``r(u)`` at the points of a frame, differentiable by the parameters.

        Args:
            frame: The points.
            u: The jets there, where they are known already.
            coefficients: Those of each point; the present ones if None.
        """
        if coefficients is None:
            n = len(frame.x)
            coefficients = {name: c.expand(n) for name, c in self.coefficients.items()}
        return self.problem.operator(frame.x, u or self.jet(frame), **coefficients) - frame.source

    @property
    def _learned(self) -> tuple[Condition, ...]:
        """The conditions that are no part of the network."""
        essential = () if self.hard else self.problem.essential()
        return (*essential, *self.problem.conditions())

    @property
    def has_conditions(self) -> bool:
        """Whether the loss has terms beside the residual: a soft boundary, other rows, data."""
        return bool(self._learned)

    def conditions(
        self, draw: torch.Generator | None, points: PositiveInt | None = None
    ) -> list[Term]:
        """The terms of the loss beside the residual, at points that are drawn for them.

        A hard boundary has none; the data of an inverse problem always stay the same.

        Args:
            draw: Source of the points.
            points: Rows of each condition; `boundary_points` if None.
        """
        n = points or self.boundary_points
        return [
            self._term(condition, condition.sample(n, generator=draw, dtype=self.scale.dtype))
            for condition in self._learned
        ]

    def _term(self, condition: Condition, x: Float[Tensor, "pn d"]) -> Term:
        x = self.cast(x)
        target, places = condition.target(x), self.problem.places(condition.components)
        bounds = self._bounds(x, condition.order)
        frame = Frame(x, target, *bounds, condition.order, condition.normals(x))

        def value(frame: Frame, u: Jets, coefficients: object = None) -> Float[Tensor, "n *k"]:
            jets = jets_of(u)
            chosen = tuple(jets[place] for place in places)
            return condition.rows(chosen, frame.source, frame.normal)

        n = len(target)
        count = condition.count(n, self.boundary_weight)
        return Term(frame, value, x.new_full((n,), count**0.5))

    def miss(self, terms: Sequence[Term]) -> Float[Tensor, ""]:
        """The sum of squares of the rows of conditions, differentiable by the parameters."""
        total = self.scale.new_zeros(())
        for term in terms:
            total = total + self.rows(term).square().sum()
        return total

    def rows(self, term: Term) -> Float[Tensor, " rows"]:
        """The rows of a term, differentiable by the parameters."""
        return term.weighted(term.frame, self.jet(term.frame)).flatten()

    def cast(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A tensor in the type and on the device of the network."""
        return x.to(self.scale)

    def diagnostics(self) -> dict[str, float]:
        """Nothing: the learner's own scalars are what the logs show."""
        return {}


class Unknowns(nn.Module):
    """The weights of coefficients; at first zero, so that these have their start values.

    Args:
        coefficients: Each by its name.
    """

    def __init__(self, coefficients: Mapping[str, Coefficient]) -> None:
        super().__init__()
        self.named = dict(coefficients)
        self.weight = nn.Parameter(torch.zeros(len(self.named)))

    def of(self, weight: Float[Tensor, "*n c"]) -> dict[str, Float[Tensor, "*n"]]:
        """The coefficients by name, of their weights."""
        columns = weight.unbind(-1)
        pairs = zip(self.named.items(), columns, strict=True)
        return {name: coefficient.of(column) for (name, coefficient), column in pairs}


def _some(u: Jets | None, index: slice | Int[Tensor, " m"]) -> Jets | None:
    if u is None:
        return None
    return joined(tuple(one.rows(index) for one in jets_of(u)))


def _stacked(parts: Sequence[Jets]) -> Jets:
    """The jets of points in some parts, one below the other."""
    components = zip(*map(jets_of, parts), strict=True)
    return joined(tuple(_below(one) for one in components))


def _below(jets: Sequence[Jet]) -> Jet:
    parts: Any = zip(*jets, strict=True)
    whole: Any = (None if part[0] is None else torch.cat(part) for part in parts)
    return Jet(*whole)
