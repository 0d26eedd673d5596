"""What is in a file of data or a folder, before anything trains: without torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genlab.config.keys import typed
from genlab.data.field_files import (
    FieldRows,
    Variable,
    look_at_fields,
    parts_of,
    stored_facts,
    variables,
)
from genlab.data.field_files.channels import learnable
from genlab.data.field_files.facts import doubts, sampled
from genlab.data.field_files.opened import NUMPY, READ, format_of
from genlab.data.image_facts import SUFFIXES, image_facts, listed
from genlab.data.table_checks import LOGARITHMS, MOST_LEVELS, effective_rows, without_density
from genlab.data.table_file import TEXTS, TableFile
from genlab.data.torsions.structure_files import (
    STRUCTURES,
    StructureFiles,
    is_structure,
    list_structures,
)
from genlab.errors import UserError, first_few, no_such_file, plural

__all__ = ["ENDINGS", "data_rows"]

TABLES = (*TEXTS, ".parquet")
ENDINGS = (*TABLES, *READ, *STRUCTURES)
"""What a file of data ends in; structures may have .gz behind it."""
LARGE = 2**26
"""Bytes of a table above which only its columns are told."""
SLAB, SLABS = 2**18, 3
"""Numbers of an array that are looked at in one place, and in how many places."""
WEIGHT = re.compile(r"w|(.*[\W_])?(wt|weights?)", re.I)
"""What a column of importance weights is called."""
NUCLEOTIDE = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "chi"]
"""Angles of nucleotides."""
MOST = 20
"""Arrays that are listed."""
UNCHOSEN: dict[str, Any] = {
    "channels": None,
    "condition": [],
    "steps": None,
    "lag": 0,
    "size": None,
    "stride": 1,
    "windows": "tiles",
    "axes": None,
}
"""How ``data=fields`` reads a file where nothing is said of it."""


def data_rows(path: Path) -> Iterator[tuple[str, str]]:
    """What a file or a folder holds, in rows of a name and a text.

    Raises:
        UserError: It is not there, damaged, or of no kind that is read.
    """
    if not path.exists():
        raise UserError(f"{path}: {no_such_file(path, ENDINGS)}")
    if path.is_dir() and _holds_images(path):
        yield from _of_images(path)
    elif _holds_structures(path):
        yield from _of_structures(path)
    elif path.is_file() and path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path}: expected a folder, or a file that ends in {' or '.join(ENDINGS)}")
    elif _holds_table(path):
        yield from _of_table(path)
    else:
        yield from _of_fields(path)


def _holds_images(path: Path) -> bool:
    inside = [path, *(child for child in sorted(path.iterdir()) if child.is_dir())]
    return any(file.suffix.lower() in SUFFIXES for folder in inside for file in folder.iterdir())


def _holds_table(path: Path) -> bool:
    """Whether it is a table: of numpy's files one array of rows, or one for each column."""
    if path.suffix.lower() not in NUMPY:
        return path.suffix.lower() in TABLES
    found = variables(path, key="")
    found = [one for one in found if one.name == "x"] or found
    if len(found) == 1:
        return len(found[0].shape) in (1, 2)
    return len({one.shape for one in found}) == 1 and len(found[0].shape) == 1


def _holds_structures(path: Path) -> bool:
    return any(is_structure(file) for file in (path.iterdir() if path.is_dir() else [path]))


def _of_images(path: Path) -> Iterator[tuple[str, str]]:
    files, classes = listed(path)
    node = {"path": str(path), "size": None, "grey": False, "condition": None, "factor": 2}
    channels, height, width = image_facts(**node)["event_shape"]
    yield "folder", f"{path}: {len(files):,} images"
    yield "first", f"{files[0].name}: {width} x {height}, {'grey' if channels == 1 else 'colour'}"
    if classes:
        yield "classes", f"{len(classes)}: {first_few(classes)}"
    word = " data.condition=label" if classes else ""
    yield "learn by", f"genlab train data=image_folder {typed('data.path', str(path))}{word}"


