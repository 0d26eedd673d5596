"""The league: tables of runs of `genlab train`, of all families on equal terms.

Each cell is a run of its own. What is finished stays in a file: the same command goes on where it
was stopped, and two that run at once share the file. A cell that nobody has run is empty.

    python scripts/league.py --list
    python scripts/league.py --only toys --records outputs/mine.json
    python scripts/league.py --only realnvp:moons nsf:seed0 --seconds 5
    python scripts/league.py --only turbulence --publish
    python scripts/league.py --only nsf:wine -- trainer.compile=false
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.standings import LEGEND, draw, markdown, of_table, published
from benchmarks.store import Store, chosen
from benchmarks.table import Cell, Table
from benchmarks.tables import SMALL, TABLES
from genlab.runs.files import atomic_path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Run the cells that are not finished, and write all that are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="PARTS", help="as realnvp:moons")
    parser.add_argument("--list", action="store_true", help="name the cells")
    parser.add_argument("--seconds", type=float, help="of fitting in each run, not the table's")
    parser.add_argument("--again", action="store_true", help="run what is finished or failed anew")
    parser.add_argument("--records", type=Path, default=DOCS / "league.json", help="what is done")
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/league"))
    parser.add_argument("--publish", action="store_true", help="write docs/results.md")
    parser.add_argument("overrides", nargs="*", help="more words of `genlab train`, behind --")
    options = parser.parse_args()
    found = (table.cells(name, seconds=options.seconds) for name, table in TABLES.items())
    cells = {cell.name: cell for each in found for cell in each}
    names = chosen(cells, options.only)
    if options.list:
        print(*names, sep="\n")
        return
    store, curves = Store(options.records), Store(options.output / "curves.json")
    for name in names:
        if name in store.records and not options.again:
            continue
        record, own_curves = run(cells[name], options.output.resolve(), options.overrides)
        store.add(name, record)
        curves.add(name, own_curves)
        print(f"{name}: {told(record)}", flush=True)
    for name, table in TABLES.items():
        for length, records in of_table(store.records, name).items():
            place = options.output / "-".join(filter(None, (name, length)))
            write(table, records, curves.records, place)
    if options.publish:
        page = DOCS / "results.md"
        text = published(page.read_text(encoding="utf-8"), store.records, TABLES)
        with atomic_path(page) as path:
            path.write_text(text, encoding="utf-8")


def run(
    cell: Cell, folder: Path, overrides: list[str]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Train one cell.

    Args:
        cell: The run.
        folder: Where it, and the tables that it needs, are put.
        overrides: More words.

    Returns:
        What its table shows, or the last line that it wrote where it failed; and its curves.
    """
    place = folder / "runs" / re.sub(r"[^\w.-]+", "-", cell.name)
    tables = folder / "tables"
    if any("{tables}" in word for word in cell.words):
        write_tables(tables)
    own_words = (word.replace("{tables}", str(tables)) for word in cell.words)
    words = [*own_words, f"outputs={place}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "genlab", "train", *words]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    told = [*cell.words, *overrides]
    if ended.returncode:
        last = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
        return {"words": told, "error": last[-1]}, {}
    path = max(place.rglob("metrics.json"), key=lambda path: path.stat().st_mtime)
    metrics, own, curves = (
        json.loads(path.with_name(f"{name}.json").read_text())
        for name in ("metrics", "run", "curves")
    )
    shown = TABLES[cell.name.split(":")[0]].metrics | {"time/fit_seconds"}
    kept = {tag: value for tag, value in metrics.items() if tag.removesuffix("/se") in shown}
    return {"words": told, "commit": own.get("git_commit"), "metrics": kept}, curves


def write_tables(folder: Path) -> None:
    """The columns of scikit-learn's sets, as files."""
    from sklearn import datasets

    folder.mkdir(parents=True, exist_ok=True)
    for name in SMALL:
        path = folder / f"{name}.npy"
        if not path.exists():
            with atomic_path(path) as temporary:
                np.save(temporary, getattr(datasets, f"load_{name}")().data)


def write(table: Table, records: dict[str, Any], curves: dict[str, Any], place: Path) -> None:
    """Write a table's finished runs of one length, and their curves, and tell where."""
    lines = (table.caption, LEGEND, "", *markdown(records, table))
    with atomic_path(place.with_suffix(".md")) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw(records, curves, table, place.with_suffix(".png"))
    print(f"{place}.md: what is finished")


def told(record: dict[str, Any]) -> str:
    """A finished cell, in words."""
    if "error" in record:
        return f"failed ({record['error']})"
    numbers = record["metrics"].items()
    shown = ((tag, value) for tag, value in numbers if not tag.endswith("/se"))
    return ", ".join(f"{tag} {value:.4g}" for tag, value in shown if value is not None)


if __name__ == "__main__":
    main()
