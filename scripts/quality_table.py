"""Print test/kl of all finished runs below a folder: a row a model, a column a target.

Each cell is the mean over the seeds, and their standard deviation where there are several.

    genlab train -m model=nsf,realnvp data=moons,rings seed=0,1,2 trainer.max_seconds=60
    python scripts/quality_table.py outputs
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from pathlib import Path

from genlab.runs.files import read_json
from genlab.runs.find import find_runs
from genlab.runs.manifest import read_manifest
from genlab.runs.status import effective_state


def collect(folder: Path, metric: str) -> dict[tuple[str, str], list[float]]:
    """The metric of every finished run, by model and data."""
    found = defaultdict(list)
    for run in find_runs(folder):
        if effective_state(run) == "done":
            manifest, metrics = read_manifest(run), read_json(run.metrics)
            if metrics.get(metric) is not None:
                found[manifest["model"], manifest["data"]].append(metrics[metric])
    return found


def cell(values: list[float]) -> str:
    """A mean with its spread."""
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metric", default="test/kl")
    arguments = parser.parse_args()
    found = collect(arguments.folder, arguments.metric)
    models, targets = (sorted({key[place] for key in found}) for place in (0, 1))
    print("| model |", " | ".join(targets), "|")
    print("|---" * (len(targets) + 1) + "|")
    for model in models:
        print(f"| {model} |", " | ".join(cell(found[model, target]) for target in targets), "|")


if __name__ == "__main__":
    main()
