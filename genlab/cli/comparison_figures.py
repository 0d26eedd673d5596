"""The figures of ``genlab compare``: densities by targets, and what solves cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.run_argument import loading
from genlab.errors import UserError, first_few
from genlab.runs.comparison.groups import Group, legend
from genlab.runs.comparison.records import Record
from genlab.runs.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from genlab.densities.density import Density
    from genlab.pinn.convergence import Course
    from genlab.targets.target import Target

__all__ = ["draw"]

# Runs that a line lists; their paths are long.
SHOWN = 3
OPTIMIZER = "optimizer"


def draw(path: Path, groups: Sequence[Group], keys: Sequence[str]) -> int:
    """Draw the densities of all runs in the plane, and for each problem what its solves cost.

    One figure goes to ``path``; of several, each to that with a name of its own behind the stem.

    Args:
        path: Where to.
        groups: The runs, by their settings.
        keys: The settings that differ.

    Raises:
        UserError: No run can be drawn.
    """
    solves = [group for group in groups if group.records[0].reads("command") == "solve"]
    others = [group for group in groups if group not in solves]
    figures, left_out = _densities(others, keys) if others else ({}, [])
    if solves:
        figures |= _courses(solves, keys)
    left = f"shows solves, and densities in the plane; left out: {first_few(left_out, SHOWN)}"
    if not figures:
        raise UserError(f"--figure: {left}; expected a run of data=moons or the like, or a solve")
    for name, figure in figures.items():
        own = path if len(figures) == 1 else path.with_stem(f"{path.stem}-{_as_file(name)}")
        with atomic_path(own) as temporary:
            figure.savefig(temporary)
        print(own)
    if left_out:
        print(left)
    return 0


def _as_file(title: str) -> str:
    return re.sub(r"[^\w.=-]+", "-", title)


def _densities(groups: Sequence[Group], keys: Sequence[str]) -> tuple[dict[str, Figure], list[str]]:
    """A row a target and a column a model, each by the first seed of its runs.

    Runs that are not in the plane, or of whose data only samples are known, are left out: their
    paths are returned too.
    """
    with loading():
        from genlab.assembly import load
        from genlab.evaluation.figures import comparison_figure
    targets: dict[str, Target] = {}
    models: dict[str, dict[str, Density]] = {}
    others: list[str] = []
    for group in groups:
        first = group.records[0]
        experiment: Any = load(first.run.path)
        target = experiment.data.target
        if target is None or experiment.density.event_shape != (2,):
            others.append(str(first.run.path))
            continue
        on = _title(group, keys, of_data=True)
        targets[on] = target
        models.setdefault(on, {})[_title(group, keys, of_data=False)] = experiment.density
    return {"densities": comparison_figure(targets, models)} if targets else {}, others


def _courses(groups: Sequence[Group], keys: Sequence[str]) -> dict[str, Figure]:
    """For each problem the errors of all runs against seconds and evaluations."""
    with loading():
        from genlab.pinn.convergence import Course, convergence_figures
    problems: dict[str, list[Course]] = {}
    for group in groups:
        told = legend(group, keys)
        steps = [text for key, text in told.items() if key.startswith(f"{OPTIMIZER}.")]
        points = [
            text
            for key, text in told.items()
            if not group.decides(key) and key.partition(".")[0] != OPTIMIZER
        ]
        optimizer = " ".join([group.records[0].reads(OPTIMIZER), *steps])
        title = _title(group, keys, of_data=True).replace("\n", " ")
        problems.setdefault(title, []).extend(
            Course(" ".join(points), optimizer, _history(record)) for record in group.records
        )
    return convergence_figures(problems)


def _history(record: Record) -> list[dict[str, float]]:
    """A row of costs and errors for each validation of a solve."""
    from genlab.learning.checkpoint_io import load_checkpoint

    history: list[dict[str, float]] = load_checkpoint(record.run.last)["solve"]["history"]
    return history


def _title(group: Group, keys: Sequence[str], *, of_data: bool) -> str:
    """The settings that say what the numbers are about, or all the others; a line each."""
    told = legend(group, keys)
    return "\n".join(text for key, text in told.items() if group.decides(key) == of_data)
