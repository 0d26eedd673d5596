"""Coupling layers: one half of the coordinates decides how the other is mapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection, Compose
from genlab.bijections.elementwise_affine import ActNorm
from genlab.bijections.scalar_map import ScalarMap
from genlab.nn.context import Context
from genlab.nn.precision import output_of

__all__ = [
    "AlternatingCouplings",
    "CheckerboardSplit",
    "Coupling",
    "HalfFreeCoupling",
    "HalfSplit",
    "ScaledCouplings",
    "Split",
    "WholeSplit",
    "log_det_of",
]


class Split:
    """Coordinates, or channels of an image, in two parts: ``x = (x_a, x_b)``, one of them mapped.

    References: arXiv:1410.8516.

    >>> import genlab, torch
    >>> split = genlab.bijections.Split((1, 2))
    >>> x_a, x_b = split.separate(torch.randn(5, 3))
    >>> x_a.shape, x_b.shape
    (torch.Size([5, 1]), torch.Size([5, 2]))

    Args:
        sizes: Numbers of coordinates of the first part and of the second.
        flip: Let the first part be mapped, and the second pass.

    Attributes:
        passive: Number of coordinates of ``x_a``, which pass unchanged.
        active: Number of coordinates of ``x_b``, which are mapped.
        places: Which part passes and which is mapped, 0 for the first and 1 for the second.
        columns: The coordinates of the first part and of the second.
    """

    def __init__(self, sizes: tuple[int, int], *, flip: bool = False) -> None:
        self.sizes = sizes
        self.columns = (slice(0, sizes[0]), slice(sizes[0], sum(sizes)))
        self.places = (1, 0) if flip else (0, 1)
        self.passive, self.active = (sizes[place] for place in self.places)

    def separate(
        self, x: Float[Tensor, "n d *pixels"]
    ) -> tuple[Float[Tensor, "n a *pixels"], Float[Tensor, "n b *pixels"]]:
        """``x`` to ``(x_a, x_b)``."""
        parts = self.parts(x)
        passive, active = self.places
        return parts[passive], parts[active]

    def parts(self, x: Float[Tensor, "n d *pixels"]) -> list[Tensor]:
        """The first and the second part of ``x``, whichever of them is mapped."""
        return list(x.split(self.sizes, dim=1))

    def join(
        self, x_a: Float[Tensor, "n a *pixels"], x_b: Float[Tensor, "n b *pixels"]
    ) -> Float[Tensor, "n d *pixels"]:
        """``(x_a, x_b)`` back to ``x``."""
        return torch.cat(self.ordered(x_a, x_b), dim=1)

    def ordered(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """The things of ``x_a`` and of ``x_b``, as the first part's and the second's."""
        return (a, b) if self.places == (0, 1) else (b, a)


class HalfSplit(Split):
    """The two halves of the coordinates of a vector, or of the channels of an image.

    References: arXiv:1410.8516.

    >>> import genlab
    >>> split = genlab.bijections.HalfSplit(5, flip=True)
    >>> split.passive, split.active
    (3, 2)

    Args:
        dim: Number of coordinates, at least 2.
        flip: Let the first half be mapped, and the second half pass.

    Raises:
        ValueError: There is nothing to split.
    """

    def __init__(self, dim: int, *, flip: bool = False) -> None:
        if dim < 2:
            raise ValueError(f"event_shape: a coupling needs at least 2 coordinates, got {dim}")
        super().__init__((dim // 2, dim - dim // 2), flip=flip)


class WholeSplit(Split):
    """Nothing passes and all of ``x`` is mapped: for couplings by the context alone.

    References: arXiv:1410.8516.

    >>> import genlab
    >>> split = genlab.bijections.WholeSplit(1)
    >>> split.passive, split.active
    (0, 1)

    Args:
        dim: Number of coordinates.
    """

    def __init__(self, dim: int) -> None:
        super().__init__((0, dim))


class CheckerboardSplit(HalfSplit):
    """The fields of one colour of a checkerboard, and those of the other.

    For an image that `Squeeze` has brought to ``[n, 4 c, h, w]``: of the four pixels of each
    square, the two on the diagonal are of one colour (Dinh, Sohl-Dickstein, Bengio, "Real NVP",
    2017, figure 3). So networks see whole squares, and compute nothing that is masked afterwards.

    References: arXiv:1605.08803.

    >>> import genlab, torch
    >>> split = genlab.bijections.CheckerboardSplit(4)
    >>> x_a, x_b = split.separate(torch.randn(5, 4, 8, 8))
    >>> x_a.shape
    torch.Size([5, 2, 8, 8])

    Args:
        dim: Number of channels of the squeezed image, ``4 c``.
        flip: Let the diagonal pixels be mapped, and the others pass.
    """

    def parts(self, x: Float[Tensor, "n c h w"]) -> list[Tensor]:
        first, second, third, fourth = x.unflatten(1, (-1, 4)).unbind(2)
        return [torch.cat((first, fourth), dim=1), torch.cat((second, third), dim=1)]

    def join(
        self, x_a: Float[Tensor, "n a h w"], x_b: Float[Tensor, "n b h w"]
    ) -> Float[Tensor, "n c h w"]:
        diagonal, other = self.ordered(x_a, x_b)
        (first, fourth), (second, third) = diagonal.chunk(2, dim=1), other.chunk(2, dim=1)
        return torch.stack((first, second, third, fourth), dim=2).flatten(1, 2)


class Coupling(Bijection):
    """``z_a = x_a``, ``z_b = g(x_b; p(x_a, c))`` (Dinh, Krueger, Bengio, "NICE", 2015, s. 3.2).

    The Jacobian is triangular: its log-determinant is the sum of ``log g'``. Both directions cost
    one evaluation of the conditioner.

    References: arXiv:1410.8516.

    >>> import genlab, torch
    >>> network = genlab.nn.MLP(1, 2, hidden=[16], activation="relu")
    >>> split, g = genlab.bijections.HalfSplit(2), genlab.bijections.Affine()
    >>> layer = genlab.bijections.Coupling(split, g, network)
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> z.shape, log_det.shape
    (torch.Size([5, 2]), torch.Size([5]))

    Args:
        split: Which coordinates pass and which are mapped.
        scalar_map: The increasing map ``g``.
        conditioner: Network ``(x_a, c) -> p`` whose output has ``P`` values a mapped coordinate,
            the parameter index running slowest.
    """

    def __init__(self, split: Split, scalar_map: ScalarMap, conditioner: nn.Module) -> None:
        super().__init__()
        self.split = split
        self.scalar_map = scalar_map
        self.conditioner = conditioner

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        x_a, x_b = self.split.separate(x)
        z_b, log_derivative = self.map(x_a, x_b, context)
        return self.split.join(x_a, z_b), log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        z_a, z_b = self.split.separate(z)
        x_b, log_derivative = self.unmap(z_a, z_b, context)
        return self.split.join(z_a, x_b), log_det_of(z, [log_derivative])

    def map(
        self, x_a: Float[Tensor, "n a *pixels"], x_b: Float[Tensor, "n b *pixels"], context: Context
    ) -> tuple[Float[Tensor, "n b *pixels"], Float[Tensor, "n b *pixels"] | None]:
        """``z_b = g(x_b; p(x_a, c))``, and ``log g'`` of each number or None where it is 0."""
        z_b: Tensor
        z_b, log_derivative = self.scalar_map(x_b, self._parameters_given(x_a, x_b, context))
        return z_b, log_derivative

    def unmap(
        self, x_a: Float[Tensor, "n a *pixels"], z_b: Float[Tensor, "n b *pixels"], context: Context
    ) -> tuple[Float[Tensor, "n b *pixels"], Float[Tensor, "n b *pixels"] | None]:
        """``x_b = g^{-1}(z_b; p(x_a, c))``, and ``log (g^{-1})'`` of each number or None."""
        return self.scalar_map.inverse(z_b, self._parameters_given(x_a, z_b, context))

    def _parameters_given(
        self,
        x_a: Float[Tensor, "n a *pixels"],
        x_b: Float[Tensor, "n b *pixels"],
        context: Tensor | None,
    ) -> Float[Tensor, "n P b *pixels"]:
        """The scalar map's parameters for the mapped half, from the half that passes."""
        output = output_of(self.conditioner, x_a, context)
        return output.view(len(x_b), self.scalar_map.n_parameters, *x_b.shape[1:])


