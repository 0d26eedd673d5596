"""How a configuration and its metrics are shown: a table to a person, plain lines to a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from genlab.runs.summary import metric_rows

__all__ = ["print_config", "print_metrics", "print_rows"]


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


def print_config(rows: Sequence[tuple[str, str]]) -> None:
    """Print what is about to be trained, as `genlab.runs.summary.config_rows` tells it."""
    if sys.stdout.isatty():
        _print_table("", ("", ""), rows)
        return
    print_rows(rows)


def print_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print names, and what is told of each."""
    for name, text in rows:
        print(f"{name:10}  {text}")


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
