"""A run in rows of text: what is about to be trained, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from genlab.runs.metrics import metric_of, rank, remark
from genlab.runs.settings import spell
from genlab.runs.text import rounded

__all__ = ["Row", "config_rows", "metric_rows"]

GROWING = " to begin with: the fit finds how many"


class Row(NamedTuple):
    """One metric as text: its name, value, standard error and a remark (both may be empty)."""

    key: str
    value: str
    error: str
    remark: str


def metric_rows(metrics: Mapping[str, float | None], likelihood: str = "exact") -> list[Row]:
    """Metrics, the important ones first, with standard errors and the exact values.

    What is told in the remark of another has no row.

    Args:
        metrics: Metrics by tag; ``TAG/se`` is the standard error of ``TAG``.
        likelihood: The model's label, which says what ``test/kl`` is.
    """
    tags = [
        tag for tag in metrics if not tag.endswith("/se") and metric_of(tag).beside not in metrics
    ]
    return [
        Row(tag, *rounded(metrics[tag], metrics.get(f"{tag}/se")), remark(tag, metrics, likelihood))
        for tag in sorted(tags, key=rank)
    ]


def config_rows(
    config: Mapping[str, Any], *, parameters: int, device: str, run: Path, growing: bool = False
) -> list[tuple[str, str]]:
    """What is about to be trained, name and text.

    Args:
        config: The composed configuration.
        parameters: Number of the model's parameters.
        device: What it is trained on.
        run: The run directory.
        growing: Whether the number of parameters is open, and that is where it starts.
    """
    choices, trainer = config["choices"], config["trainer"]
    if "sampler" in choices:
        rows = [
            (key, f"{choices[key]} {_settings(config[key])}".rstrip())
            for key in ("problem", "sampler", "model", "pinn")
            if key in choices
        ]
    else:
        data = f"{choices['data']} batch_size={config['data']['batch_size']}"
        model = f"{choices['model']} {_settings(config['model'])}".rstrip()
        rows = [("model", model), ("data", data)]
    return [
        *rows,
        ("parameters", f"{parameters:,}" + GROWING * growing),
        ("training", f"{trainer['max_steps']} steps, {_seeds(config)}"),
        ("device", device),
        ("run", str(run)),
    ]


def _seeds(config: Mapping[str, Any]) -> str:
    seed, replicas = config["seed"], config["trainer"].get("replicas", 1)
    return f"seed {seed}" if replicas == 1 else f"seeds {seed} to {seed + replicas - 1} together"


def _settings(node: Mapping[str, Any]) -> str:
    """The plain values of a section in one line, as they are typed."""
    return " ".join(
        f"{key}={spell(value)}"
        for key, value in node.items()
        if key not in ("_target_", "event_shape") and not isinstance(value, Mapping)
    )
