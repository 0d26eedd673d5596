"""Fields of files as data: sets that share no sample, streams from disk, units, and training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from field_examples import WAVE, numbered, waves, write_pdebench, write_well

from genlab.assembly import experiment
from genlab.bijections import SpectralStandardise, Standardise
from genlab.data import ShuffledPools, StoredFields
from genlab.data.field_files import stored_facts
from genlab.errors import UserError
from genlab.fields.statistics import spectrum

SETTINGS: dict[str, Any] = {
    "channels": None,
    "condition": [],
    "lag": 0,
    "steps": None,
    "size": None,
    "stride": 1,
    "windows": "tiles",
    "axes": None,
    "periodic": None,
    "val_fraction": 0.2,
    "test_fraction": 0.2,
    "split_seed": 0,
    "train_size": None,
    "val_size": 1000,
    "test_size": 1000,
    "batch_size": 10,
    "standardise": True,
    "alike": "orbits",
    "seed": 0,
}


def data_of(path: Path, **others: Any) -> StoredFields:
    settings = SETTINGS | {"path": str(path)} | others
    facts = stored_facts(**settings)
    return StoredFields(**settings | {k: v for k, v in facts.items() if settings.get(k) is None})


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def numbers(x: torch.Tensor, side: int = 6) -> set[int]:
    """Which of the fields of `numbered` these are."""
    return set((x[:, 0, 0, 0] / side**2).long().tolist())


def test_a_sample_is_in_one_set_with_all_its_steps(tmp_path: Path) -> None:
    data = data_of(saved(tmp_path / "w.npy", numbered(10, 5, 6, 6)))
    assert data.test is not None
    assert data.training_set is not None
    sets = [numbers(part.x) for part in (data.training_set, data.validation, data.test)]
    assert [len(one) for one in sets] == [30, 10, 10]
    assert set.union(*sets) == set(range(50))
    samples = [{number // 5 for number in one} for one in sets]
    assert [len(one) for one in samples] == [6, 2, 2]
    assert data_of(tmp_path / "w.npy", seed=7).test.x.equal(data.test.x)


def test_of_one_sample_the_last_steps_are_held_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(1, 10, 6, 6))
    data = data_of(path)
    assert data.test is not None
    assert data.training_set is not None
    sets = [numbers(part.x) for part in (data.training_set, data.validation, data.test)]
    assert sets == [set(range(6)), {6, 7}, {8, 9}]
    assert "1 sample: the last steps" in " ".join(data.remarks)
    single = saved(tmp_path / "one.npy", numbered(1, 24, 24))
    assert [len(rows) for rows in data_of(single, size=6).chosen.values()] == [8, 4, 4]
    with pytest.raises(UserError, match=r"nothing is left to learn from, of 1 sample; `size=N`"):
        _ = data_of(single).stream


def test_of_fewer_samples_than_sets_the_last_steps_are_held_out(tmp_path: Path) -> None:
    """As of the dummy file that The Well's package writes: two trajectories of ten steps."""
    path = saved(tmp_path / "w.npy", numbered(2, 10, 6, 6))
    data = data_of(path, val_fraction=0.1, test_fraction=0.1)
    assert data.test is not None
    assert data.training_set is not None
    sets = [numbers(part.x) for part in (data.training_set, data.validation, data.test)]
    assert sets == [set(range(16)), {16, 17}, {18, 19}]
    assert "2 samples: the last steps" in " ".join(data.remarks)
    whole = data_of(path, test_fraction=0.0)  # one sample for each set
    assert sorted(map(len, whole.chosen.values())) == [0, 10, 10]
    assert "2 samples" not in " ".join(whole.remarks)


def test_sets_are_thinned_evenly(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(50, 6, 6))
    data = data_of(path, train_size=4, val_size=3, split_seed=None)
    assert data.training_set is not None
    assert sorted(numbers(data.training_set.x)) == [0, 10, 19, 29]
    assert sorted(numbers(data.validation.x)) == [30, 34, 39]
    with pytest.raises(UserError, match="train_size=31: there are 30 fields to learn"):
        _ = data_of(path, train_size=31).stream


