"""The variational autoencoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.densities.density import Circular, Density, EventShape
from genlab.densities.observation import Bernoulli, GaussianObservation, Observation, VonMises
from genlab.densities.posterior import Posterior, PosteriorCovariance, n_parameters
from genlab.densities.seeded_noise import row_shifts, shifted_normals, uniform_points
from genlab.errors import first_few
from genlab.nn.angles import periodic
from genlab.nn.context import Context
from genlab.nn.conv import ConvDecoder, ConvEncoder
from genlab.nn.mlp import Activation, DenseDecoder, DenseEncoder
from genlab.nn.padding import Padding, image_shape
from genlab.nn.precision import full_precision, output_of

__all__ = ["VAE", "BoundTerms"]

NETWORKS: dict[str, tuple[type[DenseEncoder | ConvEncoder], type[DenseDecoder | ConvDecoder]]] = {
    "mlp": (DenseEncoder, DenseDecoder),
    "conv": (ConvEncoder, ConvDecoder),
}

MOST_LATENTS = 16

WORKING_SET = 2**20
"""Numbers of a decoder's layer that importance samples may take at once: 4 MB in float32."""


class BoundTerms(NamedTuple):
    """The terms of evidence lower bounds: k draws ``z_j ~ q(z | x, c)`` for each of n points.

    Attributes:
        z: The draws, differentiable in the encoder's parameters.
        log_likelihood: ``log p(x | z_j, c)``, in data units.
        log_ratio: ``log q(z_j | x, c) - log p(z_j)``; its gradient runs through z_j alone.
        kl: The terms of ``KL(q(z | x, c) || p(z))``, one a latent coordinate.
    """

    z: Float[Tensor, "k n l"]
    log_likelihood: Float[Tensor, "k n"]
    log_ratio: Float[Tensor, "k n"]
    kl: Float[Tensor, "n l"]


