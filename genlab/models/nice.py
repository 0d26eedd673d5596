"""NICE: additive couplings, which preserve volume."""

from __future__ import annotations

from collections.abc import Sequence

from genlab.bijections.compose import Compose
from genlab.bijections.coupling import AlternatingCouplings, Coupling
from genlab.bijections.scaling import Scaling
from genlab.bijections.shift import Shift
from genlab.bijections.split import HalfSplit
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.models.flow import Flow
from genlab.nn.mlp import MLP, Activation

__all__ = ["NICE"]


class NICE(Flow):
    """Couplings ``x_b + t(x_a)`` with alternating halves, then one diagonal scaling.

    Each coupling is an exact step of ``dx_b/dt = v(x_a)``, ``dx_a/dt = 0``: the log-determinant is
    exactly 0, and the model's only volume change is the constant one of the last layer. A density
    with several levels therefore cannot be matched (Dinh, Krueger, Bengio, "NICE: Non-linear
    independent components estimation", 2015).

    Args:
        event_shape: ``(d,)`` with d at least 2.
        layers: Number of couplings.
        hidden: Widths of the hidden layers of each shift network ``t``.
        activation: Nonlinearity of the shift networks.
        scaling: End with a learned scale for each coordinate, as in the paper.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        layers: PositiveInt,
        hidden: Sequence[PositiveInt],
        activation: Activation,
        scaling: bool = True,
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(tuple(event_shape), context_dim=context_dim, labels=labels)
        (dim,) = self.event_shape
        halves = [HalfSplit(dim, flip=index % 2 == 1) for index in range(layers)]
        couplings = AlternatingCouplings(
            Coupling(split, Shift(), self._network(split, hidden, activation)) for split in halves
        )
        self.layers = Compose([couplings, Scaling(dim)] if scaling else [couplings])

    def _network(self, split: HalfSplit, hidden: Sequence[int], activation: Activation) -> MLP:
        return MLP(
            split.passive,
            split.active,
            hidden=hidden,
            activation=activation,
            context_dim=self.context_encoder.dim,
            zero_last=True,
        )
