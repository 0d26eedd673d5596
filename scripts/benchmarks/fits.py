"""Whole fits of a toy, by genlab and by its peers: how many nats are left after how many seconds.

Each fit sets its weights aside as it goes on, and all of them are judged after its end, on the
same held-out points: neither setting aside nor judging takes of its time.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

import genlab
from benchmarks.clock import Clock
from genlab.assembly import Training
from genlab.batch import Batch
from genlab.config.build import build
from genlab.config.compose import compose
from genlab.evaluation.estimate import estimate_mean

__all__ = ["Fit", "by_flowjax", "by_genlab", "by_zuko", "judged"]

LOOK_EVERY = 0.5
HELD_OUT, HELD_OUT_SEED = 10_000, 1_000_003
FLOWJAX_STEPS, FLOWJAX_AT_ONCE, FLOWJAX_RATE, FLOWJAX_CLIP = 9000, 50, 5e-3, 5.0
ZUKO_HIDDEN, ZUKO_RATE, ZUKO_ROWS = (128, 128, 128), 1e-3, 2**21

LogProb = Callable[[Tensor], Tensor]


@dataclass
class Fit:
    """What a contestant has made of a toy.

    Attributes:
        clock: When it was looked at; what was seen are log-densities, functions of points, and the
            last one is what it hands back.
        steps: Number of training steps.
        weights: How many numbers were trained.
    """

    clock: Clock
    steps: int
    weights: int


def by_genlab(family: str, toy: str, seed: int) -> Fit:
    """``genlab train`` by its defaults, with no code compiled before; its test is left out."""
    clock = Clock(tested, every=LOOK_EVERY)
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, GENLAB_CACHE=folder):
        words = (f"model={family}", f"data={toy}", f"seed={seed}", f"outputs={folder}")
        training = genlab.experiment(*words, "trainer.accelerator=cpu")
        begin = training.module.start

        def start(rows: Batch) -> None:
            clock.start()
            begin(rows)
            clock.pause()

        with (
            patch.object(training.module, "start", start),
            patch.object(Training, "conclude", lambda *_: {}),
        ):
            training.fit(callbacks=[Watch(clock)])
        training.restore()
    clock.seen[-1] = log_prob_of(training.model)
    return Fit(clock, training.module.step, trained(training.model))


def tested(learner: Any) -> LogProb:
    """What a run would test, if it ended here."""
    with learner.averaged():
        return log_prob_of(copy.deepcopy(learner.model).eval())


class Watch(Callback):
    """Looks at a learner, by a clock that counts what the learner counts as seconds of fitting."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_fit_start(self, trainer: Any, learner: Any) -> None:
        self.clock.resume()

    def on_train_batch_end(self, trainer: Any, learner: Any, *rest: Any) -> None:
        self.clock.look(learner)

    def on_fit_end(self, trainer: Any, learner: Any) -> None:
        self.clock.note(learner)


def by_flowjax(family: str, toy: str, seed: int) -> Fit:
    """flowjax's flow of genlab's shape, on as large batches of fresh rows, standardised, too.

    The rows are drawn before the clock starts, and compiling counts: many steps are one program.
    """
    import jax
    import optax

    from benchmarks.by_flowjax import Learner, coupling

    config = compose("train", [f"model={family}", f"data={toy}"])
    rows = drawn(toy, FLOWJAX_STEPS * config.data.batch_size, seed)
    mean, scale = rows.mean(0), rows.std(0)
    batches = jax.numpy.asarray((rows - mean) / scale).reshape(
        FLOWJAX_STEPS // FLOWJAX_AT_ONCE, FLOWJAX_AT_ONCE, config.data.batch_size, 2
    )
    shape = {key: config.model[key] for key in ("layers", "hidden", "bins", "bound")
             if key in config.model}  # fmt: skip
    rate = optax.warmup_cosine_decay_schedule(0.0, FLOWJAX_RATE, FLOWJAX_STEPS // 10, FLOWJAX_STEPS)
    adam = optax.chain(optax.clip_by_global_norm(FLOWJAX_CLIP), optax.adam(rate))
    learner = Learner(coupling(family, 2, **shape, seed=seed), adam)

    @jax.jit
    def advance(state: Any, batches: Any) -> Any:
        return jax.lax.scan(lambda state, x: (learner.step(state, x), None), state, batches)[0]

    density = jax.jit(lambda trained, x: learner.model(trained).log_prob(x))

    def aside(state: Any) -> LogProb:
        def log_prob(x: Tensor) -> Tensor:
            z = jax.numpy.asarray((x - mean) / scale)
            return torch.tensor(jax.device_get(density(state[0], z))) - scale.log().sum()

        return log_prob

    state, clock = learner.start, Clock(aside, every=LOOK_EVERY)
    for many in batches:
        state = jax.block_until_ready(advance(state, many))
        clock.look(state)
    clock.note(state)
    return Fit(clock, FLOWJAX_STEPS, sum(leaf.size for leaf in jax.tree.leaves(state[0])))


def by_zuko(toy: str, seed: int, *, seconds: float) -> Fit:
    """Flow, optimiser and loop of zuko's README, for so long, on batches as large as genlab's."""
    import zuko

    torch.manual_seed(seed)
    flow = zuko.flows.NSF(2, transforms=3, hidden_features=ZUKO_HIDDEN)
    optimizer = torch.optim.Adam(flow.parameters(), lr=ZUKO_RATE)
    trainset = drawn(toy, ZUKO_ROWS, seed).split(compose("train", [f"data={toy}"]).data.batch_size)
    steps, clock = 0, Clock(zuko_now, every=LOOK_EVERY, limit=seconds)
    for x in cycle(trainset):
        loss = -flow().log_prob(x)
        loss = loss.mean()

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if clock.look(flow) >= clock.limit:
            break
    clock.note(flow)
    return Fit(clock, steps, trained(flow))


def zuko_now(flow: Any) -> LogProb:
    return log_prob_of(copy.deepcopy(flow)())


def judged(toy: str, fit: Fit) -> dict[str, Any]:
    """The record of a fit: what it is, and at each look the seconds and the nats above the optimum.

    They are the mean of ``log p - log p_model`` over the same points for everyone.
    """
    target = target_of(toy)
    x = target.sample(HELD_OUT, generator=torch.Generator().manual_seed(HELD_OUT_SEED))
    exact = target.log_prob(x.double())
    clock = fit.clock
    nats = [estimate_mean(exact - log_prob(x).double()) for log_prob in clock.seen]
    return {
        "steps": fit.steps,
        "weights": fit.weights,
        "seconds": clock.seconds,
        "processor": clock.processor,
        "nats": [each.value for each in nats],
        "se": [each.se for each in nats],
    }


def target_of(toy: str) -> Any:
    return build(compose("train", [f"data={toy}"]).data, "target")


def drawn(toy: str, n: int, seed: int) -> Tensor:
    """Rows to learn from."""
    return target_of(toy).sample(n, generator=torch.Generator().manual_seed(seed))


def log_prob_of(density: Any) -> LogProb:
    return torch.no_grad()(density.log_prob)


def trained(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