class VAE(Density):
    """``p(x | c) = int p(x | z, c) N(z | 0, I) dz`` with an encoder ``q(z | x, c)``.

    Kingma, Welling, "Auto-encoding variational Bayes" (2014). With ``z_j ~ q``, the log-density is
    estimated as in Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders" (2016), eq. 8:

    ``log p(x | c) >= E log 1/k sum_j p(x | z_j, c) p(z_j) / q(z_j | x, c)``,

    with k = `importance_samples`, which may be changed at any time. The noise of a point is seeded
    by the point itself: `log_prob` gives the same value each time and in each batch, and its errors
    at different points are independent, as the standard error of a mean assumes.

    References: arXiv:1312.6114, arXiv:1509.00519.

    >>> import genlab, torch
    >>> model = genlab.models.VAE(3, latent_dim=2)
    >>> model.encode(torch.randn(5, 3)).mean.shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample, or the length of a vector.
        latent_dim: Number of latent coordinates; None for as many as x has, 16 at most.
        observation: ``p(x | .)`` given the decoder's output; None for Gaussians whose standard
            deviations the decoder computes too, and for angles von Mises densities.
        network: Kind of encoder and decoder; ``auto`` takes convolutions for images.
        hidden: Widths of the encoder's hidden layers; the decoder's are the same, backwards. Of
            convolutions, the channels after each halving of the image.
        activation: Nonlinearity of both networks.
        padding: What a convolution sees around an image: ``zeros``, or ``circular``, itself again.
        covariance: Of the encoder's Gaussian: ``full``, or ``diag`` as in the paper.
        importance_samples: Draws of z that a log-density is estimated with.
        circular: Coordinates that are angles, which the encoder sees by cosine and sine.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Raises:
        ValueError: Convolutions are asked for where the data are no images, or the observation
            takes others for angles than the model.
    """

    likelihood = "lower_bound"
    knows_angles: ClassVar[bool] = True
    figures = (
        "density",
        "samples",
        "calibration",
        "interpolation",
        "super_resolution",
        "autoencoder",
    )

    def __init__(
        self,
        event_shape: EventShape,
        *,
        latent_dim: PositiveInt | None = None,
        observation: Observation | None = None,
        network: Literal["auto", "mlp", "conv"] = "auto",
        hidden: Sequence[PositiveInt] = (64, 64, 64),
        activation: Activation = "silu",
        padding: Padding = "zeros",
        covariance: PosteriorCovariance = "full",
        importance_samples: PositiveInt = 64,
        circular: Circular = (),
        context_dim: NonNegativeInt = 0,
        labels: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape, circular=circular, context_dim=context_dim, labels=labels)
        if latent_dim is None:
            latent_dim = min(math.prod(self.event_shape), MOST_LATENTS)
        self.latent_dim = latent_dim
        self.importance_samples = importance_samples
        self.observation = observation = self._observing(observation)
        self.masses = isinstance(observation, Bernoulli)
        self.interval = observation.interval
        if network == "auto":
            network = "conv" if self.image else "mlp"
        make_encoder, make_decoder = NETWORKS[network]
        options: dict[str, Any] = {
            "hidden": hidden,
            "activation": activation,
            "context_dim": self.context_encoder.dim,
        }
        if network == "conv":
            image_shape("network=conv", self.event_shape, "mlp")
            options["padding"] = padding
        outputs = n_parameters(latent_dim, covariance)
        self.encoder = self._seeing(lambda shape: make_encoder(shape, outputs, **options))
        self.decoder = make_decoder(
            latent_dim, self.event_shape, observation.n_parameters, **options
        )

    def _observing(self, observation: Observation | None) -> Observation:
        if observation is None:
            if self.circular:
                return VonMises(self.event_shape, circular=self.circular)
            return GaussianObservation(self.event_shape)
        angles = observation.circular if isinstance(observation, VonMises) else ()
        if set(angles) != set(self.circular):
            ours, theirs = (f"[{first_few([*map(str, a)])}]" for a in (self.circular, angles))
            raise ValueError(
                f"observation: {type(observation).__name__} takes {theirs} for angles, the model "
                f"{ours}; " + ("use `VonMises`" if self.circular else "use `GaussianObservation`")
            )
        return observation

    def _seeing(self, encoder: Callable[[tuple[int, ...]], nn.Module]) -> nn.Module:
        """The encoder, which sees the cosine and the sine of each angle."""
        if not self.circular:
            return encoder(self.event_shape)
        if len(self.event_shape) > 1:
            raise ValueError(
                f"circular={list(self.circular)}: expected vectors, got {list(self.event_shape)}"
            )
        is_circular = [i in self.circular for i in range(*self.event_shape)]
        return periodic(is_circular, lambda inputs: encoder((inputs,)))

    @property
    def importance_samples(self) -> int:
        """Draws of z that a log-density is estimated with."""
        return len(self._points)

    @importance_samples.setter
    def importance_samples(self, count: int) -> None:
        # Here, where nothing is traced or transformed: such tensors would outlive what made them.
        self._points = uniform_points(count, self.latent_dim)

    @full_precision
    def encode(
        self, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None = None
    ) -> Posterior:
        """``q(z | x, c)`` for points in data units; its ``mean`` is the code of a point."""
        x, rows, _ = self.prepare(x, context)
        return self._posterior(x, rows)

    def codes(
        self, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None = None
    ) -> Float[Tensor, "n l"]:
        """The mean of ``q(z | x, c)`` for points in data units."""
        return self.encode(x, context).mean

    @full_precision
    def decode(
        self, z: Float[Tensor, "n l"], context: Shaped[Tensor, "..."] | None = None
    ) -> Float[Tensor, "n *event"]:
        """The mean of ``p(x | z, c)``, in data units."""
        rows = self.context_encoder(context, len(z), self.dtype)
        x = self.observation.mean(output_of(self.decoder, z.to(self.dtype), rows))
        return self._in_data_units(x, rows)

    @full_precision
    def observe(
        self,
        z: Float[Tensor, "n l"],
        context: Shaped[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n *event"]:
        """A draw of ``p(x | z, c)`` for each z, in data units."""
        rows = self.context_encoder(context, len(z), self.dtype)
        x = self.observation.sample(output_of(self.decoder, z.to(self.dtype), rows), generator)
        return self._in_data_units(x, rows)

    def metrics(
        self,
        test: Batch | None = None,
        training: Batch | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Mapping[str, float]:
        """``test/importance_samples``: the draws that a log-density is estimated with."""
        return {"test/importance_samples": float(self.importance_samples)}

    @full_precision
    def bound_terms(
        self,
        x: Float[Tensor, "n *event"],
        context: Shaped[Tensor, "..."] | None = None,
        *,
        samples: int = 1,
    ) -> BoundTerms:
        """The terms of an objective, with fresh draws from torch's global generator."""
        x, rows, log_det = self.prepare(x, context)
        posterior = self._posterior(x, rows)
        mean = posterior.mean
        noise = torch.randn(samples, *mean.shape, dtype=mean.dtype, device=mean.device)
        z = posterior.transform(noise)
        fixed = posterior.detach()
        return BoundTerms(
            z,
            self._log_likelihood(x, z, rows) + log_det,
            fixed.log_ratio(z, fixed.whiten(z)),
            posterior.kl(),
        )

    def _log_prob(self, x: Float[Tensor, "n *event"], context: Context) -> Float[Tensor, " n"]:
        posterior = self._posterior(x, context)
        shifts = row_shifts(x, self.latent_dim)
        log_weights = []
        for part in self._points.split(self._chunk(len(x))):
            noise = shifted_normals(part, shifts)
            z = posterior.transform(noise)
            log_ratio = posterior.log_ratio(z, noise)
            log_weights.append(self._log_likelihood(x, z, context) - log_ratio)
        return torch.cat(log_weights).logsumexp(0) - math.log(self.importance_samples)

    def _sample(
        self, n: int, context: Context, generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        z = torch.randn(
            (n, self.latent_dim), dtype=self.dtype, device=self.device, generator=generator
        )
        return self.observation.sample(output_of(self.decoder, z, context), generator)

    def _initialise(self, x: Float[Tensor, "n *event"], context: Context) -> None:
        self.observation.check(x)

    def _posterior(self, x: Float[Tensor, "n *event"], context: Context) -> Posterior:
        return Posterior.from_parameters(output_of(self.encoder, x, context), self.latent_dim)

    def _log_likelihood(
        self, x: Float[Tensor, "n *event"], z: Float[Tensor, "k n l"], context: Context
    ) -> Float[Tensor, "k n"]:
        if context is not None:
            context = context.expand(len(z), -1, -1).flatten(0, 1)
        parameters = output_of(self.decoder, z.flatten(0, 1).to(x.dtype), context)
        return self.observation.log_prob(x, parameters.unflatten(0, z.shape[:2]))

    def _chunk(self, n: int) -> int:
        """Importance samples of n points that are decoded at once."""
        if torch.compiler.is_compiling():
            return self.importance_samples  # how many points there are is not known then
        return max(1, WORKING_SET // max(1, n * self.decoder.width))
