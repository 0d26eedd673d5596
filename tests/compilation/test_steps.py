"""Steps that are compiled whole take the steps that torch's own operations take."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from interpreted import Interpreted
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.compilation import (
    AdamRule,
    CompiledStep,
    FlatRows,
    StepRecipe,
    UnkeyableError,
    key_of,
)
from genlab.compilation.compiler import CompilerError, compile_step
from genlab.compilation.recipe import parts_of
from genlab.descent import gradient_step
from genlab.learning.ema import EMA
from genlab.models import GMM, NICE, NSF, VAE, FlowMatching, KRNet, RealNVP
from genlab.models.flow import Flow
from genlab.nn import ResidualMLP, UNet
from genlab.objectives import (
    ELBO,
    EM,
    MaximumLikelihood,
    MixtureDescent,
    OptimalTransport,
    VelocityRegression,
)

WIDE = {"hidden": [16], "activation": "silu"}
MODELS: dict[str, Callable[[], Flow]] = {
    "nice": lambda: NICE(3, layers=2, **WIDE),
    "realnvp": lambda: RealNVP(2, layers=4, **WIDE),
    "actnorm": lambda: RealNVP(3, layers=2, actnorm=True, mixing="lu", **WIDE),
    "krnet": lambda: KRNet(3, layers=2, bins=4, **WIDE),
    "nsf": lambda: NSF(2, layers=2, bins=4, **WIDE),
    "conditional": lambda: NSF(2, layers=1, bins=4, free_half=False, context_dim=2, **WIDE),
    "image": lambda: RealNVP((1, 4, 4), layers=2, network="conv", hidden=[4]),
}
DRAWING: dict[str, tuple[Callable[[], Any], Any]] = {
    "flow-matching": (lambda: FlowMatching(2), VelocityRegression()),
    "angles": (lambda: FlowMatching(2, circular=[0, 1]), VelocityRegression()),
    "dropout": (
        lambda: FlowMatching(2, circular=[0, 1], network=partial(ResidualMLP, dropout=0.3)),
        VelocityRegression(),
    ),
    "fields": (
        lambda: FlowMatching((1, 4, 4), network=partial(UNet, channels=(4,))),
        VelocityRegression(),
    ),
    "vae": (lambda: VAE(2, hidden=[8]), ELBO()),
    "gmm": (lambda: GMM(2, components=3), MixtureDescent()),
}


def a_batch(model: Flow, n: int = 32, *, weighted: bool = False) -> Batch:
    dim = model.context_encoder.dim
    return Batch(
        torch.randn(n, *model.event_shape, dtype=model.dtype),
        torch.randn(n, dim, dtype=model.dtype) if dim else None,
        torch.rand(n, dtype=model.dtype) if weighted else None,
    )


def a_recipe(model: Flow, batch: Batch, optimizer: torch.optim.Optimizer, **how: Any) -> StepRecipe:
    rule = AdamRule.of(optimizer)
    assert rule is not None
    settings = {"gradient_clip": 1.0, "averaged": True, "threads": 1} | how
    objective = MaximumLikelihood()
    return StepRecipe(
        model=model, objective=objective, rule=rule, batch=parts_of(batch), **settings
    )


def steps_apart(
    model: Flow, batches: list[Batch], optimizer: torch.optim.Optimizer, ema: EMA | None, clip: Any
) -> list[Tensor]:
    """The losses of steps by torch's own operations."""
    parameters, losses = list(model.parameters()), []
    shorten = clip and partial(nn.utils.clip_grad_norm_, parameters, clip)
    for batch in batches:
        loss = partial(MaximumLikelihood().step_loss, model, batch)
        losses.append(gradient_step(loss, optimizer, clip=shorten).loss)
        if ema is not None:
            ema.update()
    return losses


