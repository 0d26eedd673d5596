"""Learning by gradient steps: on an objective, or on a loss of a learner's own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from genlab.batch import Batch
from genlab.bijections.by_torchdiffeq import solver_advice
from genlab.densities.density import Density
from genlab.descent import gradient_step
from genlab.learning.ema import EMA
from genlab.learning.learner import Learner
from genlab.learning.schedules import Schedule
from genlab.learning.settings import TrainerSettings
from genlab.learning.whole_steps import WholeSteps
from genlab.objectives import Objective

__all__ = ["GradientLearner", "ObjectiveLearner"]


class GradientLearner(Learner):
    """One step is one gradient step; subclasses implement `loss`.

    Args:
        model: The density to learn, or another module.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate as a function of the step and the number of steps.
    """

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
        self.compiled_loss = self.loss
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

    def on_train_start(self) -> None:
        super().on_train_start()
        if self.settings.must_compile and not self.compiles_whole():
            self.compiled_loss = torch.compile(self.loss)

    def compiles_whole(self) -> bool:
        """Whether not only the loss of a step is compiled, but all of it."""
        return False

    def update(self, batch: Any) -> Float[Tensor, ""]:
        optimizer, limit = self.optimizer, self.settings.gradient_clip
        self.set_rate(optimizer)
        clip = None if limit is None else partial(nn.utils.clip_grad_norm_, self.trained, limit)
        with solver_advice():
            loss, self.gradient_norm = gradient_step(
                lambda: self.compiled_loss(batch),
                optimizer,
                backward=self.manual_backward,
                clip=clip,
            )
        if self.ema is not None:
            self.ema.update()
        return loss

    def set_rate(self, optimizer: Optimizer | LightningOptimizer) -> None:
        """Give an optimiser the learning rate of the present step."""
        factor = self.schedule(self.reached(), self.settings.max_steps)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def reached(self) -> int:
        """Where in ``max_steps`` schedules are: under a time limit they follow the clock."""
        settings = self.settings
        # Several processes have clocks of their own, but must take the same step.
        if settings.max_seconds is None or self.trainer.world_size > 1:
            return self.step
        share = min(self.seconds / settings.max_seconds, 1.0)
        return max(self.step, int(share * settings.max_steps))

    def remedy(self, run: str) -> str:
        group = self.optimizer.param_groups[0]
        smaller = float(group.get("initial_lr", group["lr"])) / 5
        cures = ", ".join(("a smaller `lr`", *self.cures()))
        return (
            f"try {cures}, or `gradient_clip=1`, in a new run: "
            f"genlab rerun {run} `lr={smaller:.2g}`"
        )

    def cures(self) -> tuple[str, ...]:
        """What else to change where the loss is lost."""
        return ()

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


class ObjectiveLearner(GradientLearner):
    """One step is one gradient step on an objective.

    Args:
        model: The density to learn.
        objective: What it learns by.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate as a function of the step and the number of steps.

    Raises:
        UserError: The objective cannot teach the model.
    """

    def __init__(
        self,
        model: Density,
        objective: Objective[Any],
        settings: TrainerSettings,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
    ) -> None:
        objective.adopt(model)
        self.objective = objective
        super().__init__(model, settings, optimizer=optimizer, schedule=schedule)
        self.reports = objective.reports
        self.whole_steps = WholeSteps(self)

    def initialise(self, rows: Batch) -> None:
        super().initialise(rows)
        self.objective.start(self.model, rows)

    def update(self, batch: Batch) -> Float[Tensor, ""]:
        self.objective.advance(
            self.model,
            step=self.reached(),
            max_steps=self.settings.max_steps,
            draw=self.step * self.trainer.world_size + self.trainer.global_rank,
        )
        code = self.whole_steps.code_for(batch)
        if code is None:
            return super().update(batch)
        optimizer = self.optimizer
        self.set_rate(optimizer)
        average = 0.0 if self.ema is None else self.ema.advance()
        lr = optimizer.param_groups[0]["lr"]
        loss, self.gradient_norm = code(batch, lr=lr, average=average)
        return loss

    def compiles_whole(self) -> bool:
        return self.whole_steps.possible()

    def on_fit_end(self) -> None:
        super().on_fit_end()
        self.whole_steps.close()

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        return self.objective.step_loss(self.model, batch)

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        """The loss, for who calls the learner with other weights than its own."""
        return self.loss(batch)

    def validate(self, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        return self.objective.validate(self.model, batch, number)

    def cures(self) -> tuple[str, ...]:
        return self.objective.cures(self.model)

    def scalars(self) -> dict[str, float]:
        return super().scalars() | self.objective.scalars()
