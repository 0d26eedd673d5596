"""NetCDF files and zarr stores as variables, through xarray."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.field_files.variable import Variable, guessed_axes
from genlab.errors import UserError

__all__ = ["gridded_variables", "is_zarr"]

# What dimensions are called, by what they are.
NAMES = {
    "sample": ("sample", "batch", "trajectory", "member", "ensemble", "number", "realization"),
    "time": ("time", "t", "step", "valid_time"),
    "channel": ("channel", "component", "variable"),
    "x": ("x", "lon", "longitude", "west_east", "easting"),
    "y": ("y", "lat", "latitude", "south_north", "northing"),
    "z": ("z", "lev", "level", "height", "depth", "plev"),
}
KINDS = {name: axis for axis, names in NAMES.items() for name in names}


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr store, of either format."""
    return any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray"))


def gridded_variables(path: Path, where: str) -> list[Variable]:
    """The arrays of a NetCDF file or a zarr store, with dimensions by name where it has names.

    Args:
        path: The file or the store.
        where: The same in words, for messages.

    Raises:
        UserError: It is damaged.
    """
    if path.is_dir() and (nameless := _nameless(path)):
        return nameless
    try:
        data = _opened(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where}: nothing that xarray can read ({_first(error)})") from error
    return [
        Variable(
            name=str(name),
            axes=_axes(tuple(map(str, array.dims))),
            shape=array.shape,
            dtype=array.dtype,
            read=_reader(path, str(name)),
            channels=_labels(data, array),
            units=array.attrs.get("units"),
        )
        for name, array in data.data_vars.items()
    ]


def _nameless(path: Path) -> list[Variable]:
    """The arrays of a store whose dimensions have no names, for which xarray has no use."""
    import zarr

    root: Any = zarr.open(path, mode="r")
    arrays = list(root.arrays()) if hasattr(root, "arrays") else [(path.stem, root)]
    if any("_ARRAY_DIMENSIONS" in one.attrs or _names(one) for _, one in arrays):
        return []
    return [
        Variable(
            name=name,
            axes=guessed_axes(one.shape),
            shape=one.shape,
            dtype=one.dtype,
            read=one.__getitem__,
            units=one.attrs.get("units"),
        )
        for name, one in arrays
    ]


def _names(array: Any) -> Any:
    """The names of dimensions that format 3 keeps."""
    return getattr(array.metadata, "dimension_names", None)


@lru_cache(maxsize=8)
def _opened(path: Path) -> Any:
    import xarray

    with warnings.catch_warnings():
        # Of a store whose metadata are not gathered in one file.
        warnings.simplefilter("ignore")
        if not path.is_dir():
            return xarray.open_dataset(path, cache=False, decode_times=False)
        # The fill value of format 2 is that of chunks which were never written, 0 as a rule:
        # taken for a mask, it makes NaN of true zeros.
        return xarray.open_zarr(path, chunks=None, decode_times=False, mask_and_scale=False)


def _reader(path: Path, name: str) -> Callable[[tuple[slice, ...]], Any]:
    def read(index: tuple[slice, ...]) -> Any:
        array = _opened(path)[name]
        values = array[index].values
        return _decoded(values, array.attrs) if path.is_dir() else values

    return read


def _decoded(values: np.ndarray, attributes: dict[str, Any]) -> np.ndarray:
    """The numbers that a store of zarr packs, NaN where it says that they are missing."""
    missing = [attributes.get(key) for key in ("_FillValue", "missing_value")]
    scale, offset = attributes.get("scale_factor", 1), attributes.get("add_offset", 0)
    holes = np.isin(values, [number for number in missing if number])
    if (scale, offset) != (1, 0):
        values = values * scale + offset
    return np.where(holes, np.nan, values) if holes.any() else values


def _axes(names: tuple[str, ...]) -> tuple[str, ...]:
    """By their names; where none is x or y, the last two are."""
    axes = [KINDS.get(name.lower(), "sample") for name in names]
    if not {"x", "y"} & set(axes) and len(axes) > 1:
        axes[-2:] = ["x", "y"]
    return tuple(axes)


def _labels(data: Any, array: Any) -> tuple[str, ...]:
    """The names along the axis of channels, where there are any."""
    for name in array.dims:
        if KINDS.get(str(name).lower()) == "channel" and name in data.coords:
            labels = data.coords[name].values
            if labels.dtype.kind in "UOT":
                return tuple(map(str, labels))
    return ()


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
