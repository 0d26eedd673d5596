"""The weights of a checkpoint, put into a model or compared with its own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from genlab.errors import GenlabError, UserError
from genlab.learning.checkpoint_io import check_weights, load_checkpoint
from genlab.runs.find import resolve

__all__ = ["holds_weights", "load_weights", "start_from"]


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint's weights, those kept for use where it has them, in their own type.

    Raises:
        RunError: The file is missing, damaged, or of another model.
    """
    state = _weights(path)
    model.to(next(value.dtype for value in state.values() if value.is_floating_point()))
    check_weights(model, state, path)
    model.load_state_dict(state)


def holds_weights(model: nn.Module, path: Path) -> bool:
    """Whether the file is there, and holds a model's weights to the bit.

    Raises:
        RunError: The file is damaged.
    """
    if not path.exists():
        return False
    state = _weights(path)
    return all(
        name in state and torch.equal(value.cpu(), state[name])
        for name, value in model.state_dict().items()
    )


def start_from(model: nn.Module, run: str | None) -> None:
    """Give a model the best weights of another run, where one is named.

    Raises:
        UserError: There is no such run, or its weights do not fit.
    """
    if run is None:
        return
    try:
        load_weights(model, resolve(run).best)
    except GenlabError as error:
        reason = str(error).removeprefix(f"{run}: ")
        raise UserError(f"warm_start={run}: {reason}") from error


def _weights(path: Path) -> dict[str, Tensor]:
    checkpoint = load_checkpoint(path)
    prefix = "model."
    state = {
        name.removeprefix(prefix): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    for kept in ("ema", "best"):
        if kept in checkpoint:
            state |= checkpoint[kept]["average"]
    return state
