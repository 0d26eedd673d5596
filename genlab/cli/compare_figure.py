"""The figure of ``genlab compare --figure``: what each model makes of each target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genlab.assembly import load
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.evaluation.figures import comparison_figure
from genlab.runs.comparison.groups import Group
from genlab.runs.files import atomic_path
from genlab.targets.target import Target

__all__ = ["draw_densities"]


def draw_densities(path: Path, groups: Sequence[Group], keys: Sequence[str]) -> None:
    """Draw a row a target and a column a model, each by the first seed of its runs.

    Args:
        path: The figure's file.
        groups: The runs.
        keys: What they are grouped by.

    Raises:
        UserError: One of the targets is not in the plane, or only its samples are known.
    """
    targets: dict[str, Target] = {}
    models: dict[str, dict[str, Density]] = {}
    for group in groups:
        first = group.records[0]
        experiment = load(first.run.path)
        target = experiment.data.target
        if target is None or experiment.density.event_shape != (2,):
            raise UserError(
                f"--figure: shows densities in the plane; {first.run.path} has none, leave it out "
                "by --where data=NAME"
            )
        on = _title(group, keys, of_data=True)
        targets[on] = target
        models.setdefault(on, {})[_title(group, keys, of_data=False)] = experiment.density
    with atomic_path(path) as temporary:
        comparison_figure(targets, models).savefig(temporary)


def _title(group: Group, keys: Sequence[str], *, of_data: bool) -> str:
    """The settings that say what the densities are of, or all the others."""
    decisive = {"data", *(key for key, _ in group.subject.settings)}
    pairs = zip(keys, group.settings, strict=True)
    return " ".join(value for key, value in pairs if (key in decisive) == of_data).strip()
