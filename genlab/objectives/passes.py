"""Learning by passes over all rows: the contract, and the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch

__all__ = ["Passes", "take_passes"]


@runtime_checkable
class Passes(Protocol):
    """Passes of one model over its data, of any number of batches each, as `MixtureFit`'s.

    Attributes:
        done: Whether they have converged.
    """

    done: bool

    def start(self, batch: Batch) -> None:
        """Choose where to begin, by some rows."""

    def observe(self, batch: Batch) -> None:
        """Add some rows to the present pass."""

    def reduce(self, total: Callable[[Tensor], Tensor]) -> None:
        """Let several processes share a pass: ``total`` sums a tensor over all of them."""

    def advance(self) -> Float[Tensor, ""]:
        """End the pass and move the model; the loss is that of the parameters before."""

    def scalars(self) -> dict[str, float]:
        """Numbers of the last pass that logs show besides the loss."""

    def failures(self) -> list[str]:
        """Troubles that did not end it, for people to read."""

    def state_dict(self) -> dict[str, Any]:
        """All that they go on from, between two of them."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""


def take_passes(passes: Passes, rows: Batch, steps: int) -> Float[Tensor, ""]:
    """Take so many passes over the same rows, or fewer until they have converged.

    Args:
        passes: Begun.
        rows: All of them.
        steps: The most passes, at least one.

    Returns:
        The loss of the last pass.
    """
    for _ in range(steps):
        passes.observe(rows)
        loss = passes.advance()
        if passes.done:
            break
    return loss
