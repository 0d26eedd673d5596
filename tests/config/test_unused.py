"""What EM and descent want of the same family, and sections that nothing uses."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from genlab.config.check import check
from genlab.config.compose import compose
from genlab.errors import UserError


def train(*overrides: str) -> Any:
    config = compose("train", overrides)
    check(config)
    OmegaConf.resolve(config)
    return config


def test_what_is_wanted_follows_the_objective() -> None:
    em, descent = train("model=gmm"), train("model=gmm", "objective=mixture_descent")
    assert em.objective._target_.endswith("EM")
    assert descent.objective._target_.endswith("MixtureDescent")
    assert (em.data.train_size, descent.data.train_size) == (100_000, None)
    assert (em.trainer.gradient_clip, descent.trainer.gradient_clip) == (None, 5.0)


def test_what_is_wanted_follows_other_keys() -> None:
    assert train("model=gmm", "data=digits").model.components == 10
    assert train("model=gmm", "data=digits", "data.condition=label").model.components == 1
    assert train("model=gmm", "data=digits").model.covariance_floor == 0.1
    full = train("model=gmm", "data=digits", "model.covariance=full")
    assert full.model.covariance_floor == 1e-6


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
            "model.covariance=ful: expected full, tied, diag, spherical or low_rank; "
            "did you mean 'full'?",
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
