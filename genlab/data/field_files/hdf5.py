"""HDF5 files as variables: The Well's, PDEBench's, MATLAB's from v7.3 on, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.field_files.arrays import matlab_axes
from genlab.data.field_files.variable import Variable, guessed_axes
from genlab.errors import UserError

__all__ = ["hdf5_variables", "is_hdf5", "layout"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
WELL = ("t0_fields", "t1_fields", "t2_fields")
SIDES = ("x", "y", "z")


def is_hdf5(path: Path) -> bool:
    """Whether a file is one, or begins as MATLAB's from v7.3 on, behind 512 bytes of text."""
    with path.open("rb") as file:
        start = file.read(520)
    return start.startswith(SIGNATURE) or start[512:] == SIGNATURE


def layout(path: Path, where: str = "") -> str:
    """Whose layout a file has: ``well``, ``pdebench``, ``runs``, ``netcdf`` or ``plain``.

    Args:
        path: The file.
        where: The same in words, for messages.

    Raises:
        UserError: The file is damaged.
    """
    with _opened(path, where) as file:
        return _layout_of(file)


@contextmanager
def _opened(path: Path, where: str) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"{where}: not an HDF5 file that can be read ({error})") from error


def _layout_of(file: Any) -> str:
    if "dimensions" in file and any(group in file for group in WELL):
        return "well"
    if "x-coordinate" in file:
        return "pdebench"
    if len(file) and all(name.isdecimal() and "data" in file[name] for name in file):
        return "runs"
    scaled = any("CLASS" in node.attrs and _is_scale(node) for node in file.values())
    return "netcdf" if scaled else "plain"


def hdf5_variables(path: Path, where: str) -> list[Variable]:
    """The arrays of an HDF5 file, whose meanings are told by the layout of it.

    Args:
        path: The file.
        where: The same in words, for messages.

    Raises:
        UserError: The file is damaged.
    """
    with _opened(path, where) as file:
        match _layout_of(file):
            case "well":
                return list(_of_the_well(path, file))
            case "pdebench":
                return list(_of_pdebench(path, file))
            case "runs":
                return list(_of_runs(path, file, where))
        return list(_plain(path, file, reverse=path.suffix.lower() == ".mat"))


def _is_scale(node: Any) -> bool:
    return _text(node.attrs["CLASS"]) == "DIMENSION_SCALE"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _reader(path: Path, name: str) -> Callable[[tuple[slice, ...]], Any]:
    def read(index: tuple[slice, ...]) -> Any:
        import h5py

        with h5py.File(path) as file:
            return file[name][index]

    return read


def _variable(path: Path, node: Any, axes: tuple[str, ...], **others: Any) -> Variable:
    units = node.attrs.get("units")
    settings: dict[str, Any] = {
        "name": node.name.removeprefix("/"),
        "read": _reader(path, node.name),
        "units": None if units is None else _text(units),
        **others,
    }
    return Variable(axes=axes, shape=node.shape, dtype=node.dtype, **settings)


def _of_the_well(path: Path, file: Any) -> Iterator[Variable]:
    """Arrays ``[trajectory, time, x, y(, z)(, component...)]``, without the axes along which they
    do not vary; which sides close stands among the boundary conditions.
    """
    sides = [_text(name) for name in file["dimensions"].attrs["spatial_dims"]]
    periodic = set(sides[:2]) <= set(_periodic_sides(file))
    for order, group in enumerate(WELL):
        for node in file.get(group, {}).values():
            varies = node.attrs["dim_varying"]
            axes = [axis for axis, does in zip(SIDES, varies, strict=False) if does]
            name = node.name.rsplit("/", 1)[1]
            components = [""]
            for _ in range(order):
                components = [f"{one}_{side}" for one in components for side in sides]
            yield _flat_components(
                _variable(
                    path,
                    node,
                    (*_varying(node), *axes, *["channel"] * order),
                    name=name,
                    channels=tuple(name + one for one in components) if order else (),
                    periodic=periodic,
                )
            )
    for node in file.get("scalars", {}).values():
        yield _variable(path, node, _varying(node), name=node.name.rsplit("/", 1)[1])


def _varying(node: Any) -> tuple[str, ...]:
    has = {"sample": "sample_varying", "time": "time_varying"}
    return tuple(axis for axis, key in has.items() if node.attrs[key])


def _periodic_sides(file: Any) -> Iterator[str]:
    for group in file.get("boundary_conditions", {}).values():
        if _text(group.attrs["bc_type"]).upper() == "PERIODIC":
            yield from map(_text, np.atleast_1d(group.attrs["associated_dims"]))


def _flat_components(variable: Variable) -> Variable:
    """Of a tensor, whose components have two axes, one axis of them."""
    if variable.axes.count("channel") < 2:
        return variable
    *kept, rows, columns = variable.shape

    def read(index: tuple[slice, ...]) -> Any:
        array = variable.read((*index[:-1], slice(None), slice(None)))
        return array.reshape(*array.shape[:-2], rows * columns)[..., index[-1]]

    return replace(variable, axes=variable.axes[:-1], shape=(*kept, rows * columns), read=read)


def _of_pdebench(path: Path, file: Any) -> Iterator[Variable]:
    """Arrays ``[batch, time, x(, y)(, z)]``; of the coordinates that of time is one entry longer,
    and of Darcy's flow there is none of time.
    """
    sides = [side for side in SIDES if f"{side}-coordinate" in file]
    for name, node in file.items():
        if name.endswith("-coordinate"):
            continue
        moving = ("time",) if len(node.shape) > 1 + len(sides) else ()
        channels = ("channel",) if len(node.shape) > 2 + len(sides) else ()
        axes = ("sample", *moving, *sides, *channels)
        yield _variable(path, node, axes[: len(node.shape)])


def _of_runs(path: Path, file: Any, where: str) -> Iterator[Variable]:
    """PDEBench's other layout: a group for each run, with ``data`` of axes time, x, y, channel."""
    names = sorted(file)
    first = file[names[0]]["data"]
    for name in names:
        if (shape := file[name]["data"].shape) != first.shape:
            raise UserError(
                f"{where}: sample {name!r} has shape {list(shape)}, {names[0]!r} has "
                f"{list(first.shape)}"
            )
    inner = (("time", "x", "y", "channel"), ("time", "x", "channel"))[len(first.shape) < 4]

    def read(index: tuple[slice, ...]) -> Any:
        import h5py

        with h5py.File(path) as file:
            return np.stack([file[name]["data"][index[1:]] for name in names[index[0]]])

    yield Variable(
        name="data",
        axes=("sample", *inner),
        shape=(len(names), *first.shape),
        dtype=first.dtype,
        read=read,
    )


def _plain(path: Path, file: Any, *, reverse: bool) -> Iterator[Variable]:
    """All arrays below the root; MATLAB writes its axes in reverse order."""
    import h5py

    found: list[Any] = []
    file.visititems(lambda _, node: found.append(node) if isinstance(node, h5py.Dataset) else None)
    for node in found:
        if reverse and node.name.startswith("/#"):  # MATLAB's own records
            continue
        axes = guessed_axes(node.shape)
        if reverse:
            axes = matlab_axes(node.shape[::-1])[::-1]
        yield _variable(path, node, axes)
