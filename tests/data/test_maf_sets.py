"""The five published tables, on small files in the archive's formats."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genlab.data import BSDS300, Gas, Hepmass, MiniBooNE, Power
from genlab.data.frame_pickle import read_frame
from genlab.data.maf_sets import MAFSet
from genlab.errors import UserError

RNG = np.random.default_rng(0)


def make(kind: type[MAFSet], root: Path, width: int) -> tuple[np.ndarray, ...]:
    data = kind(root=str(root), event_shape=[width], batch_size=8, standardise=True, seed=0)
    assert data.test is not None
    return data.training_set.x.numpy(), data.validation.x.numpy(), data.test.x.numpy()


def save(path: Path, rows: np.ndarray) -> None:
    path.parent.mkdir(parents=True)
    np.save(path, rows)


def test_power_is_shuffled_thinned_and_made_continuous(tmp_path: Path) -> None:
    rows = RNG.integers(0, 50, size=(1000, 8)).astype(float)
    save(tmp_path / "power" / "data.npy", rows)
    train, validation, test = make(Power, tmp_path, 6)
    assert (len(train), len(validation), len(test)) == (810, 90, 100)
    known = np.concatenate([train, validation])
    np.testing.assert_allclose(known.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(known.std(0), 1, atol=1e-5)
    # Undone, the noise of each column lies in its own interval above the shuffled integers.
    shuffled = rows.copy()
    np.random.RandomState(42).shuffle(shuffled)
    kept = shuffled[:, [0, 2, 4, 5, 6, 7]]
    for place, width in enumerate([0.001, 0.01, 1, 1, 1, 0]):
        slope, offset = np.polyfit(known[:, place], kept[:900, place], 1)
        noise = kept[:900, place] - (slope * known[:, place] + offset)
        spread = noise.max() - noise.min()
        assert 0.9 * width - 1e-4 < spread < 1.1 * width + 1e-4, place


def gas_frame() -> pd.DataFrame:
    z = RNG.normal(size=(500, 8)) * np.arange(1, 9)
    frame = pd.DataFrame(z, columns=[f"R{k}" for k in range(8)])
    frame.insert(0, "Time", np.arange(500.0))
    frame.insert(1, "Meth", 1.0)
    frame.insert(2, "Eth", 2.0)
    # Two sensors that follow others.
    frame["R8"] = frame["R1"] + 1e-3 * RNG.normal(size=500)
    frame["R9"] = 2 * frame["R3"] + 1e-3 * RNG.normal(size=500)
    # As pandas had it then.
    frame.columns = frame.columns.astype(object)
    return frame


def test_gas_loses_one_of_each_pair_that_agrees(tmp_path: Path) -> None:
    (tmp_path / "gas").mkdir()
    frame = gas_frame()
    frame.to_pickle(tmp_path / "gas" / "ethylene_CO.pickle", protocol=2)
    train, validation, test = make(Gas, tmp_path, 8)
    frame.to_csv(tmp_path / "gas" / "ethylene_CO.csv", index=False)
    (tmp_path / "gas" / "ethylene_CO.pickle").unlink()
    np.testing.assert_array_equal(make(Gas, tmp_path, 8)[0], train)
    # The first of a pair goes.
    left = frame[["R0", "R2", "R4", "R5", "R6", "R7", "R8", "R9"]]
    expected = ((left - left.mean()) / left.std()).to_numpy()
    np.testing.assert_allclose(np.concatenate([train, validation, test]), expected, atol=1e-5)
    assert (len(validation), len(test)) == (45, 50)


class Hostile:
    def __reduce__(self) -> Any:
        return os.mkdir, ("made-by-a-pickle",)


def test_a_pickle_runs_nothing_that_builds_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pickle"
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(UserError, match=r"it asks for posix.mkdir"):
        read_frame(path, "data.root=x")
    assert not Path("made-by-a-pickle").exists()
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="holds no data frame but a list"):
        read_frame(path, "data.root=x")


def test_hepmass_keeps_the_signal_and_what_does_not_repeat(tmp_path: Path) -> None:
    (tmp_path / "hepmass").mkdir()
    frames = []
    for name, n, further in (("1000_train.csv", 300, []), ("1000_test.csv", 100, ["extra"])):
        frame = pd.DataFrame(RNG.normal(size=(n, 4)), columns=list("abcd"))
        frame["c"] = frame["c"].clip(lower=0)  # its smallest value repeats
        frame["d"] = frame["d"].clip(upper=0)  # its largest does
        frame.insert(0, "# label", (np.arange(n) % 3 == 0).astype(float))
        frame[further] = 7.0
        frame.to_csv(tmp_path / "hepmass" / name, index=False)
        frames.append(frame[frame["# label"] == 1][["a", "b", "d"]])
    train, validation, test = make(Hepmass, tmp_path, 3)
    assert (len(train), len(validation), len(test)) == (90, 10, 34)
    mean, std = frames[0].mean(), frames[0].std()
    np.testing.assert_allclose(np.concatenate([train, validation]), (frames[0] - mean) / std, 1e-5)
    np.testing.assert_allclose(test, (frames[1] - mean) / std, rtol=1e-5)


def test_miniboone_is_scaled_by_all_but_the_test(tmp_path: Path) -> None:
    rows = RNG.normal(3, 2, size=(200, 5))
    save(tmp_path / "miniboone" / "data.npy", rows)
    parts = np.concatenate(make(MiniBooNE, tmp_path, 5))
    np.testing.assert_allclose(parts, (rows - rows[:180].mean(0)) / rows[:180].std(0), rtol=1e-4)


def test_bsds300_is_as_the_file_has_it(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "BSDS300").mkdir()
    rows = RNG.normal(size=(3, 10, 63)).astype(np.float32)
    with h5py.File(tmp_path / "BSDS300" / "BSDS300.hdf5", "w") as file:
        for name, part in zip(("train", "validation", "test"), rows, strict=True):
            file[name] = part
    np.testing.assert_array_equal(make(BSDS300, tmp_path, 63), rows)


def test_what_is_missing_is_said_once_with_where_it_goes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^root=.*: power/data.npy missing.*1161203.*GENLAB"):
        make(Power, tmp_path, 6)
    save(tmp_path / "miniboone" / "data.npy", RNG.normal(size=(30, 4)))
    with pytest.raises(UserError, match=r"event_shape=\[43\]: .* has 4 columns"):
        make(MiniBooNE, tmp_path, 43)
