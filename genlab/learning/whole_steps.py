"""When a learner's steps are compiled whole: what ``trainer.compile`` asks for."""

from __future__ import annotations

import logging
import pickle
import time
from typing import TYPE_CHECKING

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.model_helpers import is_overridden

from genlab.batch import Batch
from genlab.compilation import (
    AdamRule,
    CompiledStep,
    CompilerProcess,
    FlatRows,
    StepRecipe,
    UnkeyableError,
    blas,
    key_of,
    missing_compiler,
)
from genlab.compilation.recipe import parts_of
from genlab.errors import RunError, UserError
from genlab.runs.code_cache import CodeCache

if TYPE_CHECKING:
    from genlab.learning.gradient import ObjectiveLearner

__all__ = ["WholeSteps"]

log = logging.getLogger(__name__)
notes = logging.getLogger("genlab.notes")

# Steps between two looks at whether to compile, or whether it is done.
LOOK_EVERY = 50
# How many times longer than compiling the remaining steps must take to repay it.
REPAID = 1.5
# Steps, and seconds where they are limited, that repay compiling, which takes as long as some 350
# to 500 steps by torch, whatever a step costs.
LONG, LONG_SECONDS = 3000, 30.0
# Hooks of callbacks that Lightning calls amid a step.
AMID = (
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)


