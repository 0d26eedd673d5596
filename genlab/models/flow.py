"""Normalising flows: a bijection to a base density whose samples are easy to draw."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.bijections.bijection import Compose
from genlab.bijections.domains import Intervals, Logit, Probit, Quantile, UnitBox
from genlab.densities.base import Cylinder, StandardLogistic, StandardNormal
from genlab.densities.density import Circular, Density, EventShape
from genlab.nn.context import Context
from genlab.nn.precision import full_precision

__all__ = ["BASES", "Base", "Flow"]

Base = Literal["normal", "logistic"]

# Each base density with its quantile function.
BASES: dict[Base, tuple[type[StandardNormal | StandardLogistic], type[Quantile]]] = {
    "normal": (StandardNormal, Probit),
    "logistic": (StandardLogistic, Logit),
}

# Numbers of the data that layers start from, and how many rows there are at least.
NUMBERS = 2**20
FEWEST = 256


class Flow(Density):
    """``log p(x | c) = log p_0(f(x; c)) + log|det df/dx|``, sampled by ``x = f^{-1}(z; c)``.

    A family subclasses it and sets `layers` (Rezende, Mohamed, "Variational inference with
    normalizing flows", 2015).

    References: arXiv:1505.05770.

    >>> import genlab, torch
    >>> flow = genlab.models.RealNVP(2)
    >>> z, log_det = flow.bijection(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

    Args:
        event_shape: Shape of one sample, or the length of a vector.
        circular: Coordinates that are angles, for which the base is uniform.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Attributes:
        layers: The trainable bijections, from preprocessed data to latent.
        base: The density of the latent.
        confined: Whether the flow lives in a box.
    """

    reparametrised: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = (
        "density",
        "samples",
        "calibration",
        "interpolation",
        "super_resolution",
        "latent",
        "deformation",
    )
    layers: Compose

    def __init__(
        self,
        event_shape: EventShape,
        *,
        circular: Circular = (),
        context_dim: int = 0,
        labels: int = 0,
    ) -> None:
        super().__init__(event_shape, circular=circular, context_dim=context_dim, labels=labels)
        self.base: Density = StandardNormal(self.event_shape)
        if circular:
            self.base = Cylinder(self.event_shape, circular=self.circular)
        self.confined = False

    def confine(self, box: Intervals, *, base: Base) -> None:
        """Let the flow live in a box, before it is trained.

        The quantile function of the base, coordinate by coordinate, carries the box onto the whole
        space, in place of any other preprocessing. So a flow whose layers start as the identity
        starts as the uniform density of the box, and `initialise` leaves it there. Outside the box
        `log_prob` is ``-inf``; samples lie strictly inside. In float32 a log-density is that of the
        same point in float64 to 1e-4, up to the edge.

        Args:
            box: One interval ``[low, high]`` for all coordinates, or one for each.
            base: The density of the latent. A shift in the tails changes the density at the edge of
                the box by a bounded factor if the base is logistic, by any factor if it is normal.

        Raises:
            ValueError: The box does not fit the flow, or is empty or infinite.
        """
        if len(self.event_shape) != 1:
            raise ValueError(
                f"bounded: a box confines vectors, not samples of shape {self.event_shape}"
            )
        (dim,) = self.event_shape
        density, quantile = BASES[base]
        self.base = density(self.event_shape)
        self.preprocessing = quantile(UnitBox(box, dim))
        self.confined = True

    @property
    def bijection(self) -> Compose:
        """The whole map from data units to latent, door and preprocessing included."""
        first = [layer for layer in (self.door, self.preprocessing) if layer is not None]
        return Compose([*first, *self.layers])

    @full_precision
    def codes(
        self, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None = None
    ) -> Float[Tensor, "n *event"]:
        """The latent codes of points in data units."""
        z: Tensor = self.bijection.encode(x, self.context_encoder(context, len(x), x.dtype))
        return z

    @full_precision
    def decode(
        self, z: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None = None
    ) -> Float[Tensor, "n *event"]:
        """The points in data units that these codes are of."""
        x: Tensor = self.bijection.generate(z, self.context_encoder(context, len(z), z.dtype))
        return x

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        log_det: Tensor
        z, log_det = self.layers(x, context)
        return self.base.log_prob(z) + log_det

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        # Without gradients any base can be drawn.
        draw = self.base.rsample if torch.is_grad_enabled() else self.base.sample
        return self.layers.generate(draw(n, generator=generator), context)

    @property
    def noise(self) -> int | None:
        return None if self.context_encoder.dim else self.base.noise

    def _from_uniform(self, u: Float[Tensor, "n noise"]) -> Float[Tensor, "n *event"]:
        return self.layers.generate(self.base._from_uniform(u), None)

    def _sample_with_log_prob(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_det: Tensor
        z, log_p = self.base.sample_with_log_prob(n, generator=generator)
        x, log_det = self.layers.inverse(z, context)
        return x, log_p - log_det

    def _initialise(self, x: Float[Tensor, "n *event"], context: Context) -> None:
        if not self.confined:
            # A scale is known from few rows of many numbers, and a deep flow takes long for more.
            n = max(FEWEST, NUMBERS // x[0].numel())
            self.layers.initialise(x[:n], None if context is None else context[:n])
