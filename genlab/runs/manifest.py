"""``run.json``: what was run, with what, in words that no reader has to compute again."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import genlab
from genlab.errors import UserError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import create_json, read_json, write_json
from genlab.runs.renamed import current_settings
from genlab.runs.settings import checksums, flatten, hash_of

__all__ = [
    "FORMAT",
    "git_commit",
    "is_configured",
    "made_by",
    "note_compiled",
    "read_manifest",
    "this_version",
    "update_config",
    "write_manifest",
]

FORMAT = 1
CHECKOUT = Path(genlab.__file__).parents[1]
PACKAGES = (
    "torch",
    "lightning",
    "hydra-core",
    "omegaconf",
    "tensorboard",
    "numpy",
    "scipy",
    "scikit-learn",
    "torchdiffeq",
    "POT",
)


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
            **_provenance(),
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


def note_compiled(run: RunDirectory, step: int) -> None:
    """Write into ``run.json`` that steps are compiled whole from one on, as ``compiled_from``.

    Raises:
        UserError: ``run.json`` is missing or torn.
    """
    write_json(run.manifest, {**read_json(run.manifest), "compiled_from": step})


def is_configured(run: RunDirectory, config: Mapping[str, Any]) -> bool:
    """Whether a run is one of this configuration, whatever has become of its files.

    Raises:
        UserError: As in `read_manifest`.
    """
    manifest = read_manifest(run)
    return bool(manifest["config_hash"] == hash_of(flatten(config), manifest.get("files")))


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
    return _version(manifest.get("genlab", "unknown"), manifest.get("git_commit"))


def this_version() -> str:
    """The version at work, with its commit where it runs from a checkout."""
    return _version(genlab.__version__, git_commit(CHECKOUT))


def git_commit(checkout: Path) -> str | None:
    """The commit of genlab's sources, ``-dirty`` where they differ from it; None from a wheel."""
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    import subprocess

    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    answer = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _provenance() -> dict[str, Any]:
    """What the installation decides: versions of Python and packages, and genlab's own commit."""
    return {
        "python": platform.python_version(),
        "packages": dict(_versions()),
        "git_commit": git_commit(CHECKOUT),
    }


def _versions() -> Iterator[tuple[str, str]]:
    # It takes longer to import than a table of runs to read.
    from importlib import metadata

    for name in PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _version(release: str, commit: str | None) -> str:
    return f"genlab {release}{f' at {commit[:7]}' if commit else ''}"


def _describe(flat: Mapping[str, Any], files: Mapping[str, str] | None) -> dict[str, Any]:
    """The configuration, its hash, and its files; older versions have noted none."""
    noted = {} if files is None else {"files": files}
    return {"config": flat, "config_hash": hash_of(flat, files), **noted}
