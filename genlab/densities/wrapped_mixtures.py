"""Mixtures of Gaussians wound round circles, as plain tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.densities.mixtures import Mixtures, at_once
from genlab.densities.turns import turns
from genlab.densities.wrapped_normal import normal_log_prob, wound_log_prob
from genlab.nn.angles import wrap_columns

__all__ = ["WrappedMixtures"]


@dataclass(frozen=True)
class WrappedMixtures:
    """``p_g(x) = sum_k w_gk sum_n N(x + 2 pi n; mu_gk, Sigma_gk)``, n whole numbers in the angles.

    The sum is taken coordinate by coordinate where covariances are diagonal; else over the turns
    about the mean that matter (`genlab.densities.turns`), from the one that each row is nearest in.
    It answers as `Mixtures` does (Mardia, Jupp, "Directional statistics", 1999, section 3.5;
    Agiomyrgiannakis, Stylianou, "Wrapped Gaussian mixture models for modeling and high-rate
    quantization of phase data of speech", 2009).

    References: doi:10.1002/9780470316979.

    >>> import genlab
    >>> plain = genlab.models.GMM(2, components=3).mixture()
    >>> WrappedMixtures(plain, (0, 1)).log_gaussians(torch.randn(5, 2))[1].shape
    torch.Size([1, 3, 5])

    Attributes:
        mixtures: The Gaussians, before they are wound; no wider than `genlab.densities.turns` has
            it where they have matrices, and with deviations in angles of at most pi elsewhere.
        angles: Coordinates that are angles.
    """

    mixtures: Mixtures
    angles: Sequence[int]

    @property
    def log_weights(self) -> Float[Tensor, "g k"]:
        """``log w``."""
        return self.mixtures.log_weights

    def log_gaussians(
        self, x: Float[Tensor, "n d"], *, given: int = 0
    ) -> tuple[Float[Tensor, "g k n"], Float[Tensor, "g k n"]]:
        """``log sum_n N`` of the first ``given`` coordinates, and of the others given these."""
        if self.mixtures.roots.ndim == 3:
            terms = list(self._by_coordinate(x))
            zero = torch.zeros_like(terms[0])
            return sum(terms[:given], zero), sum(terms[given:], zero)
        whole = self._log_normal(x)
        if not given:
            return torch.zeros_like(whole), whole
        of_known = self._first(given)._log_normal(x[:, :given])
        return of_known, whole - of_known

    def _first(self, given: int) -> WrappedMixtures:
        """Those of the first coordinates: the first of z depend on the first of x only."""
        log_weights, means, roots = self.mixtures
        first = Mixtures(log_weights, means[..., :given], roots[..., :given, :given])
        return WrappedMixtures(first, [i for i in self.angles if i < given])

    def _by_coordinate(self, x: Float[Tensor, "n d"]) -> list[Float[Tensor, "g k n"]]:
        deviations = self.mixtures.roots.reciprocal()
        found = []
        for i, column in enumerate(x.unbind(1)):
            off, s = column - self.mixtures.means[..., i, None], deviations[..., i, None]
            around = i in self.angles
            found.append((wound_log_prob if around else normal_log_prob)(off, s))
        return found

    def _log_normal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "g k n"]:
        _, means, roots = self.mixtures
        off = wrap_columns(x - means[..., None, :], self.angles)
        z = (off @ roots.mT).flatten(0, 1)
        scale = self.mixtures.diagonal.log().sum(-1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
        found = scale.flatten()[:, None] - 0.5 * z.square().sum(-1)
        every = roots.expand(*means.shape, -1).flatten(0, 1)
        for which, away in turns(self.mixtures, self.angles):
            of_turns = _log_turns(z[which], away @ every[which].mT)
            found = found.index_add(0, which, of_turns.to(found))
        whole: Tensor = found.unflatten(0, self.log_weights.shape)
        return whole

    @torch.no_grad()
    def unwound(
        self,
        rows: Float[Tensor, "n d"],
        which: Int[Tensor, " n"],
        *,
        given: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "n d"]:
        """Rows whose given coordinates are as many turns away as a Gaussian may have sent them.

        What the others depend on is a line, not a circle: n is drawn, given the coordinates and the
        Gaussian. Where covariances are diagonal nothing depends on them.

        Args:
            rows: The given coordinates, then any others.
            which: The Gaussian of each row, in ``[0, G K)``.
            given: How many coordinates are known.
            generator: Source of the draws.
        """
        if self.mixtures.roots.ndim == 3:
            return rows
        first = self._first(given)
        _, means, roots = first.mixtures
        centre = means.flatten(0, 1)[which]
        off = wrap_columns(rows[:, :given] - centre, first.angles)
        every = roots.expand(*means.shape, -1).flatten(0, 1)
        for some, away in turns(first.mixtures, first.angles):
            for k, own_turns in zip(some.tolist(), away, strict=True):
                own = (which == k).nonzero()[:, 0]
                if len(own):
                    z, s = off[own] @ every[k].mT, own_turns @ every[k].mT
                    share = (-(z @ s.mT) - 0.5 * s.square().sum(1)).softmax(1)
                    drawn = torch.multinomial(share, 1, generator=generator)[:, 0]
                    off[own] += own_turns[drawn]
        return torch.cat((centre + off, rows[:, given:]), 1)


def _log_turns(z: Float[Tensor, "b n d"], s: Float[Tensor, "b m d"]) -> Float[Tensor, "b n"]:
    """``log sum_m N(z + s_m; 0, I) / N(z; 0, I)``, some rows at a time."""
    # The square multiplied out needs digits, where a Gaussian is thin in some direction.
    exact = torch.float32 if z.device.type == "mps" else torch.float64
    z, s = z.to(exact), s.to(exact)
    cost = 0.5 * s.square().sum(-1, keepdim=True)
    parts = [z.new_zeros(len(z), 0)]
    for some in at_once(z.shape[1], s.shape[0] * s.shape[1]):
        parts.append((-(s @ z[:, some].mT) - cost).logsumexp(1))
    return torch.cat(parts, 1)
