"""What is left of a search: the table, the best as an experiment file, and Optuna's figures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from genlab.errors import RunError
from genlab.runs.columns import aligned
from genlab.runs.files import atomic_path

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

__all__ = ["report"]


def report(study: optuna.Study, folder: Path, plan: Mapping[str, Any]) -> None:
    """Print the trials, write the best as an experiment, draw Optuna's figures.

    Args:
        study: As Optuna keeps it.
        folder: The study's folder.
        plan: What ``tune.json`` says.

    Raises:
        RunError: No trial was completed.
    """
    trials = study.get_trials(deepcopy=False)
    print(f"study {folder}\n{_table(trials)}", end="")
    done = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not done:
        raise RunError("no trial was completed; the reasons are above")
    best = study.best_trial
    path = _write_best(best, len(trials), folder, plan)
    print(
        f"best: trial {best.number}, {plan['monitor']} {best.value:.6g}\n"
        f"train it: genlab train --config-dir {path.parent.parent} experiment=best"
    )
    for name in _draw(study, folder, len(done)):
        print(name)


def _write_best(best: FrozenTrial, tried: int, folder: Path, plan: Mapping[str, Any]) -> Path:
    """An experiment file with the fixed settings and the best of those searched."""
    words = [
        *plan["fixed"],
        *(f"{key}={_spelled(value)}" for key, value in best.params.items()),
    ]
    text = _experiment_file(
        words,
        f"The best of {tried} trials of {plan['model']} on "
        f"{plan.get('subject', plan['data'])}: {plan['monitor']} {best.value:.6g}.",
    )
    path = folder / "conf" / "experiment" / "best.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _draw(study: optuna.Study, folder: Path, done: int) -> Iterator[Path]:
    """Optuna's own figures: the history, and which settings mattered."""
    import matplotlib as mpl

    mpl.use("Agg")
    from optuna.visualization import matplotlib as figures

    drawn: dict[str, Callable[[optuna.Study], Axes]] = {
        "history": figures.plot_optimization_history
    }
    if done > 1:
        drawn["importance"] = figures.plot_param_importances
    for name, draw in drawn.items():
        path = folder / f"{name}.png"
        with warnings.catch_warnings():
            # Optuna's own note that its figures may change.
            warnings.simplefilter("ignore", ExperimentalWarning)
            figure = draw(study).get_figure(root=True)
        assert figure is not None
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120, bbox_inches="tight")
        yield path


def _experiment_file(words: list[str], comment: str) -> str:
    """Overrides as a file of the group ``experiment``."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from genlab.config import config_dir

    groups, values = [], OmegaConf.create()
    for parsed in OverridesParser.create().parse_overrides(words):
        if (config_dir() / parsed.key_or_group).is_dir():
            groups.append(f"  - override /{parsed.key_or_group}: {parsed.get_value_string()}\n")
        else:
            OmegaConf.update(values, parsed.key_or_group, parsed.value(), force_add=True)
    defaults = f"defaults:\n{''.join(groups)}" if groups else ""
    settings = OmegaConf.to_yaml(values) if values else ""
    return f"# @package _global_\n# {comment}\n{defaults}{settings}"


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _table(trials: list[FrozenTrial]) -> str:
    rows = [("trial", "state", "value", "settings")]
    for trial in trials:
        # A pruned trial has its last report in the place of a value.
        shown = trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.value is not None
        settings = " ".join(f"{key}={_spelled(value)}" for key, value in trial.params.items())
        rows.append(
            (
                str(trial.number),
                trial.state.name.lower(),
                f"{trial.value:.6g}" if shown else "",
                settings,
            )
        )
    return "".join(f"{line}\n" for line in aligned(rows))
