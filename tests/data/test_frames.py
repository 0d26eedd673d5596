"""Frames: columns by their names, classes by their words, for fitted models and for runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import genlab
from genlab.assembly import Training, experiment
from genlab.data.frames import event_rows
from genlab.densities import Density
from genlab.densities.event import Names
from genlab.errors import UserError

RNG = np.random.default_rng(0)


def table(n: int = 300) -> pd.DataFrame:
    """Two numbers that depend on two others, and on a class."""
    frame = pd.DataFrame(RNG.normal(size=(n, 2)), columns=["t", "q"])
    frame["kind"] = np.where(np.arange(n) % 3, "tau", "mu")
    shift = 3.0 * (frame["kind"] == "tau")
    frame["energy"] = 100 + 5 * frame["t"] + RNG.normal(size=n) + shift
    frame["mass"] = 0.1 * RNG.normal(size=n) - frame["q"]
    return frame


EVENT, CONTEXT = ["energy", "mass"], ["t", "q"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="module")
def given(frame: pd.DataFrame) -> Density:
    model = genlab.models.GMM(2, components=1, context_dim=2)
    return genlab.fit(model, frame[EVENT], frame[CONTEXT], steps=5)


@pytest.fixture(scope="module")
def labelled(frame: pd.DataFrame) -> Density:
    model = genlab.models.GMM(2, components=1, labels=2)
    return genlab.fit(model, frame[EVENT], frame["kind"], steps=5)


def test_columns_are_taken_by_name_never_by_place(frame: pd.DataFrame, given: Density) -> None:
    expected = genlab.score(given, frame[EVENT].to_numpy(), frame[CONTEXT].to_numpy())
    for shuffled in (frame, frame[["mass", "q", "kind", "t", "energy"]].iloc[::-1].iloc[::-1]):
        np.testing.assert_array_equal(genlab.score(given, shuffled), expected)
        np.testing.assert_array_equal(
            genlab.score(given, shuffled[EVENT[::-1]], shuffled[CONTEXT[::-1]]), expected
        )
    one = genlab.score(given, frame[EVENT], {"q": 1.0, "t": 0.5})
    np.testing.assert_array_equal(one, genlab.score(given, frame[EVENT].to_numpy(), [0.5, 1.0]))


def test_classes_are_told_by_their_words(frame: pd.DataFrame, labelled: Density) -> None:
    assert labelled.names == Names(("energy", "mass"), (), "kind", ("mu", "tau"))
    number = (frame["kind"] == "tau").to_numpy().astype(int)
    expected = genlab.score(labelled, frame[EVENT].to_numpy(), number)
    for context in (None, frame["kind"], frame["kind"].tolist(), frame[["t", "kind"]], number):
        np.testing.assert_array_equal(genlab.score(labelled, frame, context), expected)
    tau = genlab.score(labelled, frame, "tau")
    np.testing.assert_array_equal(tau, genlab.score(labelled, frame, [1]))
    np.testing.assert_array_equal(tau, genlab.score(labelled, frame, {"kind": "tau"}))
    apart = genlab.sample(labelled, 500, ["mu", "tau"], seed=1).groupby("kind")["energy"].mean()
    assert apart["tau"] - apart["mu"] == pytest.approx(3, abs=2.5)


def test_samples_are_a_frame_with_the_columns_that_were_learned(
    frame: pd.DataFrame, given: Density
) -> None:
    drawn = genlab.sample(given, 3, frame.iloc[:2], seed=1)
    assert list(drawn.columns) == [*EVENT, *CONTEXT]
    np.testing.assert_allclose(drawn[CONTEXT], frame[CONTEXT].iloc[[0, 0, 0, 1, 1, 1]], rtol=1e-6)
    again = genlab.sample(given, 3, frame[CONTEXT[::-1]].iloc[:2], seed=1)
    pd.testing.assert_frame_equal(drawn, again)
    assert not drawn.equals(genlab.sample(given, 3, frame.iloc[:2], seed=2))
    torch.manual_seed(0)
    first = genlab.sample(given, 3, {"t": 0.0, "q": 0.0})
    torch.manual_seed(0)
    pd.testing.assert_frame_equal(first, genlab.sample(given, 3, [[0.0, 0.0]]))
    assert first["energy"].mean() == pytest.approx(102, abs=4)
    assert given.sample(2, torch.zeros(2)).shape == (2, 2), "a density itself draws tensors"
    arrays = genlab.models.GMM(1, components=1, context_dim=2)
    genlab.fit(arrays, frame["mass"], frame[CONTEXT].to_numpy(), steps=2)
    assert list(genlab.sample(arrays, 1, [0.0, 1.0]).columns) == ["mass", "c1", "c2"]


def test_what_has_no_names_stays_an_array() -> None:
    model = genlab.fit(genlab.models.GMM(2, components=1), RNG.normal(size=(50, 2)), steps=2)
    drawn = genlab.sample(model, 3, seed=0)
    assert isinstance(drawn, np.ndarray)
    x = pd.DataFrame(drawn)  # whose columns pandas numbers
    np.testing.assert_array_equal(genlab.score(model, x), genlab.score(model, drawn))
    named = pd.DataFrame({"other": 0.0, "x2": drawn[:, 1], "x1": drawn[:, 0]})
    np.testing.assert_array_equal(genlab.score(model, named), genlab.score(model, drawn))
    assert genlab.score(model, x.iloc[:0]).shape == (0,)


def test_mistakes_are_named(frame: pd.DataFrame, given: Density, labelled: Density) -> None:
    for x, context, message in (
        (frame[["energy", "t", "q"]], None, "x: no column 'mass'; choose from: energy, q, t"),
        (frame.rename(columns={"mass": "mas"}), None, "x: no column 'mass'; did you mean 'mas'"),
        (frame.drop(columns="q"), None, "context: no column 'q'; "),
        (frame[EVENT], frame[["t"]], "context: no column 'q'"),
        (frame[[*EVENT, "mass"]], frame, "x: several columns are called 'mass'"),
        (frame.assign(mass="heavy"), None, r"x: column 'mass' holds text \('heavy'\)"),
        (frame.assign(mass=np.nan), None, "x: row 1, column 2 is not a finite number"),
        (frame[EVENT].to_numpy(), None, "context: missing; expected t, q"),
        (frame, "warm", "context: expected numbers"),
    ):
        with pytest.raises(UserError, match=message):
            genlab.score(given, x, context)
    for context, message in (
        ("electron", "context: got 'electron'; choose from: mu, tau"),
        ([0, 2], "context: got '2'; choose from: mu, tau"),
        (frame[["t"]].assign(q=1), "context: no column 'kind'"),
    ):
        with pytest.raises(UserError, match=message):
            genlab.score(labelled, frame, context)
    with pytest.raises(UserError, match="context: missing; expected a column 'kind' of mu, tau"):
        genlab.score(labelled, frame[EVENT].to_numpy())
    with pytest.raises(UserError, match="3 classes, from 'a' to 'c', but the model has labels=2"):
        genlab.fit(genlab.models.GMM(2, labels=2), frame[EVENT], np.array(["a", "b", "c"] * 100))
    with pytest.raises(UserError, match="context: row 2 has no class"):
        genlab.fit(genlab.models.GMM(2, labels=2), frame[EVENT].iloc[:2], ["a", None])
    with pytest.raises(UserError, match="n=0: expected an integer, at least 1"):
        genlab.sample(labelled, 0, "mu")


def test_a_frame_of_images_holds_a_row_of_numbers_each() -> None:
    names = Names()
    rows = pd.DataFrame(np.arange(8.0).reshape(2, 4))
    assert event_rows(rows, names, (1, 2, 2)).shape == (2, 1, 2, 2)
    with pytest.raises(UserError, match="x: expected 9 columns, got 4"):
        event_rows(rows, names, (1, 3, 3))


def untrained(frame: pd.DataFrame, folder: Path, *words: str) -> Training:
    """A run on a table, before its training."""
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    return experiment("model=gmm", "model.components=1", "data=table", f"data.path={path}", *words)


def test_a_run_knows_the_columns_of_its_table(frame: pd.DataFrame, tmp_path: Path) -> None:
    run = untrained(frame, tmp_path, "data.condition=[t,q]", "data.drop=[kind]")
    run.initialise()
    expected = genlab.score(run.model, frame[EVENT].to_numpy(), frame[CONTEXT].to_numpy())
    np.testing.assert_array_equal(run.log_prob(frame[frame.columns[::-1]]), expected)
    drawn = run.sample(2, frame.iloc[:3], seed=4)
    assert list(drawn.columns) == [*EVENT, *CONTEXT]
    assert run.sample(5, {"t": 1.0, "q": 2.0}, seed=4).shape == (5, 4)
    with pytest.raises(UserError, match="x: no column 'mass'"):
        run.log_prob(frame.drop(columns="mass"))
