"""RealNVP: affine couplings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genlab.bijections.actnorm import ActNorm
from genlab.bijections.affine import Affine
from genlab.bijections.alternating import AlternatingCouplings
from genlab.bijections.bijection import Bijection
from genlab.bijections.compose import Compose
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.models.couplings import Mixing, alternating_halves, mixing_layers
from genlab.models.flow import Flow
from genlab.nn.mlp import Activation

__all__ = ["RealNVP"]


class RealNVP(Flow):
    """Couplings ``x_b exp(w(x_a)) + t(x_a)`` with alternating halves.

    Each is the exact flow of ``dx_b/dt = w(x_a) x_b + u(x_a)``, ``dx_a/dt = 0``.

    ``log|det| = sum w(x_a)``, and the inverse ``(z_b - t) exp(-w)`` costs the same (Dinh,
    Sohl-Dickstein, Bengio, "Density estimation using Real NVP", 2017).

    Args:
        event_shape: ``(d,)`` with d at least 2.
        layers: Number of couplings.
        hidden: Widths of the hidden layers of each network ``(w, t)``.
        activation: Nonlinearity of the networks.
        actnorm: Put a data-initialised scale and shift before each coupling ("Glow", 2018).
        mixing: What stands before each coupling: nothing, a fixed random permutation, or a
            trainable LU matrix.
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
        actnorm: bool,
        mixing: Mixing,
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(tuple(event_shape), context_dim=context_dim, labels=labels)
        (dim,) = self.event_shape
        couplings = alternating_halves(
            dim,
            Affine,
            layers=layers,
            hidden=hidden,
            activation=activation,
            context_dim=self.context_encoder.dim,
            identity=True,
        )
        if actnorm or mixing != "none":
            steps = [[*_between(dim, actnorm, mixing), coupling] for coupling in couplings]
            self.layers = Compose(layer for step in steps for layer in step)
        else:
            self.layers = Compose([AlternatingCouplings(couplings)])


def _between(dim: int, actnorm: bool, mixing: Mixing) -> Iterator[Bijection]:
    if actnorm:
        yield ActNorm(dim)
    yield from mixing_layers(dim, mixing)
