"""Fields that a simulation makes once and that are kept in files."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from genlab.errors import Interrupted, UserError
from genlab.runs.files import atomic_path, make_folder, write_json

__all__ = ["KeptSet"]

# Of files: raised where what the same key stands for changes.
FORMAT = 1


class KeptSet:
    """Rows made chunk by chunk, each chunk a file, in a folder named by all that fixes them.

    A chunk is a function of its number alone. What a larger set shares with a smaller one is made
    once, what was made before an interruption is there after it, and several processes that want
    the same set share the work.

    >>> import tempfile, torch
    >>> def make(chunk):
    ...     print("makes", chunk)
    ...     return {"x": chunk + torch.zeros(4)}
    >>> with tempfile.TemporaryDirectory() as root:
    ...     kept = KeptSet(Path(root), {"law": "none"}, make, rows=4)
    ...     first = kept.read(3)
    ...     second = kept.read(6)
    makes 0
    makes 1
    >>> second["x"]
    tensor([0., 0., 0., 0., 1., 1.])

    Args:
        root: The folder of all kept sets.
        key: What fixes the rows, as JSON takes it; under ``"law"``, the name of what they are.
        make: The parts of a chunk by its number, as many rows in each.
        rows: Rows of a chunk.

    Attributes:
        folder: Where this set lies.
    """

    def __init__(
        self,
        root: Path,
        key: Mapping[str, Any],
        make: Callable[[int], Mapping[str, Tensor]],
        *,
        rows: int,
    ) -> None:
        self.key = {**key, "rows": rows, "format": FORMAT}
        digest = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = root / f"{key['law']}-{digest}"
        self.make, self.rows = make, rows

    def read(self, n: int) -> dict[str, Tensor]:
        """The first n rows of each part; what is missing is made, and its progress shown.

        Raises:
            UserError: A file is damaged, or the folder cannot be made.
            RunError: The disk refuses a file.
        """
        chunks = [self._path(chunk) for chunk in range(-(-n // self.rows))]
        self._fill(chunks)
        read = [self._load(path) for path in chunks]
        return {name: torch.cat([parts[name] for parts in read])[:n] for name in read[0]}

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:06}.npz"

    def _fill(self, chunks: list[Path]) -> None:
        missing = [number for number, path in enumerate(chunks) if not path.exists()]
        if not missing:
            return
        make_folder(self.folder)
        write_json(self.folder / "key.json", self.key)
        # Processes begin in different places, and leave out what another has made meanwhile.
        turn = os.getpid() % len(missing)
        what = f"simulates {len(missing) * self.rows:,} samples of {self.key['law']}"
        purpose = f" for {self.key['purpose']}" if "purpose" in self.key else ""
        with _progress(f"{what}{purpose}, kept in {self.folder}", len(missing)) as tick:
            for number in [*missing[turn:], *missing[:turn]]:
                if not chunks[number].exists():
                    try:
                        made = {name: part.numpy() for name, part in self.make(number).items()}
                    except (KeyboardInterrupt, Interrupted) as stop:
                        stop.add_note("what was simulated so far is kept, and not made again")
                        raise
                    with atomic_path(chunks[number]) as path:
                        np.savez(path, allow_pickle=False, **made)
                tick()

    def _load(self, path: Path) -> dict[str, Tensor]:
        try:
            with np.load(path, allow_pickle=False) as parts:
                return {name: torch.from_numpy(parts[name]) for name in parts.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise UserError(f"{path}: damaged; remove it, to make it anew") from error


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar where a person looks, a line elsewhere; yields what is called after each chunk."""
    # rich takes a tenth of a second to import.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        print(what, file=sys.stderr, flush=True)
        yield lambda: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
