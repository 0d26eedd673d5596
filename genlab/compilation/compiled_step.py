"""A compiled step, and the rows of numbers that it moves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from genlab.batch import Batch
from genlab.compilation.draws import Draw
from genlab.compilation.library import Library
from genlab.compilation.recipe import StepRecipe, parts_of
from genlab.compilation.rows import FlatRows
from genlab.descent import Step

__all__ = ["CompiledStep"]


class CompiledStep:
    """Takes training steps by compiled code: loss, gradient, clipping, Adam and the average.

    Args:
        library: The code.
        facts: What was noted with it.
        recipe: What it computes.
        rows: What it moves.

    Raises:
        OSError: This machine cannot load the code.
    """

    def __init__(
        self, library: Path, facts: Mapping[str, Any], recipe: StepRecipe, rows: FlatRows
    ) -> None:
        self.recipe = recipe
        self.rows = rows
        self._library = Library(library, facts)
        self._draws = [Draw.of(words) for words in facts["draws"]]
        self._numbers = rows.weights.new_zeros(4)
        # An array of the same memory takes numbers at a tenth of a tensor's cost.
        self._written = self._numbers.numpy()
        self._held = [part.contiguous() for part in recipe.held.values()]
        average = [] if rows.average is None else [rows.average]
        self._moved = [rows.weights, rows.first, rows.second, *average, self._numbers]

    def fits(self, batch: Batch) -> bool:
        """Whether it was made for batches of this shape."""
        return parts_of(batch) == self.recipe.batch

    def __call__(self, batch: Batch, *, lr: float, average: float) -> Step:
        """Take a step.

        Args:
            batch: The batch.
            lr: The learning rate.
            average: Which part of the way to the weights the average goes.
        """
        self.rows.count()
        self._written[:] = (*self.recipe.rule.numbers(lr=lr, step=self.rows.steps), average)
        parts: list[Tensor] = [part.contiguous() for part in batch if part is not None]
        parts += self._held
        parts += [part.contiguous() for part in self.recipe.told.values()]
        parts += [draw() for draw in self._draws]
        loss, *norm = self._library.run([*self._moved, *parts])
        return Step(loss, norm[0] if norm else None)
