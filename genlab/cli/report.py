"""How a configuration and its metrics are shown: a table to a person, plain lines to a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genlab.runs.metrics import metric_of, rank, remark
from genlab.runs.settings import spell
from genlab.runs.text import rounded

__all__ = ["Row", "config_rows", "metric_rows", "print_config", "print_metrics"]

GROWING = " to begin with: the fit finds how many"


class Row(NamedTuple):
    """One metric as text: its name, value, standard error and a remark (both may be empty)."""

    key: str
    value: str
    error: str
    remark: str


def print_metrics(
    metrics: Mapping[str, float | None], title: str, *, likelihood: str = "exact"
) -> None:
    """Print metrics, the important ones first, with standard errors and the exact values.

    Args:
        metrics: Metrics by tag; ``TAG/se`` is the standard error of ``TAG``.
        title: What was measured.
        likelihood: The model's label, which says what ``test/kl`` is.
    """
    rows = metric_rows(metrics, likelihood)
    if sys.stdout.isatty():
        _print_table(title, ("metric", "value", "+-", ""), rows)
        return
    print(title)
    keys = max((len(row.key) for row in rows), default=0)
    values = max((len(row.value) for row in rows), default=0)
    for row in rows:
        error = f"+- {row.error}" if row.error else ""
        print(f"{row.key:{keys}}  {row.value:>{values}} {error:12} {row.remark}".rstrip())


def metric_rows(metrics: Mapping[str, float | None], likelihood: str = "exact") -> list[Row]:
    """The rows of `print_metrics`; what is told in the remark of another has none."""
    tags = [
        tag for tag in metrics if not tag.endswith("/se") and metric_of(tag).beside not in metrics
    ]
    return [
        Row(
            tag,
            *rounded(metrics[tag], metrics.get(f"{tag}/se")),
            remark(tag, metrics, likelihood),
        )
        for tag in sorted(tags, key=rank)
    ]


def print_config(
    config: Mapping[str, Any], *, parameters: int, device: str, run: Path, growing: bool = False
) -> None:
    """Print what is about to be trained.

    Args:
        config: The composed configuration.
        parameters: Number of the model's parameters.
        device: What it is trained on.
        run: The run directory.
        growing: Whether the number of parameters is open, and that is where it starts.
    """
    rows = config_rows(config, parameters=parameters, device=device, run=run, growing=growing)
    if sys.stdout.isatty():
        _print_table("", ("", ""), rows)
        return
    for key, value in rows:
        print(f"{key:10}  {value}")


def config_rows(
    config: Mapping[str, Any], *, parameters: int, device: str, run: Path, growing: bool = False
) -> list[tuple[str, str]]:
    """The rows of `print_config`."""
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


def _print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title or None, box=box.SIMPLE, show_header=any(header), title_justify="left"
    )
    for number, name in enumerate(header):
        numeric = number in (1, 2) and len(header) > 2
        whole = number == 0 or numeric
        table.add_column(name, justify="right" if numeric else "left", no_wrap=whole)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)