def log_det_of(x: Tensor, log_derivatives: Sequence[Tensor | None]) -> Float[Tensor, " n"]:
    """The sum over all mapped coordinates; one sum for many layers is cheaper than many sums."""
    terms = [term.flatten(1) for term in log_derivatives if term is not None]
    if len(terms) == 1:
        return terms[0].sum(1)
    return torch.cat(terms, dim=1).sum(1) if terms else x.new_zeros(len(x))


class HalfFreeCoupling(Bijection):
    """``z_a = g(x_a; p)``, ``z_b = g(x_b; p(x_a, c))`` with trainable ``p`` and a network ``p(.)``.

    A coupling that leaves no coordinate alone, at the price of a few constants. Forward, one call
    of ``g`` maps both halves at once; the inverse has to undo ``x_a`` first.

    References: arXiv:1906.04032.

    >>> import genlab, torch
    >>> network = genlab.nn.MLP(1, 2, hidden=[16], activation="relu")
    >>> split, g = genlab.bijections.HalfSplit(2), genlab.bijections.Affine()
    >>> z, log_det = genlab.bijections.HalfFreeCoupling(split, g, network)(torch.randn(5, 2))
    >>> z.shape
    torch.Size([5, 2])

    Args:
        split: Which coordinates are mapped by the constants, and which by the network.
        scalar_map: The increasing map ``g``, of all coordinates.
        conditioner: Network ``(x_a, c) -> p`` whose output has ``P`` values a coordinate of
            ``x_b``, the parameter index running slowest.
    """

    def __init__(self, split: Split, scalar_map: ScalarMap, conditioner: nn.Module) -> None:
        super().__init__()
        self.split = split
        self.scalar_map = scalar_map
        self.of_half = nn.ModuleList(scalar_map.part(columns) for columns in split.columns)
        self.conditioner = conditioner
        self.free = nn.Parameter(torch.zeros(scalar_map.n_parameters, split.passive))

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        x_a, _ = self.split.separate(x)
        halves = self.split.ordered(self._free(len(x)), self._conditioned(x_a, context))
        z, log_derivative = self.scalar_map(x, torch.cat(halves, dim=2).transpose(0, 1))
        return z, log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z_a, z_b = self.split.separate(z)
        g_a, g_b = (cast(ScalarMap, self.of_half[place]) for place in self.split.places)
        free = self._free(len(z))[: g_a.n_parameters]
        x_a, log_a = g_a.inverse(z_a, free.transpose(0, 1))
        conditioned = self._conditioned(x_a, context)[: g_b.n_parameters]
        x_b, log_b = g_b.inverse(z_b, conditioned.transpose(0, 1))
        return self.split.join(x_a, x_b), log_det_of(z, [log_a, log_b])

    # Parameters first: this is how splines read them, and the two halves are copied to be joined.

    def _free(self, n: int) -> Float[Tensor, "P n a"]:
        return self.free.unsqueeze(1).expand(-1, n, -1)

    def _conditioned(
        self, x_a: Float[Tensor, "n a"], context: Tensor | None
    ) -> Float[Tensor, "P n b"]:
        output = output_of(self.conditioner, x_a, context)
        return output.view(len(x_a), self.scalar_map.n_parameters, self.split.active).transpose(
            0, 1
        )


