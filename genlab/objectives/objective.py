"""Principles of learning: which families one teaches, from what, and by which loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.constructor import Checked
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.objectives.passes import Passes

__all__ = ["Objective"]

M = TypeVar("M", bound=Density)


class Objective(Checked, ABC, Generic[M]):
    """A principle by which a model learns, of whose kind a learner or a sampler need not know.

    One of your own implements `loss`; all the rest has a default.

    >>> import torch, genlab
    >>> class Median(Objective):
    ...     def loss(self, model, batch):
    ...         return -model.log_prob(batch.x, batch.context).median()

    Attributes:
        learns_from: What it is given: ``batches`` of rows, a gradient step each; ``passes`` over
            all rows, a step each; or a target with an ``energy``, handed in as ``target``, where a
            batch only says how many samples to draw.
        teaches: The families it is made for.
        by_gradients: What teaches the same by gradient steps, where this takes none.
        signed: Whether rows may have negative weights: the loss is linear in them, and nothing but
            their sum over many rows has to be positive.
        stackable: Whether the loss is a function of weights and batch alone, without random numbers
            of its own, so that several models can take their steps together.
    """

    learns_from: ClassVar[Literal["batches", "passes", "energy"]] = "batches"
    teaches: ClassVar[type[Any]] = Density
    by_gradients: ClassVar[str] = ""
    signed: ClassVar[bool] = False
    stackable: ClassVar[bool] = False

    @property
    def reports(self) -> tuple[str, ...]:
        """Names of the metrics of `validate` that a run records, ``val/loss`` among them."""
        return ("val/loss",)

    def check(self, model: Density) -> None:
        """Refuse a model that cannot be taught so, before anything is trained.

        Raises:
            UserError: It is of another family, or its own options ask for something else.
        """
        if not isinstance(model, self.teaches):
            raise UserError(
                f"objective: {type(self).__name__} teaches {self.teaches.__name__} models, not "
                f"{type(model).__name__}; `MaximumLikelihood` teaches those with a "
                "likelihood"
            )

    def compiles(self, model: Density) -> bool:
        """Whether the loss of a model is the same operations in every step.

        Then a step can be made one program. It may draw random numbers, from torch's global
        generator, and hold tensors of the present step, which `advance` renews.
        """
        return self.stackable and model.stackable

    def remarks(self, model: Density) -> tuple[str, ...]:
        """Remarks for a user on how it teaches a model, before it does; none by default."""
        return ()

    def adopt(self, model: Density) -> None:
        """Take on a model: check it, and tell it what it has to know of how it learns.

        Raises:
            UserError: It cannot be taught so.
        """
        self.check(model)

    def start(self, model: M, rows: Batch, *, generator: torch.Generator | None = None) -> None:
        """Choose where to begin, once the model has its units; by default where it is.

        Args:
            model: What will learn.
            rows: Some rows of the data.
            generator: Source of randomness, on the CPU; torch's global one if None.
        """

    def advance(self, model: M, *, step: int, max_steps: int, draw: int) -> None:
        """Go on to a step of a training that has a plan; without one, all counts in full.

        Args:
            model: What learns.
            step: Where in ``max_steps``, from 0.
            max_steps: Number of steps that are planned.
            draw: A number that no other step has, nor another process in the same one: what is
                drawn at random is a function of it.
        """

    @abstractmethod
    def loss(self, model: M, batch: Batch) -> Float[Tensor, ""]:
        """The loss of a step: a weighted mean over a batch that a gradient can be taken of."""

    def step_loss(self, model: M, batch: Batch) -> Float[Tensor, ""]:
        """The loss times the mean size of the batch's weights, which a step descends.

        Weights are 1 in the mean over all rows. Over those of its own batch of n alone, a row of
        weight w counts as ``w / (1 + (w - 1) / n)``, and heavy rows for too little.
        """
        loss = self.loss(model, batch)
        return loss if batch.weight is None else batch.weight.abs().mean() * loss

    def validate(self, model: M, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        """Means over a batch of what is reported, and of more that is only logged.

        Args:
            model: What has learned, in evaluation mode.
            batch: Rows of the validation.
            number: Of the batch within the validation, from 0.
        """
        return {"val/loss": self.loss(model, batch)}

    def cures(self, model: M) -> tuple[str, ...]:
        """Changes that may help where the loss of a model is lost, besides a smaller rate."""
        return ()

    def scalars(self) -> dict[str, float]:
        """Numbers of the last step that logs show besides the loss."""
        return {}

    def passes(self, model: M) -> Passes:
        """The passes over the data that teach a model, where it learns from ``passes``."""
        raise NotImplementedError(f"{type(self).__name__} learns from {self.learns_from}")
