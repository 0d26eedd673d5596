"""The rows of a table that are learned: read and checked, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from genlab.data.parts import part_sizes
from genlab.data.roles import Roles, assign_roles, find_columns
from genlab.data.table_checks import (
    negative_weights,
    numbers_rows,
    refuse_columns,
    refuse_dependent,
    refuse_no_angles,
)
from genlab.data.table_file import TableFile
from genlab.errors import UserError

__all__ = ["TableRows", "look_at_table", "table_facts", "table_files"]

PATHS = ("path", "val_path", "test_path")
# A larger file is read once, when it is learned from.
LARGE = 2**24


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """What is read of a table, and how much of it serves for what.

    Attributes:
        names: Names of all its columns.
        roles: What each is for.
        drop: Those that the user leaves out.
        chosen: Whether the user has named those to learn.
        missing: What empty cells do: an ``error``, or ``drop`` the rows that hold them.
        fractions: Of the rows, to validate and to test on.
        train_size: Number of training rows; None for all.
    """

    names: Sequence[str]
    roles: Roles
    drop: Sequence[str | int]
    chosen: bool
    missing: str
    fractions: tuple[float, float]
    train_size: int | None

    @classmethod
    def of(cls, **node: Any) -> TableRows:
        """From the options of `genlab.data.TableData`.

        Raises:
            UserError: A column does not exist or has two roles, or nothing is left to learn.
        """
        choices = {key: node[key] for key in ("columns", "drop", "condition", "weight")}
        val, test = float(node["val_fraction"]), float(node["test_fraction"])
        return cls(
            names=tuple(node["names"]),
            roles=assign_roles(node["names"], **choices, index=node["index"] or ()),
            drop=tuple(node["drop"]),
            chosen=node["columns"] is not None,
            missing=node["missing"],
            fractions=(0.0 if node["val_path"] else val, 0.0 if node["test_path"] else test),
            train_size=node["train_size"],
        )

    def numbers(self, file: TableFile) -> tuple[Float[np.ndarray, "n c"], str | None]:
        """The columns that are used, without the rows that lack some; and a remark on these.

        Raises:
            UserError: A column holds text, is constant or infinite, or cells are empty.
        """
        used = self.roles.used
        table = file.read(used, self.names)
        values, remark = table.values, None
        refuse_columns(file.where, used, values, text=table.text, dropped=self.drop)
        empty = np.isnan(values)
        lacking = empty.any(1)
        if lacking.any():
            counts = zip(used, empty.sum(0), strict=True)
            cells = ", ".join(f"{name!r} {count}" for name, count in counts if count)
            what = f"{lacking.sum()} of {len(values)} rows lack a number ({cells}"
            if self.missing == "error":
                first = int(lacking.argmax()) + 1
                raise UserError(
                    f"{file.where}: {what}; the first is row {first}); "
                    "`missing='drop'` leaves these rows out"
                )
            remark = f"{file.path}: {what}), and are left out"
            values = values[~lacking]
        infinite = ~np.isfinite(values).all(0)
        if infinite.any():
            name = used[int(infinite.argmax())]
            raise UserError(f"{file.where}: column {name!r} holds infinite values")
        return values, remark

    def refuse_numbering(self, where: str, values: Float[np.ndarray, "n c"]) -> None:
        """Refuse a column that numbers the rows, unless the user has named it.

        Raises:
            UserError: There is one.
        """
        columns = self.roles.event
        found = [] if self.chosen else numbers_rows(columns, values)
        if found:
            raise UserError(
                f"{where}: column {found[0]!r} numbers the rows\n"
                f"To leave out: `drop={[*self.drop, *found]}`; to learn it all the "
                f"same: `columns={list(columns)}`"
            )

    def sizes(self, n: int, *, validated: bool) -> tuple[int, int]:
        """Numbers of rows to learn from and to validate on, of so many in all.

        Args:
            n: Rows.
            validated: Whether another file has rows to validate on.

        Raises:
            UserError: Too few are left.
        """
        n_train, n_val, _ = part_sizes(n, self.fractions)
        if n_val == 0 and not validated:
            raise UserError("val_fraction=0: expected some rows, or `val_path=FILE`")
        if self.train_size is not None and self.train_size > n_train:
            raise UserError(f"train_size={self.train_size}: there are {n_train} rows to learn")
        return n_train, n_val

    def check_weights(self, values: Float[np.ndarray, "n c"], *, some: bool) -> None:
        """Refuse what cannot weigh rows.

        Raises:
            UserError: A weight is negative, or ``some`` are to be positive and none is.
        """
        if self.roles.weight is None or not len(values):
            return
        name, weight = self.roles.weight, values[:, -1]
        if message := negative_weights(weight):
            raise UserError(
                f"weight={name}: {message}, or leave them out: `weight=None` "
                f"`drop={[*self.drop, name]}`"
            )
        if some and weight.max() == 0:
            raise UserError(f"weight={name}: expected some weights above 0, got none")


def table_files(paths: Mapping[str, str | None], header: bool | None) -> dict[str, TableFile]:
    """The files by the arguments that name them."""
    return {
        key: TableFile(Path(path), key, header=header)
        for key, path in paths.items()
        if path is not None
    }


def table_facts(**node: Any) -> dict[str, Any]:
    """What the header of the table tells, and the checksums of the files."""
    if node["path"] == "???":  # for the check to tell
        return {}
    files = table_files({key: node[key] for key in PATHS}, node.get("header"))
    own = files["path"].names
    names = tuple(map(str, node["names"] or own))
    if len(names) != len(own):
        raise UserError(f"names: expected {len(own)} names, got {len(names)}")
    if files["path"].header is not None and names != own:
        raise UserError(
            "names: the file names its columns itself; leave it null, or set `header=False`"
        )
    choices = {key: node[key] for key in ("columns", "drop", "condition", "weight")}
    index = [str(name) for name in node.get("index") or files["path"].index]
    roles = assign_roles(names, **choices, index=index)
    return {
        "names": list(names),
        "event_shape": [len(roles.event)],
        "context_dim": len(roles.context),
        "angles": [
            roles.event.index(name)
            for name in find_columns("circular", node.get("circular") or (), roles.event)
        ],
        "index": index,
        "checksums": [file.checksum() for file in files.values()],
    }


def look_at_table(**node: Any) -> None:
    """Refuse a table whose numbers cannot be learned, unless it is large.

    Args:
        **node: The options of `genlab.data.TableData`.

    Raises:
        UserError: It is such a table, or an option does not fit it.
    """
    rows = TableRows.of(**node)
    find_columns("dequantise", node["dequantise"], rows.roles.event)
    files = table_files({key: node[key] for key in PATHS}, node["header"])
    if any(file.path.stat().st_size > LARGE for file in files.values()):
        return
    tables = {key: rows.numbers(file)[0] for key, file in files.items()}
    where, values = files["path"].where, tables["path"]
    rows.refuse_numbering(where, values)
    rows.sizes(len(values), validated="val_path" in tables)
    circular = find_columns("circular", node.get("circular") or (), rows.roles.event)
    if node.get("degrees") and not circular:
        raise UserError("degrees=true: no column is an angle; `circular` names those that are")
    places = [rows.roles.used.index(name) for name in circular]
    for key, table in tables.items():
        refuse_no_angles(
            files[key].where, circular, table[:, places], degrees=node.get("degrees") or False
        )
    for key, table in tables.items():
        rows.check_weights(table, some=key == "path")
    names = (*rows.roles.event, *rows.roles.context)
    refuse_columns(where, names, values[:, : len(names)], text={}, dropped=rows.drop)
    refuse_dependent(where, names, values[:, : len(names)])
