"""What torsion angles tell before they are learned, without torch."""

from __future__ import annotations

from typing import Any

from genlab.data.parts import part_sizes
from genlab.data.torsions.angles import check_angles
from genlab.data.torsions.rows import Torsions, TorsionSource
from genlab.data.torsions.structure_files import StructureFiles
from genlab.data.torsions.table import TorsionTable
from genlab.errors import UserError

__all__ = ["look_at_torsions", "torsion_facts"]

SOURCES: dict[str, type[TorsionSource]] = {
    kind.__name__: kind for kind in (StructureFiles, TorsionTable)
}


def torsion_facts(**node: Any) -> dict[str, Any]:
    """The number of angles; and the kinds of residues, where a model is conditioned on them.

    Args:
        **node: The options of `genlab.data.TorsionData`.

    Raises:
        UserError: There is no such angle, or the files cannot be read.
    """
    check_angles(node["columns"], _source(node).angles)
    found = {"event_shape": [len(node["columns"])], "labels": 0, "kinds": []}
    if node["condition"] is not None:
        kinds = node["kinds"] or _rows(node).kinds
        if len(kinds) < 2:
            raise UserError(f"condition={node['condition']}: all rows are of {kinds[0]}")
        found |= {"labels": len(kinds), "kinds": kinds}
    return found


def look_at_torsions(**node: Any) -> None:
    """Refuse angles that cannot be learned.

    Args:
        **node: The options of `genlab.data.TorsionData`.

    Raises:
        UserError: They are such, or an option does not fit them.
    """
    rows = _rows(node)
    n, _ = rows.units(node["split_by"])
    fractions = (node["val_fraction"], node["test_fraction"])
    n_train, n_val, _ = part_sizes(n, fractions, node["split_by"])
    if not n_val:
        raise UserError("val_fraction=0: expected some rows")
    if node["split_by"] == "row" and (node["train_size"] or 0) > n_train:
        raise UserError(f"train_size={node['train_size']}: there are {n_train} rows to learn")


def _rows(node: dict[str, Any]) -> Torsions:
    return _source(node).read(node["columns"]).of(node["residue"])


def _source(node: dict[str, Any]) -> TorsionSource:
    options = dict(node["source"])
    return SOURCES[options.pop("_target_").rpartition(".")[2]](**options)
