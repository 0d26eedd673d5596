"""Velocities of two-dimensional flows that come from a stream function."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.velocity import Time, Velocity
from genlab.nn.waves import highest_mode, inverse_laplacian, waves

__all__ = ["Solenoidal", "StreamFunction"]


class StreamFunction(Constants):
    """``u = (d psi/dy, -d psi/dx)``, of all such fields the nearest to a given pair.

    ``psi = -Lap^{-1} (d u_2/dx - d u_1/dy)`` for the pair ``(u_1, u_2)`` on a periodic square: of
    all fields without divergence and without mean, u is the nearest (Helmholtz, Hodge). A pair
    that has neither keeps its values. The derivatives are exact for the waves of a grid of an odd
    side; the Nyquist frequencies of an even one, whose derivatives a grid does not know, are left
    out.

    References: Chorin, Marsden, "A mathematical introduction to fluid mechanics", 1993,
    section 1.3, doi:10.1007/978-1-4612-0883-9.

    >>> import torch
    >>> from genlab.nn.solenoidal import StreamFunction
    >>> project = StreamFunction(9)
    >>> u = project(torch.randn(5, 2, 9, 9))
    >>> torch.allclose(project(u), u, atol=1e-5)
    True

    Args:
        side: Points a side.
    """

    basis: Float[Tensor, "side waves"]
    turn: Float[Tensor, "waves waves"]
    kx: Float[Tensor, "waves 1"]
    ky: Float[Tensor, " waves"]
    inverse_laplacian: Float[Tensor, "waves waves"]

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        highest = highest_mode(self.side)
        k = torch.arange(highest + 1).double()
        number = torch.cat((k, k))
        # d/dx of a row of coefficients (c, s) is k (s, -c).
        turn = torch.kron(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.eye(highest + 1))
        return {
            "basis": waves(self.side, highest) / self.side**0.5,
            "turn": turn.double(),
            "kx": number[:, None],
            "ky": number,
            "inverse_laplacian": inverse_laplacian(highest),
        }

    def forward(self, u: Float[Tensor, "n 2 x y"]) -> Float[Tensor, "n 2 x y"]:
        first, second = (self.basis.mT @ u @ self.basis).unbind(1)
        psi = self.inverse_laplacian * (self._along_x(second) - self._along_y(first))
        return (
            self.basis @ torch.stack((self._along_y(psi), -self._along_x(psi)), 1) @ self.basis.mT
        )

    def _along_x(self, a: Float[Tensor, "n kx ky"]) -> Float[Tensor, "n kx ky"]:
        return self.kx * (self.turn.mT @ a)

    def _along_y(self, a: Float[Tensor, "n kx ky"]) -> Float[Tensor, "n kx ky"]:
        return (a @ self.turn) * self.ky


class Solenoidal(Velocity):
    """The part without divergence of another velocity of two channels: that of a stream function.

    A flow that starts from fields without divergence, and follows it, stays among them. Its own
    divergence in the space of all fields is that in the space of those, whose dimension is
    ``n^2 - 1``.

    References: doi:10.1007/978-1-4612-0883-9.

    >>> import genlab, torch
    >>> velocity = genlab.nn.Solenoidal(genlab.nn.ResidualConvNet((2, 7, 7), width=8), (2, 7, 7))
    >>> velocity(torch.randn(5, 2, 7, 7), torch.tensor(0.5)).shape
    torch.Size([5, 2, 7, 7])

    Args:
        network: The other velocity.
        event_shape: Two channels, and the sides of a square.

    Raises:
        ValueError: The fields are no pairs on a square.
    """

    def __init__(self, network: Velocity, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        if len(event_shape) != 3 or event_shape[0] != 2 or event_shape[1] != event_shape[2]:
            raise ValueError(
                "output=stream_function: expected the two channels of a velocity on a square, "
                f"[2, n, n], got {list(event_shape)}; use free"
            )
        self.network = network
        self.project = StreamFunction(event_shape[1])

    def forward(
        self, x: Float[Tensor, "n *event"], t: Time, context: Context = None
    ) -> Float[Tensor, "n *event"]:
        u: Tensor = self.project(self.network(x, t, context))
        return u
