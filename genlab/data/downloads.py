"""Files of published data sets: found in the user's folder, or downloaded to it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from genlab.errors import UserError

__all__ = ["digest", "obtain"]


def obtain(
    file: str,
    root: Path,
    folder: str,
    *,
    mirrors: Sequence[str],
    checksum: str,
    together: Collection[str] = (),
) -> Path:
    """Where a file lies that is taken from ``root/folder``, or ``root``, or else downloaded.

    What is downloaded goes to ``root/folder``, from the first mirror that has it, and is kept.

    Args:
        file: Its name.
        root: The user's folder of data sets.
        folder: The set's own in it.
        mirrors: Addresses that end in a slash.
        checksum: The published one, as `digest` takes it.
        together: Names of all files of the set, where there are several.

    Raises:
        UserError: The file is damaged, or nowhere to be had.
    """
    # It imports requests, which takes a quarter of a second.
    import pooch

    own, beside = root / folder / file, root / file
    if own.is_file():
        if (found := digest(own, checksum)) != checksum:
            raise UserError(
                f"`root`: {own} is damaged or another one (checksum {found}, expected {checksum}); "
                "remove it"
            )
        return own
    # Another set may lie there, whose files have the same names.
    if beside.is_file() and digest(beside, checksum) == checksum:
        return beside

    def download(url: str, place: str, _: Any) -> None:
        pooch.core.choose_downloader(url)(url, place, None)
        if (found := digest(Path(place), checksum)) != checksum:
            raise ValueError(f"checksum {found}")

    reason = "none is known"
    for mirror in mirrors:
        try:
            pooch.retrieve(mirror + file, None, fname=file, path=own.parent, downloader=download)
            return own
        except (OSError, ValueError) as error:  # no network, no such file, or another sum
            reason = type(error).__name__
    put = f"these files into {own.parent}" if together else f"it into {own.parent}"
    named = f": {', '.join(together)}" if together else ""
    raise UserError(
        f"root={root}: {file} is not there, and no mirror has it ({reason}). Put {put}, "
        f"or set `root` or GENLAB_DATA to where {'they lie' if together else 'it lies'}{named}"
    )


def digest(path: Path, like: str) -> str:
    """The checksum of a file, ``KIND:DIGITS``, of the kind of another.

    The kinds are those of hashlib, and ``git``: the name that git gives the content of a file, by
    which a repository vouches for each.

    >>> digest(Path("/dev/null"), "git:")
    'git:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    kind, content = like.partition(":")[0], path.read_bytes()
    if kind == "git":
        content = b"blob %d\0" % len(content) + content
    found = hashlib.new("sha1" if kind == "git" else kind, content, usedforsecurity=False)
    return f"{kind}:{found.hexdigest()}"
