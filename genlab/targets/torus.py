"""A density on the torus, the product of two circles."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Bound, PositiveInt
from genlab.targets.exact import PlaneTarget
from genlab.targets.quadrature import centred_square
from genlab.targets.rejection import GridEnvelope

__all__ = ["Torus"]

# The float32 that pi rounds to is a little larger; samples are float32.
EDGE = math.nextafter(float(torch.tensor(math.pi)), 4.0)


class Torus(PlaneTarget):
    """Equal von Mises bumps along a curve that winds once round one circle and twice round another.

    ``p(a) = 1/K sum_k prod_i exp(kappa cos(a_i - m_ki)) / (2 pi I_0(kappa))`` for two angles in
    ``[-pi, pi]``, with ``m_k = (t_k, 2 t_k)`` and ``t_k = 2 pi k / K - pi``: bumps lie across both
    cuts, where a map of the plane has to tear them. (Von Mises mixtures on the torus are the
    targets of Rezende et al., "Normalizing flows on tori and spheres", 2020.)

    References: arXiv:2002.02428.

    >>> import genlab
    >>> target = genlab.targets.Torus()
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        bumps: Number ``K`` of bumps.
        concentration: ``kappa``; a bump is about ``kappa^(-1/2)`` wide.
    """

    bound = math.pi
    box = centred_square(math.pi)
    centres: Float[Tensor, "k 2"]

    def __init__(
        self,
        *,
        bumps: PositiveInt = 8,
        concentration: Annotated[float, Bound(0.0, 200.0, open_low=True)] = 8.0,
    ) -> None:
        super().__init__()
        self.terms = bumps
        self.concentration = concentration
        self.scale = min(concentration**-0.5, 1.0)
        along = 2 * math.pi * torch.arange(bumps, dtype=torch.float64) / bumps - math.pi
        self.register_buffer("centres", torch.stack((along, 2 * along), 1), persistent=False)
        self.envelope = GridEnvelope(self._log_prob, self.box)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
        return self.envelope.sample(self._log_prob, n, generator)

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        turn = x[:, None] - self.centres.to(x)
        # exp(-kappa) I_0(kappa), which does not overflow.
        scaled = torch.special.i0e(torch.tensor(self.concentration, dtype=torch.float64))
        log_bumps = self.concentration * (turn.cos() - 1).sum(2)
        log_p = torch.logsumexp(log_bumps, 1) - math.log(
            len(self.centres) * (2 * math.pi * float(scaled)) ** 2
        )
        return torch.where(x.abs().amax(1) <= EDGE, log_p, -math.inf)
