"""Which reader a file of fields takes, and which files a folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from genlab.data.field_files.arrays import matlab_variables, numpy_variables
from genlab.data.field_files.gridded import gridded_variables, is_zarr
from genlab.data.field_files.hdf5 import hdf5_variables, is_hdf5, layout
from genlab.data.field_files.variable import Variable
from genlab.errors import UserError, no_such_file

__all__ = ["NUMPY", "READ", "format_of", "parts_of", "variables"]

NUMPY = (".npy", ".npz")
HDF5 = (".h5", ".hdf5", ".hdf", ".he5")
NETCDF = (".nc", ".nc4", ".cdf", ".netcdf")
READ = (*NUMPY, *HDF5, *NETCDF, ".zarr", ".mat")
"""What files of fields end in."""

# What folders in a folder are for, as The Well and others call them.
PARTS = {
    "train": ("train", "training"),
    "val": ("valid", "val", "validation"),
    "test": ("test", "testing"),
}
LAYOUTS = {
    "well": "HDF5 of The Well",
    "pdebench": "HDF5 of PDEBench",
    "runs": "HDF5 of PDEBench, a group for each sample",
    "netcdf": "NetCDF 4",
    "plain": "HDF5",
}
INSTALL = "pip install 'genlab[fields]'"


def variables(path: Path, key: str = "path") -> list[Variable]:
    """The arrays of a file or of a zarr store.

    Args:
        path: Where it lies.
        key: What the user set to name it, for messages.

    Raises:
        UserError: It is not there, damaged, of another kind, or takes a package that is missing.
    """
    where = f"{key}={path}" if key else str(path)
    if not path.exists():
        raise UserError(f"{where}: {no_such_file(path, READ)}")
    kind = path.suffix.lower()
    if path.is_dir():
        _need(("xarray", "zarr"), where, "zarr")
        return gridded_variables(path, where)
    if kind not in READ:
        raise UserError(f"{where}: expected a file that ends in {' or '.join(READ)}")
    if kind in NUMPY:
        return numpy_variables(path, where)
    if is_hdf5(path):
        _need(("h5py",), where, "HDF5")
        if layout(path, where) != "netcdf":
            # h5netcdf would make dimensions up by their lengths, which axes of one length share.
            return hdf5_variables(path, where)
        _need(("xarray", "h5netcdf"), where, "NetCDF")
        return gridded_variables(path, where)
    if kind == ".mat":
        return matlab_variables(path, where)
    if kind in NETCDF:
        _need(("xarray",), where, "NetCDF")
        return gridded_variables(path, where)
    raise UserError(f"{where}: not an HDF5 file")


def parts_of(path: Path, key: str = "path") -> dict[str, list[Path]]:
    """The files to train on, and those to validate and test on where folders are called so.

    Args:
        path: A file, a zarr store, or a folder of either, or of folders ``train``, ``valid`` and
            ``test``.
        key: What the user set to name it, for messages.

    Raises:
        UserError: The folder holds none.
    """
    if not path.is_dir() or is_zarr(path):
        return {"train": [path]}
    inner = {child.name.lower(): child for child in sorted(path.iterdir()) if child.is_dir()}
    parts = {}
    for part, names in PARTS.items():
        for name in names:
            if name in inner and (files := _files(inner[name])):
                parts[part] = files
    if "train" not in parts and (files := _files(path)):
        parts = {"train": files}
    if "train" not in parts:
        where = f"{key}={path}" if key else str(path)
        raise UserError(
            f"{where}: no file in it, or in a folder train, ends in {' or '.join(READ)}"
        )
    return parts


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if file.suffix.lower() in READ]


def format_of(path: Path) -> str:
    """Whose format a file has, in a word or two."""
    if path.is_dir():
        return "zarr"
    if path.suffix.lower() in NUMPY:
        return "numpy"
    if is_hdf5(path):
        return LAYOUTS[layout(path)] if path.suffix.lower() != ".mat" else "MATLAB 7.3"
    return "MATLAB" if path.suffix.lower() == ".mat" else "NetCDF"


def _need(packages: Sequence[str], where: str, what: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UserError(f"{where}: {what} takes the package {missing[0]}; {INSTALL}")
