"""A structure to test on, adenylate kinase, and files that are made of parts of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).parent
# The heavy atoms of adk_open.pdb of MDAnalysisTests 2.11.0, made from entry 4AKE.
ADK = HERE / "adk_open.pdb.gz"
LINES = gzip.decompress(ADK.read_bytes()).decode().splitlines()[:-1]


def of_residues(low: int, high: int) -> list[str]:
    """The atoms of some residues, by their numbers from 1, both ends included."""
    return [line for line in LINES if low <= int(line[22:26]) <= high]


def marked(lines: Iterable[str], column: int, mark: str) -> list[str]:
    """Lines with another letter in a column, counted from 1."""
    return [line[: column - 1] + mark + line[column:] for line in lines]


def moved(lines: Iterable[str], shift: Callable[[float], float]) -> list[str]:
    """Lines whose atoms have another first coordinate."""
    return [f"{line[:30]}{shift(float(line[30:38])):8.3f}{line[38:]}" for line in lines]


def write(path: Path, lines: Iterable[str]) -> Path:
    """A PDB file of these lines."""
    path.write_text("".join(f"{line}\n" for line in [*lines, "END"]))
    return path
