"""Stationary Gaussian fields of mean 0: samples, log-density and entropy, each by one FFT.

With white noise xi, ``w^_k = sqrt(lambda_k) xi^_k`` in the modes of the unitary DFT, so that
``log p(w) = -1/2 sum_k (|w^_k|^2 / lambda_k + log 2 pi lambda_k)`` over all ``n^2`` modes: those of
k and -k are one pair of real numbers of variance ``lambda_k`` each.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["filtered", "gaussian_entropy", "gaussian_log_prob", "power"]


def filtered(w: Float[Tensor, "*n h h"], gain: Float[Tensor, "*m h h"]) -> Float[Tensor, "*n h h"]:
    """The fields with each mode multiplied by a real gain, ``g_k = g_-k``.

    >>> w = torch.randn(2, 5, 5)
    >>> bool(torch.allclose(filtered(w, torch.full((5, 5), 3.0)), 3 * w, atol=1e-5))
    True

    Args:
        w: Fields.
        gain: One for all modes, in the layout of the DFT, or one such for each field.
    """
    if not w.numel():  # MKL refuses to transform no field
        return w
    shape = w.shape[-2:]
    # The other half of a real field's modes follows from this one.
    half = gain[..., : shape[1] // 2 + 1]
    image: Tensor = torch.fft.irfft2(torch.fft.rfft2(w) * half, s=shape)
    return image


def power(w: Float[Tensor, "*n h h"]) -> Float[Tensor, "*n h h"]:
    """``|w^_k|^2`` of each mode, whose expectation is ``lambda_k``.

    >>> bool(torch.allclose(power(torch.ones(4, 4)).sum(), torch.tensor(16.0)))
    True
    """
    if not w.numel():  # as above
        return w
    modes = torch.fft.fft2(w, norm="ortho")
    squared: Tensor = modes.real.square() + modes.imag.square()
    return squared


def gaussian_log_prob(
    w: Float[Tensor, "*#n h h"], variances: Float[Tensor, "*#n h h"]
) -> Float[Tensor, "..."]:
    """``log N(w; 0, lambda)`` in nats.

    Args:
        w: Fields.
        variances: ``lambda_k``, for all of them or for each; the shapes before are broadcast.
    """
    terms = power(w) / variances + (2 * math.pi * variances).log()
    return -0.5 * terms.sum((-2, -1))


def gaussian_entropy(variances: Float[Tensor, "*n h h"]) -> Float[Tensor, "*n"]:
    """``1/2 sum_k log(2 pi e lambda_k)`` in nats.

    >>> gaussian_entropy(torch.ones(1, 1, dtype=torch.float64))
    tensor(1.4189, dtype=torch.float64)
    """
    return 0.5 * (2 * math.pi * math.e * variances).log().sum((-2, -1))
