"""Exports of a user's own code: the card says what to get, and a reader what is missing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small import small_experiment

import genlab
from genlab.assembly.export.folder import export
from genlab.assembly.export.user_code import located, own_code, remedy
from genlab.errors import UserError
from genlab.runs.files import read_json

FLOW = """
import numpy, zuko
from genlab.models import RealNVP
from my_activation import name

class MyFlow(RealNVP):
    def __init__(self, event_shape, **settings):
        super().__init__(event_shape, **{**settings, "activation": name})
"""
TARGET = """
import torch

def sample(n, generator):
    return torch.randn(n, 2, generator=generator)
"""
SOURCE = {
    "_target_": "genlab.data.TargetDensity",
    "name": "mine",
    "target": {"_target_": "genlab.targets.Custom", "file": "my_target.py", "dim": 2},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with an exported run of the model and the target in it."""
    place = tmp_path_factory.mktemp("mine")
    (place / "own_flow.py").write_text(FLOW)
    (place / "my_activation.py").write_text('name = "tanh"\n\ndef unused(): ...\n')
    (place / "my_target.py").write_text(TARGET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.syspath_prepend(place)
        words = ("model._target_=own_flow.MyFlow", "data=custom", "data.file=my_target.py")
        run = small_experiment(place / "outputs", *words, "data.dim=2", "trainer.max_steps=2")
        run.fit()
        export(run, place / "moons")
    return place


@pytest.fixture
def elsewhere(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """Another machine's folder, where there is nothing but the export."""
    shutil.copytree(place / "moons", tmp_path / "moons")
    monkeypatch.chdir(tmp_path)
    kept = {name: sys.modules.pop(name) for name in ("own_flow", "my_activation")}
    yield monkeypatch
    sys.modules.update(kept)


def test_the_card_says_what_to_copy_and_install(place: Path) -> None:
    card = (place / "moons/README.md").read_text()
    (line,) = (line for line in card.splitlines() if "own_flow" in line)
    assert "`model._target_=own_flow.MyFlow`" in line
    assert "copy own_flow.py into a folder of PYTHONPATH" in line
    assert "pip install zuko==" in line  # numpy comes with genlab
    assert "numpy" not in line
    assert "`data.target.file=my_target.py`, which loading does not need" in card


def test_what_is_missing_is_said_in_a_line(elsewhere: pytest.MonkeyPatch, place: Path) -> None:
    with pytest.raises(UserError) as raised:
        genlab.load("moons")
    assert str(raised.value) == (
        "moons: model._target_=own_flow.MyFlow: no module 'own_flow'; "
        "copy own_flow.py into a folder of PYTHONPATH"
    )
    elsewhere.syspath_prepend(place)
    model = genlab.load("moons").model
    assert type(model).__module__ == "own_flow"
    assert model.log_prob(torch.zeros(3, 2)).shape == (3,)


def test_a_file_is_looked_for_in_the_folder_first(place: Path, tmp_path: Path) -> None:
    own = own_code(SOURCE, "model.source")
    assert own == [
        {"key": "model.source.target.file", "value": "my_target.py", "file": "my_target.py"}
    ]
    node = {"_target_": "genlab.models.FlowMatching", "source": SOURCE}
    with pytest.raises(
        UserError, match=r"model.source.target.file=my_target.py: no such file; copy"
    ):
        located(node, own, tmp_path)
    shutil.copy(place / "my_target.py", tmp_path)
    found = located(node, own, tmp_path)
    assert found["source"]["target"]["file"] == str(tmp_path / "my_target.py")
    assert node["source"] is SOURCE
    assert SOURCE["target"]["file"] == "my_target.py"  # type: ignore[index]


def test_what_is_genlab_s_needs_nothing(place: Path) -> None:
    assert read_json(place / "moons/config.json")["own"]["model"][0]["key"] == "model._target_"
    assert own_code({"_target_": "genlab.models.NSF", "event_shape": [2]}, "model") == []
    assert remedy({"name": "a", "copy": "a/"}) == "copy a/ into a folder of PYTHONPATH"
