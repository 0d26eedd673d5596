"""Files of fields: every format gives the numbers that were written, by name, and in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from field_examples import numbered, waves, write_pdebench, write_well

from genlab.data.field_files import FieldRows, look_at_fields, parts_of, stored_facts, variables
from genlab.data.field_files.facts import doubts, fingerprint, rows_of, seam
from genlab.errors import UserError

CHOICES: dict[str, Any] = {
    "channels": None,
    "condition": [],
    "steps": None,
    "lag": 0,
    "size": None,
    "stride": 1,
    "windows": "tiles",
    "axes": None,
    "periodic": None,
}


def read(path: Path, rows: Any = None, **choices: Any) -> tuple[np.ndarray, np.ndarray]:
    source = FieldRows(paths=[path], **choices)
    return source.read(np.arange(len(source)) if rows is None else np.asarray(rows))


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("shape", "event", "rows"),
    [
        ((5, 6, 6), (1, 6, 6), 5),
        ((5, 3, 6, 6), (3, 6, 6), 5),
        ((5, 6, 6, 2), (2, 6, 6), 5),
        ((5, 7, 6, 6), (1, 6, 6), 35),
        ((5, 7, 2, 6, 6), (2, 6, 6), 35),
        ((5, 7, 6, 6, 2), (2, 6, 6), 35),
    ],
)
def test_arrays_of_numpy(
    tmp_path: Path, shape: tuple[int, ...], event: tuple[int, ...], rows: int
) -> None:
    array = numbered(*shape)
    np.savez(tmp_path / "plain.npz", w=array, other=np.zeros(3))
    np.savez_compressed(tmp_path / "packed.npz", w=array)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(array))
    x, context = read(saved(tmp_path / "w.npy", array))
    last = shape[-1] == 2
    assert np.array_equal(x, (np.moveaxis(array, -1, -3) if last else array).reshape(rows, *event))
    assert context.shape == (rows, 0)
    for name in ("plain.npz", "packed.npz", "fortran.npy"):
        assert np.array_equal(read(tmp_path / name)[0], x)


def test_axes_of_the_users_own(tmp_path: Path) -> None:
    array = numbered(3, 4, 6, 5, 6)
    path = saved(tmp_path / "w.npy", array)
    x, _ = read(path, axes=["sample", "sample", "y", "time", "x"])
    assert np.array_equal(x[:, 0], array.transpose(0, 1, 3, 4, 2).reshape(-1, 6, 6))
    rows = [7, 8, 40, 3]
    assert np.array_equal(read(path, rows, axes=["sample", "sample", "y", "time", "x"])[0], x[rows])
    with pytest.raises(UserError, match=r"axes=.*: expected 5, as 'w' in w.npy has shape"):
        variables(path)[0].with_axes(["x", "y"], "w.npy")
    with pytest.raises(UserError, match="no axis 'batch'; choose from: sample, time"):
        variables(path)[0].with_axes(["batch", "y"], "w.npy")


def test_any_rows_are_those_of_the_whole(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(6, 5, 9, 9))
    choices: dict[str, Any] = {"steps": "::2", "size": 4, "stride": 1}
    whole, _ = read(path, **choices)
    assert whole.shape == (6 * 3 * 4, 1, 4, 4)
    assert np.array_equal(whole[0, 0], numbered(6, 5, 9, 9)[0, 0, :4, :4])
    assert np.array_equal(whole[12 + 4 + 1, 0], numbered(6, 5, 9, 9)[1, 2, :4, 4:8])
    source = np.random.default_rng(0)
    for rows in (source.permutation(72), np.sort(source.permutation(72)[:50]), [5], [70, 71, 0]):
        assert np.array_equal(read(path, rows, **choices)[0], whole[rows])


def test_windows_and_strides(tmp_path: Path) -> None:
    array = numbered(2, 12, 10)
    path = saved(tmp_path / "w.npy", array)
    centre, _ = read(path, size=3, stride=2, windows="centre")
    assert np.array_equal(centre[:, 0], array[:, 2:8:2, 2:8:2])
    with pytest.raises(UserError, match=r"12 x 10 points, expected squares; `size=10` cuts"):
        read(path)
    with pytest.raises(
        UserError, match="size=11: expected 2 to 10, as the fields have 12 x 10 points"
    ):
        read(path, size=11)


def test_files_of_the_well(tmp_path: Path) -> None:
    path = write_well(tmp_path / "well.hdf5")
    found = {one.name: one for one in variables(path)}
    assert found["velocity"].channels == ("velocity_x", "velocity_y")
    assert found["strain"].names == ("strain_x_x", "strain_x_y", "strain_y_x", "strain_y_y")
    assert all(one.periodic for one in found.values() if one.is_field)
    velocity = numbered(3, 5, 8, 8, 2)
    x, _ = read(path, channels=["velocity"])
    assert np.array_equal(x, np.moveaxis(velocity, -1, 2).reshape(15, 2, 8, 8))
    y, _ = read(path, channels=["velocity_y", "constant"])
    assert np.array_equal(y[:, 0], x[:, 1])
    assert np.array_equal(y[:, 1], numbered(3, 8, 8).repeat(5, 0))
    strain, _ = read(path, channels=["strain_y_x"])
    assert np.array_equal(strain[:, 0], numbered(3, 5, 8, 8, 2, 2)[..., 1, 0].reshape(15, 8, 8))
    _, given = read(path, channels=["pressure"], condition=["viscosity", "load", "reynolds"])
    assert given[:, 0].tolist() == [0.25] * 15
    assert given[:, 1].tolist() == np.tile(np.linspace(0, 1, 5), 3).astype(np.float32).tolist()
    assert given[:, 2].tolist() == [10] * 5 + [11] * 5 + [12] * 5
    facts = stored_facts(path=str(path), **{**CHOICES, "channels": ["velocity"]})
    assert (facts["periodic"], facts["quantity"]) == (True, "velocity")


def test_files_of_the_wells_own_package(tmp_path: Path) -> None:
    dummy = pytest.importorskip("the_well.utils.dummy_data")
    dummy.write_dummy_data(str(tmp_path / "dummy.hdf5"))
    x, _ = read(tmp_path / "dummy.hdf5", channels=["field"])
    with h5py.File(tmp_path / "dummy.hdf5") as file:
        truth = file["t1_fields/field"][:]
    assert np.array_equal(x, np.moveaxis(truth, -1, 2).reshape(20, 2, 32, 32))


def test_axes_of_one_length_are_no_trouble(tmp_path: Path) -> None:
    """Dimensions made up by length collide there; and t-coordinate is one entry longer."""
    density, vx = numbered(8, 7, 8, 8), 1e6 + numbered(8, 7, 8, 8)
    path = write_pdebench(tmp_path / "cfd.hdf5", density=density, Vx=vx)
    x, _ = read(path, channels=["density", "Vx"])
    assert np.array_equal(x, np.stack([density, vx], 2).reshape(56, 2, 8, 8))
    assert {one.name for one in variables(path)} == {"density", "Vx"}
    darcy = write_pdebench(tmp_path / "darcy.hdf5", tensor=numbered(8, 1, 8, 8))
    with h5py.File(darcy, "a") as file:
        file["nu"] = numbered(8, 8, 8)
    x, given = read(darcy, channels=["tensor"], condition=["nu"])
    assert np.array_equal(x[:, 0].reshape(8, -1), given)


def test_pdebench_with_a_group_for_each_sample(tmp_path: Path) -> None:
    array = numbered(4, 5, 6, 6, 2)
    with h5py.File(tmp_path / "react.h5", "w") as file:
        for number, values in enumerate(array):
            file[f"{number:04d}/data"] = values
            file[f"{number:04d}/grid/t"] = np.arange(5.0)
    x, _ = read(tmp_path / "react.h5", channels=["data_1"])
    assert np.array_equal(x[:, 0], array[..., 1].reshape(20, 6, 6))


def test_files_of_matlab(tmp_path: Path) -> None:
    from scipy.io import savemat

    a, u = numbered(3, 6, 6), numbered(3, 6, 6, 5)
    savemat(tmp_path / "old.mat", {"a": a, "u": u, "t": np.arange(5.0)})
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        file["a"], file["u"], file["t"] = a.T, u.T, np.arange(5.0)[:, None]
    for name in ("old.mat", "new.mat"):
        x, given = read(tmp_path / name, channels=["u"], condition=["a"])
        assert np.array_equal(x[:, 0], np.moveaxis(u, -1, 1).reshape(15, 6, 6))
        assert np.array_equal(given, a.reshape(3, 36).repeat(5, 0))


def test_files_of_xarray(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    array = numbered(5, 6, 8)  # time, latitude, longitude: y comes before x
    data = xarray.Dataset({"sst": (("time", "lat", "lon"), array, {"units": "K"})})
    data.to_netcdf(tmp_path / "four.nc", engine="h5netcdf")
    data.to_netcdf(tmp_path / "three.nc", engine="scipy")
    for name in ("four.nc", "three.nc"):
        (one,) = variables(tmp_path / name)
        assert (one.axes, one.units) == (("time", "y", "x"), "K")
        x, _ = read(tmp_path / name, size=6)
        assert np.array_equal(x[:, 0], array.swapaxes(1, 2)[:, :6])


@pytest.mark.parametrize("version", [2, 3])
def test_true_zeros_of_zarr_stay_numbers(tmp_path: Path, version: int) -> None:
    zarr, _ = pytest.importorskip("zarr"), pytest.importorskip("xarray")
    array = numbered(5, 6, 6) % 7
    names = ["time", "y", "x"]
    for name, named in (("w.zarr", True), ("plain.zarr", False)):
        group = zarr.open_group(tmp_path / name, mode="w", zarr_format=version)
        kept = {"dimension_names": names} if named and version == 3 else {}
        one = group.create_array("w", shape=array.shape, dtype="f4", fill_value=0, **kept)
        if named and version == 2:
            one.attrs["_ARRAY_DIMENSIONS"] = names
        one[:] = array
    assert np.array_equal(read(tmp_path / "w.zarr")[0][:, 0], array.swapaxes(1, 2))
    assert np.array_equal(read(tmp_path / "plain.zarr")[0][:, 0], array)


def test_what_a_store_says_is_missing_is_no_number(tmp_path: Path) -> None:
    zarr, _ = pytest.importorskip("zarr"), pytest.importorskip("xarray")
    group = zarr.open_group(tmp_path / "w.zarr", mode="w", zarr_format=2)
    one = group.create_array("w", shape=(5, 6, 6), dtype="i2", fill_value=-99)
    one.attrs.update({"_ARRAY_DIMENSIONS": ["time", "y", "x"], "scale_factor": 0.5})
    one[:] = numbered(5, 6, 6)
    assert np.array_equal(read(tmp_path / "w.zarr")[0][0, 0], numbered(6, 6).T / 2)
    one[3, 4, 5] = -99
    with pytest.raises(UserError, match=r"'w' is nan at sample 0, step 3, point \(5, 4\)"):
        read(tmp_path / "w.zarr")


def test_a_condition_is_a_channel_or_an_earlier_step(tmp_path: Path) -> None:
    array = numbered(3, 5, 6, 6)
    path = saved(tmp_path / "w.npy", array)
    x, given = read(path, condition=["w"], lag=2)
    assert np.array_equal(x[:, 0], array[:, 2:].reshape(-1, 6, 6))
    assert np.array_equal(given, array[:, :-2].reshape(-1, 36))
    with pytest.raises(UserError, match="condition: 'w' is learned itself; `lag=1`"):
        read(path, condition=["w"])
    with pytest.raises(UserError, match=r"steps=\[0, 3\]: step 0 has none 2 earlier"):
        read(path, condition=["w"], lag=2, steps=[0, 3])
    with pytest.raises(UserError, match=r"lag=5: w\.npy has 5 time steps"):
        read(path, condition=["w"], lag=5)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (5, "steps=5: no step 5; w.npy has 0 to 4"),
        ([0, 0], "expected each step once"),
        ("a:b", "steps=a:b: expected numbers, as"),
        ("7:9", "steps=7:9: holds none of the 5 time steps"),
    ],
)
def test_steps_out_of_range(tmp_path: Path, steps: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(saved(tmp_path / "w.npy", numbered(3, 5, 6, 6)), steps=steps)


def test_mistakes(tmp_path: Path) -> None:
    path = write_well(tmp_path / "well.hdf5")
    with pytest.raises(UserError, match=r"several fields \(constant, pressure, velocity, strain\)"):
        read(path)
    with pytest.raises(UserError, match=r"no such channel in .*; did you mean 'velocity_x'"):
        read(path, channels=["velocity_x1"])
    with pytest.raises(UserError, match=r"channels=pressure: expected a list; write"):
        read(path, channels="pressure")
    with pytest.raises(UserError, match="'velocity_x' is named twice"):
        read(path, channels=["velocity", "velocity_x"])
    with pytest.raises(UserError, match=r"no such file; did you mean 'well\.hdf5'"):
        read(tmp_path / "wel.hdf5")
    holed = np.ones((4, 6, 6))
    holed[2, 3, 5] = np.nan
    with pytest.raises(UserError, match=r"'h' is nan at sample 2, step 0, point \(3, 5\)"):
        read(saved(tmp_path / "h.npy", holed))
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match="not an array that numpy can read"):
        read(tmp_path / "bad.npy")
    saved(tmp_path / "complex.npy", numbered(4, 6, 6) * 1j)
    with pytest.raises(UserError, match="save real and imaginary parts as two channels"):
        read(tmp_path / "complex.npy")
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")
    with pytest.raises(UserError, match="not an HDF5 file that can be read"):
        read(tmp_path / "bad.h5")
    (tmp_path / "bad.h5").write_bytes(b"no array")
    with pytest.raises(UserError, match="not an HDF5 file"):
        read(tmp_path / "bad.h5")
    with pytest.raises(UserError, match="expected a file that ends in"):
        read(saved(tmp_path / "w.npy", holed).rename(tmp_path / "w.csv"))
    solid = saved(tmp_path / "solid.npy", numbered(2, 5, 6, 6, 6))
    with pytest.raises(UserError, match=r"no fields in the plane.*\n.*axes=\['sample', 'time',"):
        read(solid)
    assert read(solid, axes=["sample", "time", "x", "y", "sample"])[0].shape == (60, 1, 6, 6)


def test_files_that_end_too_early(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(9, 6, 6))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="it ends after 1,196 of its 1,296 bytes"):
        read(path)
    with pytest.raises(UserError, match=r"w\.npy: 'w' of shape \[0, 6, 6\] is empty"):
        read(saved(tmp_path / "w.npy", numbered(0, 6, 6)))
    with h5py.File(tmp_path / "react.h5", "w") as file:
        for number in range(3):
            file[f"{number:04d}/data"] = numbered(4 + number // 2, 6, 6, 2)
    with pytest.raises(
        UserError, match=r"react.h5: sample '0002' has shape \[5, 6, 6, 2\], '0000'"
    ):
        read(tmp_path / "react.h5")


@pytest.mark.filterwarnings("error")
def test_numbers_that_single_precision_does_not_hold(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", 1e38 * numbered(2, 3, 3).astype(float))
    with pytest.raises(UserError, match=r"'w' is 4e\+38 at .*none above 3\.4e38"):
        read(path)
    offset = saved(tmp_path / "p.npy", 1e7 + 0.1 * waves(16, 8))
    with pytest.raises(UserError, match=r"'p' is 1e\+07 everywhere in single precision"):
        look_at_fields(path=str(offset), **CHOICES)


def test_axes_that_no_array_has(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(3, 4, 6, 6))
    with pytest.raises(UserError, match=r"expected 4, as 'w' in w.npy has shape \[3, 4, 6, 6\]"):
        read(path, axes=["time", "x", "y"])
    lines = saved(tmp_path / "lines.npy", numbered(20, 1, 6))
    with pytest.raises(UserError, match="fields of 1 x 6 points with `stride=1`, expected at"):
        read(lines)


def test_axes_that_alone_make_squares(tmp_path: Path) -> None:
    array = numbered(5, 6, 6, 7)
    x, _ = read(saved(tmp_path / "w.npy", array))
    assert np.array_equal(x[:, 0], np.moveaxis(array, -1, 1).reshape(35, 6, 6))
    x, _ = read(saved(tmp_path / "w.npy", array[0]))
    assert np.array_equal(x[:, 0], np.moveaxis(array[0], -1, 0))


def test_fields_that_have_no_density(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(40, 8, 8)).astype(np.float32)
    assert not [*doubts(noise[:, None], ["w"], periodic=True)]
    low = np.fft.fft2(noise)
    low[:, 3:6] = low[:, :, 3:6] = 0  # what a dealiased simulation leaves
    (told,) = doubts(np.fft.ifft2(low).real[:, None].astype(np.float32), ["w"], periodic=True)
    assert told.startswith("w: 39 of 64 modes never vary")
    walls = noise.copy()
    walls[:, 0] = 0
    (told,) = doubts(walls[:, None], ["u"], periodic=False)
    assert told.startswith("u: 8 of 64 points never vary")
    (told,) = doubts((300 * noise).round()[:, None], ["n"], periodic=True)
    assert told.startswith("n: whole numbers have no density")
    (told,) = doubts((2.0**16 + 0.1 * noise)[:, None], ["p"], periodic=True)
    assert told.startswith("p: varies by 0.1 in steps of 0.0078")


def test_what_is_called_a_flow_is_one(tmp_path: Path) -> None:
    path = str(saved(tmp_path / "w.npy", waves(16, 8)))
    assert stored_facts(path=path, **CHOICES)["quantity"] == "scalar"
    stored_facts(path=path, **CHOICES, quantity="vorticity")
    with pytest.raises(UserError, match="quantity=velocity: expected 2 channels, got 1"):
        stored_facts(path=path, **CHOICES, quantity="velocity")
    with pytest.raises(UserError, match="quantity=vorticity: its statistics are those of periodic"):
        stored_facts(path=path, **CHOICES | {"periodic": False}, quantity="vorticity")
    np.savez(tmp_path / "u.npz", velocity=np.stack([waves(16, 8)] * 2, 1))
    assert stored_facts(path=str(tmp_path / "u.npz"), **CHOICES)["quantity"] == "velocity"


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_well(tmp_path / "well.hdf5")
    monkeypatch.setattr("genlab.data.field_files.opened.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"takes the package h5py; pip install 'genlab\[fields\]'"):
        variables(path)


def test_a_folder_of_files(tmp_path: Path) -> None:
    whole = numbered(9, 6, 6)
    for number in range(3):
        saved(tmp_path / f"part{number}.npy", whole[3 * number : 3 * number + 3])
    source = FieldRows(paths=parts_of(tmp_path)["train"], channels=["part0"])
    assert np.array_equal(source.read(np.arange(9))[0][:, 0], whole)
    for number in range(3):
        np.savez(tmp_path / f"part{number}.npz", w=whole[3 * number : 3 * number + 3])
        (tmp_path / f"part{number}.npy").unlink()
    source = FieldRows(paths=parts_of(tmp_path)["train"])
    assert np.array_equal(source.read(np.arange(2, 8))[0][:, 0], whole[2:8])
    for name in ("train", "valid", "test"):
        (tmp_path / "set" / name).mkdir(parents=True)
        write_well(tmp_path / "set" / name / "a.hdf5")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert set(parts_of(tmp_path / "set")) == {"train", "val", "test"}
    with pytest.raises(UserError, match="no file in it"):
        parts_of(empty)


def test_arrays_without_names_go_by_the_first_file(tmp_path: Path) -> None:
    for part, name in (("train", "one"), ("train", "two"), ("valid", "three")):
        (tmp_path / part).mkdir(exist_ok=True)
        saved(tmp_path / part / f"{name}.npy", numbered(9, 6, 6))
    facts = stored_facts(path=str(tmp_path), **CHOICES)
    assert facts["channels"] == ["one"]
    held_out = rows_of(str(tmp_path), "val", channels=["one"])
    assert held_out is not None
    assert np.array_equal(held_out.read(np.arange(9))[0][:, 0], numbered(9, 6, 6))


def test_files_of_other_shapes_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a.npy", numbered(9, 6, 6)), saved(tmp_path / "b.npy", numbered(9, 8, 8))
    with pytest.raises(UserError, match=r"b\.npy: 1 x 8 x 8 numbers a field, those of a\.npy have"):
        stored_facts(path=str(tmp_path), **CHOICES)


def test_a_lag_is_no_step_ahead(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.npy", numbered(3, 5, 6, 6))
    with pytest.raises(UserError, match="lag=-1: expected an integer, at least 0"):
        stored_facts(path=str(path), **{**CHOICES, "condition": ["w"], "lag": -1})
    with pytest.raises(UserError, match="lag=1: `condition` is what is so much earlier"):
        stored_facts(path=str(path), **{**CHOICES, "lag": 1})


def test_periodic_fields_are_known_by_their_sides(tmp_path: Path) -> None:
    whole = waves(16, 24)
    along_x, along_y = seam(whole[:, None])
    assert (along_x, along_y) == pytest.approx((1, 1), rel=1e-5)
    assert max(seam(whole[:, None, :17, :17])) > 10
    both = saved(tmp_path / "w.npy", whole), saved(tmp_path / "part.npy", whole[:, :17, :17])
    closed, cut = (stored_facts(path=str(path), **CHOICES) for path in both)
    assert (closed["periodic"], closed["padding"]) == (True, "circular")
    assert (cut["periodic"], cut["padding"]) == (False, "zeros")
    windows = stored_facts(path=str(both[0]), **{**CHOICES, "size": 12})
    assert not windows["periodic"]


def test_a_large_file_is_known_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.npy"
    path.write_bytes(bytes(10_000_000))
    monkeypatch.setattr("genlab.data.field_files.facts.LARGE", 1000)
    before = fingerprint(path)
    assert fingerprint(path) == before
    with path.open("r+b") as file:
        file.write(b"1")
    assert fingerprint(path) != before
