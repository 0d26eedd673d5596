"""Observation models: what a decoder's output says about x."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genlab.bounds import Bound, Positive, PositiveInt
from genlab.densities.density import Circular, angles_of
from genlab.densities.von_mises import log_von_mises, sample_von_mises
from genlab.densities.wrapped_normal import normal_log_prob
from genlab.errors import UserError
from genlab.nn.angles import angle_mask, wrap
from genlab.nn.constants import Constants

__all__ = ["Bernoulli", "DiscretisedLogistic", "GaussianObservation", "Observation", "VonMises"]


class Observation(Constants, ABC):
    """``p(x | y)``, independent for each number of x, with parameters y that a network computes.

    The parameters stand on an axis in front of the event's, ``[..., n, P, *event]``; axes in front
    of the rows are several decodings of the same x.

    References: arXiv:1312.6114.

    >>> import genlab, torch
    >>> observation = genlab.densities.Bernoulli()
    >>> observation.log_prob(torch.ones(5, 4), torch.zeros(5, 1, 4)).shape
    torch.Size([5])

    Args:
        n_parameters: P, how many parameters each number of x has.

    Attributes:
        interval: What each number of x lies between, low and high; None for the whole line.
    """

    interval: tuple[float, float] | None = None

    def __init__(self, n_parameters: int) -> None:
        super().__init__()
        self.n_parameters = n_parameters

    @abstractmethod
    def log_prob(
        self, x: Float[Tensor, "n *event"], parameters: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Log-density in nats, ``[..., n]``, under parameters ``[..., n, P, *event]``."""

    @abstractmethod
    def sample(
        self, parameters: Float[Tensor, "n P *event"], generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        """One draw for each row of parameters."""

    @abstractmethod
    def mean(self, parameters: Float[Tensor, "n P *event"]) -> Float[Tensor, "n *event"]:
        """Expectation of x for each row of parameters."""

    def check(self, x: Float[Tensor, "n *event"]) -> None:
        """Refuse data that cannot be observed so; there are none by default.

        Raises:
            UserError: A value of ``x`` is out of range.
        """


class GaussianObservation(Observation):
    """``N(x | m, s^2)`` with ``s = min_scale + softplus(r)``.

    The lower bound is what keeps the likelihood bounded: a decoder that passes exactly through the
    data would otherwise be infinitely good (Mattei, Frellsen, "Leveraging the exact likelihood of
    deep latent variable models", 2018).

    References: arXiv:1802.04826.

    >>> import genlab, torch
    >>> observation = genlab.densities.GaussianObservation((4,))
    >>> observation.log_prob(torch.randn(5, 4), torch.zeros(5, 2, 4)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample.
        scale: Where r comes from: ``network`` computes it beside m, ``dimension`` learns one for
            each number of x, ``shared`` a single one.
        min_scale: Smallest standard deviation, in the units that the model works in.
    """

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        scale: Literal["network", "dimension", "shared"] = "network",
        min_scale: Positive = 1e-2,
    ) -> None:
        super().__init__(2 if scale == "network" else 1)
        self.min_scale = min_scale
        if scale != "network":
            shape = tuple(event_shape) if scale == "dimension" else ()
            self.raw_scale = nn.Parameter(torch.zeros(shape))

    def log_prob(
        self, x: Float[Tensor, "n *event"], parameters: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        mean, scale = self._mean_and_scale(parameters, x.ndim)
        log_prob = -0.5 * ((x - mean) / scale).square() - scale.log()
        return _sum(log_prob, x.ndim) - 0.5 * math.log(2 * math.pi) * x.shape[1:].numel()

    def sample(
        self, parameters: Float[Tensor, "n P *event"], generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        mean, scale = self._mean_and_scale(parameters, parameters.ndim - 1)
        noise = torch.randn(mean.shape, dtype=mean.dtype, device=mean.device, generator=generator)
        return mean + scale * noise

    def mean(self, parameters: Float[Tensor, "n P *event"]) -> Float[Tensor, "n *event"]:
        return self._mean_and_scale(parameters, parameters.ndim - 1)[0]

    def _mean_and_scale(self, parameters: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        mean, *network = parameters.unbind(-ndim)
        raw = network[0] if network else self.raw_scale
        # A start near 1/20: noise that explains everything would leave the latent without a use.
        return mean, self.min_scale + F.softplus(raw - 3)


class Bernoulli(Observation):
    """``x log p + (1 - x) log(1 - p)`` with ``p = sigmoid(y)``, for x in {0, 1}.

    Grey values between 0 and 1 are taken as mixtures of the two.

    References: arXiv:1312.6114.

    >>> import genlab, torch
    >>> observation = genlab.densities.Bernoulli()
    >>> round(observation.log_prob(torch.ones(1, 1), torch.zeros(1, 1, 1)).item(), 4)
    -0.6931
    """

    def __init__(self) -> None:
        super().__init__(1)

    def log_prob(
        self, x: Float[Tensor, "n *event"], parameters: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        logits = parameters.squeeze(-x.ndim)
        return _sum(x * logits - F.softplus(logits), x.ndim)

    def sample(
        self, parameters: Float[Tensor, "n P *event"], generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        mean = self.mean(parameters)
        u = torch.rand(mean.shape, dtype=mean.dtype, device=mean.device, generator=generator)
        return (u < mean).to(mean.dtype)

    def mean(self, parameters: Float[Tensor, "n P *event"]) -> Float[Tensor, "n *event"]:
        return parameters.squeeze(1).sigmoid()

    def check(self, x: Float[Tensor, "n *event"]) -> None:
        _check_unit_interval(x, "Bernoulli")


class DiscretisedLogistic(Observation):
    """A logistic of location m and scale s in (0, 1), rounded to L levels, as a density on [0, 1].

    Level k has the mass of ``[k / L, (k + 1) / L]``, the first and the last one also that of the
    tail (Kingma et al., "Improved variational inference with inverse autoregressive flow", 2016;
    Salimans et al., "PixelCNN++", 2017). With ``a = (k / L - m) / s`` and ``b = a + 1 / (L s)``,

    ``log(sigma(b) - sigma(a)) = log sigma(b) + log sigma(-a) + log(1 - exp(-1 / (L s)))``,

    where nothing cancels. The density is L times the mass, constant on each level: data
    ``(level + u) / L`` with u in [0, 1) have the same likelihood whatever u, and it compares with
    that of models of dequantised data. Values outside [0, 1] count as the level at that end.

    References: arXiv:1606.04934, arXiv:1701.05517.

    >>> import genlab, torch
    >>> observation = genlab.densities.DiscretisedLogistic(levels=256)
    >>> observation.log_prob(torch.rand(5, 4), torch.zeros(5, 2, 4)).shape
    torch.Size([5])

    Args:
        levels: L, the number of values that x takes.
    """

    interval = (0.0, 1.0)

    def __init__(self, *, levels: Annotated[int, Bound(2.0)]) -> None:
        super().__init__(2)
        self.levels = levels

    def log_prob(
        self, x: Float[Tensor, "n *event"], parameters: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        location, scale = self._location_and_scale(parameters, x.ndim)
        level = (x * self.levels).floor().clamp(0, self.levels - 1)
        width = 1 / (self.levels * scale)
        low = level * width - location / scale
        below, above = F.logsigmoid(low + width), F.logsigmoid(-low)
        between = below + above + (-torch.expm1(-width)).log()
        log_mass = torch.where(level == 0, below, between)
        log_mass = torch.where(level == self.levels - 1, above, log_mass)
        return _sum(log_mass, x.ndim) + math.log(self.levels) * x.shape[1:].numel()

    def sample(
        self, parameters: Float[Tensor, "n P *event"], generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        location, scale = self._location_and_scale(parameters, parameters.ndim - 1)
        u, within = torch.rand(
            (2, *location.shape), dtype=location.dtype, device=location.device, generator=generator
        )
        eps = torch.finfo(u.dtype).eps
        x = location + scale * torch.logit(u, eps)
        level = (x * self.levels).floor().clamp(0, self.levels - 1)
        dithered: Tensor = (level + within) / self.levels
        return dithered

    def mean(self, parameters: Float[Tensor, "n P *event"]) -> Float[Tensor, "n *event"]:
        """Expectation of the logistic clipped to ``[h, 1 - h]``, with half a level ``h = 1 / 2L``.

        ``h + int_h^{1-h} P(x > t) dt = h + s (softplus((m - h) / s) - softplus((m - 1 + h) / s))``;
        the exact one sums over all levels, of which the integral is the midpoint rule.
        """
        location, scale = self._location_and_scale(parameters, parameters.ndim - 1)
        half = 0.5 / self.levels
        low, high = (location - half) / scale, (location - 1 + half) / scale
        mean: Tensor = half + scale * (F.softplus(low) - F.softplus(high))
        return mean.clamp(half, 1 - half)  # rounding of large ratios leaves the interval

    def check(self, x: Float[Tensor, "n *event"]) -> None:
        _check_unit_interval(x, "DiscretisedLogistic")

    def _location_and_scale(self, parameters: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        location, raw = parameters.unbind(-ndim)
        # A tenth of a level is as good as a point; an eighth of the range is a start.
        return location + 0.5, 0.1 / self.levels + F.softplus(raw - 2)


class VonMises(Observation):
    """``exp(k cos(a - m)) / (2 pi I_0(k))`` of angles, ``N(x | m, s^2)`` of other numbers.

    The parameters are ``(u, v, r)``: an angle's mean is that of the point (u, v) of the plane, its
    concentration ``k = 1 / s^2``, with ``s = min_scale + softplus(r)`` for all; other numbers have
    the mean u (Mardia, Jupp, "Directional statistics", 1999, section 3.5).

    References: doi:10.1002/9780470316979.

    >>> import genlab, torch
    >>> observation = genlab.densities.VonMises((4,))
    >>> observation.log_prob(torch.randn(5, 4), torch.randn(5, 3, 4)).shape
    torch.Size([5])

    Args:
        event_shape: Shape of one sample.
        circular: Coordinates that are angles.
        min_scale: Smallest deviation, in the units that the model works in.
    """

    angle: Bool[Tensor, "*event"]

    def __init__(
        self,
        event_shape: Sequence[PositiveInt],
        *,
        circular: Circular = "all",
        min_scale: Positive = 1e-2,
    ) -> None:
        super().__init__(3)
        self.event_shape = tuple(event_shape)
        self.circular = angles_of(circular, self.event_shape)
        self.min_scale = min_scale
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"angle": angle_mask(self.event_shape, self.circular)}

    def log_prob(
        self, x: Float[Tensor, "n *event"], parameters: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        mean, scale = self._mean_and_scale(parameters, x.ndim)
        off = x - mean
        around = log_von_mises(off, scale.square().reciprocal())
        return _sum(torch.where(self.angle, around, normal_log_prob(off, scale)), x.ndim)

    def sample(
        self, parameters: Float[Tensor, "n P *event"], generator: torch.Generator | None
    ) -> Float[Tensor, "n *event"]:
        mean, scale = self._mean_and_scale(parameters, parameters.ndim - 1)
        noise = torch.randn(mean.shape, dtype=mean.dtype, device=mean.device, generator=generator)
        turn = sample_von_mises(scale.double().square().reciprocal(), generator=generator)
        return torch.where(self.angle, wrap(mean + turn.to(mean)), mean + scale * noise)

    def mean(self, parameters: Float[Tensor, "n P *event"]) -> Float[Tensor, "n *event"]:
        return self._mean_and_scale(parameters, parameters.ndim - 1)[0]

    def _mean_and_scale(self, parameters: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        u, v, raw = parameters.unbind(-ndim)
        return torch.where(self.angle, torch.atan2(v, u), u), self.min_scale + F.softplus(raw - 3)


def _sum(values: Float[Tensor, "..."], ndim: int) -> Float[Tensor, "..."]:
    """Sum over all but the rows of the ``ndim`` axes that x has."""
    return values.sum(tuple(range(1 - ndim, 0)))


def _check_unit_interval(x: Float[Tensor, "n *event"], name: str) -> None:
    low, high = x.min().item(), x.max().item()
    if low < 0 or high > 1:
        raise UserError(
            f"`{name}`: expected data from 0 to 1, got {low:.3g} to {high:.3g}; "
            "use `GaussianObservation`, or `standardise=False` if it is the standardised data"
        )
