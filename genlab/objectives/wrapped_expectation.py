"""The E-step of mixtures of wrapped Gaussians, whose turns are latent as their components are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.densities.mixtures import Mixtures, wide
from genlab.densities.wrapped_mixtures import copies
from genlab.densities.wrapped_normal import normal_log_prob, wound
from genlab.nn.angles import wrap, wrap_columns
from genlab.objectives.expectation import Expectation, Statistics

__all__ = ["DiagonalWrappedExpectation", "WrappedExpectation"]


class WrappedExpectation:
    """The E-step with matrices for covariances: that of each Gaussian's copies, added up.

    A row belongs to a component and a number of turns of each angle, all of them latent. To the
    M-step a copy is the component itself, seen from rows that are whole turns away: its deviations
    ``x + 2 pi n - mu`` are those that the copy, of mean ``mu - 2 pi n``, has of x
    (Agiomyrgiannakis, Stylianou, "Wrapped Gaussian mixture models for modeling and high-rate
    quantization of phase data of speech", 2009).

    References: IEEE Transactions on Audio, Speech, and Language Processing 17, 775 (2009).

    >>> one = Mixtures(torch.zeros(1, 1), torch.full((1, 1, 1), 3.0), torch.ones(1, 1, 1, 1))
    >>> step = WrappedExpectation(one, torch.zeros(1, 1), [0])
    >>> step.add(torch.tensor([[-3.0], [3.0]]), torch.ones(1, 2))  # near from either side
    tensor([[[1., 1.]]])

    Args:
        mixtures: The parameters.
        like: A tensor of the type and on the device of the rows.
        angles: Coordinates that are angles.
    """

    def __init__(self, mixtures: Mixtures, like: Tensor, angles: Sequence[int]) -> None:
        self.angles, self.components = angles, mixtures.log_weights.shape[1]
        groups = zip(*(part.split(1) for part in mixtures), strict=True)
        turned = [copies(Mixtures(*parts), angles) for parts in groups]
        self.parts = [(Expectation(one, like), parent) for one, parent in turned]

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights."""
        x = wrap_columns(x, self.angles)
        weights = weight.expand(len(self.parts), -1).split(1)
        return torch.cat(
            [
                self._whole(part.add(x, own), parent)
                for (part, parent), own in zip(self.parts, weights, strict=True)
            ]
        )

    def statistics(self) -> Statistics:
        """Those of all rows so far."""
        found = []
        for part, parent in self.parts:
            *of_rows, counts, first, second = part.statistics()
            of_copies = (self._whole(sums, parent) for sums in (counts, first, second))
            found.append(Statistics(*of_rows, *of_copies))
        return Statistics(*map(torch.cat, zip(*found, strict=True)))

    def _whole(self, of_copies: Tensor, parent: Int[Tensor, " m"]) -> Tensor:
        """Sums over the copies of each component."""
        zero = of_copies.new_zeros(1, self.components, *of_copies.shape[2:])
        return zero.index_add(1, parent, of_copies)


class DiagonalWrappedExpectation:
    """The E-step with diagonal covariances, any number of angles: turns are independent in each.

    Given the component, turn n of angle i has the share ``q_n = N(a_i + 2 pi n) / sum N``: sums of
    ``r E_q[z]`` and ``r E_q[z^2]`` are all that the M-step needs.

    References: IEEE Transactions on Audio, Speech, and Language Processing 17, 775 (2009).

    >>> one = Mixtures(torch.zeros(1, 1), torch.full((1, 1, 1), 3.0), torch.ones(1, 1, 1))
    >>> step = DiagonalWrappedExpectation(one, torch.zeros(1, 1), [0])
    >>> step.add(torch.tensor([[-3.0], [3.0]]), torch.ones(1, 2))  # near from either side
    tensor([[[1., 1.]]])

    Args:
        mixtures: The parameters.
        like: A tensor of the type and on the device of the rows.
        angles: Coordinates that are angles.
    """

    def __init__(self, mixtures: Mixtures, like: Tensor, angles: Sequence[int]) -> None:
        self.log_weights, self.means, roots = (part.to(like) for part in mixtures)
        self.deviations, self.angles = roots.reciprocal(), angles
        self.of_rows = wide(like.new_zeros(3, len(roots)))
        self.counts = wide(torch.zeros_like(self.log_weights))
        self.moments = wide(like.new_zeros(2, *roots.shape))

    @torch.no_grad()
    def add(self, x: Float[Tensor, "n d"], weight: Float[Tensor, "#g n"]) -> Float[Tensor, "g k n"]:
        """Add some rows; returns their responsibilities times their weights."""
        joint = self.log_weights[..., None].expand(-1, -1, len(x))
        first, second = [], []
        for i, column in enumerate(x.unbind(1)):
            off, s = column - self.means[..., i, None], self.deviations[..., i, None]
            if i in self.angles:
                log_turns = wound(off, s)
                log_p = log_turns.logsumexp(0)
                share = (log_turns - log_p).exp()
                # z^2 of each turn is in its log-density.
                square = -2 * (log_turns + s.log() + 0.5 * math.log(2 * math.pi))
                turns = 2 * math.pi * torch.arange(len(share)).sub(len(share) // 2).to(x)
                shift = torch.einsum("wgkn,w->gkn", share, turns)
                first.append((wrap(off) + shift) / s)
                second.append((share * square).sum(0))
            else:
                log_p = normal_log_prob(off, s)
                first.append(off / s)
                second.append((off / s).square())
            joint = joint + log_p
        log_p = joint.logsumexp(1)
        r = (joint - log_p[:, None]).exp() * weight[:, None]
        weight = weight.expand(len(r), -1)
        of_rows = [torch.linalg.vecdot(weight, log_p), weight.sum(1), weight.square().sum(1)]
        self.of_rows += torch.stack(of_rows)
        self.counts += r.sum(2)
        for place, found in enumerate((first, second)):
            self.moments[place] += torch.stack([(r * one).sum(2) for one in found], -1)
        return r

    def statistics(self) -> Statistics:
        """Those of all rows so far."""
        likelihood, mass, square = wide(self.of_rows)
        first, second = wide(self.moments)
        return Statistics(likelihood, mass, square, wide(self.counts), first, second)
