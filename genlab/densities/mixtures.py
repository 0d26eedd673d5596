"""Mixtures of Gaussians as plain tensors, one mixture a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "Covariance",
    "LowRankMixtures",
    "Mixtures",
    "at_once",
    "distances",
    "inverse",
    "posterior",
    "precision_root",
    "wide",
]


# Numbers of the matrices that are gathered at once for samples.
GATHERED = 2**20

Covariance = Literal["full", "tied", "diag", "spherical", "low_rank"]


class Mixtures(NamedTuple):
    """``G`` independent mixtures ``p_g(x) = sum_k w_gk N(x; mu_gk, (W_gk^T W_gk)^{-1})`` on R^D.

    ``W`` is the Cholesky factor of the precision that is lower triangular: it whitens,
    ``z = W (x - mu) ~ N(0, I)``, and the first coordinates of z depend on the first of x only, so
    that marginals of the first coordinates, and the conditionals given them, are blocks of it.
    A component of weight 0 is none: it takes no part in anything.

    References: doi:10.1111/j.2517-6161.1977.tb01600.x.

    >>> import genlab
    >>> mixtures = genlab.models.GMM(2, components=3).mixture()
    >>> mixtures.means.shape, mixtures.log_weights.shape
    (torch.Size([1, 3, 2]), torch.Size([1, 3]))

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
        for some in at_once(len(z), z.shape[1] ** 2):
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


def at_once(n: int, numbers: int) -> list[slice]:
    """Parts of n rows for which matrices of so many numbers may be gathered.

    A compiler does not know how many rows there are: all of them are one part to it.
    """
    if torch.compiler.is_compiling():
        return [slice(None)]
    size = max(1, GATHERED // numbers)
    return [slice(start, start + size) for start in range(0, n, size)]


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


class LowRankMixtures(NamedTuple):
    """``G`` independent mixtures ``p_g(x) = sum_k w_gk N(x; mu_gk, F_gk F_gk^T + diag(s_gk)^2)``.

    ``x = mu + F y + s e`` with ``y ~ N(0, I)`` of Q numbers and ``e ~ N(0, I)`` of D: a covariance
    of ``D (Q + 1)`` numbers instead of ``D^2``. By Woodbury's identity nothing larger than Q x Q is
    ever factorised (Ghahramani, Hinton, "The EM algorithm for mixtures of factor analyzers", 1996).
    It answers what `Mixtures` does.

    References: Tipping, Bishop, "Mixtures of probabilistic principal component analyzers", 1999,
    doi:10.1162/089976699300016728.

    >>> import genlab
    >>> mixtures = genlab.models.GMM(9, components=3, covariance="low_rank", rank=2).mixture()
    >>> mixtures.factors.shape
    torch.Size([1, 3, 9, 2])

    Attributes:
        log_weights: ``log w``, ``[G, K]``.
        means: ``mu``, ``[G, K, D]``.
        deviations: ``s``, ``[G, K, D]``.
        factors: ``F``, ``[G, K, D, Q]``.
    """

    log_weights: Float[Tensor, "g k"]
    means: Float[Tensor, "g k d"]
    deviations: Float[Tensor, "g k d"]
    factors: Float[Tensor, "g k d q"]

    @property
    def narrowest(self) -> float:
        """A variance that no direction of any component falls below."""
        return float(self.deviations.detach().min()) ** 2

    @property
    def covariances(self) -> Float[Tensor, "g k d d"]:
        """``F F^T + diag(s)^2``."""
        return self.factors @ self.factors.mT + self.deviations.square().diag_embed()

    def log_gaussians(
        self, x: Float[Tensor, "n d"], *, given: int = 0
    ) -> tuple[Float[Tensor, "g k n"], Float[Tensor, "g k n"]]:
        """``log N`` of the first ``given`` coordinates, and of the others given these."""
        whole = self._log_normal(x)
        if not given:
            return torch.zeros_like(whole), whole
        known = self.marginal(range(given))._log_normal(x[:, :given])
        return known, whole - known

    def _log_normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "g k n"]:
        project, log_det = posterior(self)
        means, *parts = (part.flatten(0, 1) for part in (*self[1:], project))
        square = distances(x - means[:, None], *parts)[0].view(*self.log_weights.shape, -1)
        constant = log_det + self.means.shape[-1] * math.log(2 * math.pi)
        return -0.5 * (square + constant[..., None])

    def complete(
        self, rows: Float[Tensor, "n d"], which: Int[Tensor, " n"], *, given: int = 0
    ) -> Float[Tensor, "n rest"]:
        """The coordinates after the ``given`` ones, from the component ``which`` of each row.

        Args:
            rows: The given coordinates of x, then noise, standard normal for a sample.
            which: Numbers in ``[0, G K)``.
            given: How many coordinates are known.
        """
        means, deviations, factors = (part.flatten(0, 1) for part in self[1:])
        known = self.marginal(range(given))
        project = posterior(known)[0]
        # Given a, y ~ N(B (a - mu_a), M^-1) with B its projection and M = R R^T: R^-T is a root.
        precision = _precision_root(known)[1].flatten(0, 1)
        identity = torch.eye(precision.shape[-1]).to(precision)
        root = torch.linalg.solve_triangular(precision.mT, identity, upper=True).to(factors)
        # Half precision cannot be factorised.
        solvable = torch.promote_types(rows.dtype, torch.float32)
        project, deviations, factors = (
            project.flatten(0, 1),
            deviations[:, given:],
            factors[:, given:],
        )
        # (I + H H^T)^(1/2) = I + U (sqrt(1 + S^2) - 1) U^T for H = U S V^T.
        spread = factors @ root / deviations[..., None]
        u, s, _ = torch.linalg.svd(spread.to(solvable), full_matrices=False)
        stretched = (u * ((1 + s.square()).sqrt() - 1)[:, None]).to(rows)
        u = u.to(rows)
        parts = []
        for some in at_once(len(rows), self.factors[0, 0].numel()):
            k, a, e = which[some], rows[some, :given], rows[some, given:, None]
            y = project[k] @ (a - means[k, :given])[..., None]
            e = e + stretched[k] @ (u[k].mT @ e)
            centre = means[k, given:] + (factors[k] @ y)[..., 0]
            parts.append(torch.addcmul(centre, deviations[k], e[..., 0]))
        return torch.cat(parts) if parts else rows[:, given:]

    def marginal(self, keep: Sequence[int]) -> LowRankMixtures:
        """The mixtures of the chosen coordinates, in the chosen order."""
        index = torch.as_tensor(keep, dtype=torch.long, device=self.means.device)
        return LowRankMixtures(
            self.log_weights,
            self.means[..., index],
            self.deviations[..., index],
            self.factors[..., index, :],
        )


