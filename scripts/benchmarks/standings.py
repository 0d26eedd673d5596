"""The league's finished runs, as a table and as a figure of nats against seconds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from genlab.runs.files import atomic_path

__all__ = ["FAMILIES", "SEEDS", "TOYS", "curve", "write"]

FAMILIES = (
    "gmm",
    "vae",
    "nice",
    "realnvp",
    "krnet",
    "resflow",
    "nsf",
    "cnf",
    "flow-matching",
)
TOYS = (
    "moons",
    "circles",
    "rings",
    "eight_gaussians",
    "checkerboard",
    "pinwheel",
    "swissroll",
    "two_spirals",
)
SEEDS = (0, 1, 2)
COLUMNS = 4

Records = Mapping[str, Mapping[str, Any]]


def write(records: Records, folder: Path, targets: Sequence[str]) -> list[str]:
    """Write ``league-60s.md`` and ``league-60s.png`` for each length of the runs.

    Returns:
        The lengths, such as ``60s``.
    """
    lengths = sorted({name.split(":")[3] for name in records}, key=lambda word: float(word[:-1]))
    for length in lengths:
        mine = {name: record for name, record in records.items() if name.endswith(f":{length}")}
        with atomic_path(folder / f"league-{length}.md") as path:
            path.write_text("\n".join(markdown(mine, targets)) + "\n", encoding="utf-8")
        with atomic_path(folder / f"league-{length}.png") as path:
            draw(mine, targets, path)
    return lengths


def measure(target: str) -> str:
    """What a target's column shows: nats above the optimum where the optimum is known."""
    return "test/kl" if target in TOYS else "test/nll"


def values(records: Records, family: str, target: str) -> list[float]:
    """The measure of each finished seed."""
    runs = (record for name, record in records.items() if name.startswith(f"{family}:{target}:"))
    found = (record.get("metrics", {}).get(measure(target)) for record in runs)
    return [value for value in found if value is not None]


def markdown(records: Records, targets: Sequence[str]) -> Iterator[str]:
    """A row a family: mean and standard deviation; how many seeds, where some are missing."""
    yield "Nats above the optimum (`test/kl`) of toys, nats a row (`test/nll`) of tables: mean ±"
    yield f"standard deviation over {len(SEEDS)} seeds, or as many as [n] says. vae's are an upper"
    yield "bound. Empty: not run. Failed: no run of the cell came to its end."
    yield ""
    yield f"| `model=` | {' | '.join(targets)} |"
    yield "|---" * (1 + len(targets)) + "|"
    for family in FAMILIES:
        cells = (_cell(records, family, target) for target in targets)
        yield f"| {family} | {' | '.join(cells)} |"


def _cell(records: Records, family: str, target: str) -> str:
    found = values(records, family, target)
    if not found:
        tried = any(name.startswith(f"{family}:{target}:") for name in records)
        return "failed" if tried else ""
    shown = f"{statistics.fmean(found):.4g}"
    if len(found) > 1:
        shown += f" ± {statistics.stdev(found):.2g}"
    return shown if len(found) == len(SEEDS) else f"{shown} [{len(found)}]"


def curve(record: Mapping[str, Any], target: str) -> tuple[list[float], list[float]]:
    """Seconds of fitting, and the measure by then: `val/nll`, shifted to meet the test's value.

    They meet at the checkpoint that is tested, that of the least `val/loss`. Validation rows are
    the same at each validation, so that differences are those of the model.
    """
    final, curves = record["metrics"][measure(target)], record["curves"]
    columns = (curves[key] for key in ("seconds", "val/nll", "val/loss"))
    points = [point for point in zip(*columns, strict=True) if None not in point]
    tested = min(points, key=lambda point: point[2])[1]
    return [s for s, *_ in points], [nats - tested + final for _, nats, _ in points]


def draw(records: Records, targets: Sequence[str], path: Path) -> None:
    """A panel a target that has runs, a colour a family, a line a seed."""
    from matplotlib import colormaps

    from benchmarks.panels import panels

    shown = [target for target in targets if any(f":{target}:" in name for name in records)]
    rows, columns = -(-len(shown) // COLUMNS), min(len(shown), COLUMNS)
    figure, axes = panels(rows, columns, side=4.0)
    colours = dict(zip(FAMILIES, colormaps["tab10"].colors, strict=False))
    for axis, target in zip(axes, shown, strict=False):
        told = set()
        for name, record in records.items():
            family, own, *_ = name.split(":")
            if own != target or record.get("metrics", {}).get(measure(target)) is None:
                continue
            seconds, nats = curve(record, target)
            label = None if family in told else family
            told.add(family)
            axis.plot(seconds, nats, "o-", ms=2, lw=0.9, color=colours[family], label=label)
        axis.set(title=target, xlabel="seconds of fitting", ylabel=measure(target), xscale="log")
        if target in TOYS:
            axis.set(yscale="log")
        if told:
            axis.legend(frameon=False, fontsize=7, loc="upper right")
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    figure.savefig(path)
