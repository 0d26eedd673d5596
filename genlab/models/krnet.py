"""KRnet: a block-triangular map after the Knothe-Rosenblatt rearrangement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.cdf_layer import CDFLayer
from genlab.bijections.coupling import Coupling, HalfSplit, ScaledCouplings, Split, WholeSplit
from genlab.bijections.domains import Intervals
from genlab.bijections.elementwise_affine import ActNorm
from genlab.bijections.lu_linear import LULinear
from genlab.bijections.reshaping import Freeze
from genlab.bijections.scalar_map import BoundedAffine
from genlab.bounds import Bound, NonNegativeInt, PositiveInt
from genlab.densities.density import EventShape
from genlab.models.couplings import Network, conditioner, of_vectors
from genlab.models.flow import BASES, Base, Flow
from genlab.nn.mlp import MLP, Activation
from genlab.nn.padding import Padding

__all__ = ["KRNet"]


class KRNet(Flow):
    """``f = f_CDF o f_K o ... o f_1``, where block ``k`` leaves ever more coordinates alone.

    The coordinates form ``K`` groups; after each block, the last group that is still active is
    frozen for good. A block is a rotation ``LU``, then ``L`` times scale-and-bias and a coupling
    ``x_b (1 + alpha tanh s(x_a)) + e^beta tanh t(x_a)`` with alternating halves; a single active
    coordinate has no halves, and its block is scale-and-bias alone. At the end a trainable
    distribution function bends each coordinate (Tang, Wan, Liao, "Deep density estimation via
    invertible block-triangular mapping", 2020; Tang, Wan, Yang, "DAS-PINNs", 2023).

    The formula of a coupling stands in `genlab.bijections.BoundedAffine`, that of ``f_CDF`` in
    `genlab.bijections.CDFLayer`, scale-and-bias in `genlab.bijections.ScaledCouplings`.

    References: doi:10.1016/j.taml.2020.01.023, arXiv:2112.14038.

    >>> import genlab, torch
    >>> model = genlab.models.KRNet(3, layers=4, bounded=[-1.0, 1.0])
    >>> model.log_prob(torch.zeros(5, 3)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample, or the length of a vector; arrays are flattened.
        layers: Number ``L`` of couplings in each block.
        groups: Number ``K`` of blocks and of groups; ``d`` where there are fewer coordinates.
        hidden: Widths of the hidden layers of each network ``(s, t)``.
        activation: Nonlinearity of the networks.
        network: Of each coupling: ``mlp`` for samples as vectors, or ``conv``, convolutions of
            samples as arrays, whose numbers are split as a checkerboard.
        padding: What a convolution sees around an array: ``zeros``, or ``circular``, itself again.
        alpha: How far a coupling's scale may be from 1.
        rotation: Begin each block with a trainable matrix.
        bins: Cells of the distribution functions, an even number; None for no such layer.
        bounded: The box that the density lives in: ``[low, high]``, or such a pair for each
            coordinate; None for the whole space. In a box, all starts from the uniform density.
        base: Density of the latent; None for the logistic one in a box, and else the normal one.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        layers: PositiveInt = 16,
        groups: PositiveInt = 3,
        hidden: Sequence[PositiveInt] = (32, 32),
        activation: Activation = "relu",
        network: Network = "mlp",
        padding: Padding = "zeros",
        alpha: Annotated[float, Bound(0.0, 1.0, open_low=True, open_high=True)] = 0.6,
        rotation: bool = True,
        bins: Annotated[int, Bound(2)] | None = 32,
        bounded: Intervals | None = None,
        base: Base | None = None,
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        dim = math.prod(self.event_shape)
        if bounded is not None:
            self.confine(bounded, base=base or "logistic")
        elif base is not None:
            self.base = BASES[base][0](self.event_shape)

        # In a box all starts as the identity, so that the density starts uniform. Elsewhere it does
        # not: a start without symmetries learns faster, where it has not hundreds of numbers.
        make = conditioner(
            self.event_shape,
            network,
            hidden=hidden,
            activation=activation,
            padding=padding,
            context_dim=self.context_encoder.dim,
            zero_last=self.confined or network == "conv",
        )

        def coupling(split: Split) -> Coupling:
            mapping = BoundedAffine(split.active, alpha=alpha)
            return Coupling(split, mapping, make(split, mapping.n_parameters))

        def block(active: int) -> Iterator[Bijection]:
            if active > 1 and rotation:
                yield LULinear(active)
            if active > 1:
                halves = (HalfSplit(active, flip=index % 2 == 1) for index in range(layers))
                yield ScaledCouplings(coupling(split) for split in halves)
            elif dim == 1 and self.context_encoder.dim:
                yield ScaledCouplings(coupling(WholeSplit(1)) for _ in range(layers))
            else:
                yield ActNorm(active)

        blocks = [Freeze(Compose(block(active)), active) for active in _active(dim, groups)]
        last = [] if bins is None else [CDFLayer(dim, bins=bins)]
        self.layers = of_vectors(self.event_shape, [*blocks, *last])

    def confine(self, box: Intervals, *, base: Base) -> None:
        super().confine(box, base=base)
        for module in self.modules():
            if isinstance(module, Coupling):
                assert isinstance(module.conditioner, MLP)
                module.conditioner.start_from_zero()


def _active(dim: int, groups: int) -> list[int]:
    """Numbers of coordinates that the blocks act on: groups as even as can be fall away."""
    groups = min(groups, dim)
    return [-(-dim * left // groups) for left in range(groups, 0, -1)]
