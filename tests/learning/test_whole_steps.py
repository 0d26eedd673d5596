"""When the steps of a run are compiled, and what becomes of a run whose steps are."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from interpreted import Interpreted
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from small import SMALL, small_experiment
from stops import Stop
from torch import Tensor

from genlab.assembly import Replicas, Training
from genlab.batch import Batch
from genlab.cli.commands.rerun import as_before
from genlab.compilation import CompiledStep, StepRecipe
from genlab.config.compose import compose
from genlab.errors import Interrupted, RunError, UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.whole_steps import WholeSteps
from genlab.runs.code_cache import CodeCache
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json


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


def test_the_wait_for_code_is_no_part_of_the_speed(
    interpreted: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = Compiler.wait
    monkeypatch.setattr(Compiler, "wait", lambda self: (time.sleep(2.0), waited(self)))
    learner = fitted(tmp_path, "25").module
    step, seconds = learner.timed_from
    assert (step, seconds > 2.0) == (25, True)
    assert learner.speed == (learner.step - 25) / (learner.seconds - seconds)


def test_the_second_step_is_not_the_first(interpreted: CodeCache, tmp_path: Path) -> None:
    """To Python 1 is true."""
    assert fitted(tmp_path, "1").module.compiled_from == 1


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
    def on_before_optimizer_step(self, *_: Any) -> None:
        """Looks at gradients, which compiled steps do not show."""


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


@pytest.mark.parametrize(
    ("how", "noted", "compiled"),
    [
        ("auto", {}, False),
        ("auto", {"compiled_from": 0}, True),
        ("auto", {"compiled_from": 25}, 25),
        ("long", {}, "long"),
        ("long", {"compiled_from": 0}, "long"),
        ("long", {"compiled_from": 25}, 25),
        (False, {}, False),
        (40, {"compiled_from": 40}, 40),
    ],
)
def test_a_rerun_begins_where_the_run_did(
    how: Any, noted: dict[str, int], compiled: bool | int | str
) -> None:
    found = as_before(how, noted)
    assert (type(found), found) == (type(compiled), compiled)


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
        assert "compiling the training step" not in caplog.text
    for how in ("true", "25"):
        run = small_experiment(tmp_path, f"trainer.compile={how}")
        with pytest.raises(UserError, match=rf"trainer\.compile={how}: there is no C"):
            run.fit()
    assert "compiling the training step" not in caplog.text


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


def test_auto_compiles_nothing_that_does_not_repay_it(
    cache: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genlab.learning.whole_steps.CompilerProcess", None)
    small_experiment(tmp_path, "trainer.compile=auto").fit()


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
def test_compiled_code_takes_the_steps(cache: CodeCache, tmp_path: Path) -> None:
    """By a real compiler, and again from the cache."""
    plain, whole = fitted(tmp_path, "false"), fitted(tmp_path, "true")
    assert cache.contents().steps == 1
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(whole)[name], value, rtol=1e-2, atol=1e-4)
    assert same(fitted(tmp_path, "true"), whole)
    assert same(fitted(tmp_path, "auto"), whole)


def together(folder: Path, *words: str) -> Replicas:
    """Two short runs, of as many steps as are many, before they are fitted."""
    short = (
        "model=realnvp",
        "trainer.compile=long",
        "trainer.max_steps=20",
        "trainer.val_every=10",
    )
    return Replicas(
        compose("train", [*SMALL, *FITTED, *short, "trainer.replicas=2", *words]), folder
    )


@pytest.mark.usefixtures("long")
def test_short_runs_that_are_many_together_are_compiled(
    interpreted: CodeCache, tmp_path: Path
) -> None:
    replicas = together(tmp_path, "seed=3")
    replicas.fit()
    alone = fitted(tmp_path, "true", "trainer.max_steps=20", "trainer.val_every=10", "seed=4")
    for replica in replicas.runs:
        assert replica.error is None
        assert read_json(replica.run.manifest)["compiled_from"] == 0
    assert same(replicas.runs[1].training, alone)


@pytest.mark.usefixtures("long")
def test_compiled_runs_that_were_stopped_together_end_like_others(
    interpreted: CodeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = together(tmp_path / "a"), together(tmp_path / "b")
    whole.fit()
    look = WholeSteps.code_for

    def spied(steps: WholeSteps, batch: Batch) -> Any:
        if steps.learner is stopped.runs[0].learner and steps.learner.step == 13:
            os.kill(os.getpid(), signal.SIGINT)
        return look(steps, batch)

    monkeypatch.setattr(WholeSteps, "code_for", spied)
    with pytest.raises(Interrupted):
        stopped.fit()
    for replica, other in zip(stopped.runs, whole.runs, strict=True):
        resumed = Training(replica.training.config, replica.run)
        resumed.fit(resume=True)
        assert resumed.module.step == 20
        assert same(resumed, other.training)


@pytest.mark.usefixtures("long")
def test_few_or_timed_runs_together_stay_one_step(interpreted: CodeCache, tmp_path: Path) -> None:
    for words in (("trainer.max_steps=15",), ("trainer.max_seconds=60",)):
        replicas = together(tmp_path / words[0], *words)
        replicas.fit()
        assert all("compiled_from" not in read_json(one.run.manifest) for one in replicas.runs)
