"""Run directories as a training leaves them, without any training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from genlab.runs.directory import RunDirectory
from genlab.runs.settings import config_hash, flatten

__all__ = ["plain_data", "synthetic_run"]


def plain_data(**known: Any) -> SimpleNamespace:
    """What commands ask of data whose files have the units of their samples."""

    def log_prob(model: Any, rows: Any, context: Any) -> Any:
        import torch

        from genlab.densities.inference import log_probs

        return log_probs(model, torch.from_numpy(rows), context)

    same = {"in_file_units": lambda rows: rows, "typed": lambda rows: None, "log_prob": log_prob}
    same |= {"likelihood": lambda model: model.likelihood}
    rest = {"columns": None, "context_columns": (), "label_names": (), "quantity": None}
    rest |= {"file_columns": None, "transforms": None, "label_column": None, "categories": {}}
    return SimpleNamespace(**rest | same | known)


def synthetic_run(
    path: Path,
    *,
    model: str = "nsf",
    data: str = "moons",
    seed: int = 0,
    state: str = "done",
    likelihood: str = "exact",
    created: str = "2026-01-01T00:00:00+00:00",
    metrics: Mapping[str, float | None] | None = None,
    command: str = "train",
    **sections: dict[str, Any],
) -> RunDirectory:
    """A run of a configuration with as many keys as a real one; ``sections`` add to it."""
    config: dict[str, Any] = {
        "choices": {"model": model, "data": data, "logger": "tensorboard"},
        "model": {"_target_": f"genlab.models.{model}", "hidden": [64, 64], "layers": 8},
        "data": {"name": data, "batch_size": 512, "seed": seed},
        "optimizer": {"lr": 0.001 if model == "nsf" else 0.0005},
        "filler": {f"key_{number}": number for number in range(60)},
        "seed": seed,
        "command": command,
        "outputs": "outputs",
    }
    for name, section in sections.items():
        config[name] = config.get(name, {}) | section
    manifest = {
        "format": 1,
        "genlab": "0.1.0",
        "packages": {"torch": "2.13.0"},
        "created": created,
        "model": model,
        "data": data,
        "likelihood": likelihood,
        "config": flatten(config),
        "config_hash": config_hash(config),
    }
    status = {
        "state": state,
        "error": "RunError: the loss became nan",
        "host": "elsewhere",
        "pid": 1,
    }
    curves = {"step": [500, 1000], "seconds": [1.0, 2.0], "val/loss": [3.0, 2.5 + seed / 10]}
    run = RunDirectory(path)
    path.mkdir(parents=True)
    files = {run.manifest: manifest, run.status: status, run.curves: curves}
    if metrics is not None:
        files[run.metrics] = dict(metrics)
    for file, content in files.items():
        file.write_text(json.dumps(content))
    return run
