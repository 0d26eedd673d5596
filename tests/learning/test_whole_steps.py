"""Steps that are compiled whole take the steps that torch's own operations take."""

from __future__ import annotations

import copy
import importlib
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from small import small_experiment
from stops import Stop
from torch import Tensor, nn
from torch.fx import GraphModule

from genlab.assembly import Training
from genlab.batch import Batch
from genlab.cli.commands.rerun import as_before
from genlab.compilation import (
    AdamRule,
    CompiledStep,
    FlatRows,
    StepRecipe,
    UnkeyableError,
    key_of,
)
from genlab.compilation.compiler import CompilerError, compile_step
from genlab.compilation.fusible import add_to_table, narrow_product, table_entries
from genlab.compilation.recipe import parts_of
from genlab.descent import gradient_step
from genlab.errors import Interrupted, RunError, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.ema import EMA
from genlab.learning.whole_steps import WholeSteps
from genlab.models import GMM, NICE, NSF, VAE, FlowMatching, KRNet, RealNVP
from genlab.models.flow import Flow
from genlab.nn import UNet
from genlab.objectives import (
    ELBO,
    EM,
    MaximumLikelihood,
    MixtureDescent,
    OptimalTransport,
    VelocityRegression,
)
from genlab.runs.code_cache import CodeCache
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json

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


