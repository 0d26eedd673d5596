"""Increasing maps of the line, applied coordinate by coordinate, and their contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.nn.constants import Constants

__all__ = ["Affine", "BoundedAffine", "Mixed", "ScalarMap", "Shift"]


class ScalarMap(Constants, ABC):
    """An increasing map ``z_i = g(x_i; p_i)`` whose parameters ``p_i`` another network supplies.

    Parameters that are all zero give the identity, so a coupling whose network starts at zero
    starts as the identity.

    References: arXiv:1912.02762.

    >>> import genlab, torch
    >>> g = genlab.bijections.Affine()
    >>> z, log_slope = g(torch.randn(5, 3), torch.zeros(5, g.n_parameters, 3))
    >>> z.shape, log_slope.shape
    (torch.Size([5, 3]), torch.Size([5, 3]))

    Attributes:
        n_parameters: Number of parameters ``P`` that one coordinate needs.
    """

    n_parameters: int

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"] | None]:
        """``z = g(x)`` and ``log g'(x)``, coordinate by coordinate; None where ``g' = 1``."""

    @abstractmethod
    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n P *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"] | None]:
        """``x = g^{-1}(z)`` and ``log (g^{-1})'(z)``, coordinate by coordinate, or None."""

    def part(self, columns: slice) -> ScalarMap:
        """The map of some of the coordinates of a vector; the same where all are treated alike."""
        return self


class Shift(ScalarMap):
    """``z = x + t``, of derivative 1 (Dinh, Krueger, Bengio, "NICE", 2015, section 3.2).

    References: arXiv:1410.8516.

    >>> import genlab, torch
    >>> g = genlab.bijections.Shift()
    >>> g(torch.zeros(1, 2), torch.ones(1, 1, 2))
    (tensor([[1., 1.]]), None)
    """

    n_parameters = 1

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 1 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], None]:
        return x + parameters.squeeze(1), None

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 1 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], None]:
        return z - parameters.squeeze(1), None


class Affine(ScalarMap):
    """``z = x exp(w) + t`` with ``w = b tanh(raw)`` (Dinh et al., "RealNVP", 2017, equation 5).

    Unlike a soft clamp, ``b tanh(raw / b)``, this saves two passes over the data in each direction;
    that its slope at 0 is ``b`` only makes the scale learn a little faster.

    References: arXiv:1605.08803.

    >>> import genlab, torch
    >>> g = genlab.bijections.Affine()
    >>> z, log_slope = g(torch.randn(5, 3), torch.randn(5, 2, 3))
    >>> z.shape
    torch.Size([5, 3])

    Args:
        max_log_scale: The bound ``b`` on ``|w|``.
    """

    n_parameters = 2

    def __init__(self, *, max_log_scale: float = 2.0) -> None:
        super().__init__()
        self.max_log_scale = max_log_scale

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        w, t = self._scale_and_shift(parameters)
        return torch.addcmul(t, x, w.exp()), w

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        w, t = self._scale_and_shift(parameters)
        return (z - t) * w.neg().exp(), -w

    def _scale_and_shift(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        raw, t = parameters.unbind(1)
        return torch.tanh(raw) * self.max_log_scale, t

    def extra_repr(self) -> str:
        return f"max_log_scale={self.max_log_scale:g}"


class BoundedAffine(ScalarMap):
    """``z = x (1 + alpha tanh s) + exp(beta) tanh t``, with ``log g' = log(1 + alpha tanh s)``.

    The parameters are ``(s, t)``; ``beta``, one a coordinate, is trained with them. The scale lies
    within ``(1 - alpha, 1 + alpha)`` and the shift within ``exp(beta)``, wherever the network goes
    (Tang, Wan, Liao, "Deep density estimation via invertible block-triangular mapping", 2020).

    References: doi:10.1016/j.taml.2020.01.023.

    >>> import genlab, torch
    >>> g = genlab.bijections.BoundedAffine(3, alpha=0.6)
    >>> z, log_slope = g(torch.randn(5, 3), torch.randn(5, 2, 3))
    >>> bool((log_slope.exp() < 1.6).all())
    True

    Args:
        dim: Number of mapped coordinates.
        alpha: How far the scale may be from 1; in (0, 1).
    """

    n_parameters = 2

    def __init__(self, dim: int, *, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        excess, shift = self._scale_and_shift(parameters)
        return torch.addcmul(x + shift, x, excess), excess.log1p()

    def inverse(
        self, z: Float[Tensor, "n *shape"], parameters: Float[Tensor, "n 2 *shape"]
    ) -> tuple[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]]:
        excess, shift = self._scale_and_shift(parameters)
        return (z - shift) / (1 + excess), -excess.log1p()

    def _scale_and_shift(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """``alpha tanh s``, by which the scale exceeds 1, and ``exp(beta) tanh t``."""
        s, t = parameters.tanh().unbind(1)
        return s * self.alpha, t * self.beta.exp()

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:g}"


class Mixed(ScalarMap):
    """``z_i = g(x_i; p_i)`` or ``z_i = h(x_i; p_i)``, as a list says for each coordinate.

    References: arXiv:2002.02428.

    >>> import genlab
    >>> line = genlab.bijections.RationalQuadratic(bins=4, bound=3.0)
    >>> circle = genlab.bijections.CircularSpline(bins=4)
    >>> g = genlab.bijections.Mixed(line, circle, [False, True])
    >>> g.n_parameters
    13

    Args:
        plain: The map ``g``.
        special: The map ``h``.
        which: Whether a coordinate belongs to ``h``; some do and some do not.
    """

    order: Int[Tensor, " d"]
    place: Int[Tensor, " d"]

    def __init__(self, plain: ScalarMap, special: ScalarMap, which: Sequence[bool]) -> None:
        super().__init__()
        self.n_parameters = max(plain.n_parameters, special.n_parameters)
        self.plain = plain
        self.special = special
        self.which = tuple(which)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        order = torch.tensor(self.which).long().argsort(stable=True)
        return {"order": order, "place": order.argsort()}

    def forward(
        self, x: Float[Tensor, "n d"], parameters: Float[Tensor, "n P d"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None]:
        return self._map(x, parameters, inverse=False)

    def inverse(
        self, z: Float[Tensor, "n d"], parameters: Float[Tensor, "n P d"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None]:
        return self._map(z, parameters, inverse=True)

    def part(self, columns: slice) -> ScalarMap:
        which = self.which[columns]
        if all(which):
            return self.special
        return Mixed(self.plain, self.special, which) if any(which) else self.plain

    def _map(self, x: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        sizes = [self.which.count(False), self.which.count(True)]
        points = x.index_select(1, self.order).split(sizes, dim=1)
        tables = parameters.index_select(2, self.order).split(sizes, dim=2)
        images, log_derivatives = [], []
        for one, part, table in zip((self.plain, self.special), points, tables, strict=True):
            image, log_derivative = (one.inverse if inverse else one)(
                part, table[:, : one.n_parameters]
            )
            images.append(image)
            log_derivatives.append(
                torch.zeros_like(image) if log_derivative is None else log_derivative
            )
        return (
            torch.cat(images, dim=1).index_select(1, self.place),
            torch.cat(log_derivatives, dim=1).index_select(1, self.place),
        )
