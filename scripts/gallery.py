"""Draw what each family makes of one toy: the last finished run of each model below a folder.

genlab train -m model=gmm,vae,nice,realnvp,krnet,resflow,nsf,cnf,flow-matching data=pinwheel
python scripts/gallery.py outputs pinwheel pinwheel.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import genlab
from genlab.evaluation.figures import comparison_figure
from genlab.runs.find import find_runs
from genlab.runs.manifest import read_manifest
from genlab.runs.status import effective_state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("data")
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    runs = {}
    for run in find_runs(arguments.folder):
        manifest = read_manifest(run)
        if manifest["data"] == arguments.data and effective_state(run) == "done":
            runs[manifest["model"]] = run.path
    experiments = {name: genlab.load(path) for name, path in sorted(runs.items())}
    target = next(iter(experiments.values())).data.target
    models = {name: experiment.model for name, experiment in experiments.items()}
    comparison_figure(target, models).savefig(arguments.picture)


if __name__ == "__main__":
    main()