def _of_structures(path: Path) -> Iterator[tuple[str, str]]:
    files = list_structures(path)
    yield "structures", f"{len(files):,}: {first_few([file.name for file in files])}"
    refused = []
    for columns in (["phi", "psi"], NUCLEOTIDE):
        try:
            rows = StructureFiles(str(path)).read(columns)
        except UserError as error:
            refused.append(str(error).replace("`", ""))
            continue
        yield "residues", f"{len(rows.degrees):,} that have {', '.join(columns)}"
        yield "kinds", f"{len(rows.kinds)}: {first_few(rows.kinds)}"
        for remark in rows.remarks[1:]:
            yield "note", remark
        words = f"{typed('data.path', str(path))} {typed('data.columns', columns)}"
        yield "learn by", f"genlab train model=nsf data=torsions {words}"
        if len(rows.kinds) > 1:
            yield "or", "given the kind of residue: data.condition=residue"
        return
    yield "refused", refused[0]


def _of_table(path: Path) -> Iterator[tuple[str, str]]:
    table = TableFile(path, "path")
    words, others = [typed("data.path", str(path))], []
    yield "file", f"{path}: a table, {_bytes(path.stat().st_size)}"
    yield "columns", f"{len(table.names)}: {first_few(table.names)}"
    if path.stat().st_size <= LARGE:
        read = table.read(table.names, table.names, by_level=None)
        columns = dict(zip(table.names, read.values.T, strict=True))
        yield "rows", f"{len(read.values):,}"
        for name, values in list(columns.items())[:MOST]:
            levels = read.levels.get(name)
            yield "", f"{name}: {_range(values) if levels is None else _worded(levels, values)}"
        dropped, choices = _roles(columns, read.levels, table.index)
        words += choices
        for name in (name for name in columns if name not in {*dropped, *read.levels}):
            known = columns[name][~np.isnan(columns[name])]
            if LOGARITHMS.fullmatch(name):
                told = f"data.weight takes weights themselves, a column of exp({name})"
                others.append(("note", f"{name}: {told}"))
            elif WEIGHT.fullmatch(name) and known.min() >= 0:
                told = f"as good as {effective_rows(known):,.0f} rows of equal weight"
                others.append(("or", f"by weight, {told}: {typed('data.weight', name)}"))
        if len(dropped) == len(set(table.names) - set(table.index)):
            told = "each is constant, empty, infinite or a text of its own"
            yield "refused", f"no column has a density: {told}"
            return
    if table.index:
        yield "left out", f"{', '.join(table.index)}: the table's index"
    yield "learn by", f"genlab train data=table {' '.join(words)}"
    yield from others
    if path.suffix.lower() == ".npy" and len(table.names) > 1:
        yield "or", f"windows of one field: genlab train data=fields {words[0]} data.size=N"


def _worded(levels: Sequence[str], numbers: np.ndarray) -> str:
    """What a column of text holds: its words, by their numbers in rows."""
    told = f"words: {first_few(levels)}"
    if len(levels) > MOST_LEVELS:
        told = f"{len(levels):,} different words, such as {levels[0]}"
    empty = int(np.isnan(numbers).sum())
    return f"{told}, {empty} empty" if empty else told