def test_folders_for_each_part(tmp_path: Path) -> None:
    for place, name in enumerate(("train", "valid", "test")):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "a.npz", w=36 * 10 * place + numbered(10, 6, 6))
    data = data_of(tmp_path)
    assert data.test is not None
    assert data.training_set is not None
    sets = [numbers(part.x) for part in (data.training_set, data.validation, data.test)]
    assert sets == [set(range(10)), set(range(10, 20)), set(range(20, 30))]


def test_a_stream_from_disk_is_a_function_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "w.npy", numbered(60, 5, 6, 6))
    monkeypatch.setattr("genlab.data.stored_fields.IN_MEMORY", 0)
    monkeypatch.setattr("genlab.data.shuffled_pools.SHARD", 4 * 36 * 2)
    monkeypatch.setattr("genlab.data.shuffled_pools.POOL", 24 * 36 * 2)
    settings: dict[str, Any] = {"condition": ["w"], "lag": 1, "steps": [1, 2]}
    data = data_of(path, **settings)
    assert isinstance(data.stream, ShuffledPools)
    assert data.training_set is None
    rows = len(data.chosen["train"])
    assert rows == 36 * 2
    first = data.stream.rows(0, rows)
    assert len(numbers(first.x)) == rows  # a pass sees each once
    assert first.context is not None
    assert torch.equal(first.x.flatten(1) - 36, first.context)
    second = data.stream.rows(rows, 2 * rows)
    assert numbers(second.x) == numbers(first.x)
    assert not torch.equal(second.x, first.x)
    for start, stop in ((0, 5), (17, 63), (70, 75)):
        part = data_of(path, **settings).stream.rows(start, stop)
        whole = torch.cat([first.x, second.x])
        assert torch.equal(part.x, whole[start:stop])
    held_out = numbers(data.validation.x)
    assert not held_out & numbers(first.x)


def test_every_row_is_seen_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genlab.data.stored_fields.IN_MEMORY", 0)
    monkeypatch.setattr("genlab.data.shuffled_pools.SHARD", 7 * 36)
    monkeypatch.setattr("genlab.data.shuffled_pools.POOL", 14 * 36)
    data = data_of(saved(tmp_path / "w.npy", numbered(100, 6, 6)))  # 60 rows: 8 shards of 7
    seen = data.stream.rows(0, 56)
    assert len(numbers(seen.x)) == 56
    assert len(numbers(data.stream.rows(0, 56 * 20).x)) == 60


