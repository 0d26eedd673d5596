"""Probability paths, and conversions between what a network may predict."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import rowwise
from genlab.bounds import Fraction, Positive
from genlab.nn.velocity import Time

__all__ = [
    "Coefficients",
    "CosinePath",
    "LinearPath",
    "Path",
    "PathSample",
    "Prediction",
    "VariancePreservingPath",
]


Prediction = Literal["velocity", "x1", "noise"]

# Data are not told from noise at the very ends: conversions see times this far inside.
END = 1e-3


class Coefficients(NamedTuple):
    """Of ``x_t = alpha x_1 + sigma x_0``, each of the shape of the time.

    References: arXiv:2210.02747.

    >>> import genlab, torch
    >>> a = genlab.paths.LinearPath().coefficients(torch.tensor([0.25]))
    >>> a.alpha.item(), a.sigma.item()
    (0.25, 0.75)

    Attributes:
        alpha: Weight of the data.
        sigma: Weight of the source.
        d_alpha: Derivative of ``alpha`` by time.
        d_sigma: Derivative of ``sigma`` by time.
    """

    alpha: Float[Tensor, "*n"]
    sigma: Float[Tensor, "*n"]
    d_alpha: Float[Tensor, "*n"]
    d_sigma: Float[Tensor, "*n"]


class PathSample(NamedTuple):
    """Points on their way from the source to the data.

    References: arXiv:2210.02747.

    >>> import genlab, torch
    >>> x0, x1, t = torch.zeros(5, 2), torch.ones(5, 2), torch.full((5,), 0.5)
    >>> genlab.paths.LinearPath().sample(x0, x1, t).x_t[0]
    tensor([0.5000, 0.5000])

    Attributes:
        x_t: Where they are, ``[n, *event]``.
        dx_t: How fast they move: the conditional velocity at ``x_t``, given ``x_0`` and ``x_1``.
        t: When, ``[n]``.
        x0: Where they started, at time 0: "noise", where the source is one.
        x1: Where they will be at time 1: the data.
    """

    x_t: Float[Tensor, "n *event"]
    dx_t: Float[Tensor, "n *event"]
    t: Float[Tensor, " n"]
    x0: Float[Tensor, "n *event"]
    x1: Float[Tensor, "n *event"]

    def target(self, prediction: Prediction) -> Float[Tensor, "n *event"]:
        """The value that a network with this prediction should return."""
        return {"velocity": self.dx_t, "x1": self.x1, "noise": self.x0}[prediction]


class Path(ABC):
    """``x_t = alpha(t) x_1 + sigma(t) x_0``, from the source at t = 0 to the data at t = 1.

    With ``x_0`` Gaussian it is the Gaussian path ``N(alpha(t) x_1, sigma(t)^2 I)`` of Lipman et
    al., "Flow matching for generative modeling" (2023); its conditional velocity
    ``alpha' x_1 + sigma'/sigma (x - alpha x_1)`` is, at ``x_t``, ``alpha' x_1 + sigma' x_0``: the
    form that is used here, as nothing is divided by.

    A network may predict the velocity, the data ``x_1`` or the noise ``x_0``. Given ``x_t`` any of
    the three determines the others. The conversions see times of at least 1e-3 and at most
    1 - 1e-3, for at the ends they divide by ``alpha`` or ``sigma``.

    References: arXiv:2210.02747.

    >>> import genlab, torch
    >>> path, x = genlab.paths.CosinePath(), torch.randn(5, 2)
    >>> path.sample(x, x, torch.rand(5)).dx_t.shape
    torch.Size([5, 2])
    """

    @abstractmethod
    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        """Weights of data and source at ``t``, and their derivatives."""

    def sample(
        self, x0: Float[Tensor, "n *event"], x1: Float[Tensor, "n *event"], t: Float[Tensor, " n"]
    ) -> PathSample:
        """The points at their times, each between its own ends."""
        alpha, sigma, d_alpha, d_sigma = (_over(c, x1) for c in self.coefficients(t))
        return PathSample(
            x_t=alpha * x1 + sigma * x0, dx_t=d_alpha * x1 + d_sigma * x0, t=t, x0=x0, x1=x1
        )

    def to_velocity(
        self,
        prediction: Prediction,
        output: Float[Tensor, "n *event"],
        x_t: Float[Tensor, "n *event"],
        t: Time,
    ) -> Float[Tensor, "n *event"]:
        """The velocity that a prediction stands for."""
        if prediction == "velocity":
            return output
        a, b = self.velocity_weights(prediction, t)
        return _over(a, x_t) * x_t + _over(b, x_t) * output

    def velocity_weights(
        self, prediction: Literal["x1", "noise"], t: Float[Tensor, "*n"]
    ) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
        """``a`` and ``b`` in ``velocity = a x_t + b prediction``.

        From ``x_0 = (x_t - alpha x_1) / sigma``, or ``x_1 = (x_t - sigma x_0) / alpha``, put into
        ``alpha' x_1 + sigma' x_0``.
        """
        alpha, sigma, d_alpha, d_sigma = self.coefficients(t.clamp(END, 1 - END))
        if prediction == "x1":
            a = d_sigma / sigma
            return a, d_alpha - a * alpha
        a = d_alpha / alpha
        return a, d_sigma - a * sigma


def _over(coefficient: Float[Tensor, "*n"], x: Float[Tensor, "n *event"]) -> Tensor:
    """A number for each sample, or one for all, against all entries of a sample."""
    return coefficient if not coefficient.ndim else rowwise(coefficient, x)


@dataclass(frozen=True, kw_only=True)
class LinearPath(Path):
    """``x_t = t x_1 + (1 - t + sigma_0 t) x_0``: each point at constant speed.

    The speed is ``x_1 - (1 - sigma_0) x_0`` (Lipman et al. 2023, equation 23, with ``sigma_0`` for
    their ``sigma_min``); ``sigma_0 = 0`` is the rectified flow of Liu et al. (2023).

    References: arXiv:2210.02747, arXiv:2209.03003.

    >>> import genlab, torch
    >>> x0, x1, t = torch.zeros(5, 2), torch.ones(5, 2), torch.rand(5)
    >>> genlab.paths.LinearPath().sample(x0, x1, t).dx_t[0]
    tensor([1., 1.])

    Attributes:
        sigma_0: Width of the blur that is left round each data point at t = 1, relative to the
            source.
    """

    sigma_0: Fraction = 0.0

    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        speed = 1 - self.sigma_0
        return Coefficients(t, 1 - speed * t, torch.ones_like(t), torch.full_like(t, -speed))


@dataclass(frozen=True, kw_only=True)
class CosinePath(Path):
    """``x_t = sin(pi t / 2) x_1 + cos(pi t / 2) x_0``, which preserves a common variance.

    The trigonometric interpolant of Albergo and Vanden-Eijnden, "Building normalizing flows with
    stochastic interpolants" (2023).

    References: arXiv:2209.15571.

    >>> import genlab, torch
    >>> a = genlab.paths.CosinePath().coefficients(torch.rand(5))
    >>> torch.allclose(a.alpha**2 + a.sigma**2, torch.ones(5))
    True
    """

    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        quarter = math.pi / 2
        sin, cos = (quarter * t).sin(), (quarter * t).cos()
        return Coefficients(sin, cos, quarter * cos, -quarter * sin)


# At s = 0 the noise vanishes like the root of s, and its speed has no bound.
SMALLEST = 1e-5


@dataclass(frozen=True, kw_only=True)
class VariancePreservingPath(Path):
    """``x_t = alpha x_1 + sqrt(1 - alpha^2) x_0`` with ``alpha = exp(-T(1 - t) / 2)``.

    ``T(s) = s beta_min + s^2 (beta_max - beta_min) / 2`` (Lipman et al. 2023, equations 18 and 19;
    Song et al. 2021). At t = 0 a trace of the data is left, ``alpha = exp(-T(1) / 2)``. Times are
    kept 1e-5 away from 1, where the speed is infinite.

    References: arXiv:2210.02747, arXiv:2011.13456.

    >>> import genlab, torch
    >>> a = genlab.paths.VariancePreservingPath().coefficients(torch.rand(5))
    >>> torch.allclose(a.alpha**2 + a.sigma**2, torch.ones(5))
    True

    Attributes:
        beta_min: Rate of the diffusion at the data.
        beta_max: Rate of the diffusion at the noise.
    """

    beta_min: Positive = 0.1
    beta_max: Positive = 20.0

    def coefficients(self, t: Float[Tensor, "*n"]) -> Coefficients:
        s = (1 - t).clamp_min(SMALLEST)
        slope = self.beta_max - self.beta_min
        beta, integral = self.beta_min + slope * s, self.beta_min * s + 0.5 * slope * s.square()
        alpha, sigma = (-0.5 * integral).exp(), torch.expm1(-integral).neg().sqrt()
        d_alpha = 0.5 * beta * alpha
        return Coefficients(alpha, sigma, d_alpha, -alpha * d_alpha / sigma)
