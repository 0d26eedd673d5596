"""Torsion angles from a published table, a residue a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genlab.data.downloads import obtain
from genlab.data.torsions.rows import Torsions, TorsionSource
from genlab.errors import UserError

__all__ = ["TorsionTable"]

ENTRY, RESIDUE = "entry", "residue"


class TorsionTable(TorsionSource):
    """A file of columns between tabs, without a header: angles in degrees, an entry, a residue.

    Args:
        file: Its name.
        folder: Where it lies in the root.
        root: Folder of data sets: the file is read in it, or downloaded to it.
        mirrors: Addresses that end in a slash.
        checksum: What the file is known by, as `genlab.data.downloads.digest` takes it.
        columns: Names of the columns in order; ``entry`` and ``residue`` are no angles.
        residues: What the kinds of residues are called here, by their names in the file; the others
            keep theirs.
    """

    def __init__(
        self,
        *,
        file: str,
        folder: str,
        root: str,
        mirrors: Sequence[str],
        checksum: str,
        columns: Sequence[str],
        residues: Mapping[str, str],
    ) -> None:
        self.file = file
        self.folder = folder
        self.root = Path(root).expanduser()
        self.mirrors = mirrors
        self.checksum = checksum
        self.columns = tuple(columns)
        self.residues = residues
        self.angles = tuple(name for name in columns if name not in (ENTRY, RESIDUE))

    def read(self, angles: Sequence[str]) -> Torsions:
        path = obtain(
            self.file, self.root, self.folder, mirrors=self.mirrors, checksum=self.checksum
        )
        # pandas takes half a second to import.
        import pandas as pd

        # "NA" and the like are names of entries, no gaps.
        frame = pd.read_csv(
            path, sep="\t", header=None, names=list(self.columns), dtype={ENTRY: str, RESIDUE: str},
            keep_default_na=False,
        )  # fmt: skip
        degrees = frame[list(angles)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if not np.isfinite(degrees).all():
            row = int((~np.isfinite(degrees)).any(1).argmax()) + 1
            raise UserError(f"`root`: {path}: row {row} lacks an angle in degrees")
        residues = frame[RESIDUE].replace(dict(self.residues)).to_numpy(str)
        return Torsions(degrees, residues, frame[ENTRY].to_numpy(str))
