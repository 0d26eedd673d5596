"""Rows of torsion angles, as files have them: in degrees, with the residue and the structure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from genlab.errors import UserError, nearest

__all__ = ["TorsionSource", "Torsions"]


class Torsions(NamedTuple):
    """Angles of many residues.

    Attributes:
        degrees: One row for each residue, one column for each angle.
        residues: What kind of residue each row is of.
        entries: The structure that each row comes from.
        remarks: What was left out, and why.
    """

    degrees: Float[np.ndarray, "n d"]
    residues: Shaped[np.ndarray, " n"]
    entries: Shaped[np.ndarray, " n"]
    remarks: tuple[str, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """The kinds of residues, in the order of their names: the classes that labels number."""
        return [str(kind) for kind in np.unique(self.residues)]

    def units(self, split_by: Literal["row", "entry"]) -> tuple[int, Int[np.ndarray, " n"]]:
        """Number of what a split keeps together, rows or whole structures; and which each row is.

        Args:
            split_by: Which of them.
        """
        if split_by == "row":
            return len(self.degrees), np.arange(len(self.degrees))
        entries, unit = np.unique(self.entries, return_inverse=True)
        return len(entries), unit

    def of(self, residue: str | None) -> Torsions:
        """The rows of one kind of residue; all for None.

        Raises:
            UserError: There is none of that kind.
        """
        if residue is None:
            return self
        kept = self.residues == residue
        if not kept.any():
            raise UserError(f"residue={residue}: no row is of that; {nearest(residue, self.kinds)}")
        return Torsions(self.degrees[kept], self.residues[kept], self.entries[kept], self.remarks)


class TorsionSource(ABC):
    """Where torsion angles come from; reads without torch.

    Attributes:
        angles: Names of all that it has.
    """

    angles: Sequence[str]

    @abstractmethod
    def read(self, angles: Sequence[str]) -> Torsions:
        """The rows that have all of some angles.

        Raises:
            UserError: There are none, or the files cannot be read.
        """
