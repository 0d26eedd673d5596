"""NetCDF files and zarr stores as variables, through xarray."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.field_files.variable import Variable
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
    return any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def gridded_variables(path: Path, where: str) -> list[Variable]:
    """The arrays of a NetCDF file or a zarr store, with dimensions by name.

    Args:
        path: The file or the store.
        where: The same in words, for messages.

    Raises:
        UserError: It is damaged.
    """
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
        return xarray.open_zarr(
            path, chunks=None, decode_times=False, use_zarr_fill_value_as_mask=False
        )


def _reader(path: Path, name: str) -> Callable[[tuple[slice, ...]], Any]:
    def read(index: tuple[slice, ...]) -> Any:
        array = _opened(path)[name]
        values = array[index].values
        fill = _missing(path, name) if path.is_dir() else None
        if fill:
            values = np.where(values == fill, np.nan, values)
        return values

    return read


@lru_cache(maxsize=64)
def _missing(path: Path, name: str) -> Any:
    """The number that stands for what is missing in a store of format 2; None or 0 for none."""
    import zarr

    array = zarr.open_group(path, mode="r")[name]
    return array.fill_value if array.metadata.zarr_format == 2 else None


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
