"""The rows of a table that are learned: read and checked, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from genlab.data.column_transforms import ColumnTransforms
from genlab.data.parts import part_sizes
from genlab.data.roles import Roles, assign_roles, find_columns
from genlab.data.table_checks import (
    LOGARITHMS,
    are_levels,
    check_levels,
    negative_weights,
    numbers_rows,
    refuse_columns,
    refuse_dependent,
)
from genlab.data.table_file import TEXTS, TableFile
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
        transforms: What those to learn can hold.
        classes: The values of the only column that is conditioned on, where it is a category, in
            order; none where it holds numbers.
        missing: What empty cells do: an ``error``, ``drop`` the rows that hold them, or
            ``impute_median``, which leaves them to `imputed`.
        fractions: Of the rows, to validate and to test on.
        train_size: Number of training rows; None for all.
    """

    names: Sequence[str]
    roles: Roles
    drop: Sequence[str | int]
    chosen: bool
    transforms: ColumnTransforms
    classes: tuple[Any, ...]
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
        roles = assign_roles(node["names"], **choices, index=node["index"] or ())
        transforms = _transforms(roles, node)
        said, names = node["dequantise"], node["names"]
        for name in find_columns("dequantise", said, roles.event, numbered=names):
            if name in transforms.discrete or name in transforms.bounds:
                key = "integer" if name in transforms.integer else "bounds"
                key = "categories" if name in transforms.levels else key
                raise UserError(f"dequantise: {name!r} is in `{key}` already")
        return cls(
            names=tuple(node["names"]),
            roles=roles,
            transforms=transforms,
            classes=_classes(roles, node.get("levels") or {}),
            drop=tuple(node["drop"]),
            chosen=node["columns"] is not None,
            missing=node["missing"],
            fractions=(0.0 if node["val_path"] else val, 0.0 if node["test_path"] else test),
            train_size=node["train_size"],
        )

    @property
    def label(self) -> str | None:
        """The column of classes that rows are conditioned on; None where there is none."""
        return self.roles.context[0] if self.classes else None

    @property
    def levels(self) -> Mapping[str, Sequence[Any]]:
        """The values of each category, learned or conditioned on."""
        classes = {} if self.label is None else {self.label: self.classes}
        return {**self.transforms.levels, **classes}

    def numbers(
        self, file: TableFile, *, to_learn: bool
    ) -> tuple[Float[np.ndarray, "n c"], str | None]:
        """The columns that are used, without the rows that lack some; and a remark on these.

        Categories are told by the numbers of their levels.

        Args:
            file: The file.
            to_learn: Whether it has rows to learn from, not only such to validate or test on.

        Raises:
            UserError: A column holds text, is constant or infinite, or what it cannot hold, or
                cells are empty.
        """
        used, levels = self.roles.used, self.levels
        table = file.read(used, self.names, by_level=tuple(levels))
        learned = table.values[:, [used.index(name) for name in self.roles.event]]
        refuse_columns(
            file.where,
            used,
            table.values,
            text=table.text,
            dropped=self.drop,
            wordy=self._wordy(file, table.text),
            categories=tuple(levels),
            numbering=self._numbering(learned) if to_learn else (),
            varying=(*self.roles.event, *self.roles.context) if to_learn else (),
        )
        values, remark = table.levelled(file.where, used, levels), None
        self.transforms.refuse_outside(file.where, values)
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
            if self.missing == "drop":
                remark = f"{file.path}: {what}), and are left out"
                values = values[~lacking]
            else:
                self._refuse_without_median(file.where, empty.any(0))
                remark = f"{file.path}: {what})"
        infinite = np.isinf(values).any(0)
        if infinite.any():
            name = used[int(infinite.argmax())]
            raise UserError(f"{file.where}: column {name!r} holds infinite values")
        return values, remark

    def _wordy(self, file: TableFile, text: Mapping[str, str]) -> list[str]:
        """The columns to learn whose text is of few different words."""
        if not text:
            return []
        levels = file.read([*text], self.names, by_level=[*text]).levels
        return [name for name in text if name in self.roles.event and are_levels(levels[name])]

    def _refuse_without_median(self, where: str, lacking: Bool[np.ndarray, " c"]) -> None:
        of_no_median = dict.fromkeys(self.transforms.circular, "an angle")
        if self.roles.weight is not None:
            of_no_median[self.roles.weight] = "a weight"
        for name in np.array(self.roles.used)[lacking]:
            if what := of_no_median.get(name):
                raise UserError(
                    f"{where}: column {str(name)!r} lacks numbers, and {what} has no median; "
                    "`missing='drop'` leaves its rows out"
                )

    def medians(self, values: Float[np.ndarray, "n c"]) -> Float[np.ndarray, " c"]:
        """What stands for an empty cell of each column: its median over rows, the lower one of two;
        of categories the most frequent one; NaN for a column that has no other cells.
        """
        found = np.full(values.shape[1], np.nan)
        for place, (name, column) in enumerate(zip(self.roles.used, values.T, strict=True)):
            known = column[~np.isnan(column)]
            if not len(known):
                continue
            if name in self.levels:
                found[place] = np.bincount(known.astype(np.int64)).argmax()
            else:
                found[place] = np.percentile(known, 50, method="lower")
        return found

    def refuse_numbering(self, where: str, values: Float[np.ndarray, "n c"]) -> None:
        """Refuse a column that numbers the rows, unless the user has named it.

        Raises:
            UserError: There is one.
        """
        found = self._numbering(values)
        if found:
            raise UserError(
                f"{where}: column {found[0]!r} numbers the rows\n"
                f"To leave out: `drop={[*self.drop, *found]}`; to learn it all the "
                f"same: `columns={list(self.roles.event)}`"
            )

    def _numbering(self, values: Float[np.ndarray, "n c"]) -> list[str]:
        """The columns to learn that number the rows, which the user has not named."""
        return [] if self.chosen else numbers_rows(self.roles.event, values)

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

    def check_weights(self, values: Float[np.ndarray, "n c"], rows: str = "rows") -> None:
        """Refuse what cannot weigh rows; of negative weights an objective decides.

        Args:
            values: The rows.
            rows: What they are.

        Raises:
            UserError: The weights of these rows sum to 0 or less, or are logarithms.
        """
        if self.roles.weight is None or not len(values):
            return
        name, weight = self.roles.weight, values[:, -1]
        if (weight < 0).any() and LOGARITHMS.fullmatch(name):
            raise UserError(
                f"weight={name}: got logarithms, down to {weight.min():g}; expected weights, a "
                f"column of exp({name})"
            )
        if not weight.any():
            raise UserError(
                f"weight={name}: expected some weights above 0 in each part, got none in "
                f"{len(weight)} {rows}"
            )
        if (weight < 0).any() and not weight.sum() > 0:
            raise UserError(
                f"weight={name}: {negative_weights(weight)}, or leave them out: `weight=None` "
                f"`drop={[*self.drop, name]}`"
            )