def posterior(mixtures: LowRankMixtures) -> tuple[Float[Tensor, "g k q d"], Float[Tensor, "g k"]]:
    """The matrix B of the mean ``B (x - mu)`` of y given x, and ``log det(F F^T + diag(s)^2)``.

    ``B = M^-1 F^T diag(s)^-2`` with ``M = I + F^T diag(s)^-2 F``, the precision of y given x.
    """
    scaled, root = _precision_root(mixtures)
    project = torch.cholesky_solve(scaled.mT, root) / mixtures.deviations[..., None, :]
    log_det = mixtures.deviations.log().sum(-1) + root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return project.to(mixtures.factors), (2 * log_det).to(mixtures.factors)


def _precision_root(
    mixtures: LowRankMixtures,
) -> tuple[Float[Tensor, "g k d q"], Float[Tensor, "g k q q"]]:
    """``diag(s)^-1 F``, and the Cholesky factor of ``M``, in as many digits as the device has.

    Where s is small beside F, single precision would lose the identity in M.
    """
    exact = torch.float32 if mixtures.factors.device.type == "mps" else torch.float64
    scaled = mixtures.factors.to(exact) / mixtures.deviations.to(exact)[..., None]
    precision = torch.eye(scaled.shape[-1]).to(scaled) + scaled.mT @ scaled
    return scaled, torch.linalg.cholesky(precision)


def distances(
    delta: Float[Tensor, "k n d"],
    deviations: Float[Tensor, "k d"],
    factors: Float[Tensor, "k d q"],
    project: Float[Tensor, "k q d"],
) -> tuple[Float[Tensor, "k n"], Float[Tensor, "k n q"]]:
    """Squared Mahalanobis distances, and the means of y, of points about the means.

    ``|(delta - F y) / s|^2 + |y|^2`` is a sum of squares: nothing cancels in it.
    """
    y = delta @ project.mT
    rest = torch.baddbmm(delta, y, factors.mT, alpha=-1) / deviations[:, None]
    return rest.square().sum(-1) + y.square().sum(-1), y