def close(a: Sequence[Tensor], b: Sequence[Tensor], tolerance: float) -> bool:
    """Whether numbers agree, beside the size of all of the second ones together."""
    one, other = (torch.cat([part.detach().flatten() for part in parts]) for parts in (a, b))
    return float((one - other).norm()) <= tolerance * float(other.norm())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_a_whole_step_is_the_step(name: str, dtype: torch.dtype, tolerance: float) -> None:
    model = MODELS[name]().to(dtype)
    batches = [a_batch(model, weighted=name == "realnvp") for _ in range(3)]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    other = copy.deepcopy(model)
    kind = torch.optim.AdamW if name == "nsf" else torch.optim.Adam
    options = {"lr": 1e-2, "weight_decay": 0.1, "fused": True, "eps": 1e-4}
    optimizer, own = kind(model.parameters(), **options), kind(other.parameters(), **options)
    ema, own_ema = EMA(model, decay=0.9), EMA(other, decay=0.9)
    recipe = a_recipe(other, batches[0], own)
    step = Interpreted(Path(), {}, recipe, FlatRows(recipe.trained, own, own_ema.average))
    for batch in batches:
        (loss,) = steps_apart(model, [batch], optimizer, ema, 1.0)
        assert step.fits(batch)
        taken = step(batch, lr=1e-2, average=own_ema.advance())
        assert close([taken.loss], [loss], tolerance)
        parameters, own_parameters = list(model.parameters()), list(other.parameters())
        assert close(own_parameters, parameters, tolerance)
        for moment in ("step", "exp_avg", "exp_avg_sq"):
            kept = [optimizer.state[parameter][moment] for parameter in parameters]
            own_kept = [own.state[parameter][moment] for parameter in own_parameters]
            assert close(own_kept, kept, 3 * tolerance), moment
        assert close([*own_ema.average.values()], [*ema.average.values()], tolerance)
    assert not step.fits(a_batch(model, 31))


def test_rows_leave_checkpoints_as_they_are() -> None:
    """One tensor a parameter, in model, optimiser and average, and their steps go on."""
    model = RealNVP(2, layers=2, hidden=[4])
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    steps_apart(model, [a_batch(model)], optimizer, None, None)
    weights = copy.deepcopy(dict(model.state_dict()))
    state = copy.deepcopy(optimizer.state_dict()["state"])
    ema = EMA(model, decay=0.5)
    rows = FlatRows(dict(model.named_parameters()), optimizer, ema.average)
    assert rows.steps == 1
    torch.testing.assert_close(dict(model.state_dict()), weights, rtol=0, atol=0)
    torch.testing.assert_close(optimizer.state_dict()["state"], state, rtol=0, atol=0)
    rows.count()
    assert all(float(own["step"]) == 2 for own in optimizer.state_dict()["state"].values())
    # Torch's own step goes on from there, each of its counts by itself.
    steps_apart(model, [a_batch(model)], optimizer, None, None)
    assert all(float(own["step"]) == 3 for own in optimizer.state_dict()["state"].values())


def test_a_key_tells_what_is_computed_and_no_numbers() -> None:
    def key(**how: Any) -> str:
        options = {"layers": 2, "hidden": [4], **how}
        model = RealNVP(2, **options)
        return key_of(a_recipe(model, a_batch(model), torch.optim.Adam(model.parameters())))

    first = key()
    assert key() == first
    assert (
        len({first, key(layers=3), key(hidden=[5]), key(activation="tanh"), key(actnorm=True)}) == 5
    )
    model = RealNVP(2, layers=2, hidden=[4])
    adam = torch.optim.Adam(model.parameters())
    scale = [layer.scalar_map for layer in model.layers.steps() if hasattr(layer, "scalar_map")]
    scale[-1].max_log_scale = 1.0
    assert key_of(a_recipe(model, a_batch(model), adam)) != first
    scale[-1].max_log_scale = 2.0
    assert key_of(a_recipe(model, a_batch(model), adam)) == first
    assert key_of(a_recipe(model, a_batch(model, 31), adam)) != first
    assert key_of(a_recipe(model, a_batch(model), adam, gradient_clip=None)) != first
    # A layer that is another one's is not a layer that is like it.
    one, other = model.layers.steps()
    one.conditioner[2] = other.conditioner[2]
    assert key_of(a_recipe(model, a_batch(model), adam)) != first
    scale[-1].max_log_scale = lambda: 2.0
    with pytest.raises(UnkeyableError, match="no name of its own"):
        key_of(a_recipe(model, a_batch(model), adam))


