"""Simulated rows kept in files: made once, whole or absent, shared."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genlab.errors import UserError
from genlab.fields import PowerLaw
from genlab.targets import Turbulence
from genlab.targets.kept_set import KeptSet


class Maker:
    """Makes chunks of four rows, and notes which."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.made: list[int] = []
        self.fails_at = fails_at

    def __call__(self, chunk: int) -> dict[str, Tensor]:
        if chunk == self.fails_at:
            raise KeyboardInterrupt
        self.made.append(chunk)
        return {"x": 10.0 * chunk + torch.arange(4.0), "log_p": torch.zeros(4)}


def kept(root: Path, maker: Maker, **key: object) -> KeptSet:
    return KeptSet(root, {"law": "test", **key}, maker, rows=4)


def test_rows_are_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = Maker()
    first = kept(tmp_path, maker).read(6)["x"]
    assert "simulates 8 samples of test, kept in" in capsys.readouterr().err
    kept(tmp_path, Maker(), purpose="train").read(4)
    assert "simulates 4 samples of test for train, kept in" in capsys.readouterr().err
    assert first.tolist() == [0, 1, 2, 3, 10, 11]
    again = kept(tmp_path, maker).read(9)["x"]
    assert torch.equal(again[:6], first)
    assert sorted(maker.made) == [0, 1, 2]


def test_all_that_fixes_the_rows_is_in_the_key(tmp_path: Path) -> None:
    maker = Maker()
    one, other = kept(tmp_path, maker, time=1.0), kept(tmp_path, maker, time=2.0)
    assert one.folder != other.folder
    one.read(1)
    assert json.loads((one.folder / "key.json").read_text())["time"] == 1.0


def test_an_interruption_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 0)
    interrupted = Maker(fails_at=2)
    with pytest.raises(KeyboardInterrupt) as stop:
        kept(tmp_path, interrupted).read(16)
    assert stop.value.__notes__ == ["what was simulated so far is kept, and not made again"]
    assert sorted(path.name for path in kept(tmp_path, interrupted).folder.glob("*.npz")) == [
        "000000.npz",
        "000001.npz",
    ]
    maker = Maker()
    kept(tmp_path, maker).read(16)
    assert maker.made == [2, 3]


def test_processes_begin_in_different_places_and_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 2)

    class Helped(Maker):
        def __call__(self, chunk: int) -> dict[str, Tensor]:
            if chunk == 2:  # another process makes the next one meanwhile
                kept(tmp_path, Maker())._fill([kept(tmp_path, self)._path(0)])
            return super().__call__(chunk)

    helped = Helped()
    assert len(kept(tmp_path, helped).read(12)["x"]) == 12
    assert helped.made == [2, 1]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    one = kept(tmp_path, Maker())
    one.read(1)
    (one.folder / "000000.npz").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"000000\.npz: damaged; remove it"):
        one.read(1)


def test_a_law_keeps_its_samples_for_each_purpose(tmp_path: Path) -> None:
    def target(viscosity: float = 1e-3) -> Turbulence:
        made = Turbulence(5, spectrum=PowerLaw(rms=3.0), time=0.1, viscosity=viscosity)
        made.root = str(tmp_path)
        return made

    train = target().kept("train", 20, seed=0).x
    assert torch.equal(target().kept("train", 10, seed=0).x, train[:10])
    for other in (
        target().kept("test", 20, seed=0),
        target().kept("train", 20, seed=1),
        target(2e-3).kept("train", 20, seed=0),
    ):
        assert not torch.equal(other.x, train)
    assert len(list(tmp_path.iterdir())) == 4
    # The same without files.
    nowhere = target()
    nowhere.root = None
    assert torch.equal(nowhere.kept("train", 20, seed=0).x, train)
