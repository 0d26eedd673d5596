"""The times that flow matching trains at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.bounds import Positive

__all__ = ["Times"]

# Keeps a normal quantile finite.
MARGIN = 1e-6


@dataclass(frozen=True, kw_only=True)
class Times:
    """Times in (0, 1), spread evenly under their distribution.

    One uniform shift of an even grid: each time has exactly the distribution asked for, and
    together they cover it, which takes the times' share out of the loss's variance (Kingma et al.,
    "Variational diffusion models", 2021, appendix I.1).

    References: arXiv:2107.00630, arXiv:2403.03206.

    >>> import genlab, torch
    >>> t = genlab.paths.Times(distribution="uniform").sample(4, torch.zeros(()))
    >>> (t.sort().values * 4).floor()
    tensor([0., 1., 2., 3.])

    Attributes:
        distribution: ``uniform``, or ``logit_normal``, the logistic function of a normal variable
            (Esser et al., "Scaling rectified flow transformers", 2024, section 3.1).
        mean: Mean of that normal variable; above 0 towards the data.
        std: Its standard deviation.
    """

    distribution: Literal["uniform", "logit_normal"] = "logit_normal"
    mean: float = 1.0
    std: Positive = 1.3

    def sample(
        self, n: int, like: Tensor, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, " n"]:
        """``n`` times, in random order.

        Args:
            n: Number of times.
            like: A tensor of the type and on the device that the times should have.
            generator: Source of randomness; torch's global one if None.
        """
        # Half precision tells few times apart, and has no quantiles.
        device, dtype = like.device, torch.promote_types(like.dtype, torch.float32)
        shift = torch.rand((), generator=generator, device=device, dtype=dtype)
        order = torch.randperm(n, generator=generator, device=device)
        u = (order.to(dtype) / n + shift) % 1
        if self.distribution == "uniform":
            return u.to(like.dtype)
        normal = torch.special.ndtri(u.clamp(MARGIN, 1 - MARGIN))
        return torch.sigmoid(self.mean + self.std * normal).to(like.dtype)
