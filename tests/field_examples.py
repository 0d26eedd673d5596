"""Files of fields, each made by hand in the layout of its kind, and waves with known statistics."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

WAVE = (2, 1)
"""The wavenumber of plane waves along x and along y."""


def waves(n: int, side: int, amplitude: float = 3.0) -> np.ndarray:
    """``a cos(k x + phase)``, phases all around: mean 0, mean square ``a^2 / 2`` in each field."""
    phase = 2 * np.pi * np.arange(n) / n + 0.1
    grid = 2 * np.pi * np.arange(side) / side
    angle = WAVE[0] * grid[:, None] + WAVE[1] * grid + phase[:, None, None]
    return (amplitude * np.cos(angle)).astype(np.float32)


def numbered(*shape: int) -> np.ndarray:
    """Numbers 0, 1, 2, ... in an array: each tells its own place."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def write_well(path: Path, *, trajectories: int = 3, steps: int = 5, side: int = 8) -> Path:
    """As The Well's own package writes its dummy files: one more field, and a tensor."""
    with h5py.File(path, "w") as file:
        file.attrs["dataset_name"] = "dummy_dataset"
        file.attrs["n_spatial_dims"] = 2
        file.attrs["n_trajectories"] = trajectories
        for axis in ("x", "y"):
            group = file.create_group(f"boundary_conditions/{axis}_periodic")
            group.attrs["associated_dims"] = axis
            group.attrs["bc_type"] = "PERIODIC"
            group["mask"] = np.zeros(side, bool)
        file.create_group("dimensions").attrs["spatial_dims"] = ["x", "y"]
        lengths = {"time": steps, "x": side, "y": side}
        for name, length in lengths.items():
            file["dimensions"][name] = np.linspace(0, 1, length, dtype=np.float32)
        scalars = {
            "viscosity": (np.float64(0.25), False, False),
            "load": (np.linspace(0, 1, steps), False, True),
            "reynolds": (np.arange(trajectories) + 10.0, True, False),
        }
        fields = {
            "t0_fields/constant": (numbered(trajectories, side, side), True, False),
            "t0_fields/pressure": (numbered(trajectories, steps, side, side), True, True),
            "t1_fields/velocity": (numbered(trajectories, steps, side, side, 2), True, True),
            "t2_fields/strain": (numbered(trajectories, steps, side, side, 2, 2), True, True),
        }
        named = {f"scalars/{name}": one for name, one in scalars.items()} | fields
        for name, (values, samples, times) in named.items():
            file[name] = values
            attributes = file[name].attrs
            attributes["sample_varying"], attributes["time_varying"] = samples, times
            if not name.startswith("scalars"):
                attributes["dim_varying"] = [True, True]
    return path


def write_pdebench(path: Path, **arrays: np.ndarray) -> Path:
    """With coordinates that have no scales; of time one entry more than there are steps."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        first = next(iter(arrays.values()))
        file["x-coordinate"] = np.linspace(0, 1, first.shape[2], dtype=np.float32)
        file["y-coordinate"] = np.linspace(0, 1, first.shape[3], dtype=np.float32)
        file["t-coordinate"] = np.linspace(0, 1, first.shape[1] + 1, dtype=np.float32)
    return path
