"""The weights of a checkpoint, put into a model."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from genlab.errors import RunError
from genlab.learning.checkpoint_io import load_checkpoint

__all__ = ["load_weights"]


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint's weights, the averaged ones where it has them, in their own type.

    Raises:
        RunError: The file is missing, damaged, or of another model.
    """
    checkpoint = load_checkpoint(path)
    prefix = "model."
    state = {
        name.removeprefix(prefix): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    if "ema" in checkpoint:
        state |= checkpoint["ema"]["average"]
    model.to(next(value.dtype for value in state.values() if value.is_floating_point()))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(f"{path}: its weights are those of another model") from error
