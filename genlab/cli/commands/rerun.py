"""``genlab rerun RUN [KEY=VALUE ...]``: the same configuration again, in a new directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genlab.cli.arguments import Parser
from genlab.cli.run import begun_before, run_config
from genlab.cli.run_argument import loading
from genlab.config.stored import read_config
from genlab.processes import check_device
from genlab.runs.find import resolve
from genlab.runs.manifest import read_manifest

__all__ = ["as_before", "run"]

EXAMPLES = """\
  genlab rerun latest                        the same numbers again, on the same machine
  genlab rerun latest seed=1
  genlab rerun latest model=nsf trainer.max_steps=20000

Without changes the run's own `config.yaml` is trained, with compiled steps from the same step on;
with changes its choices are composed again, and what was set for it stays set."""


def run(words: list[str]) -> int:
    parser = Parser("rerun", EXAMPLES)
    parser.add_run()
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="what is to differ")
    arguments = parser.parse(words)
    directory = resolve(arguments.run)
    manifest = read_manifest(directory)
    from genlab.config.check import check
    from genlab.config.keys import Keys
    from genlab.config.look import look_at
    from genlab.config.recompose import recompose

    config = read_config(directory)
    if arguments.overrides:
        config = recompose(config, arguments.overrides)
    elif "compile" in config.trainer:
        config.trainer.compile = as_before(config.trainer.compile, manifest)
    check(config)
    look_at(config)
    with Keys(config).telling():
        check_device(config.trainer)
    with loading():
        from genlab.assembly.recording import new_directory
    begun = begun_before(config)
    run_config(config, begun or new_directory(config), ours=True, begun=begun is not None)
    return 0


def as_before(how: bool | int | str, manifest: Mapping[str, Any]) -> bool | int | str:
    """What ``trainer.compile`` is, so that compiled steps begin where those of a run did.

    Those of ``auto`` may begin anywhere, and those of ``long`` where a short run was taken further.

    Args:
        how: What it was.
        manifest: The run's ``run.json``.
    """
    step: int | None = manifest.get("compiled_from")
    if how == "auto":
        return False if step is None else step or True
    return step or how if how == "long" else how
