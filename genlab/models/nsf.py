"""Neural spline flows: of the line by couplings or autoregressively, and of the circle."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Unpack

from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.densities.density import Circular, EventShape
from genlab.models.couplings import (
    Mixing,
    Network,
    conditioner,
    image_layers,
    of_vectors,
    spaced,
    vector_order,
)
from genlab.models.flow import Flow
from genlab.models.spline_layers import SplineLayers, SplineOptions
from genlab.nn.conv import ConvOptions
from genlab.nn.padding import Padding

__all__ = ["NSF", "AutoregressiveNSF", "CircularNSF", "neural_spline_flow"]

Variant = Literal["coupling", "autoregressive"]


class NSF(Flow):
    """Couplings ``z_b = S(x_b; MLP(x_a))``, ``z_a = S(x_a; p)`` with alternating halves.

    ``S`` is a monotone rational-quadratic spline on ``[-c, c]`` with tails of slope 1, ``p`` are
    trainable constants; the log-determinant is the sum of ``log S'`` (Durkan, Bekasov, Murray,
    Papamakarios, "Neural spline flows", 2019, arXiv:1906.04032). Images go through several scales,
    as RealNVP's do, by couplings that leave ``z_a = x_a``. ``S`` is
    `genlab.bijections.RationalQuadratic`, a layer `genlab.bijections.HalfFreeCoupling`.

    >>> import genlab, torch
    >>> model = genlab.models.NSF(2)
    >>> model.log_prob(torch.randn(5, 2)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample, or the length of a vector; of a single number, every layer
            is one spline, whose parameters are trainable constants or a network of the context.
        scales: Number of scales of an image, each of half the size of the one before; 0: samples
            are taken for vectors, whatever their shape.
        layers: Number of couplings; of an image, at each scale.
        free_half: Let a coupling map ``x_a`` too; without it ``z_a = x_a``, as in the paper, and as
            an image's couplings always do.
        actnorm: Put a data-initialised scale and shift before each layer.
        network: Of each coupling: ``mlp`` for samples as vectors, or ``conv``, convolutions of
            samples as arrays, whose numbers are split as a checkerboard.
        padding: What a convolution sees around an array: ``zeros``, or ``circular``, itself again.
        mixing: What stands before each layer: nothing, a fixed random permutation, a trainable LU
            matrix, or, of periodic fields, a trainable convolution with the whole square; of an
            image's channels, before each coupling that halves them.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
        **splines: ``bins`` and ``bound`` c of each spline, ``hidden`` and ``activation`` of each
            network (`SplineOptions`).
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        scales: NonNegativeInt = 0,
        layers: PositiveInt = 3,
        free_half: bool = True,
        actnorm: bool = False,
        network: Network = "mlp",
        padding: Padding = "zeros",
        mixing: Mixing = "none",
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
        **splines: Unpack[SplineOptions],
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        dim = math.prod(self.event_shape)
        make = SplineLayers(
            is_circular=(False,) * dim, context_dim=self.context_encoder.dim, **splines
        )
        conditioners: ConvOptions = {**make.networks, "padding": padding}
        if scales:
            self.layers = image_layers(
                self.event_shape,
                scales,
                make.line,
                layers=layers,
                actnorm=actnorm,
                mixing=mixing,
                **conditioners,
            )
            return
        networks = conditioner(self.event_shape, network, **conditioners)
        couplings = make.couplings(layers, free_half=free_half, network=networks)
        steps = spaced(self.event_shape, couplings, actnorm=actnorm, mixing=mixing)
        self.layers = of_vectors(self.event_shape, steps)


class AutoregressiveNSF(Flow):
    """Layers ``z_i = S(x_i; MADE(x_1, ..., x_{i-1}))``, in alternating order of the coordinates.

    A layer bends more than a coupling, and takes d networks in turn to sample (Durkan, Bekasov,
    Murray, Papamakarios, "Neural spline flows", 2019, arXiv:1906.04032, section 3.2). It is
    `genlab.bijections.Autoregressive`, with a `genlab.nn.MaskedMLP`.

    >>> import genlab
    >>> model = genlab.models.AutoregressiveNSF(3)
    >>> model.sample(5).shape
    torch.Size([5, 3])

    Args:
        event_shape: Shape of one sample, or the length of a vector; arrays are flattened.
        layers: Number of layers.
        actnorm: Put a data-initialised scale and shift before each layer.
        mixing: What stands before each layer: nothing, a fixed random permutation, or a trainable
            LU matrix.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
        **splines: Of the splines and the networks, as in `NSF`.
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        layers: PositiveInt = 3,
        actnorm: bool = False,
        mixing: Mixing = "none",
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
        **splines: Unpack[SplineOptions],
    ) -> None:
        super().__init__(event_shape, context_dim=context_dim, labels=labels)
        dim = math.prod(self.event_shape)
        make = SplineLayers(
            is_circular=(False,) * dim, context_dim=self.context_encoder.dim, **splines
        )
        steps = spaced(
            self.event_shape, make.autoregressives(layers), actnorm=actnorm, mixing=mixing
        )
        self.layers = of_vectors(self.event_shape, steps)


class CircularNSF(Flow):
    """A spline flow on circles, tori and cylinders: ``z_i = S_o(x_i; p)`` for each angle ``x_i``.

    ``S_o`` is a monotone rational-quadratic spline of the circle,
    `genlab.bijections.CircularSpline`; the base of an angle is uniform, and networks see its cosine
    and sine (Rezende et al., "Normalizing flows on tori and spheres", 2020, arXiv:2002.02428).
    Coordinates that are no angles are treated as in `NSF`.

    >>> import genlab, torch
    >>> model = genlab.models.CircularNSF(2)
    >>> bool((model.sample(5).abs() <= torch.pi).all())
    True

    Args:
        event_shape: Shape of one sample, or the length of a vector; arrays are flattened.
        circular: Coordinates that are angles.
        layers: Number of layers.
        variant: ``coupling``, or ``autoregressive`` as in `AutoregressiveNSF`.
        free_half: Let a coupling map the half too that its network sees.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.
        **splines: Of the splines and the networks, as in `NSF`.

    Raises:
        ValueError: ``circular`` names no coordinate, or one twice.
    """

    stackable: ClassVar[bool] = True
    knows_angles: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: EventShape,
        *,
        circular: Circular = "all",
        layers: PositiveInt = 3,
        variant: Variant = "coupling",
        free_half: bool = True,
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
        **splines: Unpack[SplineOptions],
    ) -> None:
        super().__init__(event_shape, circular=circular, context_dim=context_dim, labels=labels)
        make = SplineLayers(
            is_circular=tuple(i in self.circular for i in vector_order(self.event_shape)),
            context_dim=self.context_encoder.dim,
            **splines,
        )
        if variant == "autoregressive":
            steps = make.autoregressives(layers)
        else:
            steps = make.couplings(layers, free_half=free_half)
        self.layers = of_vectors(self.event_shape, spaced(self.event_shape, steps))


class FlowOptions(SplineOptions, total=False):
    """Options that the three classes have in common."""

    layers: PositiveInt
    context_dim: NonNegativeInt
    labels: NonNegativeInt


def neural_spline_flow(
    event_shape: EventShape,
    *,
    scales: NonNegativeInt = 0,
    variant: Variant = "coupling",
    free_half: bool = True,
    network: Network = "mlp",
    padding: Padding = "zeros",
    actnorm: bool = False,
    mixing: Mixing = "none",
    circular: Circular = (),
    **options: Unpack[FlowOptions],
) -> NSF | AutoregressiveNSF | CircularNSF:
    """The spline flow that one name asks for, by the arguments of the three classes.

    Raises:
        ValueError: An option is asked for that the flow does not have.
    """
    if scales and (circular or free_half or variant != "coupling"):
        raise ValueError(
            f"scales={scales}: expected variant=coupling, free_half=false and circular=[], "
            f"got {variant}, {str(free_half).lower()} and {circular}"
        )
    if network == "conv" and (circular or variant != "coupling"):
        raise ValueError(
            f"network=conv: expected variant=coupling and circular=[], got {variant} and "
            f"{list(circular)}; use mlp"
        )
    if circular and mixing != "none":
        raise ValueError(f"mixing: angles must not be mixed; expected none, got {mixing}")
    if circular and actnorm:
        raise ValueError("actnorm: angles must not be scaled; expected false, got true")
    if circular:
        return CircularNSF(
            event_shape, circular=circular, variant=variant, free_half=free_half, **options
        )
    if variant == "autoregressive":
        return AutoregressiveNSF(event_shape, actnorm=actnorm, mixing=mixing, **options)
    return NSF(
        event_shape,
        scales=scales,
        free_half=free_half,
        network=network,
        padding=padding,
        actnorm=actnorm,
        mixing=mixing,
        **options,
    )
