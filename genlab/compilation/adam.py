"""Adam as a formula over flat rows, for a step that is compiled whole."""

from __future__ import annotations

from typing import NamedTuple, Self

from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

__all__ = ["AdamRule"]

# What would make it another formula.
VARIANTS = ("amsgrad", "maximize", "capturable", "differentiable")


class AdamRule(NamedTuple):
    """``w <- w - lr m' / (sqrt(v') + eps)`` with the bias-corrected moments ``m'`` and ``v'``.

    Kingma, Ba, "Adam: a method for stochastic optimization" (2015), arXiv:1412.6980; with decoupled
    decay Loshchilov, Hutter, "Decoupled weight decay regularization" (2019), arXiv:1711.05101.
    Formulas are in the order in which torch computes them.

    >>> rule = AdamRule(beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, decoupled=False)
    >>> [round(number, 4) for number in rule.numbers(lr=1e-3, step=1)]
    [0.01, 31.6228, 0.0]

    Attributes:
        beta1: Decay of the mean of the gradients.
        beta2: Decay of the mean of their squares.
        eps: Added to the root.
        weight_decay: Price of the weights.
        decoupled: Whether the decay is taken off the weights, and not added to the gradient.
    """

    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    decoupled: bool

    @classmethod
    def of(cls, optimizer: Optimizer) -> Self | None:
        """The rule of torch's Adam or AdamW, all of whose weights share one; None of any other."""
        if type(optimizer) not in (Adam, AdamW) or len(optimizer.param_groups) != 1:
            return None
        group = optimizer.param_groups[0]
        if any(group[name] for name in VARIANTS) or not isinstance(group["lr"], float | int):
            return None
        decoupled = type(optimizer) is AdamW or bool(group.get("decoupled_weight_decay"))
        return cls(
            beta1=float(group["betas"][0]),
            beta2=float(group["betas"][1]),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            decoupled=decoupled,
        )

    def numbers(self, *, lr: float, step: int) -> tuple[float, float, float]:
        """What changes from step to step: rate, root of the second moments' correction, decay.

        Args:
            lr: The learning rate.
            step: The number of the step, from 1.
        """
        return (
            lr / (1 - self.beta1**step),
            (1 - self.beta2**step) ** -0.5,
            lr * self.weight_decay if self.decoupled else 0.0,
        )

    def moved(
        self,
        weights: Float[Tensor, " P"],
        gradient: Float[Tensor, " P"],
        first: Float[Tensor, " P"],
        second: Float[Tensor, " P"],
        numbers: Float[Tensor, " N"],
    ) -> tuple[Float[Tensor, " P"], Float[Tensor, " P"], Float[Tensor, " P"]]:
        """The weights and both moments after a step.

        Args:
            weights: Before it.
            gradient: Clipped.
            first: Mean of the gradients.
            second: Mean of their squares.
            numbers: Those of `numbers` first.
        """
        if self.weight_decay and self.decoupled:
            weights = weights * (1 - numbers[2])
        elif self.weight_decay:
            gradient = gradient + self.weight_decay * weights
        first = first.lerp(gradient, 1 - self.beta1)
        second = self.beta2 * second + (1 - self.beta2) * gradient * gradient
        return weights - numbers[0] * first / (second.sqrt() * numbers[1] + self.eps), first, second
