"""The Gaussian that an encoder answers with."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.nn.smooth import soft_clamp

__all__ = ["Posterior", "PosteriorCovariance", "n_parameters"]

PosteriorCovariance = Literal["full", "diag"]

MAX_LOG_SCALE = 8.0
"""Bound on the logarithm of a scale: from 3e-4 to 3e3, where float32 computes without loss."""


class Posterior(NamedTuple):
    """``q(z | x) = N(m, L L^T)`` with ``L = U diag(s)``, one for each row.

    U is lower triangular with ones on its diagonal: s_i is the standard deviation of z_i given the
    coordinates before it, and the entries of U are slopes.

    Attributes:
        mean: ``m``.
        log_scale: ``log s``.
        slopes: U without its diagonal, or None where it is the identity.
    """

    mean: Float[Tensor, "n l"]
    log_scale: Float[Tensor, "n l"]
    slopes: Float[Tensor, "n l l"] | None

    @classmethod
    def from_parameters(cls, parameters: Float[Tensor, "n P"], dim: int) -> Posterior:
        """The Gaussians of a network's output, full ones where it is wide enough.

        In single precision at least: half a precision is none where densities are compared.
        """
        parameters = parameters.to(torch.promote_types(parameters.dtype, torch.float32))
        mean, raw, slopes = parameters.tensor_split((dim, 2 * dim), dim=1)
        log_scale = soft_clamp(raw, MAX_LOG_SCALE)
        if not slopes.shape[1]:
            return cls(mean, log_scale, None)
        rows, columns = torch.tril_indices(dim, dim, -1, device=parameters.device)
        lower = slopes.new_zeros(len(slopes), dim, dim)
        lower[:, rows, columns] = slopes
        return cls(mean, log_scale, lower)

    @property
    def scale(self) -> Float[Tensor, "n l"]:
        """Standard deviation of each coordinate by itself."""
        return self._variance().sqrt()

    def transform(self, noise: Float[Tensor, "k n l"]) -> Float[Tensor, "k n l"]:
        """``z = m + L e``: a draw of q for each draw e of ``N(0, I)``."""
        scaled = self.log_scale.exp() * noise
        if self.slopes is None:
            return self.mean + scaled
        return self.mean + scaled + torch.einsum("nij,knj->kni", self.slopes, scaled)

    def whiten(self, z: Float[Tensor, "k n l"]) -> Float[Tensor, "k n l"]:
        """``e = L^-1 (z - m)``, the inverse of `transform`."""
        centred = z - self.mean
        if self.slopes is not None:
            columns = centred.permute(1, 2, 0)
            # Entries on and above the diagonal are not looked at.
            solved = torch.linalg.solve_triangular(
                self.slopes, columns, upper=False, unitriangular=True
            )
            centred = solved.permute(2, 0, 1)
        return centred * (-self.log_scale).exp()

    def log_ratio(
        self, z: Float[Tensor, "k n l"], noise: Float[Tensor, "k n l"]
    ) -> Float[Tensor, "k n"]:
        """``log q(z | x) - log N(z | 0, I)`` at z, which is ``m + L e`` for the noise e."""
        return 0.5 * (z.square() - noise.square()).sum(-1) - self.log_scale.sum(-1)

    def detach(self) -> Posterior:
        """The same Gaussians, without a gradient to the encoder."""
        slopes = None if self.slopes is None else self.slopes.detach()
        return Posterior(self.mean.detach(), self.log_scale.detach(), slopes)

    def kl(self) -> Float[Tensor, "n l"]:
        """The terms of ``KL(q || N(0, I)) = sum_i (m_i^2 + Var z_i - 1) / 2 - log s_i``.

        By the chain rule, term i is the mean divergence of z_i given the coordinates before it.
        """
        return 0.5 * (self.mean.square() + self._variance() - 1) - self.log_scale

    def _variance(self) -> Float[Tensor, "n l"]:
        variance = (2 * self.log_scale).exp()
        if self.slopes is None:
            return variance
        return variance + self.slopes.square().matmul(variance.unsqueeze(-1)).squeeze(-1)


def n_parameters(dim: int, covariance: PosteriorCovariance) -> int:
    """Numbers that an encoder computes for a Gaussian in ``dim`` coordinates."""
    return 2 * dim + (dim * (dim - 1) // 2 if covariance == "full" else 0)
