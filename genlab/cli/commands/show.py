"""``genlab show RUN``: what a run is, how it stands, and what came out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from genlab.cli.arguments import Parser
from genlab.cli.report import print_metrics
from genlab.cli.run_argument import SavedRun
from genlab.errors import one_line
from genlab.runs.files import read_json
from genlab.runs.settings import CHOICE, spell
from genlab.runs.status import effective_state, read_status

__all__ = ["run"]

EXAMPLES = """\
  genlab show latest
  genlab show latest --config                every key and its value"""


def run(words: list[str]) -> int:
    parser = Parser("show", EXAMPLES)
    parser.add_run()
    parser.add_argument("--config", action="store_true", help="print every key and its value")
    arguments = parser.parse(words)
    saved = SavedRun(arguments.run)
    config = saved.manifest["config"]
    if arguments.config:
        print("".join(f"{key}={spell(value)}\n" for key, value in sorted(config.items())), end="")
        return 0
    for name, text in _rows(saved, config):
        print(f"{name:10}  {text}")
    if saved.directory.metrics.exists():
        metrics = read_json(saved.directory.metrics)
        print_metrics(metrics, "", likelihood=saved.manifest["likelihood"])
    return 0


def _rows(saved: SavedRun, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    run, manifest, status = saved.directory, saved.manifest, read_status(saved.directory)
    state = effective_state(run)
    step = f" at step {status['step']}" if status["step"] is not None else ""
    yield "run", str(run.path)
    yield "state", f"{state}{step}, of {config.get('trainer.max_steps', '?')}"
    if status["error"]:
        yield "error", one_line(status["error"])
    started = datetime.fromisoformat(status["started"])
    yield "started", f"{started.astimezone():%Y-%m-%d %H:%M:%S} on {status['host']}{_took(status)}"
    choices = {k.removeprefix(CHOICE): v for k, v in config.items() if k.startswith(CHOICE)}
    yield "choices", " ".join(f"{group}={option}" for group, option in sorted(choices.items()))
    yield "seed", str(config["seed"])
    commit, threads = manifest["git_commit"], manifest["threads"]
    yield (
        "made with",
        f"genlab {manifest['genlab']}{f' at {commit}' if commit else ''}, "
        f"torch {manifest['packages']['torch']}, Python {manifest['python']}, "
        f"{threads} thread{'s' if threads > 1 else ''}",
    )
    if figures := sorted(run.figures.glob("[!.]*.png")):
        yield "figures", f"{run.figures}: {', '.join(path.stem for path in figures)}"
    if state in ("interrupted", "killed") and run.last.exists():
        yield "go on with", f"genlab resume {run.typed}"


def _took(status: dict[str, Any]) -> str:
    if status["ended"] is None:
        return ""
    ended, started = (datetime.fromisoformat(status[key]) for key in ("ended", "started"))
    return f", took {timedelta(seconds=round((ended - started).total_seconds()))}"
