"""``genlab resume RUN``: go on with a run from its last checkpoint, or further than planned."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genlab.cli.arguments import Parser
from genlab.cli.run_argument import loading
from genlab.config.stored import plain, read_config
from genlab.errors import UserError
from genlab.processes import is_first
from genlab.runs.directory import RunDirectory
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest
from genlab.runs.settings import flatten
from genlab.runs.status import read_status, refuse_running, release

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["apply", "run"]

EXAMPLES = """\
  genlab resume latest
  genlab resume latest trainer.max_steps=20000     further than planned
  genlab resume --force latest                     it died on another machine

What is trained on what stays as it was: only `trainer`, `schedule`, `callbacks` and `logger` can
change."""

FREE = ("trainer.", "schedule.", "callbacks.", "logger.")
# Averaged weights, a warm start and company are decided at the first step.
FIXED = ("trainer.ema", "trainer.warm_start", "trainer.replicas")
MAX_STEPS = "trainer.max_steps"
# What ends a run before its last step.
LIMITS = ("trainer.max_seconds", "trainer.patience")


def run(words: list[str]) -> int:
    parser = Parser("resume", EXAMPLES)
    parser.add_run()
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings to change")
    parser.add_argument(
        "--force", action="store_true", help="even if another process seems to hold the run"
    )
    arguments = parser.parse(words)
    from genlab.config.check import check
    from genlab.config.keys import Keys

    directory = resolve(arguments.run)
    read_manifest(directory)
    config = read_config(directory)
    before = flatten(plain(config))
    apply(config, arguments.overrides, directory.typed)
    check(config)
    with Keys(config).telling():
        first = is_first(config.trainer)
    # The processes that help the first one find the run as that one goes on with it.
    if first and not arguments.force:
        refuse_running(directory)
    if not directory.last.exists():
        raise UserError(
            f"{directory.path}: no checkpoint to go on from ({directory.last} is missing); "
            f"start it anew by `genlab rerun {directory.typed}`"
        )
    if _is_finished(directory, before[MAX_STEPS], config, arguments.overrides):
        if first:
            print(_how_further(directory, before))
        return 0

    from genlab.cli.fit import fit

    with loading():
        from genlab.learning.checkpoint_io import load_checkpoint

    # A damaged checkpoint is noticed before the run's own files are touched.
    reached = load_checkpoint(directory.last)["step"]
    if config.trainer.max_steps < reached:
        raise _too_few(config.trainer.max_steps, reached)
    if first and arguments.force:
        release(directory)
    fit(config, directory, resume=True)
    return 0


def _how_further(directory: RunDirectory, config: Mapping[str, Any]) -> str:
    """That a run is done, and what would take it further: it may have reached another limit."""
    reached, planned = read_status(directory)["step"], config[MAX_STEPS]
    limits = [key for key in LIMITS if config.get(key) is not None]
    early = bool(limits) and reached < planned
    further = [f"{key}=null" for key in limits] if early else [f"{MAX_STEPS}={2 * planned}"]
    return (
        f"{directory.path} is done, at step {reached} of {planned}.\n"
        f"To go further: genlab resume {directory.typed} {' '.join(further)}"
    )


def apply(config: DictConfig, overrides: Sequence[str], run: str = "RUN") -> None:
    """Set each ``KEY=VALUE``.

    Args:
        config: A run's configuration; changed in place.
        overrides: The words.
        run: What the run is typed as.

    Raises:
        UserError: A key is not one of the configuration's, or cannot change when resuming.
    """
    from omegaconf import OmegaConf

    from genlab.config.explain import no_such_key

    known = flatten(plain(config))
    free = [key for key in known if key.startswith(FREE) and key not in FIXED]
    for word in overrides:
        key, equals, _ = word.partition("=")
        if not equals:
            raise UserError(f"resume: expected KEY=VALUE, got {word!r}")
        is_choice = key in config.get("choices", ())
        if not is_choice and key not in known:
            raise UserError(f"{key}: {no_such_key(key, plain(config))}")
        if is_choice or key not in free:
            raise UserError(
                f"{word}: cannot change when a run is resumed; a new run, with all else as in this "
                f"one: genlab rerun {run} {shlex.quote(word)}"
            )
        OmegaConf.update(config, key, OmegaConf.select(OmegaConf.from_dotlist([word]), key))


def _is_finished(
    directory: RunDirectory, planned: int, config: DictConfig, overrides: Sequence[str]
) -> bool:
    """Whether a run is done and nothing that was changed lets it go further.

    Raises:
        UserError: It was asked to stop at a step that lies behind it.
    """
    status = read_status(directory)
    if status["state"] != "done":
        return False
    reached = status["step"] if status["step"] is not None else planned
    wanted = config.trainer.max_steps
    if any(word.startswith(f"{MAX_STEPS}=") for word in overrides) and wanted <= reached:
        raise _too_few(wanted, reached)
    return not overrides or wanted <= reached


def _too_few(wanted: int, reached: int) -> UserError:
    return UserError(
        f"{MAX_STEPS}={wanted}: the run is at step {reached} already; expected a larger number"
    )
