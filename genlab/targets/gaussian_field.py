"""Random fields with exact densities: Gaussian, log-normal, mixtures, and posteriors of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import Bound, Positive, PositiveInt
from genlab.fields import (
    Spectrum,
    block_means,
    block_spectrum,
    filtered,
    gaussian_entropy,
    gaussian_log_prob,
)
from genlab.nn.context import Context
from genlab.targets.exact import ExactTarget

__all__ = ["GaussianField"]

SAMPLES = 20_000
"""Fields that the entropy of a mixture is estimated from, and numbers: fewer of large fields."""
NUMBERS = 2**25
LARGEST = 80.0
"""Logarithm of what float32 holds, and holds the inverse of in full precision, about."""


class GaussianField(ExactTarget):
    """A stationary Gaussian field g on the periodic square, ``n x n`` numbers, or ``w = exp(g)``.

    ``g = mean + v`` with ``v^_k ~ N(0, lambda_k)``, so that ``log p(g) = -1/2 sum_k (|v^_k|^2 /
    lambda_k + log 2 pi lambda_k)`` and ``H = 1/2 sum_k log(2 pi e lambda_k)``. Of a log-normal
    field, ``log p(w) = log p(log w) - sum log w`` and ``H = H_g + n^2 mean``. A mixture of spectra
    ``q_j`` has ``log p = log sum_j q_j p_j``, and ``H = sum_j q_j H_j`` more what a field tells of
    its spectrum, ``E log(p_j / p)``, which is estimated.

    With ``condition="low_resolution"`` a field comes with what is seen of it, ``y = A g + sqrt(s)
    e``, the means of blocks of ``factor x factor`` points and noise. What is learned is then the
    posterior ``p(w | y) = p(w) p(y | w) / p(y)``. Of one spectrum it is a Gaussian of mean ``mean +
    C A' (A C A' + s)^-1 (y - A mean)`` and covariance ``C - C A' (A C A' + s)^-1 A C``, whose
    entropy ``H(w) + H(y | w) - H(y)`` does not depend on y.

    References: Dietrich, Newsam, "Fast and exact simulation of stationary Gaussian processes
    through circulant embedding of the covariance matrix", 1997, doi:10.1137/S1064827592240555.

    >>> import genlab
    >>> target = genlab.targets.GaussianField(9, spectrum=genlab.fields.Matern())
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        size: n, the number of points along each side.
        spectrum: ``lambda``, or a mixture.
        mean: Of g.
        log_normal: Let the field be ``exp(g)``.
        condition: What a field comes with; None for nothing.
        factor: How many times smaller the sides of y are.
        noise: s, the variance of the noise of y; a hundredth of that of ``A g`` if None.

    Raises:
        ValueError: The factor does not divide the size, or ``exp(g)`` leaves float32.

    Attributes:
        weights: The probability of each spectrum.
        variances: ``lambda_k`` of each.
        coarse_variances: Those of the modes of y, where it is given.
    """

    quantity = "scalar"

    weights: Float[Tensor, " j"]
    variances: Float[Tensor, "j h h"]
    coarse_variances: Float[Tensor, "j m m"]

    def __init__(
        self,
        size: PositiveInt,
        *,
        spectrum: Spectrum,
        mean: Annotated[float, Bound(-100.0, 100.0)] = 0.0,
        log_normal: bool = False,
        condition: Literal["low_resolution"] | None = None,
        factor: PositiveInt = 2,
        noise: Positive | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = (1, size, size)
        self.mean = mean
        self.log_normal = log_normal
        self.condition = condition
        self.factor = factor
        weights, spectra = zip(*spectrum.parts, strict=True)
        variances = torch.stack([part.variances(size) for part in spectra])
        widest = 6 * math.sqrt(float(variances.mean((1, 2)).max()))
        if log_normal and abs(mean) + widest > LARGEST:
            raise ValueError(
                f"log_normal: exp(g) of mean={mean:g} and 6 standard deviations of {widest / 6:g} "
                f"leaves float32; expected |mean| + 6 rms of at most {LARGEST:g}"
            )
        self.terms = variances.numel()
        self.register_buffer("weights", variances.new_tensor(weights), persistent=False)
        self.register_buffer("variances", variances, persistent=False)
        if condition is None:
            return
        if factor < 2 or size % factor:
            raise ValueError(
                f"factor={factor}: expected a number above 1 that divides `size`={size}"
            )
        seen = block_spectrum(variances, factor)
        self.noise = noise or 0.01 * float((self.weights @ seen.flatten(1)).mean())
        self.context_dim = seen[0].numel()
        self.register_buffer("coarse_variances", seen + self.noise, persistent=False)

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n 1 h h"]:
        return self._units(self._fields(n, generator)[0]).float()

    def draw(self, n: int, *, generator: torch.Generator | None = None) -> Batch:
        g, _ = self._fields(n, generator)
        y = None if self.condition is None else self._observe(g, generator).flatten(1).float()
        return Batch(self._units(g).float(), y)

    def draw_with_log_prob(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Batch, Float[Tensor, " n"]]:
        batch = self.draw(n, generator=generator)
        return batch, self.log_prob(batch.x.double(), batch.context)

    @property
    def reduction(self) -> Callable[[Tensor], Tensor] | None:
        if self.condition is None:
            return None
        return lambda x: block_means(self._gaussian(x)[0], self.factor).flatten(1).to(x)

    def log_prob(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> Float[Tensor, " n"]:
        """Exact log-density in nats, ``-inf`` where a log-normal field is not positive; float64 in
        and out, float64 inside.

        Args:
            x: Fields.
            context: y of each, flattened, where there is one.

        Raises:
            ValueError: ``x`` is of another shape, or the context is missing.
        """
        if self.condition is None:
            return super().log_prob(x)
        if context is None:
            raise ValueError("context: expected y, of which the density is a function")
        return self._by_parts(self._log_posterior, x, context)

    def _log_prob(self, x: Float[Tensor, "n 1 h h"]) -> Float[Tensor, " n"]:
        g, log_det = self._gaussian(x)
        log_p: Tensor = self._log_mixture(g - self.mean, self.variances) + log_det
        return log_p.to(x)

    def _log_posterior(
        self, x: Float[Tensor, "n 1 h h"], context: Float[Tensor, "n c"]
    ) -> Float[Tensor, " n"]:
        g, _ = self._gaussian(x)
        y = context.double().unflatten(1, self.coarse_variances.shape[1:])
        error = (y - block_means(g, self.factor)).square() / self.noise
        log_seen = -0.5 * (error + math.log(2 * math.pi * self.noise)).sum((1, 2))
        log_all = self._log_mixture(y - self.mean, self.coarse_variances)
        log_p: Tensor = self._log_prob(x.double()) + log_seen - log_all
        return log_p.to(x)

    def _units(self, g: Float[Tensor, "n h h"]) -> Float[Tensor, "n 1 h h"]:
        """The fields in data units."""
        return (g.exp() if self.log_normal else g)[:, None]

    def _gaussian(
        self, x: Float[Tensor, "n 1 h h"]
    ) -> tuple[Float[Tensor, "n h h"], Float[Tensor, "..."]]:
        """``g`` of fields in data units, and the log-determinant of the way there."""
        w = x[:, 0].double()
        if not self.log_normal:
            return w, w.new_zeros(())
        inside = (w > 0).all(2).all(1)
        g = torch.where(w > 0, w, 1.0).log()
        return g, torch.where(inside, -g.sum((1, 2)), -math.inf)

    def _fields(
        self, n: int, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "n h h"], Tensor]:
        """Fields g, and which spectrum each has."""
        which = torch.multinomial(self.weights, max(n, 1), True, generator=generator)[:n]
        noise = torch.randn(
            n, *self.event_shape[1:], dtype=torch.float64, device=self.device, generator=generator
        )
        return self.mean + filtered(noise, self.variances[which].sqrt()), which

    def _observe(
        self, g: Float[Tensor, "n h h"], generator: torch.Generator | None
    ) -> Float[Tensor, "n m m"]:
        y = block_means(g, self.factor)
        noise = torch.randn(y.shape, dtype=y.dtype, device=y.device, generator=generator)
        return torch.add(y, noise, alpha=math.sqrt(self.noise))

    def _log_parts(
        self, v: Float[Tensor, "n h h"], variances: Float[Tensor, "j h h"]
    ) -> Float[Tensor, "n j"]:
        """``log q_j p_j(v)``."""
        return self.weights.log() + gaussian_log_prob(v[:, None], variances)

    def _log_mixture(
        self, v: Float[Tensor, "n h h"], variances: Float[Tensor, "j h h"]
    ) -> Float[Tensor, " n"]:
        return self._log_parts(v, variances).logsumexp(1)

    @cached_property
    def _entropy(self) -> tuple[float, float]:
        """The entropy, given y where there is one, with its standard error."""
        own = gaussian_entropy(self.variances)
        if self.condition is not None:
            of_noise = 0.5 * self.context_dim * math.log(2 * math.pi * math.e * self.noise)
            own = own + of_noise - gaussian_entropy(self.coarse_variances)
        volume = self.mean * self.variances[0].numel() if self.log_normal else 0.0
        value = float(self.weights @ own) + volume
        if len(self.weights) == 1:
            return value, 0.0
        told = self._told_of_the_spectrum()
        return value + float(told.mean()), float(told.std()) / math.sqrt(len(told))

    def _told_of_the_spectrum(self) -> Float[Tensor, " n"]:
        """``log p_j / p`` of fields of spectrum j, given y where there is one.

        Between 0 and ``-log q_j`` where the spectra are told apart, it scatters far less than ``log
        p`` does, so that few fields tell its mean.
        """
        generator = torch.Generator(self.device).manual_seed(0)
        parts, left = [], min(SAMPLES, NUMBERS // self.terms)
        while left > 0:
            n = min(left, max(1, 2**20 // self.terms))
            g, which = self._fields(n, generator)
            told = self._excess(g - self.mean, self.variances, which)
            if self.condition is not None:
                y = self._observe(g, generator) - self.mean
                told = told - self._excess(y, self.coarse_variances, which)
            parts.append(told)
            left -= n
        return torch.cat(parts)

    def _excess(
        self, v: Float[Tensor, "n h h"], variances: Float[Tensor, "j h h"], which: Tensor
    ) -> Float[Tensor, " n"]:
        log_parts = self._log_parts(v, variances)
        own = log_parts.gather(1, which[:, None])[:, 0] - self.weights[which].log()
        return own - log_parts.logsumexp(1)

    @property
    def entropy(self) -> float:  # type: ignore[override]
        """Differential entropy in nats; given y, its mean over y, where there is one."""
        return self._entropy[0]

    @property
    def entropy_se(self) -> float:  # type: ignore[override]
        return self._entropy[1]

    @property
    def negentropy(self) -> float | None:  # type: ignore[override]
        """Of log-normal fields and mixtures of spectra; a field given y has none that is known."""
        if self.condition is not None or not (self.log_normal or len(self.weights) > 1):
            return None
        return float(gaussian_entropy(self.second_moments)) - self.entropy

    @property
    def negentropy_se(self) -> float:  # type: ignore[override]
        return self.entropy_se

    @property
    def second_moments(self) -> Float[Tensor, "h h"]:
        """Variances of the modes of the field itself, of all spectra together.

        The covariance of ``exp(g)`` is ``m^2 (exp(C) - 1)``, with C that of g and ``m = exp(mean +
        C(0) / 2)`` its mean.
        """
        if not self.log_normal:
            return torch.einsum("j,jxy->xy", self.weights, self.variances)
        covariance = torch.fft.ifft2(self.variances).real
        means = (self.mean + covariance[:, 0, 0] / 2).exp()
        own = torch.fft.fft2(means.square()[:, None, None] * covariance.expm1()).real
        second = torch.einsum("j,jxy->xy", self.weights, own)
        # The means of the parts differ too.
        spread = self.weights @ means.square() - (self.weights @ means).square()
        second[0, 0] += spread * second.numel()
        return second
