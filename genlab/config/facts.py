"""What only the data's own files tell: the shape of a sample, the width of a context."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from genlab.config.signature import locate
from genlab.config.stored import plain

__all__ = ["fill_facts"]


def fill_facts(config: DictConfig) -> None:
    """Put what the class of the data finds out in the place of null, so that a run remembers it.

    Args:
        config: A composed configuration; its section ``data`` is changed in place.

    Raises:
        UserError: The data's files cannot be read, or do not fit the section.
    """
    try:
        node = plain(config.data)
    except OmegaConfBaseException:  # for the check to tell
        return
    target = node.pop("_target_", None)
    find = None if target is None else getattr(locate("data", target), "facts", None)
    if find is None:
        return
    found: dict[str, Any] = find(**node)
    with open_dict(config):
        for key, value in found.items():
            if config.data.get(key) is None:
                config.data[key] = value
