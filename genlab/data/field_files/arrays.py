"""Arrays of numpy and of MATLAB's older format as variables."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from genlab.data.field_files.variable import Variable, guessed_axes
from genlab.errors import UserError

__all__ = ["matlab_axes", "matlab_variables", "numpy_variables"]

LARGEST = 2**29
"""Bytes of a compressed array that are unpacked at once."""


def numpy_variables(path: Path, where: str) -> list[Variable]:
    """The arrays of an NPY or NPZ file, which are mapped into memory a part at a time.

    Args:
        path: The file.
        where: The same in words, for messages.

    Raises:
        UserError: The file is damaged, or holds objects.
    """
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                shape, fortran, dtype = _header(file)
                start = file.tell()
            _refuse_torn(path, start, shape, dtype)
            read = _mapped(path, start, shape, fortran, dtype)
            return [_variable(path.stem, shape, dtype, read)]
        return list(_members(path, where))
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{where}: not an array that numpy can read ({error})") from error


def _members(path: Path, where: str) -> list[Variable]:
    found = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                shape, fortran, dtype = _header(file)
                header = file.tell()
            name = member.filename.removesuffix(".npy")
            if member.compress_type == zipfile.ZIP_STORED:
                start = _data_offset(path, member) + header
                read = _mapped(path, start, shape, fortran, dtype)
            else:
                read = _unpacked(path, name, member.file_size, where)
            found.append(_variable(name, shape, dtype, read))
    return found


def _variable(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], read: Callable[..., Any]
) -> Variable:
    return Variable(name=name, axes=guessed_axes(shape), shape=shape, dtype=dtype, read=read)


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return shape, fortran, dtype


def _refuse_torn(path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse a file that ends before its numbers do, as one does of which the download broke off.

    Raises:
        ValueError: It does.
    """
    told, held = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    if held < told:
        raise ValueError(f"it ends after {held:,} of its {told:,} bytes")


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin: behind its own header, name and extra field."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return member.header_offset + 30 + name + extra


def _mapped(
    path: Path, start: int, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]
) -> Callable[[tuple[slice, ...]], Any]:
    def read(index: tuple[slice, ...]) -> Any:
        # Mapped anew for each part: pages that were seen do not stay with the process.
        whole = np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
        return np.array(whole[index])

    return read


def _unpacked(path: Path, name: str, size: int, where: str) -> Callable[[tuple[slice, ...]], Any]:
    def read(index: tuple[slice, ...]) -> Any:
        if size > LARGEST:
            raise UserError(
                f"{where}: {name!r} is compressed, and {size / 2**30:.1f} GB large\n"
                "To read it in parts, save it by numpy.savez or numpy.save"
            )
        return _loaded(path, name)[index]

    return read


@cache
def _loaded(path: Path, name: str) -> Any:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[name]


def matlab_axes(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The axes of an array as MATLAB has them, where time comes last.

    >>> matlab_axes((1200, 64, 64, 20))
    ('sample', 'x', 'y', 'time')
    """
    return ("sample", "x", "y", "time") if len(shape) == 4 else guessed_axes(shape)


def matlab_variables(path: Path, where: str) -> list[Variable]:
    """The arrays of a MATLAB file before v7.3, each read as a whole.

    Raises:
        UserError: The file is damaged.
    """
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        listed = whosmat(path)
    except (MatReadError, ValueError, OSError) as error:
        raise UserError(f"{where}: not a file of MATLAB ({error})") from error
    return [
        Variable(
            name=name,
            axes=matlab_axes(shape),
            shape=shape,
            dtype=np.dtype(kind if kind in np.sctypeDict else "O"),
            read=_matlab_reader(path, name),
        )
        for name, shape, kind in listed
    ]


def _matlab_reader(path: Path, name: str) -> Callable[[tuple[slice, ...]], Any]:
    return lambda index: _matlab_array(path, name)[index]


@cache
def _matlab_array(path: Path, name: str) -> Any:
    from scipy.io import loadmat

    return loadmat(path, variable_names=[name])[name]
