"""From a node of the configuration to the object that it names."""

from __future__ import annotations

import re
import traceback
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from genlab.config.keys import Keys
from genlab.config.targets import locate, passed_on
from genlab.errors import UserError
from genlab.signature import signature

__all__ = ["build"]

# A message that begins with the argument it is about, perhaps with its value.
NAMED = re.compile(r"[a-z_][\w.]*(=.*?)?: ", re.DOTALL)


def build(config: Any, key: str, /, *args: Any, **kwargs: Any) -> Any:
    """Instantiate ``config[key]``, nested nodes first, from plain containers.

    Args:
        config: The configuration or a section of it.
        key: The node's key.
        *args: Objects that the node cannot hold, such as the model that a learner learns.
        **kwargs: The same, by name.

    Returns:
        The object; for a ``_partial_`` node, the callable that makes it.

    Raises:
        UserError: The object refuses a value; what its message says of arguments is said of keys.
    """
    node = _taken(key, OmegaConf.to_container(config[key], resolve=True))
    partial = node.pop("_partial_", False)
    try:
        # Objects are passed to the callable itself: Hydra would copy them into a config first.
        make = instantiate({**node, "_partial_": True, "_convert_": "all"})
        return make if partial else make(*args, **kwargs)
    except InstantiationException as error:
        raise _mistake(config, key, error.__cause__ or error) from error
    except (UserError, ValueError) as error:
        raise _mistake(config, key, error) from error


def _taken(key: str, value: Any) -> Any:
    """A value without the keys that its nodes only pass on to nested ones."""
    if isinstance(value, list):
        return [_taken(f"{key}.{index}", item) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    dropped: frozenset[str] = frozenset()
    if "_target_" in value:
        takes = signature(locate(key, value["_target_"]))
        dropped = passed_on(value) - takes.parameters.keys()
    return {
        name: _taken(f"{key}.{name}", nested)
        for name, nested in value.items()
        if name not in dropped
    }


def _mistake(config: Any, key: str, error: BaseException) -> BaseException:
    if not isinstance(error, UserError | ValueError):
        return error
    told = Keys({key: config[key]}).told(str(error), key)
    if isinstance(error, UserError):
        return UserError(told)
    if NAMED.match(told):
        return UserError(told if told.startswith(f"{key}.") else f"{key}.{told}")
    # No word on a value: a slip in the code that was called, a user's own perhaps.
    last = traceback.extract_tb(error.__traceback__)[-1]
    return UserError(f"{key}: {error}, in {last.filename}, line {last.lineno}")
