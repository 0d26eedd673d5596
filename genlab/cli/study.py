"""The trials of a search by Optuna, in a folder that survives a kill, and the report of them."""

from __future__ import annotations

import fcntl
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, Trial, TrialState

from genlab.cli.fit import redirected
from genlab.cli.recipe import write_recipe
from genlab.cli.run import checked, run_config
from genlab.cli.search import (
    Choice,
    Dimension,
    Interval,
    Search,
    Steps,
    refuse_replicas,
    split_space,
)
from genlab.config.stored import read_config
from genlab.errors import GenlabError, Interrupted, PrunedError, RunError, one_line
from genlab.learning.callbacks import Pruning
from genlab.runs.directory import RunDirectory
from genlab.runs.files import atomic_path, read_json, write_json
from genlab.runs.find import find_runs
from genlab.runs.holder import beating, identity, is_ours
from genlab.runs.settings import spell
from genlab.runs.status import is_left, release
from genlab.runs.text import aligned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Study", "report"]

PROCESS = "process"
KILLS = "kills"
# A trial that was killed so often is to blame itself, as one that wants more memory than there is.
MOST_KILLS = 3


class Study:
    """A study in a folder: ``study.db``, and a run a trial.

    Any number of processes work at it together. A trial whose process was killed, or on another
    machine has been silent for long, is gone on with by the next that looks: from its last
    checkpoint, with its own parameters. Its process, if it comes back, leaves it to that one.

    Args:
        folder: The study's folder.
        plan: What ``tune.json`` says.
        worker: The number of this process among those that work at it.

    Attributes:
        optuna: The study as Optuna keeps it.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], *, worker: int) -> None:
        self.folder = folder
        self.plan = plan
        self.search = Search(**plan["search"])
        self.space, _ = split_space(plan["space"])
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        (folder / "trials").mkdir(exist_ok=True)
        storage = f"sqlite:///{(folder / 'study.db').absolute()}"
        with self._locked():
            # A sampler that begins anew with the same seed would repeat its first trials.
            known = optuna.create_study(
                study_name="genlab", storage=storage, load_if_exists=True
            ).get_trials(deepcopy=False)
        seed = (plan["seed"] + 7919 * len(known) + 104729 * worker) % 2**32
        self.optuna = optuna.load_study(
            study_name="genlab",
            storage=storage,
            sampler=self._sampler(seed),
            pruner=self._pruner(),
        )

    def work(self) -> None:
        """Take one trial after the other, until all are told."""
        while (trial := self._next()) is not None:
            self._run(trial)

    def take_over(self) -> None:
        """Note that nothing runs any more of the trials that say so on other machines."""
        here = identity()["host"]
        with self._locked():
            for trial in self._running():
                holder = self._holder(trial)
                if holder is not None and holder["host"] != here:
                    for run in find_runs(self._run_of(trial).path):
                        release(run)
                    self._give_back(trial)

    def _next(self) -> Trial | None:
        with self._locked():
            for trial in self._running():
                if self._is_left(trial) and self._is_taken_up(trial):
                    break
            else:
                if len(self.optuna.get_trials(deepcopy=False)) >= self.search.trials:
                    return None
                trial = self.optuna.ask()
            write_json(self._note(trial), identity())
            trial.set_user_attr(PROCESS, identity())
        return trial

    def _running(self) -> Iterator[Trial]:
        """The trials that are not told yet."""
        for known in self.optuna.get_trials(deepcopy=False):
            if known.state is TrialState.RUNNING:
                yield Trial(self.optuna, known._trial_id)

    def _holder(self, trial: Trial) -> dict[str, Any] | None:
        """The process at a trial, with its heartbeat; None where it was given back."""
        noted: dict[str, Any] | None = trial.user_attrs.get(PROCESS)
        if noted is None or not self._note(trial).exists():
            return noted
        return read_json(self._note(trial))

    def _is_left(self, trial: Trial) -> bool:
        holder = self._holder(trial)
        return holder is None or is_left(holder, self._run_of(trial).path)

    def _give_back(self, trial: Trial) -> None:
        """Let whoever looks go on with a trial, which counts as no kill."""
        trial.set_user_attr(PROCESS, None)

    def _is_taken_up(self, trial: Trial) -> bool:
        """Whether a trial whose process is gone goes on here; note how often it was killed."""
        kills = trial.user_attrs.get(KILLS, 0)
        if trial.user_attrs.get(PROCESS) is not None:
            kills += 1
            trial.set_user_attr(KILLS, kills)
            print(f"trial {trial.number}: was killed, {kills} of {MOST_KILLS} times", flush=True)
        if kills < MOST_KILLS:
            return True
        self.optuna.tell(trial, state=TrialState.FAIL)
        return False

    def _run(self, trial: Trial) -> None:
        words = [f"{key}={_suggest(trial, key, kind)}" for key, kind in self.space.items()]
        name = f"trial {trial.number}: {' '.join(words)}"
        try:
            with beating(self._note(trial)):
                value = self._fit(trial, [*self.plan["fixed"], *words])
        except PrunedError as end:
            self._tell(trial, f"{name}: {end}", TrialState.PRUNED)
        except Exception as error:
            # As memory that does not suffice for this model, which leaves enough for others.
            known = isinstance(error, GenlabError)
            reason = one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"
            self._tell(trial, f"{name}: failed: {reason}", TrialState.FAIL)
        except (Interrupted, KeyboardInterrupt):
            with self._locked():
                if self._is_ours(trial):
                    self._give_back(trial)
            raise
        else:
            line = f"{name}: {self.plan['monitor']} {value:.6g}"
            self._tell(trial, line, TrialState.COMPLETE, value)

    def _tell(self, trial: Trial, line: str, state: TrialState, value: float | None = None) -> None:
        """Tell how a trial ended; of one that another process has taken up, that one does."""
        with self._locked():
            ours = self._is_ours(trial)
            if ours:
                self.optuna.tell(trial, value, state)
        print(line if ours else f"{line}; another process has taken it up", flush=True)

    def _is_ours(self, trial: Trial) -> bool:
        holder = self._holder(trial)
        return holder is not None and is_ours(holder)

    def _fit(self, trial: Trial, words: list[str]) -> float:
        """The best validation of a run with these settings."""
        config = checked("train", words)
        refuse_replicas(config.trainer.replicas)
        run = self._run_of(trial)
        run.path.mkdir(exist_ok=True)
        with redirected(run):
            metrics = run_config(
                config, run, ours=False, begun=True, callbacks=[Pruning(self._reporter(trial))]
            )
        value = metrics[self.plan["monitor"]]
        if value is None:
            raise RunError(f"{self.plan['monitor']} is not finite")
        return value

    def _run_of(self, trial: Trial) -> RunDirectory:
        return RunDirectory(self.folder / str(trial.number))

    def _note(self, trial: Trial) -> Path:
        """Where the process at a trial keeps its heartbeat."""
        return self.folder / "trials" / f"{trial.number}.json"

    def _reporter(self, trial: Trial) -> Any:
        told = self.optuna._storage.get_trial(trial._trial_id).intermediate_values

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

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time takes a trial: none twice, and none too many."""
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _suggest(trial: Trial, key: str, dimension: Dimension) -> str:
    match dimension:
        case Interval(low, high, log):
            return repr(trial.suggest_float(key, low, high, log=log))
        case Steps(low, high, step):
            return str(trial.suggest_int(key, low, high, step=step))
        case Choice(values):
            return str(trial.suggest_categorical(key, values))


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
    value = f"{plan['monitor']} {best.value:.6g}"
    subject = plan.get("subject", plan["data"])
    words = write_recipe(
        read_config(RunDirectory(folder / str(best.number))),
        folder / "conf" / "experiment" / "best.yaml",
        f"The best of {len(trials)} trials of {plan['model']} on {subject}: {value}.",
        plan["fixed"],
    )
    print(f"best: trial {best.number}, {value}\ntrain it: genlab train {shlex.join(words)}")
    title = f"{plan['model']} on {subject}, {len(trials)} trials"
    for name in _draw(study, folder, len(done), plan["monitor"], title):
        print(name)


