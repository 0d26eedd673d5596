"""The league: the nine families on toys and tables, so many seconds each, with three seeds.

Each cell is a run of `genlab train` of its own. Its curve is what its density is above the optimum
(`test/kl`; of a table, `test/nll`) against the seconds of fitting: the validations' `val/nll`,
shifted to meet the test's value. What is finished stays in a file: the same
command goes on where it was stopped. A cell that nobody has run is empty.

    python scripts/league.py --list
    python scripts/league.py --seconds 60
    python scripts/league.py --only realnvp:moons nsf:seed0 --seconds 5
    python scripts/league.py --only nsf:wine -- trainer.compile=auto
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.standings import FAMILIES, SEEDS, TOYS, write
from benchmarks.store import Store, chosen
from genlab.runs.files import atomic_path

TABLES = ("wine", "diabetes", "breast_cancer")
"""UCI's that scikit-learn has, and which need no download."""
LARGE_TABLES = ("power", "gas", "hepmass", "miniboone")
"""Of the MAF paper, from the folder `data.root`."""


def main() -> None:
    """Run the cells that are not finished, and write all that are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="PARTS", help="as realnvp:moons")
    parser.add_argument("--list", action="store_true", help="name the cells")
    parser.add_argument("--seconds", type=float, default=60.0, help="of fitting, in each run")
    parser.add_argument("--again", action="store_true", help="run what is finished or failed anew")
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/league"))
    parser.add_argument("overrides", nargs="*", help="more words of `genlab train`, behind --")
    options = parser.parse_args()
    targets = (*TOYS, *TABLES, *LARGE_TABLES)
    cells = [f"{f}:{t}:seed{s}" for t in targets for f in FAMILIES for s in SEEDS]
    names = chosen(cells, options.only)
    if options.list:
        print(*names, sep="\n")
        return
    store = Store(options.output / "league.json")
    for name in names:
        kept = f"{name}:{options.seconds:g}s"
        if kept in store.records and not options.again:
            continue
        record = run(name, options.seconds, options.output, options.overrides)
        store.add(kept, record)
        print(f"{kept}: {told(record)}", flush=True)
    if store.records:
        for seconds in write(store.records, options.output, targets):
            place = f"{options.output}/league-{seconds}"
            print(f"{place}.md and {place}.png: what is finished of {seconds}")


def run(name: str, seconds: float, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Train one cell; its metrics and curves, or the last line that it wrote where it failed."""
    family, target, seed = name.split(":")
    place = folder.resolve() / "runs" / f"{name.replace(':', '-')}-{seconds:g}s"
    data = [f"data={target}"]
    if target in TABLES:
        path = table(target, folder.resolve() / "tables")
        # Of a hundred rows or two, the best weights come soon, and go.
        data = ["data=table", f"data.path={path}", "trainer.val_every=50"]
    words = [
        f"model={family}",
        *data,
        f"seed={seed.removeprefix('seed')}",
        f"trainer.max_seconds={seconds:g}",
        "trainer.max_steps=1000000",  # the clock ends it, and schedules follow the clock
        f"outputs={place}",
        *overrides,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "genlab", "train", *words]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode:
        last = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
        return {"words": words, "error": last[-1]}
    metrics = max(place.rglob("metrics.json"), key=lambda path: path.stat().st_mtime)
    return {
        "words": words,
        "metrics": json.loads(metrics.read_text()),
        "curves": json.loads(metrics.with_name("curves.json").read_text()),
    }


def table(name: str, folder: Path) -> Path:
    """The columns of one of scikit-learn's sets, as a file."""
    from sklearn import datasets

    path = folder / f"{name}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.save(temporary, getattr(datasets, f"load_{name}")().data)
    return path


def told(record: dict[str, Any]) -> str:
    """A finished cell, in words."""
    if "error" in record:
        return f"failed ({record['error']})"
    metrics = record["metrics"]
    shown = (key for key in ("test/kl", "test/nll", "time/fit_seconds") if key in metrics)
    return ", ".join(f"{key} {metrics[key]:.4g}" for key in shown if metrics[key] is not None)


if __name__ == "__main__":
    main()
