"""Learning by stochastic gradient descent on a loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from genlab.batch import Batch
from genlab.learning.ema import EMA
from genlab.learning.learner import Learner
from genlab.learning.schedules import Schedule
from genlab.learning.settings import TrainerSettings

__all__ = ["GradientLearner"]


class GradientLearner(Learner):
    """One step is one gradient step; subclasses implement `loss`.

    Args:
        model: The density to learn, or another module.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate as a function of the step and the number of steps.

    Attributes:
        stackable: Whether the loss is a function of weights and batch alone, without random numbers
            of its own, so that several learners can take their steps together.
    """

    stackable: ClassVar[bool] = False

    def __init__(
        self,
        model: nn.Module,
        settings: TrainerSettings,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
    ) -> None:
        super().__init__(model, settings)
        self.make_optimizer = optimizer
        self.schedule = schedule
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.trained_names = [name for name, _ in named]
        self.trained = [parameter for _, parameter in named]
        self.ema: EMA | None = None
        self._ema_state: dict[str, Any] | None = None
        self.compiled_loss = torch.compile(self.loss) if settings.compile else self.loss
        self.gradient_norm: Tensor | None = None

    @abstractmethod
    def loss(self, batch: Any) -> Float[Tensor, ""]:
        """The loss of one batch."""

    @property
    def optimizer(self) -> LightningOptimizer:
        """The optimiser, under Lightning's precision and strategy."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        return optimizer

    def configure_optimizers(self) -> Optimizer:
        return self.start_optimizer(self.trained)

    def start_optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """An optimiser of some parameters that remembers the rate it starts from."""
        optimizer = self.make_optimizer(parameters)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        return optimizer

    def on_fit_start(self) -> None:
        super().on_fit_start()
        # Only now do the weights have their device, their type, and their data-dependent start.
        if self.settings.ema is not None:
            self.ema = EMA(self.model, decay=self.settings.ema)
            if self._ema_state is not None:
                self.ema.load_state_dict(self._ema_state)

    def update(self, batch: Any) -> Float[Tensor, ""]:
        optimizer = self.optimizer
        self.set_rate(optimizer)
        optimizer.zero_grad()
        loss = self.compiled_loss(batch)
        self.manual_backward(loss)
        if self.settings.gradient_clip is not None:
            self.gradient_norm = nn.utils.clip_grad_norm_(self.trained, self.settings.gradient_clip)
        optimizer.step()
        if self.ema is not None:
            self.ema.update()
        return loss.detach()

    def set_rate(self, optimizer: Optimizer | LightningOptimizer) -> None:
        """Give an optimiser the learning rate of the present step."""
        factor = self.schedule(self.reached(), self.settings.max_steps)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        return {"val/loss": self.loss(batch)}

    def reached(self) -> int:
        """Where in ``max_steps`` schedules are: under a time limit they follow the clock."""
        settings = self.settings
        # Several processes have clocks of their own, but must take the same step.
        if settings.max_seconds is None or self.trainer.world_size > 1:
            return self.step
        share = min(self.seconds / settings.max_seconds, 1.0)
        return max(self.step, int(share * settings.max_steps))

    def averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.ema is None else self.ema.applied()

    def scalars(self) -> dict[str, float]:
        scalars = super().scalars() | {"train/lr": self.optimizer.param_groups[0]["lr"]}
        if self.gradient_norm is not None:
            scalars["train/gradient_norm"] = self.gradient_norm.item()
        return scalars

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.ema is not None:
            checkpoint["ema"] = self.ema.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._ema_state = checkpoint.get("ema")