def _roles(
    columns: Mapping[str, np.ndarray], levels: Mapping[str, Sequence[str]], index: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The columns that have no density, and the words that leave them out and say what others are.

    Args:
        columns: The numbers of each, of text those of its levels.
        levels: The different words of those that hold text.
        index: Columns that are left out by themselves.
    """
    found = {name: values for name, values in columns.items() if name not in index}
    dropped = without_density(found, levels)
    kept = [name for name in found if name not in dropped]
    choices = [typed("data.drop", dropped)] if dropped else []
    if words := [name for name in kept if name in levels]:
        choices.append(typed("data.categories", words))
    if any(np.isnan(found[name]).any() for name in kept):
        choices.append("data.missing=drop")
    return dropped, choices


def _of_fields(path: Path) -> Iterator[tuple[str, str]]:
    parts = parts_of(path, key="") if path.exists() else {"train": [path]}
    first = parts["train"][0]
    found = variables(first, key="")
    if first == path:
        yield "file", f"{path}: {format_of(path)}, {_bytes(_size(path))}"
    else:
        counts = (
            f"{len(own):,} {plural('file', len(own))} for {part}" for part, own in parts.items()
        )
        yield "folder", f"{path}: {', '.join(counts)}"
        yield "first", f"{first.name}: {format_of(first)}, {_bytes(_size(first))}"
    if len(found) > MOST:
        yield "arrays", f"{len(found)}, of which these are the first {MOST}"
    for one in found[:MOST]:
        yield "array", _described(one)
    yield from _use(path, found)


def _described(one: Variable) -> str:
    axes = ", ".join(f"{axis} {n}" for axis, n in zip(one.axes, one.shape, strict=True))
    parts = [f"{one.name}: {one.dtype} [{axes}]"]
    if one.units:
        parts.append(f"in {one.units}")
    if one.channels:
        parts.append(f"channels {first_few(one.channels)}")
    if one.periodic is not None and one.is_field:
        parts.append("periodic" if one.periodic else "not periodic")
    if one.dtype.kind in "fiub" and 0 not in one.shape:
        parts.append(_range(_sample(one)))
    return "; ".join(parts)


def _use(path: Path, found: Sequence[Variable]) -> Iterator[tuple[str, str]]:
    """What ``data=fields`` takes of it, and the words for that."""
    # Those that move first: what stands still is given to them rather than learned.
    fields = sorted(learnable(found), key=lambda one: one.length("time") == 1)
    named = typed("data.path", str(path))
    chosen: dict[str, Any] = {}
    if not fields:
        fields = [one for one in found if one.is_field]
        if not fields:
            yield "nothing", "for data=fields: no array of real numbers has two axes of space"
            return
        chosen["axes"] = [axis.replace("z", "sample") for axis in fields[0].axes]
    if len(fields) > 1:
        chosen["channels"] = [fields[0].name]
    train = parts_of(path)["train"]
    try:
        width, height = FieldRows(paths=train, **{**UNCHOSEN, **chosen}).whole
        if width != height:
            chosen["size"] = min(width, height)
        choices = {**UNCHOSEN, **chosen}
        facts = stored_facts(path=str(path), periodic=None, **choices)
        look_at_fields(path=str(path), **choices)
    except UserError as error:
        yield "refused", str(error).replace("`", "")
        return
    rows = FieldRows(paths=train, **choices)
    words = [named, *(typed(f"data.{key}", value) for key, value in chosen.items())]
    shape = " x ".join(map(str, facts["event_shape"]))
    kind = "periodic" if facts["periodic"] else "not periodic"
    count = f"{len(rows):,} {plural('field', len(rows))}"
    yield "data=fields", f"{count} of {shape} ({', '.join(rows.names)}), {kind}"
    for doubt in doubts(sampled(rows), rows.names, periodic=facts["periodic"]):
        yield "note", doubt
    yield "learn by", f"genlab train model=flow-matching data=fields {' '.join(words)}"
    if len(fields) > 1:
        given = typed("data.condition", [fields[1].name])
        yield "or", f"given another channel: {given}"
    if fields[0].length("time") > 1:
        first = typed("data.condition", [fields[0].name])
        yield "or", f"the next step given the one before: {first} data.lag=1"


def _sample(one: Variable) -> np.ndarray:
    """Numbers from the start, the middle and the end of an array."""
    if not one.shape:
        return np.asarray(one.read(()))
    length, inner = one.shape[0], list(one.shape[1:])
    for axis in range(len(inner)):
        rest = int(np.prod(inner[axis + 1 :], dtype=np.int64))
        inner[axis] = max(1, min(inner[axis], SLAB // max(rest, 1)))
    count = max(1, min(length, SLAB // max(int(np.prod(inner, dtype=np.int64)), 1)))
    starts = np.unique(np.linspace(0, length - count, SLABS).astype(int))
    index = tuple(slice(0, n) for n in inner)
    parts = [one.read((slice(int(start), int(start) + count), *index)) for start in starts]
    return np.concatenate([part.ravel() for part in parts])


def _range(values: np.ndarray) -> str:
    numbers = values[np.isfinite(values)].astype(np.float64)
    lost = values.size - numbers.size
    if not numbers.size:
        return "no numbers, NaN alone"
    if numbers.size == 1:
        return f"{numbers.item():.6g}"
    told = f"{numbers.min():.4g} to {numbers.max():.4g}, mean {numbers.mean():.4g}"
    return f"{told}, {lost} NaN or infinite" if lost else told


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _bytes(size: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.3g} TB"
