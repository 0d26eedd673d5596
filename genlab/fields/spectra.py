"""Spectra: how the variance of a field's modes falls with the wavenumber."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import NonNegative, Positive
from genlab.constructor import Checked
from genlab.errors import UserError
from genlab.fields.grid import squared_wavenumber

__all__ = ["Kraichnan", "Matern", "PowerLaw", "RadialSpectrum", "Spectrum", "SpectrumMixture"]

RESOLVED = 1e-9
"""Least variance of a mode, as a share of the mean one: float32 rounds all modes by 1e-15 of it."""


class Spectrum(Checked, ABC):
    """The variances ``lambda_k = E |w^_k|^2 = lambda_-k > 0`` of the modes of a field.

    >>> import genlab
    >>> genlab.fields.PowerLaw().variances(17).shape
    torch.Size([17, 17])
    """

    @abstractmethod
    def variances(self, n: int) -> Float[Tensor, "n n"]:
        """``lambda_k`` in the layout of the DFT, float64.

        Args:
            n: Points along a side.

        Raises:
            UserError: Some are so small that fields in float32 would not resolve them.
        """

    @property
    def parts(self) -> list[tuple[float, Spectrum]]:
        """The spectra that a field may have, with the probability of each."""
        return [(1.0, self)]


class RadialScale(TypedDict, total=False):
    """Options of a spectrum that go to `RadialSpectrum`, where their defaults stand."""

    rms: Positive
    mean_mode: Positive


class RadialSpectrum(Spectrum):
    """Variances that are a function of ``|k|``, scaled to ``E mean(w^2) = sum_k lambda_k / n^2``.

    Subclasses say how they fall with ``|k| >= 1``. The variance of the mean, ``lambda_0``, is set
    apart.

    >>> import genlab
    >>> genlab.fields.PowerLaw(rms=3.0).variances(17).mean()
    tensor(9., dtype=torch.float64)

    Args:
        rms: Root of the mean square of a field's values.
        mean_mode: ``lambda_0`` as a multiple of the variance of ``|k| = 1``.
    """

    def __init__(self, *, rms: Positive = 1.0, mean_mode: Positive = 1.0) -> None:
        super().__init__()
        self.rms = rms
        self.mean_mode = mean_mode

    @abstractmethod
    def _profile(self, k: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """``lambda`` at wavenumbers ``k >= 1``, up to a factor."""

    def variances(self, n: int) -> Float[Tensor, "n n"]:
        profile = self._profile(squared_wavenumber(n).sqrt().clamp_min(1))
        profile[0, 0] *= self.mean_mode
        share = profile / profile.mean()
        if not share.min() >= RESOLVED:
            raise UserError(
                f"spectrum: the least variance of {n}x{n} modes is {float(share.min()):.1e} of the "
                f"mean one, which float32 does not resolve; expected at least {RESOLVED:.0e}, by a "
                "flatter spectrum or a smaller size"
            )
        return self.rms**2 * share


class PowerLaw(RadialSpectrum):
    """``lambda_k ~ 1 / (1 + (|k| / shoulder)^slope) + floor``: flat, then a power law, then flat.

    Without the floor most modes of a fine grid would be empty, and the law a thin sheet.

    >>> import genlab
    >>> spectrum = genlab.fields.PowerLaw(slope=2.0, shoulder=1.0, floor=0.0)
    >>> variances = spectrum.variances(5)
    >>> round(float(variances[0, 1] / variances[0, 2]), 6)
    2.5

    Args:
        slope: Power of k beyond the shoulder.
        shoulder: Wavenumber from which on it falls.
        floor: What is left at high wavenumbers, as a share of the largest variance.
        **scale: Those of `RadialSpectrum`.
    """

    def __init__(
        self,
        *,
        slope: Positive = 4.0,
        shoulder: Positive = 4.0,
        floor: NonNegative = 0.01,
        **scale: Unpack[RadialScale],
    ) -> None:
        super().__init__(**scale)
        self.slope = slope
        self.shoulder = shoulder
        self.floor = floor

    def _profile(self, k: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return 1 / (1 + (k / self.shoulder) ** self.slope) + self.floor


class Matern(RadialSpectrum):
    """``lambda_k ~ (2 nu / l^2 + |k|^2)^-(nu + 1)``: Matern's covariance, wrapped round the torus.

    With ``r`` the distance of two points over ``l``, that covariance is proportional to
    ``(sqrt(2 nu) r)^nu K_nu(sqrt(2 nu) r)``; for ``nu = 1/2`` it is ``exp(-r)``. It is the law of
    the solution of ``(2 nu / l^2 - Lap)^((nu + 1) / 2) w = white noise``. On a grid the modes
    beyond it are left out, not folded back.

    References: Lindgren, Rue, Lindstrom, "An explicit link between Gaussian fields and Gaussian
    Markov random fields", 2011, doi:10.1111/j.1467-9868.2011.00777.x.

    >>> import genlab
    >>> variances = genlab.fields.Matern(smoothness=1.0, length=1.0).variances(5)
    >>> round(float(variances[0, 1] / variances[0, 2]), 6)
    4.0

    Args:
        smoothness: ``nu``.
        length: ``l``, of a square with sides of length ``2 pi``.
        **scale: Those of `RadialSpectrum`.
    """

    def __init__(
        self, *, smoothness: Positive = 1.5, length: Positive = 1.0, **scale: Unpack[RadialScale]
    ) -> None:
        super().__init__(**scale)
        self.smoothness = smoothness
        self.length = length

    def _profile(self, k: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        squared = 2 * self.smoothness / self.length**2 + k.square()
        return (squared / squared.min()) ** -(self.smoothness + 1)


class Kraichnan(RadialSpectrum):
    """``lambda_k ~ |k|^2 / (shoulder^2 + |k|^2)``: the equilibrium of inviscid flow in the plane.

    The law ``exp(-a E - b Z)`` of energy and enstrophy of vorticity cut off at some wavenumber has
    ``lambda_k ~ |k|^2 / (a + b |k|^2)``, with the shoulder at ``sqrt(a / b)``. Without viscosity
    the flow leaves it as it is.

    References: Eyink, Frisch, "Robert H. Kraichnan", 2010, arXiv:1011.2383.

    >>> import genlab
    >>> variances = genlab.fields.Kraichnan(shoulder=2.0).variances(5)
    >>> round(float(variances[0, 2] / variances[0, 1]), 6)
    2.5

    Args:
        shoulder: Wavenumber below which modes share the energy, and beyond it the enstrophy.
        **scale: Those of `RadialSpectrum`.
    """

    def __init__(self, *, shoulder: Positive = 4.0, **scale: Unpack[RadialScale]) -> None:
        super().__init__(**scale)
        self.shoulder = shoulder

    def _profile(self, k: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return k.square() / (self.shoulder**2 + k.square())


class SpectrumMixture(Spectrum):
    """Fields of one spectrum or another, ``p(w) = sum_j q_j N(w; 0, lambda^j)``.

    Far from Gaussian though each part is: how rough a field is, and how large, is left to chance.
    `variances` are those of the mixture, ``sum_j q_j lambda_k^j``.

    >>> from genlab.fields import Matern, PowerLaw, SpectrumMixture
    >>> mixture = SpectrumMixture(spectra=[Matern(rms=1.0), PowerLaw(rms=2.0)])
    >>> mixture.variances(9).mean()
    tensor(2.5000, dtype=torch.float64)

    Args:
        spectra: Those of the parts.
        weights: The probability of each, up to a factor; None for equal ones.

    Raises:
        ValueError: There is no spectrum, or another number of weights.
    """

    def __init__(
        self, *, spectra: Sequence[Spectrum], weights: Sequence[Positive] | None = None
    ) -> None:
        super().__init__()
        shares = [1.0] * len(spectra) if weights is None else list(weights)
        if not spectra or len(shares) != len(spectra):
            raise ValueError(f"weights: expected {len(spectra)} for as many spectra, at least 1")
        self.spectra = list(spectra)
        self.weights = [share / sum(shares) for share in shares]

    @property
    def parts(self) -> list[tuple[float, Spectrum]]:
        return [
            (weight * share, part)
            for weight, spectrum in zip(self.weights, self.spectra, strict=True)
            for share, part in spectrum.parts
        ]

    def variances(self, n: int) -> Float[Tensor, "n n"]:
        own = [weight * spectrum.variances(n) for weight, spectrum in self.parts]
        return torch.stack(own).sum(0)
