"""The resolver ``${choose:KEY,{VALUE:...,VALUE:...}}``: a default that depends on another key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from genlab.errors import UserError, nearest

__all__ = ["register_choose"]


def register_choose() -> None:
    """Let configurations choose by the value of a key.

    ``max_steps: ${choose:model.covariance,{full:300,else:8000}}`` is 300 where
    ``model.covariance=full``; without an ``else`` other values are refused.
    """
    OmegaConf.register_new_resolver("choose", _choose, replace=True)


def _choose(key: str, options: Mapping[str | None, Any], *, _root_: DictConfig) -> Any:
    value = OmegaConf.select(_root_, key)
    if value not in options and "else" in options:
        return options["else"]
    if value not in options:
        known = [str(option) for option in options]
        if value is None:
            raise UserError(f"{key}: missing; a setting depends on it ({', '.join(known)})")
        raise UserError(f"{key}={value}: {nearest(str(value), known)}")
    return options[value]
