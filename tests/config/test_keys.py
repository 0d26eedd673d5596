"""What the library says of its arguments and classes is said of keys and choices."""

from __future__ import annotations

import re
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

import genlab
from genlab.config.compose import compose
from genlab.config.keys import Keys, typed
from genlab.errors import RunError, UserError
from tests.test_floors import LIBRARY, texts


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(compose("train", ["model=flow-matching", "data=torus"]))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("standardise=2: no", "data.standardise=2: no"),
        ("use `standardise=True`", "use data.standardise=true"),
        ("of `train_size=None`", "of data.train_size=null"),
        ("write `val_size=ROWS`", "write data.val_size=ROWS"),
        ("a smaller `lr`", "a smaller optimizer.lr"),
        ("fewer `solver.steps`", "fewer model.solver.steps"),
        ("`pairing`: none", "pairing: none"),
        ("use `EM` or `NSF`", "use objective=em or `NSF`"),
        ("use `FixedStepSolver(method='rk4')`", "use solver=rk4"),
        ("`FixedStepSolver(method='none')`", "`FixedStepSolver(method='none')`"),
        ("`FixedStepSolver(method=kind)`", "`FixedStepSolver(method=kind)`"),
        ("`Normal(loc, a b)` or `F(x) + G(y)`", "`Normal(loc, a b)` or `F(x) + G(y)`"),
        ("see `genlab list` and `nothing=3`", "see `genlab list` and `nothing=3`"),
        ("mine.csv: no `names`", "mine.csv: no `names`"),
        ("data.train_size=3: no", "data.train_size=3: no"),
    ],
)
def test_words_of_the_library_are_told_in_keys(keys: Keys, message: str, told: str) -> None:
    assert keys.told(message) == told
    assert keys.told(told) == told


def test_an_argument_that_follows_another_is_called_by_that_one() -> None:
    keys = Keys(
        {
            "data": {"precision": "${trainer.precision}", "batch_size": 2},
            "trainer": {"precision": 1},
            "sampler": {"batch_size": 3},
        }
    )
    assert keys.told("`precision`") == "trainer.precision"
    assert keys.told("`batch_size`") == "data.batch_size"
    assert keys.told("`batch_size`", "sampler") == "sampler.batch_size"
    assert keys.told("batch_size: no", "sampler") == "sampler.batch_size: no"
    assert keys.told("batch_size: no") == "batch_size: no"


def test_an_error_keeps_its_kind_and_its_notes(keys: Keys) -> None:
    error = RunError("try `lr=0.1`")
    error.add_note("log: here")
    with pytest.raises(RunError, match=r"^try optimizer\.lr=0\.1") as found, keys.telling():
        raise error
    assert found.value.__notes__ == ["log: here"]


@pytest.mark.parametrize("name", ["a", "2019", "x (m)", "it's", 'a"b', "true", "a$b", "a,b", "µ"])
def test_advice_can_be_typed(name: str) -> None:
    (word,) = shlex.split(typed("data.drop", ["b", 1, name]))
    (override,) = OverridesParser.create().parse_overrides([word])
    assert override.value() == ["b", 1, name]


@pytest.mark.parametrize("name", ["a", "p [GeV]", "x (m)", "a.1", "a,b:c=d", "back\\slash"])
def test_a_name_in_a_mapping_can_be_typed(name: str) -> None:
    (word,) = shlex.split(typed("data.bounds", {"b": [0, None], name: [0.5, 1]}))
    (override,) = OverridesParser.create().parse_overrides([word])
    assert override.value() == {"b": [0, None], name: [0.5, 1]}


def test_each_class_that_a_message_names_is_a_choice() -> None:
    """A class that is renamed or has lost its option would be told as it stands."""
    keys, named = Keys({}), set()
    for path in LIBRARY:
        for text in texts(path):
            named |= set(re.findall(r"`([A-Z]\w+(?:\([^`]*\))?)`", text))
    assert {"EM", "FixedStepSolver(method='rk4')"} <= named
    assert [name for name in sorted(named) if "`" in keys.told(f"`{name}`")] == []


def test_a_user_sees_keys() -> None:
    words = ["model=vae", "objective=elbo", "objective.free_bits=1"]
    with pytest.raises(UserError) as error:
        genlab.experiment(*words)
    assert str(error.value).startswith(
        "objective.free_bits=1: goes with objective.importance_samples=1; "
    )