def test_units_are_those_of_what_is_periodic(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", waves(30, 16))
    assert isinstance(data_of(path).preprocessing(()), SpectralStandardise)
    assert isinstance(data_of(path, size=8).preprocessing(()), Standardise)
    assert isinstance(data_of(path, periodic=False).preprocessing(()), Standardise)
    assert data_of(path, standardise=False).preprocessing(()) is None
    assert "taken for not periodic" in data_of(path, size=8).remarks[-1]


def test_samples_that_stand_last_are_remarked_on(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", np.moveaxis(waves(30, 16), 0, -1))
    told = "each sample taken to stand last, by the shape [16, 16, 30]; `axes` names them otherwise"
    assert told in data_of(path).remarks
    axes = ["x", "y", "sample"]
    assert not any("stand last" in remark for remark in data_of(path, axes=axes).remarks)


def test_a_repeated_side_is_remarked_on(tmp_path: Path) -> None:
    whole = waves(30, 16)
    closed = np.concatenate([whole, whole[:, :1]], 1)
    closed = np.concatenate([closed, closed[:, :, :1]], 2)
    path = saved(tmp_path / "w.npy", closed)
    assert "`size=16` `windows='centre'` `periodic=True`" in data_of(path).remarks[-1]
    data = data_of(path, size=16, windows="centre", periodic=True)
    assert torch.equal(data.stream.rows(0, 10).x.mean((1, 2, 3)).abs() < 1e-5, torch.ones(10) > 0)


def test_plane_waves_have_the_energy_of_plane_waves(tmp_path: Path) -> None:
    """``a cos(k x + phase)``: mean square ``a^2 / 2``, all of it at ``|k| = sqrt 5``."""
    stack = np.stack([waves(40, 16, a).reshape(8, 5, 16, 16) for a in (3.0, 0.5)])
    path = write_pdebench(tmp_path / "cfd.hdf5", Vx=stack[0], density=stack[1])
    data = data_of(path, channels=["Vx", "density"])
    assert data.training_set is not None
    x = data.training_set.x.double()
    assert x.square().mean((2, 3)).numpy() == pytest.approx(
        np.array([[4.5, 0.125]]).repeat(len(x), 0), rel=1e-6
    )
    shells = spectrum(x[:, 0]).mean(0)
    place = round(np.hypot(*WAVE))
    assert shells[place].item() == pytest.approx(4.5, rel=1e-6)
    assert shells.sum().item() == pytest.approx(4.5, rel=1e-6)
    assert data.scale is not None
    assert data.scale[:, 0, 0].tolist() == pytest.approx([3 / 2**0.5, 0.5 / 2**0.5], rel=1e-2)


def test_a_file_that_has_changed_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(50, 6, 6))
    data = data_of(path)
    saved(path, numbered(51, 6, 6))
    with pytest.raises(UserError, match="has changed since the run was made"):
        _ = data.stream


QUICK = (
    *("trainer.max_steps=2", "trainer.val_every=2", "trainer.log_every=1"),
    *("trainer.accelerator=cpu", "callbacks=none", "logger=none", "data.batch_size=8"),
)


@pytest.mark.parametrize(
    ("words", "padding"),
    [
        (["data.channels=[velocity]"], "circular"),
        (["data.channels=[pressure]", "data.condition=[pressure]", "data.lag=1"], "circular"),
        (["data.channels=[pressure]", "data.size=4", "data.steps=1:"], "zeros"),
    ],
)
def test_a_file_of_the_well_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], padding: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File(write_well(tmp_path / "well.hdf5", trajectories=20, steps=6), "a") as file:
        for name in ("t0_fields/pressure", "t1_fields/velocity"):
            file[name][...] = np.random.default_rng(0).normal(size=file[name].shape)
    run = experiment(
        *("model=realnvp", "model.layers=2", "model.hidden=[4]", "data=fields"),
        *("data.path=well.hdf5", *words, *QUICK),
    )
    assert run.config["model"]["padding"] == padding
    run.fit()
    run.test()
    assert np.isfinite(run.metrics["test/nll"])
    assert np.isfinite(run.metrics["test/spectrum"])


def test_a_velocity_is_given_channels_as_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_well(tmp_path / "well.hdf5")
    words = ("model=flow-matching", "data=fields", "data.path=well.hdf5", *QUICK)
    words = (*words, "data.channels=[constant]")
    run = experiment(*words, "data.condition=[reynolds,pressure,velocity]")
    network = run.config["model"]["network"]
    assert (network["condition_shape"], run.model.context_encoder.context_dim) == ([3, 8, 8], 193)
    context = run.data.validation.context
    assert context is not None
    assert set(context[:, -1].tolist()) <= {10.0, 11.0, 12.0}  # the number comes last
    run.fit()
    plain = experiment(*words, "data.condition=[reynolds]")
    assert plain.config["model"]["network"]["condition_shape"] == []


def test_mistakes_are_told_in_the_users_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_well(tmp_path / "well.hdf5")
    words = ("model=realnvp", "data=fields", "data.path=well.hdf5")
    with pytest.raises(UserError, match=r"choose by data.channels=\[constant\], or"):
        experiment(*words)
    with pytest.raises(UserError, match=r"^data.channels=\['presure'\]: no such .*'pressure'"):
        experiment(*words, "data.channels=[presure]")
    with pytest.raises(UserError, match=r"^data\.steps=9: no step 9"):
        experiment(*words, "data.channels=[pressure]", "data.steps=9")
    saved(tmp_path / "flat.npy", np.ones((9, 6, 6)))
    with pytest.raises(UserError, match="'flat' is 1 everywhere in single precision, which has"):
        experiment("model=realnvp", "data=fields", "data.path=flat.npy")


def test_a_mixture_takes_all_fields_that_there_are(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", waves(40, 8))
    own = experiment("model=gmm", "data=fields", f"data.path={tmp_path / 'w.npy'}")
    assert own.config["data"]["train_size"] is None
    assert experiment("model=gmm", "data=gaussian_field").config["data"]["train_size"] == 10_000