class WholeSteps:
    """The compiled steps of one learner, from a first one on.

    By ``true``, and in a run of many steps by ``long``, that is the first step of all, and by a
    number that one: each waits for the code. By ``auto`` it is the first step at which the code is
    there: at once if it was kept from before, and else when another process has compiled it, which
    is started if the steps that remain repay it. Everything else, such as a batch of another shape,
    is taken by torch's own operations. Where the step cannot be made a program, ``true`` and a
    number have the loss alone compiled by torch.

    Args:
        learner: Whose steps.

    Attributes:
        runs: How many runs of as many steps share the code: what repays compiling counts for all.
    """

    def __init__(self, learner: ObjectiveLearner) -> None:
        self.learner = learner
        self.mode = learner.settings.compile
        self.runs = 1
        self._code: CompiledStep | None = None
        self._process: CompilerProcess | None = None
        self._recipe: StepRecipe | None = None
        self._key = ""
        self._given_up = False
        self._next_look = 0
        self._began = (0, 0.0)

    def possible(self) -> bool:
        """Whether steps follow from weights and batch alone, on the CPU, by Adam, unwatched."""
        learner = self.learner
        return (
            learner.objective.compiles(learner.model)
            and learner.device.type == "cpu"
            and blas() is not None
            and learner.trainer.world_size == 1
            and learner.settings.precision != "bf16-mixed"
            and AdamRule.of(learner.optimizer.optimizer) is not None
            and not self._watched()
        )

    def code_for(self, batch: Batch) -> CompiledStep | None:
        """The code that is to take the learner's present step; None where there is none.

        Raises:
            UserError: It must be compiled, and there is no compiler.
            RunError: It must be compiled, and the compiler fails; or it was when the run was
                stopped, and cannot be now.
        """
        if self._code is None and not self._given_up:
            self._look(batch)
        code = self._code
        return code if code is not None and code.fits(batch) else None

    def close(self) -> None:
        """End the process that compiles."""
        if self._process is not None:
            self._process.close()
            self._process = None

    @property
    def _first(self) -> int | None:
        """The step that must be compiled, or None where that is left open."""
        if self.learner.compiled_from is not None:
            return self.learner.compiled_from
        if self.mode is True or self.mode == "long":  # not by `in`, to which 1 is true
            return 0
        return None if self.mode == "auto" else int(self.mode)

    def _wanted(self) -> bool:
        """Whether there are to be compiled steps, whatever the clock says and the cache holds."""
        if self.mode != "long" or self.learner.compiled_from is not None:
            return bool(self.mode)
        steps = self.runs * self.learner.settings.max_steps
        seconds = self.learner.settings.max_seconds
        # Torch's own operations use all threads, compiled loops one.
        long = steps >= LONG and (seconds is None or seconds >= LONG_SECONDS)
        return long and torch.get_num_threads() == 1

    def _watched(self) -> bool:
        """Whether a callback is to be called amid each step."""
        callbacks: list[Callback] = self.learner.trainer.callbacks  # type: ignore[attr-defined]
        return any(is_overridden(hook, one, parent=Callback) for one in callbacks for hook in AMID)

    def _look(self, batch: Batch) -> None:
        step, first = self.learner.step, self._first
        if self._recipe is None and not self._begin(batch):
            return
        if first is not None and step >= first:
            self._await()
        elif step >= self._next_look:
            self._next_look = step + LOOK_EVERY
            self._look_aside(first)

    def _begin(self, batch: Batch) -> bool:
        """Know the step by name, where it can be compiled."""
        self._began = self.learner.step, time.monotonic()
        self._next_look = self.learner.step
        if self._wanted() and self.possible():
            self._recipe = self._described(batch)
            try:
                self._key = key_of(self._recipe)
                return True
            except UnkeyableError as error:
                self._give_up(str(error))
        self._given_up = True
        return False

    def _described(self, batch: Batch) -> StepRecipe:
        learner, clip = self.learner, self.learner.settings.gradient_clip
        rule = AdamRule.of(learner.optimizer.optimizer)
        assert rule is not None
        return StepRecipe(
            model=learner.model,
            objective=learner.objective,
            rule=rule,
            gradient_clip=None if clip is None else float(clip),
            averaged=learner.ema is not None,
            batch=parts_of(batch),
            threads=torch.get_num_threads(),
        )

    def _await(self) -> None:
        """Have the code, whatever it takes."""
        cache = CodeCache()
        if not (cache.refusal(self._key) or cache.library(self._key).exists()):
            if self._process is None:
                self._start(aside=False)
            if self._process is not None:
                self._process.wait()
        if reason := cache.refusal(self._key):
            self._give_up(reason)
        elif not self._given_up and (reason := self._failure() or self._switch()):
            if self.learner.settings.must_compile:
                raise self._error(reason)
            self._give_up(reason)

    def _look_aside(self, first: int | None) -> None:
        """Have the code if it is there, or begin to compile it where that pays."""
        cache = CodeCache()
        if self._process is None and not cache.library(self._key).exists():
            if reason := cache.refusal(self._key):
                # What is to begin at a step does so there, compiled or not.
                if first is None:
                    self._give_up(reason)
            elif first is not None or self._pays(cache.expected_seconds()):
                self._start(aside=True)
        elif (
            first is None
            and (self._process is None or self._process.done)
            and (reason := self._failure() or self._switch())
        ):
            self._give_up(reason)

    def _pays(self, expected: float) -> bool:
        """Whether the steps that remain repay a compile; once they do not, they never will."""
        learner, settings = self.learner, self.learner.settings
        step, began = self._began
        taken = learner.step - step
        if taken < LOOK_EVERY:
            return False
        remaining = (settings.max_steps - learner.step) * (time.monotonic() - began) / taken
        if settings.max_seconds is not None:
            remaining = min(remaining, settings.max_seconds - learner.seconds)
        self._given_up = remaining < REPAID * expected
        return not self._given_up

    def _start(self, *, aside: bool) -> None:
        assert self._recipe is not None
        if missing := missing_compiler():
            if self.learner.settings.must_compile:
                raise UserError(
                    f"compile={str(self.mode).lower()}: there is no C++ compiler ({missing}); "
                    "install one, or use `compile=False`"
                )
            notes.warning("note: no C++ compiler (%s): training steps stay uncompiled", missing)
            self._given_up = True
            return
        if not aside:
            notes.warning(
                "note: compiling the training step, which takes about %.0f s",
                CodeCache().expected_seconds(),
            )
        try:
            self._process = CompilerProcess(self._recipe, self._key, aside=aside)
        except (AttributeError, TypeError, pickle.PicklingError, OSError) as error:
            self._give_up(str(error))

    def _failure(self) -> str | None:
        if CodeCache().library(self._key).exists():
            return None
        failure = None if self._process is None else self._process.failure()
        return failure or "the code was removed meanwhile"

    def _error(self, reason: str) -> RunError:
        return RunError(f"compile={str(self.mode).lower()}: {reason}; use `compile=False`")

    def _give_up(self, reason: str) -> None:
        """Leave the steps as they are, or compile of them what can be, where that is asked for."""
        begun = self.learner.compiled_from is not None
        if not self.learner.settings.must_compile:
            if begun:
                notes.warning("note: the run goes on by uncompiled steps: %s", reason)
            log.info("steps are not compiled: %s", reason)
        elif begun:
            raise self._error(reason)
        else:
            notes.warning("note: the loss alone is compiled, not the whole step: %s", reason)
            self.learner.compiled_loss = torch.compile(self.learner.loss)
        self._given_up = True
        self.close()

    def _switch(self) -> str | None:
        """Let the code take all steps from here on; returns why it cannot, None where it can."""
        learner = self.learner
        assert self._recipe is not None
        rows = FlatRows(
            dict(zip(learner.trained_names, learner.trained, strict=True)),
            learner.optimizer.optimizer,
            None if learner.ema is None else learner.ema.average,
        )
        cache = CodeCache()
        library = cache.library(self._key)
        try:
            self._code = CompiledStep(library, cache.facts(self._key), self._recipe, rows)
        except OSError as error:
            return str(error)
        self.close()
        learner.timed_from = learner.step, learner.seconds
        if learner.compiled_from is None:
            learner.compiled_from = learner.step
            log.info("steps are compiled from step %d on", learner.step)
        return None
