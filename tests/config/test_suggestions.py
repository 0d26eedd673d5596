"""What families and kinds of data suggest: who wins over whom, and that nobody sets it himself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import genlab
from genlab.cli.commands.completion import candidates
from genlab.cli.main import main
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.config.recompose import recompose
from genlab.config.stored import plain
from genlab.errors import UserError

Capture = pytest.CaptureFixture[str]

FAMILY = """\
# @package _global_
# A family with wishes.
defaults:
  - realnvp
  - _self_
model:
  layers: 3
suggested:
  lr: 0.11
  max_steps: 110
  val_every: 11
"""
PRESET = """\
# @package _global_
# What it wants for toys.
model:
  layers: 4
suggested:
  lr: 0.12
  max_steps: 120
"""
TRAINER = """\
# A trainer of the user.
defaults:
  - default
  - _self_
max_steps: 130
"""
RECIPE = """\
# @package _global_
# A recipe of the user.
trainer:
  max_steps: 140
model:
  layers: 5
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    """The folder of a user, as an override: a family, its preset, a trainer and a recipe."""
    for name, text in {
        "model/wishing": FAMILY,
        "preset/wishing/toy": PRESET,
        "trainer/mine": TRAINER,
        "experiment/mine": RECIPE,
    }.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return f"hydra.searchpath=['file://{tmp_path}']"


def composed(command: str, *overrides: str) -> Any:
    config = compose(command, overrides)
    check(config)
    return config


def test_each_wins_over_those_before_it(own: str) -> None:
    """default < family < kind of data < trainer < recipe < user."""
    words = {"data": "digits"}  # for which this family wants nothing
    for word, *expected in (
        ("model=nsf", 800, 2e-3, 6, 200),
        ("model=wishing", 110, 0.11, 3, 11),
        ("data=moons", 120, 0.12, 4, 11),
        ("trainer=mine", 130, 0.12, 4, 11),
        ("experiment=mine", 140, 0.12, 5, 11),
        ("trainer.max_steps=7", 7, 0.12, 5, 11),
        ("optimizer.lr=1", 7, 1, 5, 11),
        ("model.layers=6", 7, 1, 6, 11),
        ("trainer.val_every=9", 7, 1, 6, 9),
    ):
        key, _, value = word.partition("=")
        words[key] = value
        config = composed("train", own, *(f"{key}={value}" for key, value in words.items()))
        trainer = config.trainer
        taken = [trainer.max_steps, config.optimizer.lr, config.model.layers, trainer.val_every]
        assert taken == expected, word


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        ("model=krnet data=moons", "trainer.max_steps", 5000),
        ("model=krnet data=digits", "trainer.max_steps", 2000),
        ("model=krnet data=digits trainer=cpu", "trainer.max_steps", 2000),
        ("model=krnet data=digits trainer=debug", "trainer.max_steps", 20),
        ("model=krnet data=digits trainer=debug", "trainer.ema", 0.99),
        ("model=krnet data=digits trainer=overfit", "data.train_size", 64),
        ("model=krnet data=digits experiment=thorough", "trainer.max_steps", 40000),
        ("model=krnet data=digits trainer.max_steps=7", "trainer.max_steps", 7),
        ("model=krnet data=digits", "optimizer.lr", 1e-3),
        ("model=krnet data=digits optimizer=sgd", "optimizer.lr", 1e-2),
        ("model=cnf data=digits network=concat_squash", "model.network.hidden", [64, 64]),
        # What is enough for log-densities loses samples more than the default's equal steps.
        ("model=flow-matching data=turbulence", "model.evaluation.rtol", 1e-3),
        ("model=flow-matching data=turbulence solver=dopri8", "model.solver.rtol", 1e-6),
        ("model=cnf data=turbulence", "model.solver.steps", 6),
        ("model=cnf data=turbulence network=active_scalar", "model.solver.steps", 30),
        ("model=cnf data=turbulence network=active_scalar", "trainer.max_steps", 400),
        ("model=flow-matching data=turbulence network=active_scalar", "trainer.max_steps", 8000),
        ("model=flow-matching data=digits data.batch_size=9", "data.batch_size", 9),
        ("experiment=ffjord_mnist", "data.batch_size", 256),
        ("experiment=ffjord_mnist", "trainer.max_steps", 5000),
        ("model=gmm", "trainer.max_steps", 300),
        ("model=gmm trainer=cpu", "trainer.max_steps", 300),
        ("model=gmm trainer=debug", "trainer.max_steps", 20),
        ("model=gmm objective=mixture_descent", "trainer.max_steps", 8000),
        ("model=gmm data=digits", "data.batch_size", 8192),
        ("model=gmm data=digits objective=mixture_descent", "data.batch_size", 128),
        ("model=gmm trainer=overfit", "data.train_size", 64),
        ("model=gmm data.train_size=null", "data.train_size", None),
        ("callbacks=minimal", "callbacks.divergence.threshold", 20.0),
        ("callbacks.images.every=2", "callbacks.images.every", 2),
    ],
)
def test_a_training(words: str, key: str, value: object) -> None:
    node = plain(composed("train", *words.split()))
    for name in key.split("."):
        node = node[name]
    assert node == value


