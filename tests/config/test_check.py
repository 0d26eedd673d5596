"""The check before anything is built: keys, types, bounds, nested nodes, sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
from omegaconf import DictConfig

from genlab.annotations import expectation
from genlab.bounds import PositiveInt
from genlab.config.check import Seed, check, check_node
from genlab.errors import UserError


class Inner:
    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale


class Outer:
    def __init__(
        self,
        layers: PositiveInt,
        kind: Literal["full", "tied"] = "full",
        inner: Inner | None = None,
        parts: Sequence[Inner] = (),
        table: dict[str, Any] | None = None,
    ) -> None:
        self.all = layers, kind, inner, parts, table


OUTER = {"_target_": f"{__name__}.Outer"}
INNER = {"_target_": f"{__name__}.Inner"}


@pytest.mark.parametrize(
    "node",
    [
        {**OUTER, "layers": 3},
        {**OUTER, "layers": 3, "inner": {**INNER, "scale": 2}},
        {**OUTER, "layers": 3, "inner": None, "parts": [INNER, INNER]},
        {**OUTER, "layers": 3, "table": {"free": 1, "nested": {"as": "data"}}},
        {**OUTER, "_partial_": True},
        {**OUTER, "_args_": [3], "_convert_": "all", "_recursive_": False},
        {"switched_off": None, "on": INNER},
        {},
        None,
    ],
)
def test_valid(node: object) -> None:
    check_node("model", node)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({**OUTER}, "model.layers: missing; Outer needs it"),
        (
            {**OUTER, "layers": 3, "layrs": 4},
            "model.layrs=4: Outer takes no 'layrs'; did you mean 'layers'?",
        ),
        ({**OUTER, "layers": -3}, "model.layers=-3: expected an integer, at least 1"),
        (
            {**OUTER, "layers": 3, "kind": "ful"},
            "model.kind=ful: expected full or tied; did you mean 'full'?",
        ),
        (
            {**OUTER, "layers": 3, "inner": {**INNER, "scale": "big"}},
            "model.inner.scale=big: expected a number",
        ),
        (
            {**OUTER, "layers": 3, "parts": [INNER, {**INNER, "size": 1}]},
            "model.parts.1.size=1: Inner takes no 'size'; choose from: scale",
        ),
        (
            {**OUTER, "layers": 3, "table": {"deep": {**INNER, "sale": 1}}},
            "model.table.deep.sale=1: Inner takes no 'sale'; did you mean 'scale'?",
        ),
        ({"layers": 3}, "model.layers=3: nothing takes this key"),
    ],
)
def test_mistakes(node: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_node("model", node)
    assert str(caught.value) == message


def test_what_genlab_supplies_is_neither_needed_nor_allowed() -> None:
    check_node("model", OUTER, frozenset({"layers"}))
    with pytest.raises(UserError, match=r"model.layers=3: set by genlab itself"):
        check_node("model", {**OUTER, "layers": 3}, frozenset({"layers"}))
    with pytest.raises(UserError, match=r"model.inner.layers=3: Inner takes no 'layers'"):
        check_node("model", {**OUTER, "inner": {**INNER, "layers": 3}}, frozenset({"layers"}))


MISTAKES = {
    "model.final=2": "model.final=2: expected a number, at least 0 and at most 1",
    "+model.finall=1": "model.finall=1: Cosine takes no 'finall'; did you mean 'final'?",
    "++model.finall=1": "model.finall=1: Cosine takes no 'finall'; did you mean 'final'?",
    "optimizer.lr=fast": "optimizer.lr=fast: expected a number",
    "+optimizer.params=1": "optimizer.params=1: set by genlab itself",
    "+logger.tensorboard.save_dir=x": "logger.tensorboard.save_dir=x: set by genlab itself",
    "trainer.max_steps=1e4": "trainer.max_steps=10000.0: expected an integer, at least 1; "
    "did you mean 10000?",
    "trainer.ema=1": "trainer.ema=1: expected a number, at least 0 and less than 1, or null",
    "trainer.accelerator=gpuu": "trainer.accelerator=gpuu: expected auto, cpu, gpu, cuda, mps "
    "or tpu; did you mean 'gpu'?",
    "seed=abc": f"seed=abc: expected {expectation('abc', Seed)}",
    "seed=-1": f"seed=-1: expected {expectation(-1, Seed)}",
    "seed=4294967296": f"seed=4294967296: expected {expectation(2**32, Seed)}",
    "seed=5000000000": f"seed=5000000000: expected {expectation(5 * 10**9, Seed)}",
    "outputs=3": "outputs=3: expected text",
    "+sed=3": "sed=3: nothing takes this key; did you mean 'seed'?",
    "+callbacks.mine=1": "callbacks.mine=1: nothing takes this key",
    "~model": "model: missing; see `genlab list model`",
    "model._target_=genlab.models.RealNVPP": "model._target_=genlab.models.RealNVPP: "
    "no 'RealNVPP' in genlab.models; did you mean 'RealNVP'?",
    "model.final=???": "model.final: missing; set it by model.final=VALUE",
    "data.event_shape=${model.gone}": "data.event_shape=${model.gone}: no 'gone' in model; "
    "choose from: final, warmup",
    "model.final=${modle.x}": "model.final=${modle.x}: no 'modle'; did you mean 'model'?",
    "model.final=${oc.env:GENLAB_NOT_SET}": "model.final: KeyError raised while resolving "
    """interpolation: "Environment variable 'GENLAB_NOT_SET' not found\"""",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_mistakes_in_a_whole_configuration(
    composed: Callable[..., DictConfig], override: str
) -> None:
    with pytest.raises(UserError) as caught:
        check(composed(override))
    assert str(caught.value) == MISTAKES[override]


@pytest.mark.parametrize(
    "override",
    [
        "seed=0",
        "seed=4294967295",
        "+model._convert_=all",
        "+optimizer.amsgrad=true",
        "+logger.tensorboard.log_graph=false",
        "logger=[tensorboard,csv]",
        "callbacks.divergence=null",
        "logger=none",
        "callbacks=none",
        "trainer.devices=auto",
        "trainer.patience=3",
        "++trainer.max_steps=7",
    ],
)
def test_legal(composed: Callable[..., DictConfig], override: str) -> None:
    check(composed(override))