class AlternatingCouplings(Bijection):
    """Couplings that take turns on the two halves: ``x`` is split once and joined once.

    The same map as the composition of the couplings, without the copies in between, which cost a
    small flow a third of its training step.

    References: arXiv:1410.8516, arXiv:1605.08803.

    >>> import genlab, torch
    >>> (layer,) = genlab.models.RealNVP(2, layers=4).layers
    >>> z, log_det = layer(torch.randn(5, 2))
    >>> z.shape, len(list(layer))
    (torch.Size([5, 2]), 4)

    Args:
        couplings: The couplings, from data to latent; all of one split, flipped or not.
    """

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(couplings)

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        couplings = list(self)
        parts, log_derivatives = couplings[0].split.parts(x), []
        for coupling in couplings:
            passive, active = coupling.split.places
            parts[active], log_derivative = coupling.map(parts[passive], parts[active], context)
            log_derivatives.append(log_derivative)
        return torch.cat(parts, dim=1), log_det_of(x, log_derivatives)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        couplings = list(self)
        parts, log_derivatives = couplings[0].split.parts(z), []
        for coupling in reversed(couplings):
            passive, active = coupling.split.places
            parts[active], log_derivative = coupling.unmap(parts[passive], parts[active], context)
            log_derivatives.append(log_derivative)
        return torch.cat(parts, dim=1), log_det_of(z, log_derivatives)

    def __iter__(self) -> Iterator[Coupling]:
        return (cast(Coupling, layer) for layer in self.layers)

    def steps(self) -> list[Bijection]:
        return list(self)


