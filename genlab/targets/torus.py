"""A mixture of von Mises densities on the torus of any dimension."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Bound, PositiveInt
from genlab.densities.von_mises import log_von_mises, sample_von_mises
from genlab.nn.angles import wrap
from genlab.targets.exact import ExactTarget
from genlab.targets.quadrature import centred_square
from genlab.targets.rejection import GridEnvelope

__all__ = ["Torus"]

# The float32 that pi rounds to is a little larger; samples are float32.
EDGE = math.nextafter(float(torch.tensor(math.pi)), 4.0)
# Evaluations of a bump beyond which an entropy takes longer than about ten seconds.
MAX_EVALUATIONS = 2**27


class Torus(ExactTarget):
    """Equal von Mises bumps along a curve that winds once round one circle and twice round another.

    ``p(a) = 1/K sum_k prod_i exp(kappa cos(a_i - m_ki)) / (2 pi I_0(kappa))`` for d angles in
    ``[-pi, pi]``, with ``m_k = (t_k, 2 t_k, ..., d t_k)`` and ``t_k = 2 pi k / K - pi``: bumps lie
    across all cuts, where a map of the plane has to tear them. (Von Mises mixtures on the torus
    are the targets of Rezende et al., "Normalizing flows on tori and spheres", 2020.)

    References: arXiv:2002.02428.

    >>> import genlab
    >>> target = genlab.targets.Torus(3)
    >>> target.log_prob(target.sample(5)).shape
    torch.Size([5])

    Args:
        dim: Number of angles.
        bumps: Number ``K`` of bumps.
        concentration: ``kappa``; a bump is about ``kappa^(-1/2)`` wide.
    """

    bound = math.pi
    centres: Float[Tensor, "k d"]

    def __init__(
        self,
        dim: PositiveInt = 2,
        *,
        bumps: PositiveInt = 8,
        concentration: Annotated[float, Bound(0.0, 200.0, open_low=True)] = 8.0,
    ) -> None:
        super().__init__()
        self.event_shape = (dim,)
        self.angles = tuple(range(dim))
        self.terms = bumps * dim
        self.concentration = concentration
        along = 2 * math.pi * torch.arange(bumps, dtype=torch.float64) / bumps - math.pi
        times = torch.arange(1, dim + 1, dtype=torch.float64)
        self.register_buffer("centres", along[:, None] * times, persistent=False)
        # Two angles are drawn as they have always been: a seed means the same rows.
        square = centred_square(math.pi)
        self.envelope = GridEnvelope(self._log_prob, square) if dim == 2 else None

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        if self.envelope is not None:
            return self.envelope.sample(self._log_prob, n, generator)
        bump = torch.randint(len(self.centres), (n,), generator=generator, device=self.device)
        spread = torch.full_like(self.centres[bump], self.concentration)
        turn = sample_von_mises(spread, generator=generator)
        return wrap((self.centres[bump] + turn).float())

    def _log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        kappa = torch.tensor(self.concentration, dtype=torch.float64, device=x.device)
        log_bumps = log_von_mises(x[:, None] - self.centres.to(x), kappa).sum(2)
        log_p = torch.logsumexp(log_bumps, 1) - math.log(len(self.centres))
        return torch.where(x.abs().amax(1) <= EDGE, log_p, -math.inf).to(x)

    @cached_property
    def entropy(self) -> float | None:  # type: ignore[override]
        """Differential entropy in nats by the trapezoidal rule, whose error falls faster than any
        power of its spacing on a torus; None where the dimension makes that slow.
        """
        (dim,) = self.event_shape
        nodes = math.ceil(2 * math.pi / (0.4 * min(self.concentration**-0.5, 1.0)))
        if nodes**dim * self.terms > MAX_EVALUATIONS:
            return None
        axis = 2 * math.pi * (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes - math.pi
        points = torch.cartesian_prod(*[axis] * dim).view(-1, dim).to(self.device)
        cell = (2 * math.pi / nodes) ** dim
        return float(torch.special.entr(self.log_prob(points).exp()).sum() * cell)
