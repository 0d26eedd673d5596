"""Configurations of finished runs: read back, and in plain containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genlab.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from genlab.runs.directory import RunDirectory

__all__ = ["plain", "read_config"]


def plain(config: DictConfig) -> dict[str, Any]:
    """Plain containers with everything resolved."""
    from omegaconf import OmegaConf

    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def read_config(run: RunDirectory) -> DictConfig:
    """The configuration that a run was made with.

    Raises:
        UserError: The file is missing or torn.
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
    return config
