"""Files that are either whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from genlab.errors import RunError, UserError

__all__ = [
    "atomic_path",
    "create_json",
    "is_refused",
    "json_text",
    "make_folder",
    "read_json",
    "write_json",
]

FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well.

    A reader, or a process killed at any moment, sees the old file or the new one, never a torn one.
    The temporary name keeps the suffix, by which writers of figures and arrays choose their format.

    Raises:
        RunError: The disk refused the write (full, read-only, folder gone); the old file is intact.
    """
    with _draft(path) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)


def is_refused(error: BaseException) -> bool:
    """Whether it is the disk that says no: it is full, or read-only."""
    return isinstance(error, OSError) and error.errno in {*FULL_DISK, errno.EROFS}


def make_folder(path: Path) -> None:
    """Make a folder that a user has named, and those above it, where they are not there.

    Raises:
        UserError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be made ({error.strerror}); choose another folder"
        ) from error


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write ``data`` atomically, keys sorted; non-finite floats become null, as JSON has none."""
    with atomic_path(path) as temporary:
        temporary.write_text(json_text(data), encoding="utf-8")


def create_json(path: Path, data: Mapping[str, Any]) -> bool:
    """Write ``data`` where there is no file yet: of several processes that try, one does.

    Returns:
        Whether this one did.

    Raises:
        RunError: As in `atomic_path`.
    """
    with _draft(path) as temporary:
        temporary.write_text(json_text(data), encoding="utf-8")
        _flush(temporary)
        made = _appear(temporary, path)
        _flush(path.parent)
    return made


def read_json(path: Path) -> dict[str, Any]:
    """Read an object that `write_json` wrote.

    Raises:
        UserError: The file is missing, unreadable, or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data


def json_text(data: Mapping[str, Any]) -> str:
    """``data`` as JSON, keys sorted, in lines; non-finite floats become null.

    >>> json_text({"test/kl": float("nan")})
    '{\\n  "test/kl": null\\n}\\n'
    """
    return json.dumps(_plain(data), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value) if math.isfinite(value) else None
        case os.PathLike():
            return os.fspath(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON: {value!r}")


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, gone behind the block, with the disk's refusal in words."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{os.urandom(4).hex()}{path.suffix}")
    try:
        yield temporary
    except Exception as error:
        reason = _refusal(error, temporary)
        if reason is None:
            raise
        rest = "the previous one is intact" if path.exists() else "nothing was written"
        raise RunError(f"{path}: cannot be written ({reason}); {rest}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _appear(draft: Path, path: Path) -> bool:
    """Give a file the name ``path`` unless that is taken, in one step, also on a network."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        # No links, as on a FAT or a mounted cloud: the name is taken first, and filled then.
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        draft.replace(path)
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(error: BaseException | None, temporary: Path) -> str | None:
    """The disk's own words, or None where the block failed for another reason."""
    own = (None, str(temporary), str(temporary.parent))
    if isinstance(error, OSError) and error.filename in own:
        return error.strerror
    # Writers raise their own errors on top of the disk's; torch's C++ writer drops the reason.
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            return error.strerror
        if isinstance(error, RuntimeError) and "iostream error" in str(error):
            return "the disk is full or read-only"
        error = error.__cause__ or error.__context__
    return None
