"""The folder in which compiled code is kept between runs."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from genlab.runs.files import atomic_path, read_json, write_json

__all__ = ["CodeCache", "Contents"]

# Seconds that a step takes to compile, before any was.
FIRST_GUESS = 2.0


class Contents(NamedTuple):
    """What a folder of compiled code holds.

    Attributes:
        steps: Number of compiled steps.
        size: Bytes.
        refused: Number of steps that could not be compiled, which are not tried again.
    """

    steps: int
    size: int
    refused: int


class CodeCache:
    """Libraries of compiled steps by their keys, in ``GENLAB_CACHE`` (``~/.cache/genlab``).

    Attributes:
        folder: Where they lie.
    """

    def __init__(self) -> None:
        base = os.environ.get("GENLAB_CACHE", "~/.cache/genlab")
        self.folder = Path(base).expanduser() / "compiled"

    def library(self, key: str) -> Path:
        """Where the code of a step is, or will be."""
        return self.folder / f"{key}.so"

    def refusal(self, key: str) -> str | None:
        """Why a step could not be compiled before; None where it was not tried, or could."""
        path = self._note(key)
        return read_json(path).get("error") if path.exists() else None

    def make(self) -> None:
        """Make the folder, for nobody else: what lies in it is run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def keep(self, key: str, library: Path, facts: Mapping[str, Any]) -> None:
        """Keep the code of a step.

        Args:
            key: Its name.
            library: The code.
            facts: What is to be known of it, and the ``seconds`` that it took to compile.
        """
        # Who finds the code looks for its facts.
        write_json(self._note(key), dict(facts))
        with atomic_path(self.library(key)) as temporary:
            temporary.write_bytes(library.read_bytes())

    def facts(self, key: str) -> dict[str, Any]:
        """What was noted with the code of a step."""
        return read_json(self._note(key))

    def refuse(self, key: str, error: str) -> None:
        """Keep that a step cannot be compiled."""
        write_json(self._note(key), {"error": error})

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Let one process at a time compile a step; the next one finds its code."""
        import fcntl

        with (self.folder / f"{key}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def expected_seconds(self) -> float:
        """How long a step may take to compile: the median so far."""
        notes = [read_json(path) for path in self.folder.glob("*.json")]
        seconds = [float(note["seconds"]) for note in notes if "seconds" in note]
        return statistics.median(seconds) if seconds else FIRST_GUESS

    def contents(self) -> Contents:
        """How much there is."""
        libraries = list(self.folder.glob("*.so"))
        refused = sum("error" in read_json(path) for path in self.folder.glob("*.json"))
        return Contents(len(libraries), sum(path.stat().st_size for path in libraries), refused)

    def clear(self) -> Contents:
        """Remove all, and return what there was; runs that use it go on."""
        before = self.contents()
        for path in self.folder.glob("*"):
            if path.is_file():
                with suppress(FileNotFoundError):
                    path.unlink()
        return before

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.json"
