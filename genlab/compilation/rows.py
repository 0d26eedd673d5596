"""The weights of a model, the moments of Adam and the average, each as one flat row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["FlatRows"]


class FlatRows:
    """Flat rows whose parts are what a model, its optimiser and its average hold.

    Each parameter, each tensor of the optimiser's state and each averaged weight becomes a view of
    its row: whoever reads, saves or loads them one by one finds what he would find without.

    >>> model = nn.Linear(2, 1)
    >>> rows = FlatRows(dict(model.named_parameters()), torch.optim.Adam(model.parameters()), None)
    >>> _ = rows.weights.fill_(3.0)
    >>> model.bias
    Parameter containing:
    tensor([3.], requires_grad=True)

    Args:
        trained: The parameters, by name.
        optimizer: Their Adam, at any step.
        average: Averaged weights by name, which are replaced by views; None for none.

    Attributes:
        weights: The row of the parameters.
        first: The row of the gradients' means.
        second: The row of the means of their squares.
        average: The row of averaged weights, or None.
        steps: Steps that Adam has taken.
    """

    def __init__(
        self,
        trained: Mapping[str, nn.Parameter],
        optimizer: Optimizer,
        average: dict[str, Tensor] | None,
    ) -> None:
        parameters = list(trained.values())
        states = [optimizer.state[parameter] for parameter in parameters]
        self.steps = int(states[0]["step"]) if states[0] else 0
        self._sizes = [parameter.numel() for parameter in parameters]
        self._shapes = [parameter.shape for parameter in parameters]
        self.weights = self._row(parameters)
        for parameter, part in zip(parameters, self._parts(self.weights), strict=True):
            parameter.data, parameter.grad = part, None
        self._counts = torch.full((len(parameters),), float(self.steps))
        for state, count in zip(states, self._counts.unbind(), strict=True):
            state["step"] = count
        self.first = self._moment("exp_avg", parameters, states)
        self.second = self._moment("exp_avg_sq", parameters, states)
        self.average: Float[Tensor, " P"] | None = None
        if average is not None:
            self.average = self._row([average[name] for name in trained])
            average.update(zip(trained, self._parts(self.average), strict=True))

    def count(self) -> None:
        """Note one more step in the optimiser's state."""
        self.steps += 1
        self._counts.fill_(self.steps)

    def _moment(
        self, name: str, parameters: Sequence[Tensor], states: Sequence[dict[str, Tensor]]
    ) -> Float[Tensor, " P"]:
        pairs = zip(parameters, states, strict=True)
        row = self._row([state.get(name, torch.zeros_like(p)) for p, state in pairs])
        for state, part in zip(states, self._parts(row), strict=True):
            state[name] = part
        return row

    def _row(self, tensors: Sequence[Tensor]) -> Float[Tensor, " P"]:
        return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])

    def _parts(self, row: Float[Tensor, " P"]) -> list[Tensor]:
        pieces = zip(row.split(self._sizes), self._shapes, strict=True)
        return [piece.view(shape) for piece, shape in pieces]
