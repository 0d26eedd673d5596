"""Gaussian fields by the FFT against the same fields as plain vectors."""

from __future__ import annotations

import math

import pytest
import torch
from fields.dense import blocks, covariance, toeplitz
from torch.distributions import MultivariateNormal

from genlab.fields import (
    PowerLaw,
    averaged,
    block_means,
    block_spectrum,
    filtered,
    gaussian_entropy,
    gaussian_log_prob,
    mode_classes,
)

sizes = pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])


def variances_of(n: int) -> torch.Tensor:
    """Some that only k and -k share."""
    return averaged(0.1 + torch.rand(n, n, dtype=torch.float64), mode_classes(n, "modes"))


@sizes
def test_density_and_entropy_are_those_of_a_vector(n: int) -> None:
    variances, w = variances_of(n), torch.randn(20, n, n, dtype=torch.float64)
    dense = MultivariateNormal(torch.zeros(n * n).double(), toeplitz(variances))
    torch.testing.assert_close(gaussian_log_prob(w, variances), dense.log_prob(w.flatten(1)))
    torch.testing.assert_close(gaussian_entropy(variances), dense.entropy())


@sizes
def test_a_filter_is_a_convolution(n: int) -> None:
    gain, w = variances_of(n), torch.randn(7, n, n, dtype=torch.float64)
    dense = w.flatten(1) @ toeplitz(gain)
    torch.testing.assert_close(filtered(w, gain).flatten(1), dense)


@pytest.mark.parametrize("n", [8, 9])
def test_coloured_noise_has_the_covariance_of_its_spectrum(n: int) -> None:
    variances, count = PowerLaw(shoulder=2.0).variances(n), 4000
    w = filtered(torch.randn(count, n, n, dtype=torch.float64), variances.sqrt())
    for lag in ((0, 0), (1, 0), (0, 3), (2, -2)):
        products = (w * w.roll(lag, (1, 2))).mean((1, 2))
        error = products.std() / math.sqrt(count)
        assert abs(products.mean() - covariance(variances)[lag]) < 4 * error


@pytest.mark.parametrize(("n", "factor"), [(4, 2), (6, 2), (6, 3), (9, 3), (5, 5)])
def test_means_of_blocks_are_a_stationary_field(n: int, factor: int) -> None:
    variances, a = variances_of(n), blocks(n, factor)
    torch.testing.assert_close(
        toeplitz(block_spectrum(variances, factor)), a @ toeplitz(variances) @ a.T
    )
    w = torch.randn(3, n, n, dtype=torch.float64)
    first = w[:, :factor, :factor].mean((1, 2))
    torch.testing.assert_close(block_means(w, factor)[:, 0, 0], first)
