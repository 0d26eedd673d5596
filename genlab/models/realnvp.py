"""RealNVP: affine couplings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from genlab.bijections.scalar_map import Affine
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.densities.density import EventShape
from genlab.models.couplings import (
    Mixing,
    Network,
    alternating_halves,
    conditioner,
    image_layers,
    of_vectors,
    spaced,
)
from genlab.models.flow import Flow
from genlab.nn.conv import ConvOptions
from genlab.nn.mlp import Activation
from genlab.nn.padding import Padding

__all__ = ["RealNVP"]


class RealNVP(Flow):
    """Couplings ``x_b exp(w(x_a)) + t(x_a)`` with alternating halves.

    Each is the exact flow of ``dx_b/dt = w(x_a) x_b + u(x_a)``, ``dx_a/dt = 0``. The
    formula stands in `genlab.bijections.Affine`, the turns of the halves in
    `genlab.bijections.AlternatingCouplings`.

    ``log|det| = sum w(x_a)``, and the inverse ``(z_b - t) exp(-w)`` costs the same (Dinh,
    Sohl-Dickstein, Bengio, "Density estimation using Real NVP", 2017). Images go through several
    scales: at each, couplings on the fields of a checkerboard, then on the channels; after it, half
    of the numbers are done (section 3.6).

    References: arXiv:1605.08803, arXiv:1807.03039 (Glow).

    >>> import genlab, torch
    >>> model = genlab.models.RealNVP(2)
    >>> model.log_prob(torch.randn(5, 2)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample, or the length of a vector, of at least 2 numbers.
        scales: Number of scales of an image, each of half the size of the one before; 0: samples
            are taken for vectors, whatever their shape.
        layers: Number of couplings; of an image, at each scale.
        hidden: Widths of the hidden layers of each network ``(w, t)``; of an image, channels.
        activation: Nonlinearity of the networks.
        network: Of each coupling: ``mlp`` for samples as vectors, or ``conv``, convolutions of
            samples as arrays, whose numbers are split as a checkerboard.
        padding: What a convolution sees around an array: ``zeros``, or ``circular``, itself again.
        actnorm: Put a data-initialised scale and shift before each coupling ("Glow", 2018).
        mixing: What stands before each coupling: nothing, a fixed random permutation, a trainable
            LU matrix, or, of periodic fields, a trainable convolution with the whole square; of an
            image's channels, before each coupling that halves them.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        scales: NonNegativeInt = 0,
        layers: PositiveInt = 8,
        hidden: Sequence[PositiveInt] = (64, 64),
        activation: Activation = "relu",
        network: Network = "mlp",
        padding: Padding = "zeros",
        actnorm: bool = False,
        mixing: Mixing = "none",
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        conditioners: ConvOptions = {
            "hidden": hidden,
            "activation": activation,
            "padding": padding,
            "context_dim": self.context_encoder.dim,
            "zero_last": True,
        }
        if scales:
            self.layers = image_layers(
                self.event_shape,
                scales,
                Affine,
                layers=layers,
                actnorm=actnorm,
                mixing=mixing,
                **conditioners,
            )
            return
        dim = math.prod(self.event_shape)
        make = conditioner(self.event_shape, network, **conditioners)
        couplings = alternating_halves(dim, Affine, make, layers=layers)
        steps = spaced(self.event_shape, couplings, actnorm=actnorm, mixing=mixing)
        self.layers = of_vectors(self.event_shape, steps)