@pytest.mark.parametrize(
    "scaled",
    [
        "def scaled(x):\n    return {} * x\n",
        "class Scale:\n    def __call__(self, x):\n        return {} * x\n\n\nscaled = Scale()\n",
    ],
)
def test_a_key_tells_what_a_user_has_written(
    scaled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the file of a class, and in those that it takes names from."""
    monkeypatch.syspath_prepend(tmp_path)
    keys = set()
    for layers, scale in ((1, 2), (1, 3), (2, 3)):
        (tmp_path / "own_scale.py").write_text(scaled.format(scale))
        (tmp_path / "scaled_flow.py").write_text(
            "from genlab.models import NICE\nfrom own_scale import scaled\n\n\n"
            f"class Own(NICE):\n    layers = {layers}\n"
        )
        for name in ("scaled_flow", "own_scale"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        model = importlib.import_module("scaled_flow").Own(2, hidden=[2])
        keys.add(key_of(a_recipe(model, a_batch(model), torch.optim.Adam(model.parameters()))))
    assert len(keys) == 3


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p),
        lambda p: torch.optim.Adam(p, amsgrad=True),
        lambda p: torch.optim.Adam([{"params": list(p)[:1]}, {"params": list(p)[1:]}]),
        lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-3)),
    ],
)
def test_other_optimisers_are_left_alone(optimizer: Any) -> None:
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]
    assert AdamRule.of(optimizer(iter(parameters))) is None


def test_what_the_compiler_says_first_is_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = NICE(2, layers=1, hidden=[2])
    recipe = a_recipe(model, a_batch(model), torch.optim.Adam(model.parameters()))
    for words, told in (("echo note >&2; echo error: full >&2", "error: full"), ("", "exit 1")):
        compiler = tmp_path / "compiler"
        compiler.write_text(f"#!/bin/sh\n{words}\nexit 1\n")
        compiler.chmod(0o700)
        monkeypatch.setenv("CXX", str(compiler))
        with pytest.raises(CompilerError, match=told):
            compile_step(recipe, tmp_path)


@pytest.mark.parametrize("name", DRAWING)
def test_a_step_draws_what_it_would_draw_without(name: str) -> None:
    """And what its objective holds of a step is that of the present one."""
    make, objective = DRAWING[name]
    model = make()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    other, own = copy.deepcopy(model), copy.deepcopy(objective)
    adam = partial(torch.optim.Adam, lr=1e-2, eps=1e-4, fused=True)
    optimizers = [adam(m.parameters()) for m in (model, other)]
    batch = Batch(torch.randn(32, *model.event_shape).clamp(-2, 2))
    assert objective.compiles(model)
    own.advance(other, step=0, max_steps=5, draw=0)
    recipe = replace(a_recipe(other, batch, optimizers[1]), objective=own)
    rows = FlatRows(recipe.trained, optimizers[1], EMA(other, decay=0.9).average)
    step = Interpreted(Path(), {}, recipe, rows)
    clip = partial(nn.utils.clip_grad_norm_, list(model.parameters()), 1.0)
    for number in range(3):
        for one, learner in ((objective, model), (own, other)):
            one.advance(learner, step=number, max_steps=5, draw=number)
        torch.manual_seed(number)
        apart = gradient_step(partial(objective.loss, model, batch), optimizers[0], clip=clip)
        state = torch.get_rng_state()
        torch.manual_seed(number)
        taken = step(batch, lr=1e-2, average=0.1)
        assert torch.equal(torch.get_rng_state(), state)
        assert close([taken.loss], [apart.loss], 1e-5)
        assert close([*other.parameters()], [*model.parameters()], 1e-5)


def test_a_transport_plan_is_no_program() -> None:
    regression = VelocityRegression(pairing=OptimalTransport(rows=8))
    assert not regression.compiles(FlowMatching(2))
    assert not EM().compiles(GMM(2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["realnvp", "nsf", "krnet", "image", "flow-matching", "vae"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_compiled_code_takes_a_step(
    name: str, dtype: torch.dtype, tolerance: float, tmp_path: Path
) -> None:
    """By a real compiler: loss, weights and average are those of torch's own operations."""
    make, objective = DRAWING.get(name) or (MODELS[name], MaximumLikelihood())
    model = make().to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    other = copy.deepcopy(model)
    adam = partial(torch.optim.Adam, lr=1e-2, eps=1e-4, fused=True)
    optimizer, own = adam(model.parameters()), adam(other.parameters())
    ema, own_ema = EMA(model, decay=0.9), EMA(other, decay=0.9)
    batch = Batch(torch.randn(33, *model.event_shape, dtype=dtype))
    objective.advance(model, step=0, max_steps=5, draw=0)
    recipe = replace(a_recipe(other, batch, own), objective=objective)
    library, facts = compile_step(recipe, tmp_path)
    step = CompiledStep(library, facts, recipe, FlatRows(recipe.trained, own, own_ema.average))
    clip = partial(nn.utils.clip_grad_norm_, list(model.parameters()), 1.0)
    for number in range(3):
        torch.manual_seed(number)
        apart = gradient_step(partial(objective.loss, model, batch), optimizer, clip=clip)
        ema.update()
        torch.manual_seed(number)
        taken = step(batch, lr=1e-2, average=own_ema.advance())
        assert close([taken.loss], [apart.loss], tolerance)
        assert close([*other.parameters()], [*model.parameters()], tolerance)
        assert close([*own_ema.average.values()], [*ema.average.values()], tolerance)
