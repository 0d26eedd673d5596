"""``genlab show RUN``: what a run is, how it stands, and what came out.

``genlab show FILE`` says what is in a file, or in a folder that is no run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from genlab.cli.arguments import Parser
from genlab.cli.commands.note import note_lines
from genlab.cli.report import print_metrics, print_rows
from genlab.cli.run_argument import SavedRun
from genlab.errors import one_line
from genlab.runs.comparison.plain import plain_runs
from genlab.runs.comparison.records import read_record
from genlab.runs.directory import RunDirectory
from genlab.runs.files import json_text, read_json
from genlab.runs.find import find_runs
from genlab.runs.labels import read_labels
from genlab.runs.settings import CHOICE, spell
from genlab.runs.status import effective_state, read_status

__all__ = ["run"]

EXAMPLES = """\
  genlab show latest
  genlab show latest --config                every key and its value
  genlab show latest --json                  all that is known, for other programs
  genlab show fields.hdf5                    what is in a file, and how to learn it"""

# What a file of data may end in: told without the imports of those that read it.
DATA = (
    *(".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".he5", ".nc", ".nc4", ".cdf", ".netcdf"),
    *(".zarr", ".csv", ".tsv", ".txt", ".parquet", ".pdb", ".ent", ".cif", ".mmcif"),
)


def run(words: list[str]) -> int:
    parser = Parser("show", EXAMPLES)
    parser.add_argument(
        "run",
        metavar="RUN|FILE",
        help="a path, a run's name, or `latest`; or data: a file, a folder",
    )
    parser.add_argument("--config", action="store_true", help="print every key and its value")
    parser.add_argument("--json", action="store_true", help="print all that is known of a run")
    arguments = parser.parse(words)
    if holds_data(Path(arguments.run)):
        from genlab.cli.data_view import data_rows

        print_rows(data_rows(Path(arguments.run).expanduser()))
        return 0
    saved = SavedRun(arguments.run)
    config = saved.manifest["config"]
    if arguments.json:
        print(json_text(plain_runs([read_record(saved.directory)], ())), end="")
        return 0
    if arguments.config:
        print("".join(f"{key}={spell(value)}\n" for key, value in sorted(config.items())), end="")
        return 0
    print_rows(_rows(saved, config))
    if saved.directory.metrics.exists():
        metrics = read_json(saved.directory.metrics)
        print_metrics(metrics, "", likelihood=saved.manifest["likelihood"])
    return 0


def holds_data(path: Path) -> bool:
    """Whether a word names data rather than a run: a file, or a folder that is no run."""
    path = path.expanduser()
    if path.is_dir():
        return not RunDirectory(path).manifest.exists() and not find_runs(path)
    return path.is_file() or (bool(path.suffix) and path.suffix.lower() in DATA)


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
    words = (f"{group}={spell(option)}" for group, option in sorted(choices.items()))
    yield "choices", " ".join(words)
    yield "seed", str(config["seed"])
    commit, threads = manifest["git_commit"], manifest["threads"]
    yield (
        "made with",
        f"genlab {manifest['genlab']}{f' at {commit}' if commit else ''}, "
        f"torch {manifest['packages']['torch']}, Python {manifest['python']}, "
        f"{threads} thread{'s' if threads > 1 else ''}",
    )
    if repository := manifest.get("repository"):
        changes = {"kept": f", with {run.changes}", "none": ""}.get(
            repository["changes"], ", with more changes than are kept"
        )
        yield "repository", f"{repository['root']} at {repository['commit']}{changes}"
    labels = read_labels(run)
    if labels.tags:
        yield "tags", " ".join(labels.tags)
    for line in note_lines(labels):
        yield "note", line
    if figures := sorted(run.figures.glob("[!.]*.png")):
        yield "figures", f"{run.figures}: {', '.join(path.stem for path in figures)}"
    if state in ("interrupted", "killed") and run.last.exists():
        yield "go on with", f"genlab resume {run.typed}"


def _took(status: dict[str, Any]) -> str:
    if status["ended"] is None:
        return ""
    ended, started = (datetime.fromisoformat(status[key]) for key in ("ended", "started"))
    return f", took {timedelta(seconds=round((ended - started).total_seconds()))}"
