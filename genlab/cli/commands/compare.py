"""``genlab compare PATH...``: many runs in one table, page or figure."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from genlab.cli.arguments import Parser, check_output
from genlab.cli.comparison_figures import draw
from genlab.cli.paired import compare_rows, paired_columns, paired_records, paired_table
from genlab.errors import UserError, nearest, one_line
from genlab.runs.comparison.formats import as_csv, as_latex, as_markdown, as_text, is_best, shown
from genlab.runs.comparison.groups import differing, grouped
from genlab.runs.comparison.plain import plain_groups, plain_runs
from genlab.runs.comparison.records import (
    Record,
    matching,
    metrics_of,
    read_records,
    without_repeats,
)
from genlab.runs.comparison.tables import Table, check_metrics, listing, pivot, sorted_by
from genlab.runs.files import json_text
from genlab.runs.find import OUTPUTS, resolve

__all__ = ["run"]

EXAMPLES = """\
  genlab compare                                       the runs below outputs/
  genlab compare outputs/2026-01-31 --where model=nsf,realnvp --sort test/kl
  genlab compare --rows model --cols data --value test/kl --markdown
  genlab compare --html compare.html                   table, curves and figures in one page
  genlab compare --where tag=paper --json              numbers for other programs
  genlab compare --figure compare.png                  the densities, a row a target
  genlab compare --where command=solve --figure c.png  the errors of solves by their costs
  genlab compare RUN OTHER --paired                    whether a difference is more than chance

