"""Bijections that reorder, reshape or leave out coordinates, and compute nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.bijections.bijection import Bijection, Compose, Inverse
from genlab.nn.context import Context

__all__ = ["Flatten", "Freeze", "ImageShape", "Permutation", "Squeeze", "multi_scale"]


class Permutation(Bijection):
    """``z_i = x_{order_i}``, of log-determinant 0.

    References: arXiv:1807.03039.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Permutation(torch.tensor([1, 0]))
    >>> layer(torch.tensor([[1.0, 2.0]]))[0]
    tensor([[2., 1.]])

    Args:
        order: Each of ``0 .. d-1`` once.

    Raises:
        ValueError: ``order`` is not a permutation.
    """

    order: Int[Tensor, " d"]
    inverse_order: Int[Tensor, " d"]

    def __init__(self, order: Int[Tensor, " d"]) -> None:
        super().__init__()
        each = torch.arange(len(order), device=order.device)
        # On the meta device there are no numbers to look at.
        if not order.is_meta and not torch.equal(order.sort().values, each):
            raise ValueError(
                f"order: expected each of 0 .. {len(order) - 1} once, got {order.tolist()}"
            )
        self.register_buffer("order", order)
        self.register_buffer("inverse_order", order.argsort())

    @classmethod
    def random(cls, dim: int) -> Permutation:
        """A permutation drawn from torch's global generator."""
        return cls(torch.randperm(dim))

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        return x.index_select(1, self.order), x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        return z.index_select(1, self.inverse_order), z.new_zeros(len(z))


class Flatten(Permutation):
    """``[n, *event]`` to ``[n, d]``, of log-determinant 0.

    The numbers at places of one colour of a checkerboard come first, then those of the other: what
    divides the vector in two halves gives each half a neighbour of every pixel of the other.

    References: arXiv:1605.08803.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Flatten((1, 2, 2))
    >>> layer(torch.arange(4.0).view(1, 1, 2, 2))[0]
    tensor([[0., 3., 1., 2.]])

    Args:
        event_shape: Shape of one sample.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(torch.tensor(self.places(event_shape)))
        self.event_shape = event_shape

    @staticmethod
    def places(event_shape: tuple[int, ...]) -> list[int]:
        """The place of each coordinate of the vector in the array, counted row by row."""
        colours = [sum(index) % 2 for index in product(*map(range, event_shape))]
        return sorted(range(len(colours)), key=colours.__getitem__)

    def forward(
        self, x: Float[Tensor, "n *event"], context: Context = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return super().forward(x.flatten(1))

    def inverse(
        self, z: Float[Tensor, "n d"], context: Context = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        x, log_det = super().inverse(z)
        return x.view(len(z), *self.event_shape), log_det


class Squeeze(Bijection):
    """``[n, c, h, w]`` to ``[n, 4 c, h/2, w/2]``, of log-determinant 0.

    Each square of 2 x 2 pixels becomes one pixel of four channels, in the order of reading (Dinh,
    Sohl-Dickstein, Bengio, "Real NVP", 2017, section 3.6). Height and width must be even.

    References: arXiv:1605.08803.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Squeeze()
    >>> layer(torch.randn(5, 1, 8, 8))[0].shape
    torch.Size([5, 4, 4, 4])
    """

    def forward(
        self, x: Float[Tensor, "n c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "n _ _ _"], Float[Tensor, " n"]]:
        squares = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        # Not `pixel_unshuffle`: it leaves the shape of an empty batch as it is.
        return squares.permute(0, 1, 3, 5, 2, 4).flatten(1, 3), x.new_zeros(len(x))

    def inverse(
        self, z: Float[Tensor, "n c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "n _ _ _"], Float[Tensor, " n"]]:
        squares = z.unflatten(1, (-1, 2, 2)).permute(0, 1, 4, 2, 5, 3)
        return squares.flatten(4).flatten(2, 3), z.new_zeros(len(z))


class Freeze(Bijection):
    """``z = (f(x_1 .. x_k), x_{k+1} .. x_d)``, with the log-determinant of ``f``.

    The Jacobian is ``[[J_f, 0], [0, I]]``. What KRnet calls squeezing: maps with fewer and fewer
    active coordinates make up a block-triangular one (Tang, Wan, Liao, "Deep density estimation via
    invertible block-triangular mapping", 2020).

    References: doi:10.1016/j.taml.2020.01.023.

    >>> import genlab, torch
    >>> layer = genlab.bijections.Freeze(genlab.bijections.LULinear(2), 2)
    >>> z, log_det = layer(torch.randn(5, 3))
    >>> z.shape
    torch.Size([5, 3])

    Args:
        inner: The map ``f`` of the active coordinates.
        active: Their number ``k``; the coordinates behind them pass unchanged.
    """

    def __init__(self, inner: Bijection, active: int) -> None:
        super().__init__()
        self.inner = inner
        self.active = active

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        moving, frozen = self._split(x)
        z, log_det = self.inner(moving, context)
        return torch.cat((z, frozen), dim=1), log_det

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        moving, frozen = self._split(z)
        x, log_det = self.inner.inverse(moving, context)
        return torch.cat((x, frozen), dim=1), log_det

    def generate(
        self, z: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> Float[Tensor, "n d *pixels"]:
        moving, frozen = self._split(z)
        return torch.cat((self.inner.generate(moving, context), frozen), dim=1)

    def initialise(
        self, x: Float[Tensor, "n d *pixels"], context: Context = None
    ) -> Float[Tensor, "n d *pixels"]:
        moving, frozen = self._split(x)
        return torch.cat((self.inner.initialise(moving, context), frozen), dim=1)

    def steps(self) -> list[Bijection]:
        return [Freeze(step, self.active) for step in self.inner.steps()]

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, : self.active], x[:, self.active :]

    def extra_repr(self) -> str:
        return f"active={self.active}"


ImageShape = tuple[int, int, int]


def multi_scale(
    event_shape: tuple[int, ...], scales: int, layers: Callable[[ImageShape], Iterable[Bijection]]
) -> Iterator[Bijection]:
    """Squeeze, map, and factor out half of the channels; the other half goes on at the next scale.

    ``z = (z_1, ..., z_K)``: what leaves at an early scale is fine detail, and costs nothing at the
    later ones (Dinh, Sohl-Dickstein, Bengio, "Real NVP", 2017, section 3.6). Factored out means
    frozen: the latent is put together again, as an image of the shape that came in.

    Args:
        event_shape: Channels, height and width.
        scales: Number of scales K; height and width must be multiples of ``2^K``.
        layers: What maps a squeezed image of such a shape, from data to latent.

    Raises:
        ValueError: The event is no image, or cannot be halved so many times.
    """
    if len(event_shape) != 3:
        raise ValueError(
            f"scales={scales}: expected images, [channels, height, width], got "
            f"{list(event_shape)}; scales=0 is for vectors"
        )
    channels, height, width = event_shape
    if height % 2**scales or width % 2**scales:
        raise ValueError(
            f"scales={scales}: expected a height and a width that are multiples of {2**scales}, "
            f"got {height} and {width}"
        )
    squeezed = (4 * channels, height // 2, width // 2)
    yield Squeeze()
    yield from layers(squeezed)
    if scales > 1:
        kept = 2 * channels
        yield Freeze(Compose(multi_scale((kept, *squeezed[1:]), scales - 1, layers)), kept)
    yield Inverse(Squeeze())