class ScaledCouplings(Bijection):
    """``L`` times ``x exp(s_l) + b_l``, then a coupling: the inner blocks of KRnet.

    The same map as the composition of `ActNorm` layers and couplings, and it starts from data as
    they do. But ``x`` is split once and joined once, and the scales of all layers are one tensor:
    that saves a small flow a sixth of its training step.

    References: doi:10.1016/j.taml.2020.01.023, arXiv:1807.03039 (ActNorm).

    >>> import genlab, torch
    >>> network = genlab.nn.MLP(1, 2, hidden=[16], activation="relu")
    >>> split, g = genlab.bijections.HalfSplit(2), genlab.bijections.Affine()
    >>> layer = genlab.bijections.ScaledCouplings([genlab.bijections.Coupling(split, g, network)])
    >>> layer(torch.randn(5, 2))[0].shape
    torch.Size([5, 2])

    Args:
        couplings: The couplings, from data to latent; all of one split, flipped or not.
    """

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(couplings)
        self.sizes = self._couplings()[0].split.sizes
        self.log_scale = nn.Parameter(torch.zeros(len(self.couplings), sum(self.sizes)))
        self.shift = nn.Parameter(torch.zeros_like(self.log_scale))

    def forward(
        self, x: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        halves: list[Tensor] = list(x.split(self.sizes, dim=1))
        log_derivatives = []
        for layer, scales, shifts in self._layers():
            scaled = zip(shifts, halves, scales, strict=True)
            halves = [torch.addcmul(shift, half, scale) for shift, half, scale in scaled]
            passive, active = layer.split.places
            halves[active], log_derivative = layer.map(halves[passive], halves[active], context)
            log_derivatives.append(log_derivative)
        log_det = log_det_of(x, log_derivatives) + self.log_scale.sum()
        return torch.cat(halves, dim=1), log_det

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        halves: list[Tensor] = list(z.split(self.sizes, dim=1))
        log_derivatives = []
        for layer, scales, shifts in reversed(self._layers()):
            passive, active = layer.split.places
            halves[active], log_derivative = layer.unmap(halves[passive], halves[active], context)
            log_derivatives.append(log_derivative)
            scaled = zip(shifts, halves, scales, strict=True)
            halves = [(half - shift) / scale for shift, half, scale in scaled]
        log_det = log_det_of(z, log_derivatives) - self.log_scale.sum()
        return torch.cat(halves, dim=1), log_det

    def initialise(self, x: Float[Tensor, "n d"], context: Context = None) -> Float[Tensor, "n d"]:
        return Compose(self.steps()).initialise(x, context)

    def steps(self) -> list[Bijection]:
        """One for each coupling; they share the memory of the weights, not the gradients."""
        return [
            Compose([_actnorm(log_scale, shift), layer])
            for log_scale, shift, layer in zip(
                self.log_scale.detach(), self.shift.detach(), self._couplings(), strict=True
            )
        ]

    def _couplings(self) -> list[Coupling]:
        return [cast(Coupling, layer) for layer in self.couplings]

    def _layers(self) -> list[tuple[Coupling, tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Each coupling, with the scales and the shifts of both halves before it."""
        scales, shifts = (
            zip(*(half.unbind() for half in table.split(self.sizes, dim=1)), strict=True)
            for table in (self.log_scale.exp(), self.shift)
        )
        return list(zip(self._couplings(), scales, shifts, strict=True))


def _actnorm(log_scale: Float[Tensor, " d"], shift: Float[Tensor, " d"]) -> ActNorm:
    layer = ActNorm(len(log_scale))
    layer.log_scale, layer.shift = nn.Parameter(log_scale), nn.Parameter(shift)
    return layer