A row holds the runs that differ in their seeds only: mean ± standard deviation, the best on the
same data marked. Columns are what differs; what follows from the columns before is left out."""

FIGURES = (".png", ".pdf", ".svg")
FORMATS = {"csv": as_csv, "markdown": as_markdown, "latex": as_latex}
EACH = ("all",)
JSON = "json"


def run(words: list[str]) -> int:
    arguments = _parse(words)
    if arguments.paired:
        return _compare_rows(arguments)
    records, unreadable = read_records(_places(arguments.paths))
    for condition in arguments.where:
        records = matching(records, condition)
    done = [record for record in records if record.state == "done"]
    counted = without_repeats(done)
    notes = [*_notes(records, done, counted), *(f"unreadable: {line}" for line in unreadable)]
    if not counted and arguments.format != JSON:
        places = ", ".join(map(str, arguments.paths)) or str(OUTPUTS)
        print(f"no finished runs below {places}; `genlab train model=realnvp data=moons` makes one")
        print("".join(f"{note}\n" for note in notes), end="")
        return 0
    keys = differing(counted)
    groups = grouped(counted, keys)
    if arguments.sort is not None:
        groups = sorted_by(groups, keys, arguments.sort, reverse=arguments.reverse)
    if arguments.figure is not None:
        return draw(arguments.figure, groups, keys)
    known = metrics_of(counted)
    if arguments.format == JSON and not arguments.metrics:
        arguments.metrics = EACH
    every = arguments.metrics == EACH
    tags = known if every else check_metrics(arguments.metrics, known, "--metrics")
    if arguments.html is not None:
        from genlab.runs.comparison.page import write_page

        write_page(arguments.html, listing(groups, keys, tags), groups, notes)
        print(arguments.html)
        return 0
    if arguments.format == JSON:
        rows = plain_groups(groups, keys, tags)
        print(json_text({**plain_runs(counted, notes), "rows": rows}), end="")
        return 0
    table = _pivot(arguments, counted, keys) if arguments.value else listing(groups, keys, tags)
    _print(table, notes, arguments.format)
    return 0


def _parse(words: list[str]) -> Namespace:
    parser = Parser("compare", EXAMPLES)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="runs, or folders")
    parser.add_where()
    parser.add_argument(
        "--metrics", type=_names, default=(), metavar="TAG[,TAG]", help="what to show, or `all`"
    )
    parser.add_argument("--sort", metavar="KEY", help="by a setting or a metric")
    parser.add_argument("--reverse", action="store_true", help="sort from high to low")
    parser.add_argument("--rows", type=_names, metavar="KEY[,KEY]", help="with --value: the rows")
    parser.add_argument("--cols", type=_names, metavar="KEY[,KEY]", help="and the columns")
    parser.add_argument("--value", metavar="TAG", help="a pivot of this metric")
    parser.add_argument(
        "--paired", action="store_true", help="the same test rows, against the first run"
    )
    kind = parser.add_mutually_exclusive_group()
    for name in (*FORMATS, JSON):
        kind.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=f"print {name}"
        )
    kind.add_argument("--html", type=Path, metavar="FILE", help="write one self-contained page")
    kind.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw densities (2-D only), and what solves cost",
    )
    arguments = parser.parse(words)
    if (arguments.rows or arguments.cols) and not arguments.value:
        parser.error("--rows and --cols go with --value TAG")
    if arguments.value and (arguments.html or arguments.figure or arguments.format == JSON):
        parser.error("--value goes with a table, not with --html, --figure or --json")
    table_alone = (arguments.html, arguments.figure, arguments.value, arguments.sort)
    if arguments.paired and (any(table_alone) or arguments.metrics):
        parser.error("--paired goes with runs, --where and a format alone")
    if arguments.html is not None:
        check_output(arguments.html, (".html",), option="--html")
    if arguments.figure is not None:
        check_output(arguments.figure, FIGURES, option="--figure")
    return arguments


def _compare_rows(arguments: Namespace) -> int:
    records = paired_records(_places(arguments.paths), arguments.where)
    found = compare_rows(records)
    if arguments.format == JSON:
        print(json_text({**plain_runs(records, found["notes"]), **found}), end="")
    else:
        notes = [f"{found['test_rows']} test rows", *found["notes"]]
        table = paired_columns(found) if arguments.format == "csv" else paired_table(found)
        _print(table, notes, arguments.format)
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _places(paths: Sequence[Path]) -> Sequence[Path]:
    """Where to look: folders, runs by name or ``latest``; without a word ``outputs``, which need
    not be there yet.
    """
    found = [path if path.exists() else resolve(str(path)).path for path in paths]
    return found or [path for path in (OUTPUTS,) if path.is_dir()]


def _notes(
    records: Sequence[Record], done: Sequence[Record], counted: Sequence[Record]
) -> Iterator[str]:
    """What a reader of the table has to know."""
    for record in records:
        if record.state != "done":
            reason = f": {record.error}" if record.error else ""
            yield one_line(f"{record.state}: {record.run.path}{reason}")
    if len(done) > len(counted):
        yield f"{len(done) - len(counted)} repeated runs: of one configuration the last counts"
    for record in counted:
        if record.labels.tags:
            yield f"tagged {' '.join(record.labels.tags)}: {record.run.path}"
        for note in record.labels.notes:
            yield one_line(f"note on {record.run.path}: {note.text}")
    for package in ("genlab", "torch"):
        versions = Counter(_version(record, package) for record in counted)
        if len(versions) > 1:
            each = ", ".join(f"{version} ({n} runs)" for version, n in sorted(versions.items()))
            yield f"made with several versions of {package}: {each}"


def _version(record: Record, package: str) -> str:
    manifest = record.manifest
    return str(manifest.get(package) or manifest.get("packages", {}).get(package))


def _pivot(arguments: Namespace, records: Sequence[Record], keys: Sequence[str]) -> Table:
    rows, columns = arguments.rows or ("model",), arguments.cols or ("data",)
    settings = set(keys).union(*(record.settings for record in records))
    for option, chosen in (("--rows", rows), ("--cols", columns)):
        for key in chosen:
            if key not in settings:
                raise UserError(f"{option} {key}: no run has this key; {nearest(key, settings)}")
    # Seeds are averaged over, unless they are crossed themselves.
    keys = [*keys, *(key for key in (*rows, *columns) if key not in keys)]
    groups = grouped(records, keys)
    (tag,) = check_metrics([arguments.value], metrics_of(records), "--value")
    return pivot(groups, keys, rows=rows, columns=columns, tag=tag)


def _print(table: Table, notes: Sequence[str], form: str | None) -> None:
    """The table on standard output; notes beside it where another program reads the table."""
    if form is None and sys.stdout.isatty():
        _print_rich(table)
    else:
        print(FORMATS.get(form or "", as_text)(table), end="")
    print("".join(f"{note}\n" for note in notes), end="", file=sys.stderr if form else sys.stdout)


def _print_rich(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE)
    for place, name in enumerate(table.header):
        numeric = place >= table.keys
        grid.add_column(name, justify="right" if numeric else "left", no_wrap=numeric)
    for row in table.rows:
        grid.add_row(
            *(Text(shown(item), style="bold green" if is_best(item) else "") for item in row)
        )
    Console().print(grid)