class Interpreted(CompiledStep):
    """The program of a step, run operation by operation: all but the compiler."""

    def __init__(
        self, library: Path, facts: dict[str, Any], recipe: StepRecipe, rows: FlatRows
    ) -> None:
        traced, draws = recipe.traced()
        graph = GraphModule({}, traced)

        class Runner:
            def __init__(self, *_: Any) -> None:
                pass

            def run(self, inputs: list[Tensor]) -> Any:
                with torch.no_grad():
                    return graph(*inputs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("genlab.compilation.compiled_step.Library", Runner)
            super().__init__(library, {"draws": [draw.words() for draw in draws]}, recipe, rows)


class Compiler:
    """In the place of a process that compiles: it is done when it has been asked twice."""

    def __init__(self, recipe: StepRecipe, key: str, *, aside: bool) -> None:
        self.key, self.asked = key, 0

    @property
    def done(self) -> bool:
        self.asked += 1
        if self.asked == 2:
            self.wait()
        return self.asked >= 2

    def wait(self) -> None:
        CodeCache().make()
        CodeCache().keep(self.key, Path(__file__), {"seconds": 1.0})

    def failure(self) -> str | None:
        return None

    def close(self) -> None:
        pass


class Refusing(Compiler):
    """It finds that the step cannot be a program."""

    def wait(self) -> None:
        CodeCache().make()
        CodeCache().refuse(self.key, "UnloweredError: no loops")

    def failure(self) -> str | None:
        return "UnloweredError: no loops"


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
        (tmp_path / "own_flow.py").write_text(
            "from genlab.models import NICE\nfrom own_scale import scaled\n\n\n"
            f"class Own(NICE):\n    layers = {layers}\n"
        )
        for name in ("own_flow", "own_scale"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        model = importlib.import_module("own_flow").Own(2, hidden=[2])
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


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CodeCache:
    """An empty cache; no test metrics and no figures, which take longer than these runs."""
    monkeypatch.setenv("GENLAB_CACHE", str(tmp_path / "cache"))
    for name in ("_evaluate", "_draw"):
        monkeypatch.setattr(Training, name, lambda *_: {})
    return CodeCache()


@pytest.fixture
def interpreted(cache: CodeCache, monkeypatch: pytest.MonkeyPatch) -> CodeCache:
    """The same, and no compiler: the programs of steps are interpreted."""
    monkeypatch.setattr("genlab.learning.whole_steps.CompiledStep", Interpreted)
    monkeypatch.setattr("genlab.learning.whole_steps.CompilerProcess", Compiler)
    monkeypatch.setattr("genlab.learning.whole_steps.missing_compiler", lambda: None)
    return cache


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty steps are many."""
    monkeypatch.setattr("genlab.learning.whole_steps.LONG", 40)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Part of each step's batch, and of the state of torch's generator before it."""
    monkeypatch.setattr("genlab.learning.whole_steps.REPAID", 0.0)
    steps: list[Tensor] = []
    look = WholeSteps.code_for

    def spied(whole: WholeSteps, batch: Batch) -> Any:
        steps.append(torch.cat((batch.x.flatten()[:8], torch.get_rng_state()[:64].float())))
        return look(whole, batch)

    monkeypatch.setattr(WholeSteps, "code_for", spied)
    return steps


FITTED = ("trainer.ema=0.9", "trainer.gradient_clip=0.5")


def fitted(folder: Path, compiled: str, *words: str) -> Training:
    run = small_experiment(folder, *FITTED, f"trainer.compile={compiled}", *words)
    run.fit()
    return run


def weights(run: Training) -> dict[str, Tensor]:
    assert run.directory is not None
    state = load_checkpoint(run.directory.last)
    moments = state["optimizer_states"][0]["state"]
    parts = (state["state_dict"], state["ema"]["average"], *moments.values())
    return {f"{number} {name}": v for number, part in enumerate(parts) for name, v in part.items()}


def same(a: Training, b: Training) -> bool:
    one, other = weights(a), weights(b)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_which_steps_are_compiled(interpreted: CodeCache, tmp_path: Path) -> None:
    plain, late, whole = (fitted(tmp_path, how) for how in ("false", "25", "true"))
    assert [run.module.compiled_from for run in (plain, late, whole)] == [None, 25, 0]
    assert weights(plain).keys() == weights(whole).keys()
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(whole)[name], value, rtol=1e-2, atol=1e-4)
        torch.testing.assert_close(weights(late)[name], value, rtol=1e-2, atol=1e-4)
    assert not same(late, whole)
    # The code is there: `auto` begins with it.
    assert same(fitted(tmp_path, "auto"), whole)
    assert late.directory is not None
    assert read_json(late.directory.manifest)["compiled_from"] == 25


def test_what_is_compiled_beside_changes_no_draw(
    interpreted: CodeCache, drawn: list[Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.learning.whole_steps.LOOK_EVERY", 10)
    runs = [fitted(tmp_path, how) for how in ("auto", "false")]
    # Begun at the second look, done at the fourth.
    assert [run.module.compiled_from for run in runs] == [30, None]
    assert torch.equal(torch.stack(drawn[:60]), torch.stack(drawn[60:]))


def test_a_resumed_run_ends_like_one_that_was_not_stopped(
    interpreted: CodeCache, tmp_path: Path
) -> None:
    whole = fitted(tmp_path, "25")
    run = small_experiment(tmp_path, *FITTED, "trainer.compile=25")
    with pytest.raises(Interrupted):
        run.fit(callbacks=[Stop(33)])
    assert run.directory is not None
    assert load_checkpoint(run.directory.last)["compiled_from"] == 25
    config = OmegaConf.load(run.directory.config)
    # Whatever is asked for now, it has begun to compile there.
    config.trainer.compile = "auto"
    resumed = Training(config, run.directory)
    resumed.fit(resume=True)
    assert same(resumed, whole)


@pytest.mark.usefixtures("long")
def test_long_runs_are_compiled(interpreted: CodeCache, tmp_path: Path) -> None:
    """Whether the code is there from before or not."""
    first = fitted(tmp_path, "long", "trainer.max_seconds=30")
    others = [fitted(tmp_path, how) for how in ("long", "true")]
    assert [run.module.compiled_from for run in (first, *others)] == [0, 0, 0]
    assert all(same(first, other) for other in others)


class Gradients(Callback):
    """Looks at gradients, which compiled steps do not show."""

    def on_before_optimizer_step(self, *_: Any) -> None:
        self.seen = True


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize(
    "words",
    [
        ("trainer.max_steps=39",),
        ("trainer.max_seconds=29",),
        ("trainer.threads=2",),
        ("trainer.precision=bf16-mixed",),
        ("optimizer=sgd",),
        ("callbacks=minimal", f"+callbacks.own._target_={__name__}.Gradients"),
    ],
    ids=" ".join,
)
def test_other_runs_are_not_compiled_and_start_nothing(
    words: tuple[str, ...], cache: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.learning.whole_steps.CompilerProcess", None)
    threads = torch.get_num_threads()
    run = small_experiment(tmp_path, *words)
    run.fit()
    torch.set_num_threads(threads)
    assert run.module.compiled_from is None
    assert not cache.folder.exists()


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize(
    "words", [("model=cnf",), ("model=gmm", "data.train_size=100")], ids=" ".join
)
def test_families_that_cannot_be_compiled_start_nothing(
    words: tuple[str, ...], cache: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.learning.whole_steps.key_of", None)
    small_experiment(tmp_path, *words, "trainer.max_steps=40", model=()).fit()
    assert not cache.folder.exists()


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("step", [1, 47])
def test_a_long_run_that_was_stopped_ends_like_one_that_was_not(
    step: int, interpreted: CodeCache, tmp_path: Path
) -> None:
    whole, run = fitted(tmp_path, "long"), small_experiment(tmp_path, *FITTED)
    with pytest.raises(Interrupted):
        run.fit(callbacks=[Stop(step)])
    assert run.directory is not None
    assert load_checkpoint(run.directory.last)["compiled_from"] == 0
    interpreted.clear()
    resumed = Training(OmegaConf.load(run.directory.config), run.directory)
    resumed.fit(resume=True)
    assert same(resumed, whole)


@pytest.mark.usefixtures("long")
def test_a_short_run_that_is_taken_further_is_compiled_from_there(
    interpreted: CodeCache, tmp_path: Path
) -> None:
    """And no other way where it is stopped again, or shortened."""
    run = fitted(tmp_path, "long", "trainer.max_steps=30")
    assert run.module.compiled_from is None
    assert run.directory is not None
    ends = []
    for stop in (None, 45):
        directory = RunDirectory(tmp_path / f"further {stop}")
        shutil.copytree(run.directory.path, directory.path)
        config = OmegaConf.load(directory.config)
        config.trainer.max_steps = 60
        further = Training(config, directory)
        if stop:
            with pytest.raises(Interrupted):
                further.fit(resume=True, callbacks=[Stop(stop)])
            further = Training(config, directory)
        further.fit(resume=True)
        assert further.module.compiled_from == 30
        ends.append(further)
    assert same(*ends)


@pytest.mark.parametrize(("noted", "compiled"), [({}, False), ({"compiled_from": 0}, True)])
def test_a_rerun_begins_where_the_run_did(noted: dict[str, int], compiled: bool) -> None:
    assert as_before(noted) is compiled
    assert as_before({"compiled_from": 25}) == 25


@pytest.mark.usefixtures("long")
def test_without_a_compiler_a_line_says_so_or_an_error(
    cache: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("genlab.learning.whole_steps.REPAID", 0.0)
    for number, how in enumerate(("auto", "long"), 1):
        run = small_experiment(tmp_path, f"trainer.compile={how}")
        run.fit()
        assert run.module.compiled_from is None
        assert caplog.text.count("no C++ compiler (no-such-compiler)") == number
    for how in ("true", "25"):
        run = small_experiment(tmp_path, f"trainer.compile={how}")
        with pytest.raises(UserError, match=rf"trainer\.compile={how}: there is no C"):
            run.fit()


@pytest.mark.usefixtures("long")
def test_of_a_step_that_is_no_program_the_loss_is_compiled(
    interpreted: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda loss: compiled.append(loss) or loss)
    monkeypatch.setattr("genlab.learning.whole_steps.CompilerProcess", Refusing)
    monkeypatch.setattr("genlab.learning.whole_steps.REPAID", 0.0)
    monkeypatch.setattr("genlab.learning.whole_steps.LOOK_EVERY", 10)
    plain = fitted(tmp_path, "false")
    for how, losses in (("long", 0), ("auto", 0), ("true", 1), ("25", 2)):
        run = fitted(tmp_path, how)
        assert (run.module.compiled_from, len(compiled)) == (None, losses)
        assert same(run, plain)
    assert caplog.text.count("the loss alone is compiled, not the whole step: Unlowered") == 2


@pytest.mark.usefixtures("long")
def test_code_that_cannot_be_loaded_ends_only_runs_that_insist(
    interpreted: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Nor does it end one that goes on."""
    run = small_experiment(tmp_path, *FITTED)
    with pytest.raises(Interrupted):
        run.fit(callbacks=[Stop(33)])
    assert run.directory is not None
    monkeypatch.setattr("genlab.learning.whole_steps.CompiledStep", CompiledStep)
    with pytest.raises(RunError, match=r"compile=true: .*\.so"):
        fitted(tmp_path, "true")
    plain = fitted(tmp_path, "false")
    assert same(fitted(tmp_path, "auto"), plain)
    assert same(fitted(tmp_path, "long"), plain)
    assert "note: the run goes on" not in caplog.text
    Training(OmegaConf.load(run.directory.config), run.directory).fit(resume=True)
    assert "note: the run goes on by uncompiled steps: " in caplog.text


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


def test_auto_compiles_nothing_that_does_not_repay_it(
    cache: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.learning.whole_steps.CompilerProcess", None)
    small_experiment(tmp_path, "trainer.compile=auto").fit()


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
def test_a_compiler_beside_500_steps_changes_no_draw(
    cache: CodeCache, drawn: list[Tensor], tmp_path: Path
) -> None:
    """A real one, which goes on until the run ends it."""
    words = ("trainer.max_steps=500", "trainer.val_every=500")
    for how in ("auto", "false"):
        fitted(tmp_path, how, *words)
    assert torch.equal(torch.stack(drawn[:500]), torch.stack(drawn[500:]))
    assert drawn[0].tolist() != drawn[1].tolist()


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


@pytest.mark.slow
def test_compiled_code_takes_the_steps(cache: CodeCache, tmp_path: Path) -> None:
    """By a real compiler, and again from the cache."""
    plain, whole = fitted(tmp_path, "false"), fitted(tmp_path, "true")
    assert cache.contents().steps == 1
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(whole)[name], value, rtol=1e-2, atol=1e-4)
    assert same(fitted(tmp_path, "true"), whole)
    assert same(fitted(tmp_path, "auto"), whole)


def test_short_tables_are_gathered_from_and_added_to_as_torch_does() -> None:
    table, index = torch.randn(9, 2, 5), torch.randint(9, (2, 2, 5))
    assert torch.equal(table_entries(table, 0, index), table.gather(0, index))
    values = torch.randn(2, 2, 5)
    expected = table.scatter_add(0, index, values)
    torch.testing.assert_close(add_to_table(table, 0, index, values), expected)
    assert table_entries(table, 1, index) is NotImplemented
    a, b = torch.randn(4, 2), torch.randn(2, 3)
    torch.testing.assert_close(narrow_product(a, b), a @ b)
    assert narrow_product(b, torch.randn(3, 4)) is NotImplemented
