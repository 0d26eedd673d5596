"""A training step that is compiled whole, by itself and as a piece of work."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.work import Work
from genlab.batch import Batch
from genlab.compilation import AdamRule, CompiledStep, CompilerProcess, FlatRows, StepRecipe, key_of
from genlab.compilation.recipe import parts_of
from genlab.learning.ema import EMA
from genlab.objectives import Objective
from genlab.runs.code_cache import CodeCache

__all__ = ["compiled", "whole_step"]

LR = 1e-3


def compiled(
    model: Any,
    objective: Objective[Any],
    batch: Batch,
    *,
    clip: float | None = None,
    decay: float | None = None,
) -> Work:
    """A step of Adam on the same rows again and again; the arguments are those of `whole_step`."""
    step, notes = whole_step(model, objective, batch, clip=clip, decay=decay)
    return Work(partial(step, batch), notes=notes)


def whole_step(
    model: Any,
    objective: Objective[Any],
    batch: Batch,
    *,
    clip: float | None = None,
    decay: float | None = None,
) -> tuple[Callable[[Batch], object], dict[str, float]]:
    """A step of Adam on a batch, and the seconds to compile and to load it.

    Args:
        model: The model.
        objective: What it learns by.
        batch: Rows such as every step sees; a first step is taken on them.
        clip: Largest norm of the gradient; None not to clip.
        decay: Of the average of the weights; None for none.

    Raises:
        RuntimeError: It cannot be compiled.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    ema = None if decay is None else EMA(model, decay=decay)
    rule = AdamRule.of(optimizer)
    assert rule is not None
    recipe = StepRecipe(
        model=model,
        objective=objective,
        rule=rule,
        gradient_clip=clip,
        averaged=ema is not None,
        batch=parts_of(batch),
        threads=torch.get_num_threads(),
    )
    notes = {}
    start = time.perf_counter()
    key = key_of(recipe)
    if not CodeCache().library(key).exists():
        process = CompilerProcess(recipe, key, aside=False)
        process.wait()
        if reason := process.failure():
            raise RuntimeError(reason)
        process.close()
        notes["seconds to compile"] = time.perf_counter() - start
    start = time.perf_counter()
    rows = FlatRows(recipe.trained, optimizer, None if ema is None else ema.average)
    code = CompiledStep(CodeCache().library(key), CodeCache().facts(key), recipe, rows)

    def step(batch: Batch) -> object:
        return code(batch, lr=LR, average=0.0 if ema is None else ema.advance())

    step(batch)
    notes["seconds to load"] = time.perf_counter() - start
    return step, notes
