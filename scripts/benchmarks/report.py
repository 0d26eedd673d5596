"""The finished cells as a table, the series' exponents, and one figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.cells import Cell, all_cells
from benchmarks.measures import exponent, least_ratio, median, ratios, spread
from genlab.runs.files import atomic_path

__all__ = ["line", "write"]

Records = Mapping[str, Mapping[str, Any]]

SERIES = (
    ("batch", {"layers": {"realnvp": 8, "nsf": 4}}),
    ("layers", {"batch": {"realnvp": 4096, "nsf": 4096}}),
)
COLOURS = {
    "genlab": "#e07b1a",
    "compiled": "#b3361d",
    "zuko": "#1f5fa8",
    "nflows": "#4c9f70",
    "normflows": "#7a5195",
    "flowjax": "#222222",
    "products": "#999999",
}


def line(name: str, record: Mapping[str, Any]) -> str:
    """One finished cell, for the terminal."""
    sides = record["contestants"]
    return f"{name}: " + ", ".join(f"{who} {_told(sides, who)}" for who in sides)


def _told(sides: Mapping[str, Any], who: str) -> str:
    if "error" in sides[who]:
        return f"failed ({sides[who]['error'][:60]})"
    noise = spread(sides, who)
    return f"{_time(median(sides, who))}" + ("" if noise is None else f" ± {100 * noise:.0f} %")


def _time(us: float | None) -> str:
    if us is None:
        return ""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us:.3g} us"


def write(records: Records, folder: Path) -> None:
    """Write ``table.md`` and ``benchmark.png``."""
    with atomic_path(folder / "table.md") as path:
        path.write_text("\n".join(_markdown(records)) + "\n", encoding="utf-8")
    _draw(records, folder / "benchmark.png")


def _markdown(records: Records) -> Iterator[str]:
    yield "Medians over the rounds, ± half of what lies between the quartiles; memory is the peak"
    yield "of one call beyond what is held before it. A ratio is the median over the rounds;"
    yield "by processor time it is that of the least rounds."
    for subject in dict.fromkeys(name.split(":")[0] for name in records):
        yield from ("", f"## {subject}", "", "| cell | contestant | time | MB | notes |")
        yield "|---|---|---|---|---|"
        for name, record in records.items():
            if name.split(":")[0] != subject:
                continue
            sides = record["contestants"]
            for who, side in sides.items():
                megabytes = side.get("megabytes")
                shown = "" if megabytes is None else f"{megabytes:.1f}"
                notes = ", ".join(f"{k} {v:.3g}" for k, v in side.get("notes", {}).items())
                cell = name.removeprefix(f"{subject}:")
                yield f"| {cell} | {who} | {_told(sides, who)} | {shown} | {notes} |"
        yield from ("", "| cell | ratio | | by processor time |", "|---|---|---|---|")
        for name, record in records.items():
            if name.split(":")[0] == subject:
                sides = record["contestants"]
                for pair, value in ratios(sides).items():
                    least = least_ratio(sides, pair)
                    shown = "" if least is None else f"{least:.2f}"
                    cell = name.removeprefix(f"{subject}:")
                    yield f"| {cell} | {pair} | {value:.2f} | {shown} |"
    fits = list(_exponents(records))
    if fits:
        yield from ("", "## Exponents", "", "`value = a size^b`, by least squares of logarithms.")
        yield from ("", "| series | contestant | value | b |", "|---|---|---|---|", *fits)


def _series(records: Records, device: str) -> Iterator[tuple[str, str, list[tuple[int, Any]]]]:
    """Family, name of the size, and the finished cells of the series by their size."""
    cells = all_cells(device)
    for size, fixed in SERIES:
        ((other, values),) = fixed.items()
        for family, value in values.items():
            points = [
                (getattr(cell, size), records[name]["contestants"])
                for name, cell in cells.items()
                if name in records and _is_of(cell, family) and getattr(cell, other) == value
            ]
            if len(points) >= 2:
                yield family, size, sorted(points, key=lambda point: point[0])


def _is_of(cell: Cell, family: str) -> bool:
    return (cell.subject, cell.family, cell.dim) == ("step", family, 43) and cell.terms is None


def _curves(points: list[tuple[int, Any]], kind: str) -> Iterator[tuple[str, list[int], list[Any]]]:
    """The curve of each contestant: sizes, and microseconds or megabytes."""
    for who in dict.fromkeys(who for _, sides in points for who in sides):
        found = [
            (size, median(sides, who) if kind == "us" else sides.get(who, {}).get("megabytes"))
            for size, sides in points
        ]
        given = [(size, value) for size, value in found if value]
        if len(given) >= 2:
            sizes, values = zip(*given, strict=True)
            yield who, list(sizes), list(values)


def _exponents(records: Records) -> Iterator[str]:
    for device in ("cpu", "cuda"):
        for family, size, points in _series(records, device):
            for kind in ("us", "megabytes"):
                for who, sizes, values in _curves(points, kind):
                    slope, error = exponent(sizes, values)
                    name = f"{family}, {size}, {device}"
                    word = "time" if kind == "us" else "memory"
                    off = "" if error != error else f" ± {error:.2f}"
                    yield f"| {name} | {who} | {word} | {slope:.2f}{off} |"


def _draw(records: Records, path: Path) -> None:
    """Times of the couplings' steps beside their peers', and the series of batch and depth."""
    from benchmarks.panels import panels

    device = next(iter(records)).split(":")[2]
    figure, axes = panels(2, 2, side=4.6)
    series = list(_series(records, device))
    for family, style in (("realnvp", "-"), ("nsf", "--")):
        mine = [
            (cell.dim, records[name]["contestants"])
            for name, cell in all_cells(device).items()
            if name in records and (cell.subject, cell.family) == ("step", family)
            if cell.batch == 256 and cell.layers == {"realnvp": 8, "nsf": 4}[family]
        ]
        _plot(axes[0], mine, "us", family, style)
        for own, size, points in series:
            if own == family:
                _plot(axes[1 if size == "batch" else 2], points, "us", family, style)
                if size == "layers":
                    _plot(axes[3], points, "megabytes", family, style)
    words = ("dimensions, batch 256", "batch, 43 dimensions", "layers, batch 4096")
    for axis, word in zip(axes, (*words, words[2]), strict=True):
        if axis.lines:
            memory = axis is axes[3]
            label = "MB of a training step" if memory else "ms a training step"
            axis.set(xscale="log", yscale="linear" if memory else "log", xlabel=word, ylabel=label)
            sizes = sorted({int(x) for line in axis.lines for x in line.get_xdata()})
            axis.set_xticks(sizes, labels=map(str, sizes))
            axis.set_xticks([], minor=True)
        else:
            axis.set_axis_off()
    # One legend for all panels, beside them.
    lines = {line.get_label(): line for axis in axes for line in axis.lines}
    figure.legend(lines.values(), lines, frameon=False, fontsize=8, loc="outside right upper")
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def _plot(axis: Any, points: list[tuple[int, Any]], kind: str, family: str, style: str) -> None:
    for who, sizes, values in _curves(points, kind):
        if who in COLOURS:
            shown = [value / 1e3 for value in values] if kind == "us" else values
            label = f"{family}, {who}"
            axis.plot(sizes, shown, f"o{style}", ms=3, color=COLOURS[who], label=label)
