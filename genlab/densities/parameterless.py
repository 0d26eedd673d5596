"""What the densities share that have nothing to learn."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.density import Density

__all__ = ["Parameterless"]


class Parameterless(Density):
    """A density without parameters, which still follows its model in device and type.

    Args:
        event_shape: Shape of one sample.

    Attributes:
        origin: Carries the device and the type that samples are drawn in; never saved.
    """

    origin: Float[Tensor, "*event"]

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)
        self.set_constants()

    def constant_tensors(self) -> dict[str, Tensor]:
        return {"origin": torch.zeros(self.event_shape)}
