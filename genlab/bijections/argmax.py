"""Categories made continuous: the winner of a race, whose times are independent normals."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bijections.bijection import Bijection
from genlab.nn.context import Context

__all__ = ["Argmax", "n_coordinates"]


def n_coordinates(categories: int) -> int:
    """The number of coordinates that stand for one of so many categories; two are told by one.

    >>> [n_coordinates(k) for k in (2, 3, 4)]
    [1, 3, 4]
    """
    return 1 if categories == 2 else categories


class Argmax(Bijection):
    """From one of K categories with uniform noise to K independent standard normals.

    A category k is the point ``x = (k + r_1, r_2, ..., r_K)`` with r in the unit cube, so that the
    density of x, r uniform, bounds the mass of k from below: ``E[log p(x)] <= log P(k)``. Here x
    becomes scores v whose argmax is k (Hoogeboom, Nielsen, Jaini, Forre, Welling, "Argmax flows and
    multinomial diffusion", 2021, arXiv:2102.05379, there with a trained noise): Gumbel scores, as
    times ``t_i = exp(-v_i)`` of a race that k wins. With frequencies f of the categories,

    ``t_k = -log r_1``, ``t_i = t_k - log(r_j) / f_i`` for the others, ``z_i = Phi^-1(exp(-f_i
    t_i))``, ``|det dz/dx| = f_k / prod_i phi(z_i)``.

    Where categories have these frequencies whatever else a row holds, z is exactly normal, and the
    bound is tight. Two categories need one number: ``z = Phi^-1(u)``, where ``u = f_0 r`` or
    ``u = f_0 + f_1 r``.

    Outside of ``[0, K) x [0, 1]^(K-1)``, where a density is 0, the log-determinant is ``-inf``.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Argmax(3)
    >>> x = layer.generate(torch.randn(5, 3))
    >>> bool(((x[:, 0] >= 0) & (x[:, 0] < 3)).all())
    True

    Args:
        categories: K.

    Raises:
        ValueError: There are less than two.
    """

    log_frequency: Float[Tensor, " K"]
    arrangement: Int[Tensor, "K K"]

    def __init__(self, categories: int) -> None:
        super().__init__()
        if categories < 2:
            raise ValueError(f"categories={categories}: expected at least 2")
        self.categories = categories
        self.register_buffer("log_frequency", torch.full((categories,), -math.log(categories)))
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        # The winner first, then the others in order.
        k = self.categories
        rows = [[one, *(i for i in range(k) if i != one)] for one in range(k)]
        return {"arrangement": torch.tensor(rows)}

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        winner = x[:, 0].detach().floor().clamp(0, self.categories - 1).long()
        r = torch.cat((x[:, :1] - winner[:, None], x[:, 1:]), 1)
        inside = ((r >= 0) & (r <= 1)).all(1)
        z = self._normals(winner, _open(r))
        log_det = self.log_share[winner] - _log_normal(z).sum(1)
        return z, log_det.where(inside, -torch.inf)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        # As far out as probabilities have digits.
        limit = 16.0 if z.dtype == torch.float64 else 11.0
        z = z.clamp(-limit, limit)
        winner, r = self._cells(z)
        r = _open(r)
        # A sum that is rounded up would be of the next category.
        last = (winner + 1).to(z).nextafter(winner.to(z))
        first = (winner + r[:, 0]).minimum(last)
        x = torch.cat((first[:, None], r[:, 1:]), 1)
        return x, _log_normal(z).sum(1) - self.log_share[winner]

    @torch.no_grad()
    def initialise(self, x: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        k = self.categories
        seen = x[:, 0].floor().clamp(0, k - 1).long()
        # Half a row more of each: what was not seen may come all the same.
        counts = torch.bincount(seen, minlength=k).double() + 0.5
        self.log_frequency.copy_((counts / counts.sum()).log())
        return self.forward(x)[0]

    @property
    def interval(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        low = self.log_frequency.new_zeros(n_coordinates(self.categories))
        high = torch.ones_like(low)
        high[0] = self.categories
        return low, high

    @property
    def log_share(self) -> Float[Tensor, " K"]:
        """The logarithms of the frequencies, which sum to 1 in any type of numbers."""
        return self.log_frequency.log_softmax(0)

    def _normals(self, winner: Int[Tensor, " n"], r: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        if self.categories == 2:
            f = self.log_share.exp()
            low, high = f[0] * r, f[1] * (1 - r)
            second = winner[:, None] == 1
            u = torch.where(second, f[0] + f[1] * r, low)
            rest = torch.where(second, high, f[1] + f[0] * (1 - r))
            below = u < rest
            z = torch.special.ndtri(torch.where(below, u, rest))
            return torch.where(below, z, -z)
        order = self.arrangement[winner]
        exponential = -r.log()
        first = exponential[:, :1]
        frequency = self.log_share.exp()[order]
        # f_i t_i, of which the winner's is its share of the time.
        age = torch.cat(
            (first * frequency[:, :1], exponential[:, 1:] + first * frequency[:, 1:]), 1
        )
        least = torch.finfo(r.dtype).eps ** 4
        age = age.clamp(least, -math.log(least))
        early = age < math.log(2)
        z = torch.special.ndtri(torch.where(early, -torch.expm1(-age), (-age).exp()))
        return torch.zeros_like(z).scatter(1, order, torch.where(early, -z, z))

    def _cells(self, z: Float[Tensor, "n d"]) -> tuple[Int[Tensor, " n"], Float[Tensor, "n d"]]:
        """The category, and the noise within it."""
        frequency = self.log_share.exp()
        if self.categories == 2:
            u, rest = torch.special.ndtr(z), torch.special.ndtr(-z)
            second = rest < frequency[1]
            r = torch.where(second, 1 - rest / frequency[1], u / frequency[0])
            return second[:, 0].long(), r
        age = -torch.special.log_ndtr(z)
        winner = (age.detach() / frequency).argmin(1)
        order = self.arrangement[winner]
        of_each = frequency[order]
        age = age.gather(1, order)
        first = age[:, :1] / of_each[:, :1]
        others = (age[:, 1:] - first * of_each[:, 1:]).clamp_min(0)
        return winner, (-torch.cat((first, others), 1)).exp()

    def extra_repr(self) -> str:
        return str(self.categories)


def _open(r: Tensor) -> Tensor:
    eps = torch.finfo(r.dtype).eps
    return r.clamp(eps**2, 1 - eps / 2)


def _log_normal(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2 * math.pi))
