"""``genlab tune +search=...``: search the settings of a model, trial by trial."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genlab.cli.arguments import Parser
from genlab.cli.fit import relative
from genlab.cli.run import checked
from genlab.cli.run_argument import loading
from genlab.cli.search import Search, refuse_replicas, split_space
from genlab.config import split
from genlab.errors import UserError
from genlab.processes import is_alone
from genlab.runs.comparison.subjects import VALIDATION, named, subject_of, tells
from genlab.runs.directory import claim, dated
from genlab.runs.files import read_json, write_json
from genlab.runs.holder import identity
from genlab.runs.requeued import begun_folders
from genlab.runs.settings import flatten
from genlab.slurm import helping, job

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["run"]

EXAMPLES = """\
  genlab tune +search=nsf model=nsf data=moons
  genlab tune +search=nsf model=nsf data=moons search.trials=100 search.workers=4
  genlab tune +search=default model=nice 'optimizer.lr=tag(log,interval(1e-4,1e-2))' \\
      'model.layers=range(4,17,step=2)' 'model.activation=choice(relu,silu)'
  genlab tune --study outputs/2025-01-31/12-00-00-tune-nsf-moons      go on where it was stopped
  genlab tune --force --study outputs/2025-01-31/12-00-00-tune-nsf-moons   another machine died

`genlab list search` names the spaces; settings that are given as intervals, ranges or choices are
searched as well. Each trial is a run, which `genlab compare` and `genlab board` show."""

SEARCH = "search"
PLAN = "tune.json"


def run(words: list[str]) -> int:
    parser = Parser("tune", EXAMPLES)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as in `genlab train`")
    parser.add_argument("--study", type=Path, metavar="DIR", help="a study to go on with, or join")
    parser.add_argument(
        "--force", action="store_true", help="go on with the trials of other machines at once"
    )
    parser.add_argument("--worker", type=int, default=0, metavar="N", help="set by genlab itself")
    arguments = parser.parse(words)
    if arguments.force and arguments.study is None:
        parser.error("--force goes with --study")
    if find_spec("optuna") is None:
        raise UserError("tune: Optuna is not installed; pip install 'genlab[tune]'")
    if arguments.study is None:
        plan = _plan(arguments.overrides)
        folder = _begun_study(plan) or _new_study(plan)
    else:
        plan, folder = _planned(arguments.study, arguments.overrides), arguments.study
    with loading():
        from genlab.cli.study import Study, report
    study = Study(folder, plan, worker=arguments.worker)
    if arguments.worker:
        with helping():
            study.work()
        return 0
    if arguments.force:
        study.take_over()
    helpers = [_helper(folder, number) for number in range(1, plan["search"]["workers"])]
    try:
        study.work()
        for helper in helpers:
            helper.wait()
        study.work()  # once more: one of them may have been killed amid its trial
    except BaseException as stop:
        for helper in helpers:
            helper.terminate()
            helper.wait()
        stop.add_note(f"go on with: genlab tune --study {relative(folder)}")
        raise
    report(study.optuna, folder, plan)
    return 0


def _plan(words: Sequence[str]) -> dict[str, Any]:
    """What is searched and how, from the words of the command line.

    Raises:
        UserError: A word is wrong, or there is nothing to search.
    """
    search, searched, fixed = _search(words)
    # A mistake in a fixed setting is told before the study is made.
    config = checked("train", fixed)
    refuse_replicas(config.trainer.replicas)
    if not is_alone(config.trainer):
        raise UserError(
            f"trainer.devices={config.trainer.devices}: a trial runs on one device; use "
            "trainer.devices=1 trainer.num_nodes=1, and search.workers for several trials at once"
        )
    return {
        "search": search,
        "space": searched,
        "fixed": fixed,
        "model": config.choices.model,
        "data": config.choices.data,
        "subject": _subject(config),
        "outputs": config.outputs,
        "seed": config.seed,
        "monitor": config.trainer.monitor,
        "max_steps": config.trainer.max_steps,
    }


def _search(words: Sequence[str]) -> tuple[dict[str, Any], list[str], list[str]]:
    """The section ``search``, the words that are searched, and those that are fixed.

    Raises:
        UserError: A word is wrong, or there is nothing to search.
    """
    from omegaconf import OmegaConf

    from genlab.config.check import check_options
    from genlab.config.explain import explained
    from genlab.config.primary import compose_raw, refuse_suggested

    own = [word for word in words if word.lstrip("+").startswith(SEARCH)]
    if not any(word.startswith("+search=") for word in own):
        own.insert(0, "+search=default")
    with explained("train", [*words, *(word for word in own if word not in words)]):
        _, fixed = split_space([word for word in words if word not in own])
        raw = compose_raw("train", [*fixed, *own])
    if swept := raw.hydra.sweeper.params:
        raise UserError(
            f"tune: what is chosen holds a sweep, of {', '.join(swept)}, which a search passes\n"
            "over; run it by `genlab train -m`, or leave it out of the file"
        )
    search: Any = OmegaConf.to_container(raw.search, resolve=True)
    saved = [f"{key}={value}" for key, value in search.pop("space").items()]
    named = {split(word)[0] for word in words}
    searched = [word for word in saved if split(word)[0] not in named]
    searched += [word for word in words if word not in own and word not in fixed]
    if not searched:
        raise UserError(
            "tune: nothing to search; see `genlab list search`, or KEY=interval(LOW,HIGH)"
        )
    refuse_suggested("train", searched)
    for word in searched:
        key, _ = split(word)
        if tells(key) or key in VALIDATION:
            raise UserError(
                f"{word}: changes the rows that trials are judged by; choose one value, "
                "or sweep it by `genlab train -m`"
            )
    check_options(SEARCH, search, Search)
    return search, searched, fixed


def _subject(config: DictConfig) -> str:
    """What the trials are about, as a table of runs calls it."""
    from genlab.config.stored import plain

    flat = flatten(plain(config))
    return named([subject_of({"config": flat, "data": config.choices.data})])[0]


def _new_study(plan: Mapping[str, Any]) -> Path:
    path = dated(plan["outputs"], "tune", plan["model"], plan["data"])
    folder = claim(path.parent, path.name)
    write_json(folder / PLAN, {**plan, "begun_by": identity()})
    return folder


def _begun_study(plan: Mapping[str, Any]) -> Path | None:
    """The same study, where this job of Slurm began it before it was put back into the queue."""
    for folder, begun in begun_folders(Path(plan["outputs"]).expanduser(), PLAN):
        if all(begun[key] == plan[key] for key in ("fixed", "space", "seed")):
            print(f"job {job()} goes on with {relative(folder)}", flush=True)
            return folder
    return None


def _planned(folder: Path, words: Sequence[str]) -> dict[str, Any]:
    """The plan of a study, with more trials if that is asked for.

    Raises:
        UserError: There is no study, or something else was to change.
    """
    from genlab.config.check import check_options

    if not (folder / PLAN).exists():
        raise UserError(f"--study {folder}: no study there ({PLAN} is missing)")
    plan = read_json(folder / PLAN)
    for word in words:
        key, _, value = word.partition("=")
        if key not in ("search.trials", "search.workers") or not value.isdecimal():
            raise UserError(
                f"{word}: a study goes on as it began; only search.trials and search.workers change"
            )
        plan["search"][key.partition(".")[2]] = int(value)
    check_options(SEARCH, plan["search"], Search)
    # Workers that only join would write back what another one has just changed.
    if words:
        write_json(folder / PLAN, plan)
    return plan


def _helper(folder: Path, number: int) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "genlab", "tune", "--study", folder, "--worker", str(number))
    return subprocess.Popen(command)