def _transforms(roles: Roles, node: Mapping[str, Any]) -> ColumnTransforms:
    """What the options of `genlab.data.TableData` say of the columns to learn."""
    levels = node.get("levels") or {}
    known = [name for name in _categories(roles, node) if name in roles.event]
    return ColumnTransforms.of(
        roles.event,
        numbered=node["names"],
        log=node.get("log") or (),
        bounds=node.get("bounds"),
        circular=node.get("circular") or (),
        degrees=node.get("degrees") or False,
        integer=node.get("integer") or (),
        levels={name: levels.get(name, ("0", "1")) for name in known},
        types=node.get("types"),
    )


def _categories(roles: Roles, node: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that the user calls categories."""
    known = (*roles.event, *roles.context)
    return find_columns("categories", node.get("categories") or (), known, numbered=node["names"])


def _classes(roles: Roles, levels: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
    """The values of the category that rows are conditioned on.

    Raises:
        UserError: They are conditioned on other columns, too.
    """
    found = [name for name in roles.context if name in levels]
    if found and len(roles.context) > 1:
        raise UserError(
            f"`condition={list(roles.context)}`: {found[0]!r} is a category, which conditions a "
            "model by itself; beside other columns, write it as a column of 0 and 1 for each value"
        )
    return tuple(levels[found[0]]) if found else ()


def _levels(
    file: TableFile, names: Sequence[str], roles: Roles, node: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """The values of each category in a file; a condition that holds words alone is one."""
    wanted = dict.fromkeys(_categories(roles, node))
    if roles.context:
        given = file.read(roles.context, names)
        for name, column in zip(roles.context, given.values.T, strict=True):
            if name in given.text and np.isnan(column).all():
                wanted[name] = None
    return file.read([*wanted], names, by_level=[*wanted]).levels if wanted else {}


def table_files(paths: Mapping[str, str | None], header: bool | None) -> dict[str, TableFile]:
    """The files by the arguments that name them."""
    return {
        key: TableFile(Path(path), key, header=header)
        for key, path in paths.items()
        if path is not None
    }


def table_facts(**node: Any) -> dict[str, Any]:
    """What the header of the table tells, and the checksums of the files."""
    files = table_files({key: node[key] for key in PATHS}, node.get("header"))
    text = files["path"].path.suffix.lower() in TEXTS
    if node.get("header") is not None and not text:
        told = str(node["header"]).lower()
        raise UserError(f"header={told}: a text alone has a first line; leave it null")
    own = files["path"].names
    names = tuple(map(str, node["names"] or own))
    if len(names) != len(own):
        raise UserError(f"names: expected {len(own)} names, got {len(names)}")
    if files["path"].header is not None and names != own:
        way = ", or set `header=False`" if text else ""
        raise UserError(f"names: the file names its columns itself; leave it null{way}")
    choices = {key: node[key] for key in ("columns", "drop", "condition", "weight")}
    index = [str(name) for name in node.get("index") or files["path"].index]
    roles = assign_roles(names, **choices, index=index)
    levels = node.get("levels")
    if levels is None:
        levels = _levels(files["path"], names, roles, {**node, "names": names})
    check_levels(files["path"].where, levels)
    types = {name: kind for name, kind in files["path"].types.items() if name in roles.event}
    transforms = _transforms(roles, {**node, "names": names, "levels": levels, "types": types})
    classes = _classes(roles, levels)
    return {
        "names": list(names),
        "event_shape": [transforms.dim],
        "context_dim": 0 if classes else len(roles.context),
        "labels": len(classes),
        "angles": list(transforms.angles),
        "levels": levels,
        "types": types,
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
    files = table_files({key: node[key] for key in PATHS}, node["header"])
    if any(file.path.stat().st_size > LARGE for file in files.values()):
        return
    tables = {key: rows.numbers(file, to_learn=key == "path")[0] for key, file in files.items()}
    medians = rows.medians(tables["path"])
    tables = {key: np.where(np.isnan(table), medians, table) for key, table in tables.items()}
    where, values = files["path"].where, tables["path"]
    rows.refuse_numbering(where, values)
    rows.sizes(len(values), validated="val_path" in tables)
    if node.get("degrees") and not rows.transforms.circular:
        raise UserError("degrees=true: no column is an angle; `circular` names those that are")
    for table in tables.values():
        rows.check_weights(table)
    names = (*rows.roles.event, *rows.roles.context)
    learned = values[:, : len(names)]
    refuse_columns(where, names, learned, text={}, dropped=rows.drop, varying=names)
    refuse_dependent(where, names, learned)
