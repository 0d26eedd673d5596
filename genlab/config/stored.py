"""Configurations of finished runs: read back, and in plain containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genlab.config.targets import described
from genlab.errors import UserError
from genlab.runs.manifest import made_by, this_version
from genlab.runs.renamed import current_config
from genlab.runs.settings import flatten

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from genlab.runs.directory import RunDirectory

__all__ = ["names", "plain", "read_config"]


def names(choices: Mapping[str, Any]) -> tuple[str, str]:
    """What a run is called by: what learns, and what from.

    A solve is its sampler, with the sampler's model where it has one, and its problem.

    >>> names({"model": "nsf", "data": "moons"})
    ('nsf', 'moons')
    >>> names({"sampler": "das", "model": "krnet", "problem": "peak"})
    ('das-krnet', 'peak')
    """
    if "sampler" not in choices:
        return choices["model"], choices["data"]
    parts = (choices["sampler"], choices.get("model"))
    return "-".join(part for part in parts if part is not None), choices["problem"]


def plain(config: DictConfig) -> dict[str, Any]:
    """Plain containers with everything resolved."""
    from omegaconf import OmegaConf

    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def read_config(run: RunDirectory) -> DictConfig:
    """The configuration that a run was made with, by its present names.

    Raises:
        UserError: The file is missing or torn, or names what this version does not have.
    """
    from omegaconf import DictConfig, OmegaConf
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        config = OmegaConf.load(run.config)
    except OSError as error:
        raise UserError(f"{run.config}: cannot be read ({error.strerror})") from error
    except YAMLError as error:
        raise UserError(f"{run.config}: not valid YAML") from error
    if not isinstance(config, DictConfig) or "trainer" not in config:
        raise UserError(f"{run.config}: not the configuration of a run")
    current = current_config(plain(config))
    for key, target in flatten(current).items():
        if key.endswith("._target_") and str(target).startswith("genlab."):
            _refuse_unknown(run, key.removesuffix("._target_"), target)
    return OmegaConf.create(current)


def _refuse_unknown(run: RunDirectory, key: str, target: str) -> None:
    try:
        described(key, target)
    except UserError as error:
        use = f"use the version that made this run, {made_by(run)}; this is {this_version()}"
        raise UserError(f"{run.path}: {error}\n{use}") from error
