"""Checkpoints that are whole or not there, and hold nothing but tensors and plain containers."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor
from torch.utils._pytree import tree_map_only

from genlab.errors import RunError
from genlab.runs.files import atomic_path

__all__ = ["AtomicCheckpoints", "load_checkpoint"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes beside the old checkpoint and renames, so a kill or a full disk never spoils it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        with atomic_path(Path(path)) as temporary:
            torch.save(tree_map_only(Tensor, _alone, checkpoint), temporary)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        return load_checkpoint(Path(path))


def _alone(tensor: Tensor) -> Tensor:
    """A tensor without the rest of its storage, which would be saved along with a view."""
    return tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU, tensors and plain containers only.

    Raises:
        RunError: The file is missing or damaged.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such checkpoint")
    damaged = f"{path}: the checkpoint is damaged and cannot be read"
    if not zipfile.is_zipfile(path):
        raise RunError(damaged)
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise RunError(damaged) from error
    return checkpoint
