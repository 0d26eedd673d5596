"""A contestant, in a process of its own: builds its work, and does a round of it for each line.

The first answer tells how many repeats a round has, the peak of memory and the contestant's notes;
then each line that comes in is answered by the microseconds that a repeat took, by the clock and
of the processor. `contest` is at the other end.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

sys.path[0] = str(Path(__file__).parent.parent)  # `benchmarks` as the program beside it sees it

MODULES = {
    "genlab": "ours",
    "shipped": "ours",
    "compiled": "ours",
    "direct": "ours",
    "products": "bare",
    "bare": "bare",
    "forward mode": "divergences",
    "reverse mode": "divergences",
    "zuko": "by_zuko",
    "nflows": "by_nflows",
    "normflows": "by_normflows",
    "flowjax": "by_flowjax",
    "torchcfm": "by_torchcfm",
    "scikit-learn": "mixtures",
}
OWN_SUBJECTS = {
    "em": "mixtures",
    "divergence": "divergences",
    "simulate": "simulations",
    "train": "runs",
    "train_compiled": "runs",
    "replicas": "runs",
}


def main() -> None:
    job = json.loads(sys.argv[1])
    if job["core"] is not None:
        os.sched_setaffinity(0, {job["core"]})
    # Libraries may print: what they say must not get into the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    import torch

    from benchmarks.cells import Cell

    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    torch.set_default_device(job["cell"]["device"])
    cell, contestant = Cell(**job["cell"]), job["contestant"]
    place = OWN_SUBJECTS.get(cell.subject) or MODULES[contestant]
    module = importlib.import_module(f"benchmarks.{place}")
    if place == "runs":
        say(answers, module.paired(cell, rounds=job["rounds"]))
        return
    rounds(module.build(cell, contestant), job, answers)


def rounds(work: Any, job: dict[str, Any], answers: TextIO) -> None:
    """Tell what the work is, and do a round of it whenever asked."""
    from benchmarks.work import microseconds, peak_megabytes, steps_for

    device = job["cell"]["device"]
    repeats = steps_for(work, job["seconds"])
    megabytes = peak_megabytes(work, device)
    say(answers, {"repeats": repeats, "megabytes": megabytes, "notes": work.notes})
    for _ in sys.stdin:
        began = time.process_time()
        us = microseconds(work, repeats)
        say(answers, {"us": us, "processor": (time.process_time() - began) / repeats * 1e6})


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
