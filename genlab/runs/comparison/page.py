"""One self-contained page: the table, the learning curves, and the runs' figures side by side."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from genlab.errors import GenlabError
from genlab.runs.comparison.groups import Group, legend
from genlab.runs.comparison.records import Record
from genlab.runs.comparison.subjects import Subject
from genlab.runs.comparison.tables import Table
from genlab.runs.files import atomic_path, read_json
from genlab.runs.metrics import metric_of

__all__ = ["page", "write_page"]

PLACE = "/* DATA */"
# The figures are what makes a page heavy: of so many settings, in so many pixels, they are shown.
SHOWN = 24
WIDTH = 960


def page(table: Table, groups: Sequence[Group], notes: Sequence[str]) -> str:
    """The page as HTML; no address in it leads out of it.

    Args:
        table: The listing of ``groups``, a row each.
        groups: What is compared.
        notes: What else a reader has to know, such as runs that are not in the table.
    """
    data = {
        "header": table.header,
        "keys": table.keys,
        "better": [metric_of(name.partition(" ")[0]).better for name in table.header],
        "rows": [_row(row) for row in table.rows],
        "names": _names(groups, table.header[: table.keys - 1]),
        "subjects": _subjects(groups, table.header[: table.keys - 1]),
        "losses": [_loss(group.records[0]) for group in groups],
        "runs": [_run(record, row) for row, g in enumerate(groups) for record in g.records],
        "figures": [_figures(group) for group in islice(groups, SHOWN)],
        "notes": [*notes, *_not_shown(groups)],
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    template = files("genlab.runs.comparison").joinpath("page.html").read_text(encoding="utf-8")
    # Inside a script, nothing may look like the end of it.
    return template.replace(PLACE, f"const DATA = {text.replace('</', '<' + chr(92) + '/')};")


def write_page(path: Path, table: Table, groups: Sequence[Group], notes: Sequence[str]) -> None:
    """Write `page` to a file, whole or not at all."""
    text = page(table, groups, notes)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _row(row: Sequence[Any]) -> list[Any]:
    """Settings as text; numbers as text, value, and whether they are the best."""
    return [
        item if item is None or isinstance(item, str) else [item.text, item.mean, item.best]
        for item in row
    ]


def _names(groups: Sequence[Group], keys: Sequence[str]) -> list[str]:
    """What each row is called: the settings that differ, or model and data where none does."""
    differ = [
        key
        for place, key in enumerate(keys)
        if len({group.settings[place] for group in groups}) > 1
    ]
    return [
        " ".join(text for key, text in legend(group, keys).items() if key in differ)
        or " ".join(group.settings[:2])
        for group in groups
    ]


def _subjects(groups: Sequence[Group], keys: Sequence[str]) -> list[tuple[int, str]]:
    """What each row is about: a number, equal where losses can be compared, and words."""
    known: dict[Subject, int] = {}
    return [
        (
            known.setdefault(group.subject, len(known)),
            " ".join(text for key, text in legend(group, keys).items() if group.decides(key)),
        )
        for group in groups
    ]


def _loss(record: Record) -> str:
    """What a run's loss is: those of several objectives are different numbers."""
    return "residual" if record.reads("command") == "solve" else record.reads("objective")


def _run(record: Record, row: int) -> dict[str, Any]:
    return {
        "row": row,
        "seed": record.seed,
        "path": str(record.run.path),
        "curves": _curves(record),
    }


def _curves(record: Record) -> dict[str, list[float | None]]:
    """The learning curves to six digits; none where the run wrote none that can be read."""
    try:
        curves = read_json(record.run.curves)
    except GenlabError:
        return {}
    return {
        name: [None if value is None else float(f"{value:.6g}") for value in values]
        for name, values in curves.items()
    }


def _figures(group: Group) -> dict[str, str]:
    """The figures of the first run of a group, by name."""
    folder = group.records[0].run.figures
    return {path.stem: _inlined(path) for path in sorted(folder.glob("[!.]*.png"))}


def _inlined(path: Path) -> str:
    from PIL import Image

    encoded = io.BytesIO()
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((WIDTH, WIDTH))
        small.save(encoded, "webp", quality=80, method=0)
    return f"data:image/webp;base64,{base64.b64encode(encoded.getvalue()).decode()}"


def _not_shown(groups: Sequence[Group]) -> Iterator[str]:
    if len(groups) > SHOWN:
        yield f"The figures are those of the first {SHOWN} rows; narrow by --where for others."
