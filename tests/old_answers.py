"""What genlab answers about the runs in ``tests/runs/old``, command by command.

``PYTHONPATH=TREE python tests/old_answers.py`` writes what the genlab of a tree answers to
``tests/runs/old/expected.json``: to be done by the version that has made the runs, and no other.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

__all__ = ["COSTLY", "HOME", "OLD", "QUICK", "answer", "bring"]

OLD = Path(__file__).parent / "runs" / "old"
# Where the runs were made.
HOME = "/home/student/runs"

FAMILIES = (
    "gmm",
    "gmm-gradient",
    "vae",
    "nice",
    "realnvp",
    "krnet",
    "resflow",
    "nsf",
    "nsf-circular",
    "cnf",
    "flow-matching",
)
PLANE = (*FAMILIES, "replicas/seed-1", "das")
EVALUATED = (*FAMILIES, "nsf-autoregressive", "replicas/seed-1", "das")
TABLE = "nsf-autoregressive"
LONGER = tuple(run for run in EVALUATED if not run.startswith("gmm"))

# Command lines of genlab, each answered in a folder that holds copies of all the runs.
QUICK = (
    "list runs .",
    "compare .",
    "compare . --where model=nsf --csv",
    "compare . --where optimizer=adam --rows model --cols data --value test/kl --csv",
    "diff nsf realnvp",
    "diff replicas/seed-0 replicas/seed-1",
    *(f"show {run}" for run in (*EVALUATED, "interrupted")),
    "show nsf --config",
    *(f"score {run} -i plane.csv -o scores.csv" for run in PLANE),
    f"score {TABLE} -i mine.csv -o scores.csv",
    *(f"sample {run} -n 5 --seed 7 -o samples.csv" for run in PLANE),
    f"sample {TABLE} -n 5 --seed 7 --condition a=0.5 -o samples.csv",
    "evaluate nsf",
    "resume interrupted",
    "resume das trainer.max_steps=40",
    "rerun realnvp",
)
COSTLY = (
    *(f"evaluate {run}" for run in EVALUATED if run != "nsf"),
    *(f"plot {run}" for run in EVALUATED),
    *(f"resume {run} trainer.max_steps=60" for run in LONGER if run != "das"),
    *(f"rerun {run}" for run in EVALUATED if run not in ("realnvp", "das")),
    "rerun das trainer.max_steps=40",
    "rerun nsf seed=1 model.layers=3",
    "rerun gmm-gradient seed=1",
    "rerun vae model=nice",
    "train model=realnvp model.layers=2 model.hidden=[8] data=moons trainer.warm_start=realnvp "
    "trainer.max_steps=10 trainer.val_every=10 data.val_size=100 data.test_size=100",
    "train model=gmm model.components=2 data=pinn_residual data.run=das data.val_size=100 "
    "data.test_size=100 data.cells=16 trainer.max_steps=3 trainer.val_every=3",
)


def bring(folder: Path) -> None:
    """Put copies of the runs into a folder, as if they had been made there."""
    shutil.copytree(OLD, folder, dirs_exist_ok=True)
    for path in (*folder.rglob("run.json"), *folder.rglob("config.yaml")):
        (path.parent / "figures").mkdir(exist_ok=True)
        path.write_text(path.read_text().replace(HOME, str(folder)))
    (folder / "plane.csv").write_text("x1,x2\n0,0\n1,0.5\n-0.7,0.2\n0.3,-1.5\n")


def answer(words: str, folder: Path) -> dict[str, Any]:
    """What a command line prints, in lines, and the numbers that it writes.

    Args:
        words: The command line behind ``genlab``.
        folder: The present folder, which holds the runs.
    """
    from genlab.cli.main import main

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = main(words.split())
    new = [path for path in folder.rglob("*") if before.get(path) != path.stat().st_mtime_ns]
    lines = printed.getvalue().replace(str(folder), HOME).splitlines()
    told: dict[str, Any] = {"status": status}
    if words.split()[0] in ("train", "resume", "rerun", "evaluate"):
        # What is printed are the same numbers, rounded, and times.
        (path,) = (path for path in new if path.name == "metrics.json")
        metrics = json.loads(path.read_text())
        told["metrics"] = {k: v for k, v in metrics.items() if not k.startswith("time/")}
    elif words.startswith("plot"):
        told["figures"] = sorted(path.name for path in new if path.suffix == ".png")
    else:
        # When it was is told in the reader's own time zone.
        told["lines"] = [line.rstrip() for line in lines if not line.startswith("started ")]
    if words.startswith("list"):
        told["lines"] = [line[19:] for line in told["lines"]]
    for path in new:
        if path.suffix == ".csv":
            with path.open() as file:
                header, *rows = csv.reader(file)
            told[path.name] = [header, *([float(cell) for cell in row] for row in rows)]
    return told


def environment() -> dict[str, str]:
    """What decides about the last digits: which torch, and on what kind of processor."""
    return {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}


def _freeze() -> None:
    torch.set_num_threads(1)
    expected: dict[str, Any] = {"environment": environment(), "answers": {}}
    for words in (*QUICK, *COSTLY):
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            bring(Path(name))
            expected["answers"][words] = answer(words, Path(name))
        print(words, file=sys.stderr)
    text = json.dumps(expected, indent=1)
    (OLD / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    _freeze()
