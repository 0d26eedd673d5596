"""Fields on the periodic square and their waves: transforms and resampling, as real matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.nn.constants import Constants

__all__ = ["SpectralFilter", "SpectralResize", "Waves", "highest_mode"]


def highest_mode(side: int) -> int:
    """The highest wavenumber below the Nyquist frequency of a grid of so many points."""
    return (side - 1) // 2


def waves(side: int, modes: int) -> Float[Tensor, "side waves"]:
    """``1, sqrt 2 cos k x, ..., 0, sqrt 2 sin k x, ...`` for ``k <= modes``, on a grid."""
    angle = torch.arange(side).double()[:, None] * torch.arange(modes + 1) * (2 * math.pi / side)
    basis = math.sqrt(2) * torch.cat((angle.cos(), angle.sin()), 1)
    basis[:, 0] = 1
    return basis


def inverse_laplacian(highest: int) -> Float[Tensor, "waves waves"]:
    """``1 / (kx^2 + ky^2)`` of products of such `waves`, what undoes ``-Lap``; 0 of the mean."""
    k = torch.arange(highest + 1).double()
    square = torch.cat((k, k)).square()
    square = square[:, None] + square
    return torch.where(square > 0, 1 / square, 0.0)


class Waves(Constants):
    """Between fields on a grid and the coefficients of their real waves, ``|k| <= modes``.

    Coefficients come with the wavenumbers in front, ``[k_x, k_y, n, 4 c]``, the last axis the four
    products of cosine and sine in x and y, each of all channels. Where grid and ``unit`` are the
    same, waves are orthonormal: white noise has white coefficients. All is done by two products
    with matrices: on grids of up to some hundred points a side, faster than by an FFT, and in any
    type of numbers.

    Args:
        side: Points of the grid a side.
        modes: Highest wavenumber along an axis, below the grid's Nyquist frequency.
        unit: Points a side of the grid on which a wave of coefficient 1 has norm 1.
    """

    synthesis: Float[Tensor, "waves side"]
    analysis: Float[Tensor, "side waves"]

    def __init__(self, side: int, *, modes: int, unit: int) -> None:
        super().__init__()
        self.side = side
        self.modes = modes
        self.unit = unit
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        basis = waves(self.side, self.modes)
        return {
            "synthesis": basis.T / math.sqrt(self.unit),
            "analysis": basis * (math.sqrt(self.unit) / self.side),
        }

    def coefficients(self, field: Float[Tensor, "n c x y"]) -> Float[Tensor, "kx ky n p"]:
        """Those of some fields; what is beyond the highest wavenumber is left out."""
        planes = _both_sides(field, self.analysis)
        pairs: Tensor = planes.unflatten(3, (2, -1)).unflatten(2, (2, -1))
        return pairs.permute(3, 5, 0, 2, 4, 1).flatten(3)

    def fields(self, coefficients: Float[Tensor, "kx ky n p"]) -> Float[Tensor, "n c x y"]:
        """The fields of some coefficients."""
        pairs = coefficients.unflatten(3, (2, 2, -1)).permute(2, 5, 3, 0, 4, 1)
        return _both_sides(pairs.flatten(4).flatten(2, 3), self.synthesis)


class SpectralFilter(Constants):
    """``y_k = (W_k + V) x_k``, with a matrix of channels for each wavenumber up to a highest one.

    A convolution with a kernel as large as the square, and one of a single point, ``V`` (Li et
    al., "Fourier neural operator for parametric partial differential equations", 2021, figure 2).
    Of the linear maps of the four products of cosine and sine, those that commute with
    translations have four free numbers: ``W_k`` is a combination of ``1, J_x, J_y, J_x J_y``, where
    J turns a cosine into a sine and a sine into minus a cosine.

    References: arXiv:2010.08895.

    >>> import torch
    >>> from genlab.nn.waves import SpectralFilter, Waves
    >>> transform, layer = Waves(9, modes=4, unit=9), SpectralFilter(1, 2, modes=3)
    >>> x = torch.randn(5, 1, 9, 9)
    >>> shifted = transform.fields(layer(transform.coefficients(x.roll(2, dims=3))))
    >>> y = transform.fields(layer(transform.coefficients(x)))
    >>> torch.allclose(shifted, y.roll(2, dims=3), atol=1e-5)
    True

    Args:
        in_channels: Channels of x.
        out_channels: Channels of y.
        modes: Highest wavenumber along an axis that has a matrix ``W_k``.
    """

    maps: Float[Tensor, "4 16"]

    def __init__(self, in_channels: int, out_channels: int, *, modes: int) -> None:
        super().__init__()
        self.modes = modes
        scale = 0.5 / math.sqrt(in_channels)
        shape = (modes + 1, modes + 1, in_channels * out_channels, 4)
        self.weight = nn.Parameter(scale * torch.randn(shape))
        self.pointwise = nn.Linear(in_channels, out_channels, bias=False)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        one, turn = torch.eye(2), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
        maps = [torch.kron(a, b) for a in (one, turn) for b in (one, turn)]
        return {"maps": torch.stack(maps).flatten(1)}

    def forward(self, x: Float[Tensor, "kx ky n p"]) -> Float[Tensor, "kx ky n q"]:
        low = x[: self.modes + 1, : self.modes + 1].flatten(0, 1)
        y: Tensor = torch.bmm(low, self._matrices()).unflatten(0, (self.modes + 1, -1))
        above = x.shape[0] - self.modes - 1
        if above:
            y = nn.functional.pad(y, (0, 0, 0, 0, 0, above, 0, above))
        of_points: Tensor = self.pointwise(x.unflatten(3, (4, -1)))
        return y + of_points.flatten(3)

    def _matrices(self) -> Float[Tensor, "k _ _"]:
        outputs, inputs = self.pointwise.weight.shape
        blocks = self.weight.flatten(0, 1) @ self.maps
        matrices: Tensor = blocks.unflatten(2, (4, 4)).unflatten(1, (inputs, outputs))
        return matrices.permute(0, 3, 1, 4, 2).flatten(3).flatten(1, 2)


class SpectralResize(Constants):
    """Periodic fields on a grid of another size: the same waves, up to the smaller grid's highest.

    It commutes with every translation, by whole points of either grid or by parts of one, where
    averages of squares and repeated points commute with some only, and for odd sides with none.

    References: Rippel, Snoek, Adams, "Spectral representations for convolutional neural networks",
    2015, arXiv:1506.03767 (spectral pooling).

    >>> import torch
    >>> from genlab.nn.waves import SpectralResize
    >>> coarse = torch.randn(1, 1, 5, 5)
    >>> fine = SpectralResize((5, 5), (9, 9))(coarse)
    >>> torch.allclose(SpectralResize((9, 9), (5, 5))(fine), coarse, atol=1e-5)
    True

    Args:
        size: Height and width of what comes in.
        new: Height and width of what goes out.
    """

    rows: Float[Tensor, "h u"]
    columns: Float[Tensor, "w v"]

    def __init__(self, size: Sequence[int], new: Sequence[int]) -> None:
        super().__init__()
        self.sides = list(zip(size, new, strict=True))
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        modes = [highest_mode(min(pair)) for pair in self.sides]
        both = zip(self.sides, modes, strict=True)
        rows, columns = (
            waves(side, mode) @ waves(new, mode).T / side for (side, new), mode in both
        )
        return {"rows": rows, "columns": columns}

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c _ _"]:
        return _both_sides(x, self.columns, self.rows)


def _both_sides(
    x: Float[Tensor, "n c h w"], columns: Float[Tensor, "w v"], rows: Tensor | None = None
) -> Float[Tensor, "n c u v"]:
    """``rows' x columns``, with the same matrix on both sides where there is one."""
    rows = columns if rows is None else rows
    return ((x @ columns).mT @ rows).mT
