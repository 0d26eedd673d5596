"""Facts that a custom ``autograd.Function`` has to know of the transforms of `torch.func`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["Plain", "forward_mode"]

Tensors = tuple[Tensor, ...]


class Plain(torch.autograd.Function):
    """``Plain.apply(find, x)`` is ``find(x)`` of plain tensors, as constants.

    Within a transform every tensor is wrapped: none may be kept beyond it, or copied into a buffer.
    ``find`` sees only what they wrap; under ``vmap`` it is called for one example after another.
    """

    @staticmethod
    def forward(find: Callable[[Tensor], Tensors], x: Tensor) -> Tensors:
        # Copies: what `find` keeps must not get a history.
        return tuple(part.clone() for part in find(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.mark_non_differentiable(*output)
        ctx.none = (None,) * len(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[None, ...]:
        none: tuple[None, ...] = ctx.none
        return none

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[None, int], find: Callable[[Tensor], Tensors], x: Tensor
    ) -> tuple[Tensors, tuple[int, ...]]:
        each = [Plain.apply(find, one) for one in x.unbind(in_dims[1])]  # type: ignore[no-untyped-call]
        found = tuple(torch.stack(parts) for parts in zip(*each, strict=True))
        return found, (0,) * len(found)


def forward_mode() -> bool:
    """Whether something is being differentiated in forward mode.

    Then a custom function is left aside: what its ``jvp`` returns is a constant to all transforms
    around, so that derivatives of derivatives would lack its part, in silence.
    """
    level: int = forward_ad._current_level
    return level >= 0
