"""NICE: additive couplings, which preserve volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from genlab.bijections.coupling import AlternatingCouplings
from genlab.bijections.elementwise_affine import Scaling
from genlab.bijections.scalar_map import Shift
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.densities.density import Circular, EventShape
from genlab.densities.wrapped_normal import WrappedNormal
from genlab.models.couplings import (
    Network,
    alternating_halves,
    conditioner,
    of_vectors,
    vector_order,
)
from genlab.models.flow import Flow
from genlab.nn.mlp import Activation
from genlab.nn.padding import Padding

__all__ = ["NICE"]


class NICE(Flow):
    """Couplings ``x_b + t(x_a)`` with alternating halves, then one diagonal scaling.

    The formula stands in `genlab.bijections.Shift`, the turns of the halves in
    `genlab.bijections.AlternatingCouplings`.

    Each coupling is an exact step of ``dx_b/dt = v(x_a)``, ``dx_a/dt = 0``: the log-determinant is
    exactly 0, and the only volume change is the constant one of the last layer. The sets
    ``{p > level}`` so keep the volumes that they have under the base, up to that constant (Dinh,
    Krueger, Bengio, "NICE: Non-linear independent components estimation", 2015).

    Angles are shifted round the circle: the volume stays. In the place of the scaling stands the
    trainable deviation of each, under a base of wrapped normals (`genlab.densities.WrappedNormal`).

    References: arXiv:1410.8516.

    >>> import genlab, torch
    >>> model = genlab.models.NICE(2)
    >>> model.log_prob(torch.randn(5, 2)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample, or the length of a vector; of at least 2 numbers. Arrays
            are flattened.
        layers: Number of couplings.
        hidden: Widths of the hidden layers of each shift network ``t``.
        activation: Nonlinearity of the shift networks.
        network: Of each coupling: ``mlp`` for samples as vectors, or ``conv``, convolutions of
            samples as arrays, whose numbers are split as a checkerboard.
        padding: What a convolution sees around an array: ``zeros``, or ``circular``, itself again.
        scaling: End with a learned scale for each coordinate, as in the paper.
        circular: Coordinates that are angles.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
    """

    stackable: ClassVar[bool] = True
    knows_angles: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        layers: PositiveInt = 12,
        hidden: Sequence[PositiveInt] = (64, 64),
        activation: Activation = "relu",
        network: Network = "mlp",
        padding: Padding = "zeros",
        scaling: bool = True,
        circular: Circular = (),
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape, circular=circular, context_dim=context_dim, labels=labels)
        if network == "conv" and self.circular:
            raise ValueError(
                f"network=conv: expected no angles, got {list(self.circular)}; use mlp"
            )
        dim = math.prod(self.event_shape)
        is_circular = tuple(i in self.circular for i in vector_order(self.event_shape))
        # Not the identity: where the data are symmetric, as eight Gaussians are, no small shift
        # helps, and a flow that starts there stays there. Of hundreds of numbers that noise would
        # cost too much.
        make = conditioner(
            self.event_shape,
            network,
            hidden=hidden,
            activation=activation,
            padding=padding,
            context_dim=self.context_encoder.dim,
            zero_last=network == "conv",
            is_circular=is_circular,
        )
        couplings = alternating_halves(dim, Shift, make, layers=layers)
        if self.circular:
            self.base = WrappedNormal(self.event_shape, circular=self.circular, trainable=scaling)
        last = [Scaling(dim)] if scaling and not self.circular else []
        self.layers = of_vectors(self.event_shape, [AlternatingCouplings(couplings), *last])
