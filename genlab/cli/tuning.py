"""The trials of a search, by Optuna's ask and tell, in a folder that survives a kill."""

from __future__ import annotations

import fcntl
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from genlab.assembly import Experiment
from genlab.cli.redirection import redirected
from genlab.cli.search import Search
from genlab.config import check, compose
from genlab.config.space import Choice, Dimension, Interval, Steps, split_space
from genlab.errors import GenlabError, PrunedError, RunError, one_line
from genlab.learning.callbacks.pruning import Pruning
from genlab.runs.columns import aligned
from genlab.runs.directory import RunDirectory
from genlab.runs.files import atomic_path
from genlab.runs.status import identity, is_gone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Tuning"]

PROCESS = "process"


class Tuning:
    """A study in a folder: ``study.db``, a run a trial, and in the end what was best.

    Any number of processes work at it together. A trial whose process was killed is gone on with
    by the next that looks: from its last checkpoint, with its own parameters.

    Args:
        folder: The study's folder.
        plan: What ``tune.json`` says.
        worker: The number of this process among those that work at it.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], *, worker: int) -> None:
        self.folder = folder
        self.plan = plan
        self.search = Search(**plan["search"])
        self.space, _ = split_space(plan["space"])
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = f"sqlite:///{(folder / 'study.db').absolute()}"
        with self._locked():
            # A sampler that begins anew with the same seed would repeat its first trials.
            known = optuna.create_study(
                study_name="genlab", storage=storage, load_if_exists=True
            ).get_trials(deepcopy=False)
        seed = (plan["seed"] + 7919 * len(known) + 104729 * worker) % 2**32
        self.study = optuna.load_study(
            study_name="genlab",
            storage=storage,
            sampler=self._sampler(seed),
            pruner=self._pruner(),
        )

    def work(self) -> None:
        """Take one trial after the other, until all are told."""
        while (trial := self._next()) is not None:
            self._run(trial)

    def finish(self) -> None:
        """Print the trials, write the best as an experiment, draw Optuna's figures.

        Raises:
            RunError: No trial was completed.
        """
        trials = self.study.get_trials(deepcopy=False)
        print(f"study {self.folder}\n{_table(trials)}", end="")
        done = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        if not done:
            raise RunError("no trial was completed; the reasons are above")
        best = self.study.best_trial
        path = self._write_best(best)
        print(
            f"best: trial {best.number}, {self.plan['monitor']} {best.value:.6g}\n"
            f"train it: genlab train --config-dir {path.parent.parent} experiment=best"
        )
        for name in self._draw(len(done)):
            print(name)

    def _next(self) -> Trial | None:
        with self._locked():
            for known in self.study.get_trials(deepcopy=False):
                holder = known.user_attrs.get(PROCESS)
                if known.state is TrialState.RUNNING and (holder is None or is_gone(holder)):
                    trial = Trial(self.study, known._trial_id)
                    break
            else:
                if len(self.study.get_trials(deepcopy=False)) >= self.search.trials:
                    return None
                trial = self.study.ask()
            trial.set_user_attr(PROCESS, identity())
        return trial

    def _run(self, trial: Trial) -> None:
        words = [f"{key}={_suggest(trial, key, kind)}" for key, kind in self.space.items()]
        name = f"trial {trial.number}: {' '.join(words)}"
        try:
            value = self._fit(trial, [*self.plan["fixed"], *words])
        except PrunedError as end:
            self.study.tell(trial, state=TrialState.PRUNED)
            print(f"{name}: {end}", flush=True)
        except GenlabError as error:
            self.study.tell(trial, state=TrialState.FAIL)
            print(f"{name}: failed: {one_line(error)}", flush=True)
        else:
            self.study.tell(trial, value)
            print(f"{name}: {self.plan['monitor']} {value:.6g}", flush=True)

    def _fit(self, trial: Trial, words: list[str]) -> float:
        """The best validation of a run with these settings."""
        config = compose("train", words)
        check(config)
        run = RunDirectory(self.folder / str(trial.number))
        goes_on = run.resumable
        if not goes_on:
            shutil.rmtree(run.path, ignore_errors=True)
            RunDirectory.create(run.path)
        with redirected(run):
            metrics = Experiment(config, run).fit(
                resume=goes_on, callbacks=[Pruning(self._reporter(trial))]
            )
        value = metrics[self.plan["monitor"]]
        if value is None:
            raise RunError(f"{self.plan['monitor']} is not finite")
        return value

    def _reporter(self, trial: Trial) -> Any:
        told = self.study._storage.get_trial(trial._trial_id).intermediate_values

        def report(step: int, value: float) -> bool:
            if step not in told:
                trial.report(value, step)
            return bool(trial.should_prune())

        return report

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.search.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.search.random_trials)

    def _pruner(self) -> optuna.pruners.BasePruner:
        if not self.search.pruning:
            return optuna.pruners.NopPruner()
        # The first quarter of a training says little about its end.
        return optuna.pruners.MedianPruner(
            n_startup_trials=self.search.random_trials,
            n_warmup_steps=self.plan["max_steps"] // 4,
        )

    def _write_best(self, best: FrozenTrial) -> Path:
        """An experiment file with the fixed settings and the best of those searched."""
        words = [
            *self.plan["fixed"],
            *(f"{key}={_spelled(value)}" for key, value in best.params.items()),
        ]
        text = experiment_file(
            words,
            f"The best of {len(self.study.trials)} trials of {self.plan['model']} on "
            f"{self.plan['data']}: {self.plan['monitor']} {best.value:.6g}.",
        )
        path = self.folder / "conf" / "experiment" / "best.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path

    def _draw(self, done: int) -> Iterator[Path]:
        """Optuna's own figures: the history, and which settings mattered."""
        import matplotlib as mpl

        mpl.use("Agg")
        from optuna.visualization import matplotlib as figures

        drawn: dict[str, Callable[[Study], Axes]] = {"history": figures.plot_optimization_history}
        if done > 1:
            drawn["importance"] = figures.plot_param_importances
        for name, draw in drawn.items():
            path = self.folder / f"{name}.png"
            with warnings.catch_warnings():
                # Optuna's own note that its figures may change.
                warnings.simplefilter("ignore", ExperimentalWarning)
                figure = draw(self.study).get_figure(root=True)
            assert figure is not None
            with atomic_path(path) as temporary:
                figure.savefig(temporary, dpi=120, bbox_inches="tight")
            yield path

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time takes a trial: none twice, and none too many."""
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def experiment_file(words: list[str], comment: str) -> str:
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


def _suggest(trial: Trial, key: str, dimension: Dimension) -> str:
    match dimension:
        case Interval(low, high, log):
            return repr(trial.suggest_float(key, low, high, log=log))
        case Steps(low, high, step):
            return str(trial.suggest_int(key, low, high, step=step))
        case Choice(values):
            return str(trial.suggest_categorical(key, values))


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
