"""Residual flows: blocks that add a contraction to the identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch

from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.fixed_point import FixedPointMethod
from genlab.bijections.log_det import LogDet, SeriesGradient
from genlab.bijections.reshaping import ImageShape, multi_scale
from genlab.bijections.residual import ResidualBlocks, ResidualOptions
from genlab.bounds import Bound, NonNegativeInt, Positive, PositiveInt
from genlab.densities.density import EventShape
from genlab.models.couplings import Network, of_vectors
from genlab.models.flow import Flow
from genlab.nn.lipschitz_network import (
    LipschitzActivation,
    LipschitzConvNet,
    LipschitzMLP,
    LipschitzNetwork,
)
from genlab.nn.padding import Padding, image_shape

__all__ = ["ResFlow"]

EXACT_UP_TO = 4
"""Coordinates up to which the exact determinant costs no more than an estimate of it."""

Contraction = Annotated[float, Bound(0.0, 1.0, open_low=True, open_high=True)]


class ResFlow(Flow):
    """Blocks ``x + g(x)`` with ``Lip(g) <= L < 1``, invertible Euler steps of an ODE.

    ``x + g(x)``, its log-determinant and its inverse stand in `genlab.bijections.ResidualBlocks`.

    No coordinate is treated otherwise than another, and nothing is split: the blocks are free but
    for the bound, which limits the singular values of each one's Jacobian to ``[1 - L, 1 + L]``. A
    density that needs more stretching needs more blocks (Behrmann et al., "Invertible residual
    networks", 2019; Chen et al., "Residual flows for invertible generative modeling", 2019).

    The likelihood is exact where the determinant is, and an estimate otherwise: unbiased with
    ``russian_roulette``, biased by what a truncated ``power_series`` leaves out.

    References: arXiv:1811.00995, arXiv:1906.02735.

    >>> import genlab, torch
    >>> model = genlab.models.ResFlow(2, layers=3)
    >>> model.likelihood, model.log_prob(torch.randn(5, 2)).shape
    ('exact', torch.Size([5]))

    Args:
        event_shape: Shape of one sample, or the length of a vector.
        scales: Number of scales of an image, each of half the size of the one before, at which the
            networks are convolutional; 0: samples are taken for vectors, whatever their shape.
        layers: Number of blocks; of an image, at each scale.
        hidden: Widths of the hidden layers of each ``g``, at least one; of an image, channels.
        activation: Nonlinearity of each ``g``.
        network: Of samples that are not scaled: ``mlp`` for vectors, or ``conv`` for arrays.
        padding: What a convolution sees around an array: ``zeros``, or ``circular``, itself again.
        lipschitz: The bound ``L`` on each ``g``, shared out equally among its layers.
        log_det: The exact determinant, an estimate, or ``auto``: exact up to 4 coordinates, by
            Russian roulette above.
        terms: Terms of the series in training: all of them, or those before the roulette starts.
        evaluation_terms: The same in evaluation.
        gradient: Gradient of the series: ``neumann``, in a memory that does not grow with the
            number of terms, or ``direct``.
        solver: Fixed-point method of the inverse.
        tolerance: Largest error of a block's inverse, relative to ``1 + |z|``.
        actnorm: Put a data-initialised scale and shift before each block and behind the last.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
    """

    def __init__(
        self,
        event_shape: EventShape,
        *,
        scales: NonNegativeInt = 0,
        layers: PositiveInt = 8,
        hidden: Sequence[PositiveInt] = (64, 64),
        activation: LipschitzActivation = "sine",
        network: Network = "mlp",
        padding: Padding = "zeros",
        lipschitz: Contraction = 0.98,
        log_det: LogDet | Literal["auto"] = "auto",
        terms: PositiveInt = 2,
        evaluation_terms: PositiveInt = 20,
        gradient: SeriesGradient = "neumann",
        solver: FixedPointMethod = "anderson",
        tolerance: Positive = 1e-10,
        actnorm: bool = True,
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        dim = math.prod(self.event_shape)
        if not hidden:
            raise ValueError("hidden=[]: expected at least one hidden layer; without, g is linear")
        if log_det == "auto":
            log_det = "exact" if dim <= EXACT_UP_TO else "russian_roulette"
        self.likelihood = "exact" if log_det == "exact" else "estimate"
        if log_det != "exact":
            self.test_samples = 10_000  # each is a series of products with Jacobians
        options = ResidualOptions(
            log_det=log_det,
            terms=terms,
            evaluation_terms=evaluation_terms,
            gradient=gradient,
            solver=solver,
            tolerance=tolerance,
        )

        def blocks(networks: LipschitzNetwork) -> ResidualBlocks:
            return ResidualBlocks(networks, options, actnorm=actnorm)

        def at_scale(shape: ImageShape) -> list[Bijection]:
            networks = LipschitzConvNet(
                layers,
                shape,
                hidden=hidden,
                kernel_size=3,
                activation=activation,
                bound=lipschitz,
                padding=padding,
                context_dim=self.context_encoder.dim,
            )
            return [blocks(networks)]

        if scales:
            self.layers = Compose(multi_scale(self.event_shape, scales, at_scale))
            return
        if network == "conv":
            self.layers = Compose(at_scale(image_shape("network=conv", self.event_shape, "mlp")))
            return
        networks = LipschitzMLP(
            layers,
            dim,
            hidden=hidden,
            activation=activation,
            bound=lipschitz,
            context_dim=self.context_encoder.dim,
        )
        self.layers = of_vectors(self.event_shape, [blocks(networks)])

    def diagnostics(self) -> dict[str, float]:
        """A Lipschitz bound of each block as it is used, by the converged norms of its layers."""
        stacks = (m for m in self.layers.modules() if isinstance(m, LipschitzNetwork))
        bounds = torch.cat([stack.lipschitz() for stack in stacks]).tolist()
        return {f"lipschitz/block_{number}": bound for number, bound in enumerate(bounds, start=1)}