@pytest.mark.parametrize("sampler", ["das", "bootstrap", "aas"])
def test_the_network_of_a_solve_is_trained_in_its_own_way(sampler: str) -> None:
    for family in ("krnet", "flow-matching", "gmm"):
        config = composed("solve", f"model={family}", f"sampler={sampler}", "optimizer=adam")
        assert (config.trainer.max_steps, config.trainer.ema) == (3000, None)
        assert (config.optimizer.lr, config.optimizer.betas) == (5e-3, [0.9, 0.99])
        assert config.callbacks.images._target_ == "genlab.pinn.StageImages"
    debugged = composed("solve", "trainer=debug", f"sampler={sampler}")
    assert debugged.trainer.max_steps == 20 > 2 * debugged.sampler.refresh
    assert composed("solve", "trainer=debug", "sampler.refresh=3").sampler.refresh == 3


def test_steps_by_least_squares_are_few_and_on_many_points() -> None:
    config = composed("solve")
    assert (config.trainer.max_steps, config.trainer.precision) == (400, "64-true")
    assert (config.problem.n_points, config.pinn.hidden) == (4000, [16] * 4)
    assert (config.pinn.first_gain, composed("solve", "problem=linear10").pinn.first_gain) == (
        2,
        0.5,
    )
    by_adam = composed("solve", "optimizer=adam")
    assert (by_adam.problem.n_points, by_adam.pinn.hidden) == (500, [32] * 5)
    assert (by_adam.trainer.precision, by_adam.pinn.first_gain) == ("32-true", None)
    said = composed("solve", "trainer.max_steps=7", "problem.n_points=9", "pinn.first_gain=3")
    assert (said.trainer.max_steps, said.problem.n_points, said.pinn.first_gain) == (7, 9, 3)


@pytest.mark.parametrize(
    ("family", "taught", "game"),
    [("realnvp", 200, 200), ("cnf", 60, 30), ("flow-matching", 400, 30), ("resflow", 60, 40)],
)
def test_a_family_says_how_long_it_is_taught(family: str, taught: int, game: int) -> None:
    steps = {"das": taught, "bootstrap": taught, "aas": game}
    for sampler, expected in steps.items():
        words = (f"model={family}", f"sampler={sampler}")
        assert composed("solve", *words).sampler.fit.steps == expected
        assert composed("solve", *words, "sampler.fit.steps=7").sampler.fit.steps == 7


@pytest.mark.parametrize("command", ["train", "solve"])
def test_a_run_knows_nothing_of_it(command: str) -> None:
    config = compose(command, [])
    assert "suggested" not in config
    assert not {"kind", "preset"} & {group.partition("@")[0] for group in config.choices}


MISTAKES = {
    "suggested.lr=1": "write optimizer.lr=1",
    "+suggested.lr=1": "write optimizer.lr=1",
    "suggested.max_steps=7": "write trainer.max_steps=7",
    "suggested.images.every=2": "write callbacks.images.every=2",
    "suggested.ema=null": "write trainer.ema=null",
    "+suggested.mine=3": "write the key that reads it, such as optimizer.lr=VALUE",
    "suggested={lr: 1}": "write the key that reads it, such as optimizer.lr=VALUE",
    "~suggested": "write the key that reads it, such as optimizer.lr=VALUE",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_nobody_sets_it(word: str) -> None:
    with pytest.raises(UserError) as caught:
        compose("train", [word])
    assert str(caught.value) == f"{word}: filled by genlab, cannot be set; {MISTAKES[word]}"


@pytest.mark.parametrize("word", ["kind=image", "preset=nsf/image", "+kind@_global_=image"])
def test_nobody_chooses_what_fills_it(word: str) -> None:
    with pytest.raises(UserError, match="follows from the model and the data, cannot be chosen"):
        compose("train", [word])


def test_what_a_sampler_reads_is_named_too() -> None:
    with pytest.raises(UserError, match=r"write sampler\.fit\.steps=3$"):
        compose("solve", ["suggested.fit.steps=3"])


@pytest.mark.parametrize(
    "words",
    [
        ["train", "suggested.lr=1"],
        ["train", "-m", "suggested.lr=1", "seed=1,2"],
        ["train", "-m", "suggested.lr=1,2"],
        ["solve", "suggested.lr=1"],
        ["tune", "suggested.lr=1", "model.layers=choice(2,4)"],
        ["tune", "suggested.lr=interval(0.1,1)"],
    ],
    ids=" ".join,
)
def test_each_command_refuses_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert "cannot be set; write " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_script_is_refused_it() -> None:
    with pytest.raises(UserError, match=r"write optimizer\.lr=1$"):
        genlab.experiment("suggested.lr=1")


def test_what_is_shown_is_what_a_run_has(capsys: Capture) -> None:
    assert main(["train", "model=krnet", "--cfg", "job"]) == 0
    shown = capsys.readouterr().out
    assert "  lr: 0.01\n" in shown
    assert "suggested" not in shown
    assert main(["train", "suggested.lr=1", "--cfg", "job"]) == 2


def test_it_is_in_no_list_help_or_completion(capsys: Capture) -> None:
    lines = (
        "train ",
        "train s",
        "train k",
        "train +p",
        "train optimizer.",
        "solve p",
        "train data=",
    )
    words = [word for line in lines for word in candidates(f"genlab {line}")]
    assert main(["train", "--help"]) == 0
    assert main(["list"]) == 0
    words += capsys.readouterr().out.split()
    hidden = ("suggested", "preset", "kind", "_toy", "_taught", "data=_toy")
    assert not [word for word in words if word.strip(".=:,+") in hidden]


def test_a_run_that_notes_its_kind_of_data_is_recomposed() -> None:
    stored = compose("train", ["data=digits"])
    stored.choices = {**stored.choices, "kind": "image"}  # as runs of an earlier version do
    assert recompose(stored, ["seed=1"]).seed == 1
