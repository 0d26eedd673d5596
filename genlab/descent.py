"""The one loop of gradient descent, which knows nothing of what is learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Descending", "Step", "clip_rows", "cosine_descent", "descend", "gradient_step"]


@runtime_checkable
class Descending(Protocol):
    """What an optimiser has to be able to do, also one that is wrapped."""

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def step(self) -> object:
        """Move the parameters."""


class Step(NamedTuple):
    """What became of a step.

    Attributes:
        loss: The loss before it, without its graph.
        norm: The gradient's norm before it was clipped; None without a clip.
    """

    loss: Tensor
    norm: Tensor | None


def gradient_step(
    loss: Callable[[], Tensor],
    optimizer: Descending,
    *,
    backward: Callable[[Tensor], object] = Tensor.backward,
    clip: Callable[[], Tensor] | None = None,
) -> Step:
    """Take one step down a loss.

    Args:
        loss: Computes it.
        optimizer: Moves the parameters.
        backward: Computes the gradients from it.
        clip: Shortens the gradients, and returns how long they were; None to leave them.
    """
    optimizer.zero_grad()
    value = loss()
    backward(value)
    norm = None if clip is None else clip()
    optimizer.step()
    return Step(value.detach(), norm)


def descend(
    loss: Callable[[int], Tensor],
    optimizer: Descending,
    *,
    steps: int,
    clip: Callable[[], Tensor] | None = None,
    before: Callable[[int], object] | None = None,
) -> Tensor:
    """Take some steps down a loss, and return its last value.

    What is no number once is none from then on: a look at the last value is enough.

    >>> import torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> optimizer = torch.optim.SGD([x], lr=0.25)
    >>> descend(lambda step: x.square(), optimizer, steps=3).item(), x.item()
    (0.5625, 0.375)

    Args:
        loss: Computes it for step 0, 1, ...
        optimizer: Moves the parameters.
        steps: How many steps, at least one.
        clip: As in `gradient_step`.
        before: Called with the number of each step before it, such as to set the learning rate.
    """
    for step in range(steps):
        if before is not None:
            before(step)
        value, _ = gradient_step(partial(loss, step), optimizer, clip=clip)
    return value


def cosine_descent(
    loss: Callable[[int], Tensor],
    parameters: Iterable[nn.Parameter],
    *,
    steps: int,
    lr: float,
    limit: float,
    fused: bool = False,
    before: Callable[[int], object] | None = None,
) -> Tensor:
    """Take some steps of Adam at a rate that falls to 0 along a cosine; the loss's last value.

    >>> import torch
    >>> x = torch.nn.Parameter(torch.tensor(3.0))
    >>> _ = cosine_descent(lambda step: x.square(), [x], steps=200, lr=0.1, limit=5.0)
    >>> round(x.abs().item(), 2)
    0.0

    Args:
        loss: Computes it for step 0, 1, ...
        parameters: What is moved; those without a gradient stay.
        steps: How many steps, at least one.
        lr: Learning rate of the first step.
        limit: Largest norm of a step's gradient.
        fused: Whether Adam moves all parameters in one kernel.
        before: Called with the number of each step before it.
    """
    moved = [parameter for parameter in parameters if parameter.requires_grad]
    optimizer = torch.optim.Adam(moved, lr=lr, fused=fused)

    def prepare(step: int) -> None:
        if before is not None:
            before(step)
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2

    clip = partial(nn.utils.clip_grad_norm_, moved, limit)
    return descend(loss, optimizer, steps=steps, clip=clip, before=prepare)


def clip_rows(rows: nn.Parameter, limit: float) -> Float[Tensor, " N"]:
    """Scale the gradient of each row as `torch.nn.utils.clip_grad_norm_` does; the norms before."""
    gradient = rows.grad
    assert gradient is not None
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=1)
    gradient.mul_((limit / (norms + 1e-6)).clamp_max(1.0).unsqueeze(1))
    return norms