def _draw(study: optuna.Study, folder: Path, done: int, monitor: str, title: str) -> Iterator[Path]:
    """Optuna's own figures: the history, and which settings mattered."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    mpl.use("Agg")
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as figures

    drawn: dict[str, Callable[..., Axes]] = {"history": figures.plot_optimization_history}
    if done > 1:
        drawn["importance"] = figures.plot_param_importances
    for name, draw in drawn.items():
        path = folder / f"{name}.png"
        # Optuna sets pyplot's style for good.
        with warnings.catch_warnings(), mpl.rc_context():
            # Optuna's own note that its figures may change.
            warnings.simplefilter("ignore", ExperimentalWarning)
            axis = draw(study, target_name=monitor)
        axis.set_title("", loc="left")
        axis.set_title(title)
        if name == "history":
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure = axis.get_figure(root=True)
        assert isinstance(figure, Figure)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120, bbox_inches="tight")
        # Optuna draws by pyplot, which keeps what it is not told to close.
        pyplot.close(figure)
        yield path


def _table(trials: list[FrozenTrial]) -> str:
    rows = [("trial", "state", "value", "settings")]
    for trial in trials:
        # A pruned trial has its last report in the place of a value.
        shown = trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.value is not None
        settings = " ".join(f"{key}={spell(value)}" for key, value in trial.params.items())
        rows.append(
            (
                str(trial.number),
                trial.state.name.lower(),
                f"{trial.value:.6g}" if shown else "",
                settings,
            )
        )
    return "".join(f"{line}\n" for line in aligned(rows))
