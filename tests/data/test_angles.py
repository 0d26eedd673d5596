"""Angles at the door of the data: what is read of them, and which families take them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from properties import MODELS

import genlab
from genlab.data.preceding import OF_ANGLES
from genlab.errors import UserError
from genlab.nn import wrap

QUIET = ("trainer.accelerator=cpu", "callbacks=none", "logger=none")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two angles in degrees, two numbers, and the same angles in radians of other turns."""
    source = np.random.default_rng(0)
    degrees = source.uniform(-180, 180, size=(200, 2))
    numbers = 5 + 3 * source.normal(size=(200, 2))
    table = pd.DataFrame(np.concatenate((degrees, numbers), 1), columns=["phi", "psi", "a", "b"])
    table["turn"] = np.radians(degrees[:, 0]) % (2 * math.pi)
    table["year"] = source.integers(1900, 2020, 200) + source.random(200)
    table.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_angles_are_read_in_radians_of_one_turn(path: Path) -> None:
    words = ("data=table", f"data.path={path}", "data.split_seed=null", *QUIET)
    mixed = ("data.columns=[a,phi,psi]", "data.circular=[psi,phi]", "data.degrees=true")
    run = genlab.experiment(*words, *mixed, "model=nsf", "model.layers=1")
    table = pd.read_csv(path)
    x = run.data.training_set.x
    expected = np.radians(table[["phi", "psi"]].to_numpy())[: len(x)]
    np.testing.assert_allclose(x[:, 1:].numpy(), expected, atol=1e-6)
    assert set(run.data.angles) == set(run.model.circular) == {1, 2}
    # Numbers have units of their own, angles are all measured in radians.
    assert run.data.scale[1:].tolist() == [1, 1]
    assert run.data.scale[0] == pytest.approx(x[:, 0].double().std(correction=0).item())
    run.initialise()
    z, log_det = run.model.preprocessing(x)
    assert torch.equal(z[:, 1:], x[:, 1:])
    torch.testing.assert_close(log_det[0], -run.data.scale[0].log().float())
    other = genlab.experiment(*words, "data.columns=[turn]", "data.circular=[turn]", "model=nsf")
    turned = other.data.training_set.x
    torch.testing.assert_close(turned[:, 0], wrap(x[:, 1]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.columns=[phi]", "data.circular=[phi]"], "'phi' of .*reaches 17.*radians.*degrees"),
        (
            ["data.columns=[year]", "data.circular=[year]", "data.degrees=true"],
            "year.* at most 360",
        ),
        (["data.columns=[year]", "data.circular=[year]"], "year.*radians, at most 6.28319$"),
        (
            ["data.columns=[a]", "data.circular=[phi]"],
            "circular: 'phi' is no column to learn; expected some of a$",
        ),
        (["data.columns=[a]", "data.circular=a"], "circular"),
    ],
)
def test_what_are_no_angles_is_told(path: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        genlab.experiment("data=table", f"data.path={path}", "model=nsf", *words, *QUIET)


@pytest.mark.parametrize("family", ["realnvp", "krnet", "resflow"])
def test_families_of_the_line_name_those_of_angles(family: str) -> None:
    with pytest.raises(UserError, match=r"takes angles \(0, 1\)"):
        genlab.experiment(f"model={family}", "data=torus", *QUIET)


def test_the_families_that_are_named_are_those_that_know_angles() -> None:
    known = {name for name, make in MODELS.items() if make(2).knows_angles}
    families = {name.removeprefix("torus-").split("-")[0] for name in known}
    assert families == {"cnf", "flow", "gmm", "nice", "nsf", "vae"}
    assert {nearest_family(name) for name in OF_ANGLES} == families


def nearest_family(name: str) -> str:
    short = {"FlowMatching": "flow", "neural_spline_flow": "nsf"}
    return short.get(name, name.lower())


def test_a_model_of_other_angles_is_told() -> None:
    with pytest.raises(UserError, match=r"circular=\[1\]: expected \[0, 1\]"):
        genlab.experiment("model=nsf", "data=torus", "model.circular=[1]", *QUIET)


def test_a_decoder_of_numbers_is_no_decoder_of_angles() -> None:
    with pytest.raises(UserError, match=r"takes \[\] for angles, the model \[0, 1\].*von_mises"):
        genlab.experiment("model=vae", "data=torus", "observation=gaussian", *QUIET)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["path=cosine"], "angles have straight paths only"),
        (["model.path.sigma_0=0.1"], "angles have straight paths only"),
        (["model.prediction=x1"], "prediction=x1: of angles"),
        (["model.source=moons"], r"its angles are \[\], the data's \[0, 1\]"),
    ],
)
def test_flow_matching_has_one_way_round(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        genlab.experiment("model=flow-matching", "data=torus", *words, *QUIET)


def test_arrays_of_degrees_are_told() -> None:
    x = torch.linspace(-180, 180, 50)[:, None]
    model = genlab.models.CircularNSF(1, layers=1)
    with pytest.raises(UserError, match=r"circular=\[0\]: expected angles in radians.*reaches 180"):
        genlab.fit(model, x, steps=1)
