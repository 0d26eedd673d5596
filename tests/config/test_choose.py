"""Defaults that depend on another key, what a family wants of a group, and unused sections."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from genlab.config.check import check
from genlab.config.composition import compose
from genlab.errors import UserError


def train(*overrides: str) -> Any:
    config = compose("train", overrides)
    check(config)
    OmegaConf.resolve(config)
    return config


def test_a_default_follows_the_key_it_depends_on() -> None:
    em, descent = train("model=gmm"), train("model=gmm", "objective=mixture_descent")
    assert em.objective._target_.endswith("EM")
    assert descent.objective._target_.endswith("MixtureDescent")
    assert (em.data.train_size, descent.data.train_size) == (100_000, None)
    assert (em.trainer.gradient_clip, descent.trainer.gradient_clip) == (None, 5.0)


def test_a_default_can_follow_what_is_not_set() -> None:
    assert train("model=gmm", "data=digits").model.components == 10
    assert train("model=gmm", "data=digits", "data.condition=label").model.components == 1


def test_the_user_wins_over_the_family_and_the_family_over_the_defaults() -> None:
    assert train("model=gmm").trainer.max_steps == 300
    assert train("model=gmm", "trainer=cpu").trainer.max_steps == 300
    assert train("model=gmm", "trainer=debug").trainer.max_steps == 20
    assert train("model=gmm", "trainer.max_steps=7").trainer.max_steps == 7
    assert train("model=gmm", "trainer=overfit").data.train_size == 64
    assert train("model=gmm", "data.train_size=null").data.train_size is None
    assert train("trainer=cpu").trainer.max_steps == 8000


def test_sections_that_nothing_uses_are_null() -> None:
    assert train("model=gmm").optimizer is None
    assert train("model=gmm").schedule is None
    assert train("model=gmm", "objective=mixture_descent").optimizer.lr == 5e-3
    assert "gmm" not in {*train("model=gmm").choices.values()} - {train("model=gmm").choices.model}


@pytest.mark.parametrize("word", ["optimizer.lr=1", "optimizer=sgd", "schedule.warmup=0.5"])
def test_what_nothing_uses_cannot_be_set(word: str) -> None:
    with pytest.raises(UserError) as caught:
        train("model=gmm", word)
    section = word.partition("=")[0].partition(".")[0]
    expected = f"{word}: nothing uses it; EM has no {section}"
    assert str(caught.value) == expected
    train("model=gmm", "objective=mixture_descent", word)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["model=gmm", "data=digits", "model.covariance=ful"],
            "model.covariance=ful: did you mean 'full'?",
        ),
        (
            ["model=gmm", "model.fit=gradient"],
            "model.fit=gradient: no such key any more; write objective=em or "
            "objective=mixture_descent",
        ),
    ],
)
def test_a_value_that_is_no_choice(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        train(*words)
    assert str(caught.value) == message
