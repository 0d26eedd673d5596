"""Mixtures of Gaussians as plain tensors: densities, marginals and conditionals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Covariance", "Mixtures", "inverse", "precision_root", "wide"]

# Numbers of the matrices that are gathered at once for samples.
GATHERED = 2**20

Covariance = Literal["full", "tied", "diag", "spherical", "low_rank"]


class Mixtures(NamedTuple):
    """``G`` independent mixtures ``p_g(x) = sum_k w_gk N(x; mu_gk, (W_gk^T W_gk)^{-1})`` on R^D.

    ``W`` is the Cholesky factor of the precision that is lower triangular: it whitens,
    ``z = W (x - mu) ~ N(0, I)``, and the first coordinates of z depend on the first of x only, so
    that marginals of the first coordinates, and the conditionals given them, are blocks of it.
    A component of weight 0 is none: it takes no part in anything.

    Attributes:
        log_weights: ``log w``, ``[G, K]``.
        means: ``mu``, ``[G, K, D]``.
        roots: ``W``, ``[G, K, D, D]``; ``[G, 1, D, D]`` where the components of a mixture share
            it; its diagonal ``[G, K, D]`` where it has no more.
    """

    log_weights: Float[Tensor, "g k"]
    means: Float[Tensor, "g k d"]
    roots: Float[Tensor, "..."]

    @property
    def diagonal(self) -> Float[Tensor, "g k d"]:
        """The diagonal of ``W``: one over the deviation of each coordinate given those before."""
        roots = self.roots
        found = roots if roots.ndim == 3 else roots.diagonal(dim1=-2, dim2=-1)
        return found.expand_as(self.means)

    @property
    def narrowest(self) -> float:
        """The smallest variance of a coordinate given those before it."""
        return float(self.diagonal.detach().max()) ** -2

    @property
    def covariances(self) -> Float[Tensor, "g k d d"]:
        """``(W^T W)^{-1}``."""
        if self.roots.ndim == 3:
            return self.roots.square().reciprocal().diag_embed()
        factors = inverse(self.roots)
        return (factors @ factors.mT).expand(*self.means.shape, -1)

    def whiten(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "gk d n"]:
        """``z = W (x - mu)`` for all components: one matrix product for them all.

        Its rounding errors are small where x and mu lie about the origin.
        """
        groups, components, dim = self.means.shape
        if self.roots.ndim == 3:
            offset = (self.roots * -self.means).reshape(-1, dim, 1)
            return torch.addcmul(offset, self.roots.reshape(-1, dim, 1), x.mT)
        roots = self.roots.expand(groups, components, dim, dim)
        offset = (roots @ -self.means[..., None]).reshape(-1, 1)
        z = torch.addmm(offset, roots.reshape(-1, dim), x.mT)
        return z.view(groups * components, dim, -1)

    def log_gaussians(
        self, x: Float[Tensor, "n d"], *, given: int = 0
    ) -> tuple[Float[Tensor, "g k n"], Float[Tensor, "g k n"]]:
        """``log N`` of the first ``given`` coordinates, and of the others given these."""
        centre = self.means.detach().mean((0, 1))
        z = self._replace(means=self.means - centre).whiten(x - centre)
        square, log_scale = z.square(), self.diagonal.log()

        def log_normal(dims: slice) -> Float[Tensor, "g k n"]:
            distance = square[:, dims].sum(1).view(*self.log_weights.shape, -1)
            scale = log_scale[..., dims].sum(-1, keepdim=True)
            return scale - 0.5 * (len(centre[dims]) * math.log(2 * math.pi) + distance)

        return log_normal(slice(given)), log_normal(slice(given, None))

    def complete(
        self, rows: Float[Tensor, "n d"], which: Int[Tensor, " n"], *, given: int = 0
    ) -> Float[Tensor, "n rest"]:
        """The coordinates after the ``given`` ones, from the component ``which`` of each row.

        Args:
            rows: The given coordinates of x, then ``z``, standard normal for a sample.
            which: Numbers in ``[0, G K)``.
            given: How many coordinates are known.
        """
        known, z = rows[:, :given], rows[:, given:]
        means = self.means.flatten(0, 1)
        if self.roots.ndim == 3:
            deviations = self.roots.flatten(0, 1)[:, given:].reciprocal()
            return torch.addcmul(means[which, given:], deviations[which], z)
        roots = self.roots.expand(*self.means.shape, -1).flatten(0, 1)
        factors = inverse(roots[:, given:, given:])
        # W_bb (b - mu_b) = z - W_ba (a - mu_a), with matrices for some rows at a time.
        if z.shape[1] ** 2 > GATHERED // 16:
            return self._complete_each(rows, which, factors, given)
        parts = []
        for some in torch.arange(len(z)).split(max(1, GATHERED // z.shape[1] ** 2)):
            k, a = which[some], known[some]
            b = z[some, :, None]
            if given:
                b = b - roots[k, given:, :given] @ (a - means[k, :given])[..., None]
            parts.append(means[k, given:] + (factors[k] @ b)[..., 0])
        return torch.cat(parts) if parts else z

    def _complete_each(
        self,
        rows: Float[Tensor, "n d"],
        which: Int[Tensor, " n"],
        factors: Float[Tensor, "gk rest rest"],
        given: int,
    ) -> Float[Tensor, "n rest"]:
        """`complete`, one component after another: its matrix is too large to have it for each."""
        means = self.means.flatten(0, 1)
        roots = self.roots.expand(*self.means.shape, -1).flatten(0, 1)
        completed = torch.empty_like(rows[:, given:])
        for k in which.unique().tolist():
            own = which == k
            a, z = rows[own, :given], rows[own, given:]
            z = z - (a - means[k, :given]) @ roots[k, given:, :given].mT
            completed[own] = means[k, given:] + z @ factors[k].mT
        return completed

    def marginal(self, keep: Sequence[int]) -> Mixtures:
        """The mixtures of the chosen coordinates, in the chosen order."""
        index = torch.as_tensor(keep, device=self.means.device)
        if self.roots.ndim == 3:
            return Mixtures(self.log_weights, self.means[..., index], self.roots[..., index])
        covariances = self.covariances[:, : self.roots.shape[1]]
        kept = precision_root(covariances[..., index[:, None], index])
        return Mixtures(self.log_weights, self.means[..., index], kept)


def precision_root(covariance: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
    """The lower triangular ``W`` with ``W Sigma W^T = I``: the inverse of Sigma's Cholesky factor.

    Raises:
        torch.linalg.LinAlgError: A covariance is not positive definite.
    """
    return inverse(torch.linalg.cholesky(covariance))


def inverse(lower: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
    """The inverse of lower triangular matrices."""
    # Half precision cannot be solved in.
    solvable = lower.to(torch.promote_types(lower.dtype, torch.float32))
    identity = torch.eye(lower.shape[-1], dtype=solvable.dtype, device=lower.device)
    found: Tensor = torch.linalg.solve_triangular(solvable, identity, upper=False)
    return found.to(lower.dtype)


def wide(x: Tensor) -> Tensor:
    """Without its history and in float64, on the CPU where the device has none."""
    x = x.detach()
    return x.cpu().double() if x.device.type == "mps" else x.double()
