"""A multilayer perceptron whose outputs see only the inputs before them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genlab.nn.constants import Constants
from genlab.nn.context import Context
from genlab.nn.mlp import ACTIVATIONS, Activation

__all__ = ["MaskedMLP"]


class MaskedLinear(Constants, nn.Linear):
    """``(M * W) x + b``: output i sees input j where ``sees[j] <= shows[i]``.

    Args:
        sees: Degree of each input.
        shows: Largest degree that each output sees.
    """

    mask: Float[Tensor, "o i"]

    def __init__(self, sees: Sequence[int], shows: Sequence[int]) -> None:
        super().__init__(len(sees), len(shows))
        self.sees, self.shows = tuple(sees), tuple(shows)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        mask = torch.tensor(self.sees)[None, :] <= torch.tensor(self.shows)[:, None]
        return {"mask": mask.float()}

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        return F.linear(x, self.weight * self.mask, self.bias)

    def rows(self, x: Float[Tensor, "n i"], which: slice) -> Float[Tensor, "n o"]:
        """Only some of the outputs."""
        return F.linear(x, self.weight[which] * self.mask[which], self.bias[which])


class MaskedMLP(nn.Module):
    """A network for autoregressive maps: output i depends on the inputs of a degree below its own.

    Every hidden unit has a degree, the largest one that it sees, and is seen by what lies above it
    (Germain, Gregor, Murray, Larochelle, "MADE", 2015). The context has degree 0: all see it.

    References: arXiv:1502.03509.

    >>> import genlab, torch
    >>> network = genlab.nn.MaskedMLP([1, 2], [1, 2], repeats=3, hidden=[16], activation="relu")
    >>> network(torch.randn(5, 2)).shape
    torch.Size([5, 6])

    Args:
        inputs: Degree of each input, at least 1.
        outputs: Degree of each output, at least 1; 1 sees nothing but the context.
        repeats: How often the outputs are repeated, as the parameters of a scalar map: output
            ``r len(outputs) + i`` has degree ``outputs[i]``.
        hidden: Widths of the hidden layers.
        activation: Name of the nonlinearity.
        context_dim: Width of the context.
        zero_last: Start from the zero function.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        repeats: int,
        hidden: Sequence[int],
        activation: Activation,
        context_dim: int = 0,
        zero_last: bool = False,
    ) -> None:
        super().__init__()
        self.period = len(outputs)
        lowest = 0 if context_dim else 1
        kinds = max(max(outputs) - lowest, 1)
        degrees = [[*inputs, *[0] * context_dim]]
        degrees += [[lowest + i * kinds // width for i in range(width)] for width in hidden]
        self.layers = nn.ModuleList(MaskedLinear(*pair) for pair in pairwise(degrees))
        self.activation = ACTIVATIONS[activation]()
        self.last = MaskedLinear(degrees[-1], [degree - 1 for degree in outputs] * repeats)
        if zero_last:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, x: Float[Tensor, "n i"], context: Context = None) -> Float[Tensor, "n o"]:
        output: Tensor = self.last(self._hidden(x, context))
        return output

    def one(self, x: Float[Tensor, "n i"], context: Context, index: int) -> Float[Tensor, "n r"]:
        """Output ``index`` and its repetitions only."""
        return self.last.rows(self._hidden(x, context), slice(index, None, self.period))

    def _hidden(self, x: Tensor, context: Tensor | None) -> Tensor:
        if context is not None:
            x = torch.cat((x, context), dim=-1)
        for layer in self.layers:
            x = self.activation(layer(x))
        return x
