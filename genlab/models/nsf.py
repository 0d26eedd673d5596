"""Neural spline flow: couplings by rational-quadratic splines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.alternating import AlternatingCouplings
from genlab.bijections.bijection import Bijection
from genlab.bijections.compose import Compose
from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.densities.cylinder import Cylinder
from genlab.errors import UserError
from genlab.models.couplings import Mixing, mixing_layers
from genlab.models.flow import Flow
from genlab.models.spline_layers import SplineLayers
from genlab.nn.mlp import Activation

__all__ = ["NSF"]


class NSF(Flow):
    """Layers ``z_b = S(x_b; MLP(x_a))``, ``z_a = S(x_a; p)`` with alternating halves.

    ``S`` is a monotone rational-quadratic spline on ``[-c, c]`` with tails of slope 1, ``p`` are
    trainable constants; the log-determinant is the sum of ``log S'`` (Durkan, Bekasov, Murray,
    Papamakarios, "Neural spline flows", 2019). Angles get splines of the circle, a uniform base and
    networks that see their cosine and sine (Rezende et al., "Normalizing flows on tori and
    spheres", 2020).

    Args:
        event_shape: ``(d,)``; for d = 1 every layer is one spline, whose parameters are trainable
            constants or a network of the context.
        layers: Number of layers.
        hidden: Widths of the hidden layers of each network.
        activation: Nonlinearity of the networks.
        bins: Number of bins of each spline.
        bound: Half the length ``c`` of the interval that splines act on.
        variant: ``coupling``, or ``autoregressive``: ``z_i = S(x_i; MADE(x_1, ..., x_{i-1}))`` in
            alternating order, which bends more in a layer but takes d networks in turn to sample.
        free_half: Let a coupling map ``x_a`` too; without it ``z_a = x_a``, as in the paper.
        mixing: What stands before each layer: nothing, a fixed random permutation, or a trainable
            LU matrix.
        circular: Coordinates that are angles in ``[-pi, pi]``.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ValueError: ``circular`` names no coordinate, or angles would be mixed.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        layers: PositiveInt,
        hidden: Sequence[PositiveInt],
        activation: Activation,
        bins: PositiveInt,
        bound: Positive,
        variant: Literal["coupling", "autoregressive"],
        free_half: bool,
        mixing: Mixing,
        circular: Sequence[NonNegativeInt],
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(tuple(event_shape), context_dim=context_dim, labels=labels)
        (dim,) = self.event_shape
        if any(i >= dim for i in circular) or len(set(circular)) < len(circular):
            raise ValueError(f"circular: expected some of 0 .. {dim - 1}, got {list(circular)}")
        if circular and mixing != "none":
            raise ValueError(f"mixing: angles must not be mixed; expected none, got {mixing}")
        self.circular = tuple(circular)
        is_angle = tuple(i in self.circular for i in range(dim))
        if self.circular:
            self.base = Cylinder(is_angle)
        make = SplineLayers(
            is_angle=is_angle,
            bins=bins,
            bound=bound,
            hidden=hidden,
            activation=activation,
            context_dim=self.context_encoder.dim,
        )
        flips = [index % 2 == 1 for index in range(layers)]
        steps: list[Bijection]
        if dim == 1:
            steps = [make.elementwise() for _ in flips]
        elif variant == "autoregressive":
            steps = [make.autoregressive(flip=flip) for flip in flips]
        elif free_half:
            steps = [make.half_free(flip=flip) for flip in flips]
        elif mixing == "none":
            steps = [AlternatingCouplings(make.coupling(flip=flip) for flip in flips)]
        else:
            steps = [make.coupling(flip=flip) for flip in flips]
        self.layers = Compose(
            layer for step in steps for layer in (*mixing_layers(dim, mixing), step)
        )

    def _initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> None:
        farthest = x.abs().amax(0)
        for i in self.circular:
            # Samples lie in one turn: data of another one would be compared with the wrong points.
            if farthest[i] > 1.000001 * math.pi:
                raise UserError(
                    f"model.circular={list(self.circular)}: expected angles in [-pi, pi], but "
                    f"coordinate {i} of the data reaches {farthest[i]:.3g} in size"
                )
        super()._initialise(x, context)
