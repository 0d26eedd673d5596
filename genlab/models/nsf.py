"""Neural spline flow: couplings by rational-quadratic splines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.coupling import AlternatingCouplings
from genlab.bijections.reshaping import ImageShape, multi_scale
from genlab.bijections.spline import RationalQuadratic
from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.densities.base import Cylinder
from genlab.errors import UserError
from genlab.models.couplings import (
    Mixing,
    between,
    image_couplings,
    of_vectors,
    vector_order,
)
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
    spheres", 2020). Images go through several scales, as RealNVP's do, by couplings that leave
    ``z_a = x_a``.

    Args:
        event_shape: Shape of one sample; of a single number, every layer is one spline, whose
            parameters are trainable constants or a network of the context.
        scales: Number of scales of an image, each of half the size of the one before; 0: samples
            are taken for vectors, whatever their shape.
        layers: Number of layers; of an image, at each scale.
        hidden: Widths of the hidden layers of each network; of an image, channels.
        activation: Nonlinearity of the networks.
        bins: Number of bins of each spline.
        bound: Half the length ``c`` of the interval that splines act on.
        variant: ``coupling``, or ``autoregressive``: ``z_i = S(x_i; MADE(x_1, ..., x_{i-1}))`` in
            alternating order, which bends more in a layer but takes d networks in turn to sample.
        free_half: Let a coupling map ``x_a`` too; without it ``z_a = x_a``, as in the paper.
        actnorm: Put a data-initialised scale and shift before each layer.
        mixing: What stands before each layer: nothing, a fixed random permutation, or a trainable
            LU matrix; of an image's channels, before each coupling that halves them.
        circular: Coordinates that are angles in ``[-pi, pi]``; those of an array are counted row by
            row.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ValueError: ``circular`` names no coordinate, or angles would be mixed or scaled; or several
            scales are asked for with what only vectors have.
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        scales: NonNegativeInt,
        layers: PositiveInt,
        hidden: Sequence[PositiveInt],
        activation: Activation,
        bins: PositiveInt,
        bound: Positive,
        variant: Literal["coupling", "autoregressive"],
        free_half: bool,
        actnorm: bool,
        mixing: Mixing,
        circular: Sequence[NonNegativeInt],
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(tuple(event_shape), context_dim=context_dim, labels=labels)
        dim = math.prod(self.event_shape)
        if any(i >= dim for i in circular) or len(set(circular)) < len(circular):
            raise ValueError(f"circular: expected some of 0 .. {dim - 1}, got {list(circular)}")
        if circular and mixing != "none":
            raise ValueError(f"mixing: angles must not be mixed; expected none, got {mixing}")
        if circular and actnorm:
            raise ValueError("actnorm: angles must not be scaled; expected false, got true")
        self.circular = tuple(circular)
        if scales:
            if circular or free_half or variant != "coupling":
                raise ValueError(
                    f"scales={scales}: expected variant=coupling, free_half=false and circular=[], "
                    f"got {variant}, {str(free_half).lower()} and {list(circular)}"
                )

            def at_scale(shape: ImageShape) -> Iterator[Bijection]:
                return image_couplings(
                    shape[0],
                    lambda: RationalQuadratic(bins=bins, bound=bound),
                    layers=layers,
                    hidden=hidden,
                    activation=activation,
                    actnorm=actnorm,
                    mixing=mixing,
                    context_dim=self.context_encoder.dim,
                )

            self.layers = Compose(multi_scale(self.event_shape, scales, at_scale))
            return
        if self.circular:
            self.base = Cylinder(self.event_shape, [i in self.circular for i in range(dim)])
        make = SplineLayers(
            is_angle=tuple(i in self.circular for i in vector_order(self.event_shape)),
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
        elif mixing == "none" and not actnorm:
            steps = [AlternatingCouplings(make.coupling(flip=flip) for flip in flips)]
        else:
            steps = [make.coupling(flip=flip) for flip in flips]
        self.layers = of_vectors(
            self.event_shape,
            (s for step in steps for s in (*between(dim, actnorm=actnorm, mixing=mixing), step)),
        )

    def _initialise(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None
    ) -> None:
        farthest = x.flatten(1).abs().amax(0)
        for i in self.circular:
            # Samples lie in one turn: data of another one would be compared with the wrong points.
            if farthest[i] > 1.000001 * math.pi:
                raise UserError(
                    f"model.circular={list(self.circular)}: expected angles in [-pi, pi], but "
                    f"coordinate {i} of the data reaches {farthest[i]:.3g} in size"
                )
        super()._initialise(x, context)
