"""``run.json``: what was run, with what, in words that no reader has to compute again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import genlab
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import create_json, read_json, write_json
from genlab.runs.flat import flatten
from genlab.runs.inputs import checksums
from genlab.runs.renamed import current_settings

__all__ = [
    "CHOICE",
    "FORMAT",
    "LATE",
    "SILENT",
    "config_hash",
    "flatten",
    "is_configured",
    "made_by",
    "read_manifest",
    "update_config",
    "write_manifest",
]

FORMAT = 1
# In the flat configuration, what stands before the name of a group.
CHOICE = "choices."
# Keys that say where a run is kept and what shows it, not what it is.
SILENT = re.compile(r"(outputs|command|logger)\b.*")
# Keys that follow from what a choice or another key says.
LATE = re.compile(r"callbacks\b.*|.*\b_(target|partial)_")

# Where a run is stored and what it is shown with does not change what it computes.
OUTSIDE_HASH = re.compile(r"(outputs|logger)(\..*)?")


def write_manifest(
    run: RunDirectory,
    *,
    config: Mapping[str, Any],
    model: str,
    data: str,
    likelihood: str,
    threads: int,
) -> None:
    """Write ``run.json``, which no run has had before: it makes the directory this run's own.

    Args:
        run: The run.
        config: The resolved configuration in plain containers.
        model: Name of the model as on the command line.
        data: Name of the data as on the command line.
        likelihood: What the model's ``log_prob`` is: exact, lower_bound or estimate.
        threads: Number of threads that torch computes with.

    Raises:
        UserError: The directory holds a run already, such as one that was started at the same time.
    """
    # Only writers need it, and it takes longer to import than a table of runs to read.
    from genlab.runs.provenance import provenance

    flat = flatten(config)
    made = create_json(
        run.manifest,
        {
            "format": FORMAT,
            "genlab": genlab.__version__,
            "created": datetime.now(UTC).isoformat(),
            "model": model,
            "data": data,
            "likelihood": likelihood,
            "threads": threads,
            **provenance(),
            **_describe(flat, checksums(flat)),
        },
    )
    if not made:
        raise run.taken()


def update_config(run: RunDirectory, config: Mapping[str, Any]) -> None:
    """Replace the configuration in ``run.json``: a run that is taken further is another one.

    What is noted of its files stays, as they were when it began.

    Raises:
        UserError: As in `read_manifest`.
    """
    manifest = read_manifest(run)
    write_json(run.manifest, {**manifest, **_describe(flatten(config), manifest.get("files"))})


def is_configured(run: RunDirectory, config: Mapping[str, Any]) -> bool:
    """Whether a run is one of this configuration, whatever has become of its files.

    Raises:
        UserError: As in `read_manifest`.
    """
    manifest = read_manifest(run)
    return bool(manifest["config_hash"] == _hash(flatten(config), manifest.get("files")))


def read_manifest(run: RunDirectory) -> dict[str, Any]:
    """Read ``run.json``, the configuration and its hash as they would be written today.

    Raises:
        UserError: It is missing or torn, or another version of genlab wrote it in another format.
    """
    manifest = read_json(run.manifest)
    if manifest.get("format") != FORMAT:
        raise UserError(
            f"{run.path}: written by genlab {manifest.get('genlab', 'unknown')} in run format "
            f"{manifest.get('format', 'unknown')}; this is genlab {genlab.__version__}, which "
            f"reads format {FORMAT}"
        )
    stored = manifest.get("config", {})
    config = current_settings(stored)
    return manifest if config == stored else manifest | _describe(config, manifest.get("files"))


def made_by(run: RunDirectory) -> str:
    """The version that made a run, with its commit where that is known.

    Raises:
        UserError: ``run.json`` is missing or torn.
    """
    manifest = read_json(run.manifest)
    commit = manifest.get("git_commit")
    return f"genlab {manifest.get('genlab', 'unknown')}{f' at {commit[:7]}' if commit else ''}"


def config_hash(config: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that two configurations share when they compute the same run.

    What the files hold that a configuration names is counted: a target that was edited is another.
    """
    flat = flatten(config)
    return _hash(flat, checksums(flat))


def _hash(flat: Mapping[str, Any], files: Mapping[str, str] | None) -> str:
    import hashlib

    counted = {key: value for key, value in flat.items() if not OUTSIDE_HASH.fullmatch(key)}
    text = json.dumps({**counted, "files": files} if files else counted, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(flat: Mapping[str, Any], files: Mapping[str, str] | None) -> dict[str, Any]:
    """The configuration, its hash, and its files; older versions have noted none."""
    noted = {} if files is None else {"files": files}
    return {"config": flat, "config_hash": _hash(flat, files), **noted}
