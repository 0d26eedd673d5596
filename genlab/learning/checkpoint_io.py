"""Checkpoints that are whole or not there, and hold nothing but tensors and plain containers."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from genlab.errors import RunError
from genlab.runs.directory import RunDirectory
from genlab.runs.files import atomic_path
from genlab.runs.manifest import made_by, read_manifest, this_version
from genlab.runs.renamed import CHECKPOINT_KEYS, WEIGHTS, current_weights
from genlab.runs.status import refuse_taken

__all__ = ["AtomicCheckpoints", "check_weights", "load_checkpoint"]


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes beside the old checkpoint and renames, so a kill or a full disk never spoils it.

    A run that another process has gone on with is left to it, by an error.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        refuse_taken(RunDirectory(Path(path).parent.parent))
        with atomic_path(Path(path)) as temporary:
            torch.save(tree_map_only(Tensor, _alone, checkpoint), temporary)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return load_checkpoint(Path(path))


def _alone(tensor: Tensor) -> Tensor:
    """A tensor without the rest of its storage, which would be saved along with a view."""
    return tensor.clone() if tensor.untyped_storage().nbytes() > tensor.nbytes else tensor


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU, tensors and plain containers only, by present names.

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
    checkpoint = {CHECKPOINT_KEYS.get(part, part): value for part, value in checkpoint.items()}
    run = RunDirectory(path.parent.parent)
    if WEIGHTS and run.manifest.exists():
        target = read_manifest(run)["config"].get("model._target_")
        checkpoint = _renamed(checkpoint, str(target))
    return checkpoint


def check_weights(module: nn.Module, saved: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not those of a module, one by one: nothing is loaded in part.

    Args:
        module: What they are for.
        saved: Those of the checkpoint, by name.
        path: The checkpoint.

    Raises:
        RunError: A weight is missing, or one too many, or of another shape.
    """
    own = module.state_dict()
    # These take the shape of what is loaded.
    growing = {
        f"{name}.{weight}" if name else weight
        for name, part in module.named_modules()
        if getattr(part, "growing", False)
        for weight in part.state_dict()
    }
    for name in (*own, *saved):
        if name not in saved:
            reason = f"it has no {name!r}"
        elif name not in own:
            reason = f"its {name!r} has no place in this one"
        elif saved[name].shape != own[name].shape and name not in growing:
            shapes = f"{list(saved[name].shape)}, and not {list(own[name].shape)}"
            reason = f"its {name!r} has the shape {shapes}"
        else:
            continue
        run = RunDirectory(path.parent.parent)
        made = f"made by {made_by(run)}; " if run.manifest.exists() else ""
        raise RunError(
            f"{path}: its weights are those of another model, {reason}\n"
            f"{made}this is {this_version()}"
        )


def _renamed(part: Any, target: str) -> Any:
    """A checkpoint with the weights of the model, wherever they are, by their present names."""
    if isinstance(part, dict):
        inner = {name: _renamed(value, target) for name, value in part.items()}
        if any(isinstance(value, Tensor) for value in part.values()):
            return current_weights(target, inner, prefix="model.")
        return inner
    if isinstance(part, list | tuple):
        return type(part)(_renamed(value, target) for value in part)
    return part
