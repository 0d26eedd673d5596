"""``genlab list [GROUP]``: the words of the command line; ``genlab list runs``: the runs made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genlab.cli.arguments import Parser
from genlab.cli.options import choices, groups
from genlab.config import config_dir
from genlab.errors import UserError, nearest
from genlab.runs.metrics import HIGHER, LOWER, METRICS, NEITHER, rank
from genlab.runs.text import aligned

__all__ = ["run"]

EXAMPLES = """\
  genlab list                 every group and what it holds
  genlab list models          what `model=` can be
  genlab list metrics         what each number of a run is
  genlab list runs            the runs below outputs/
  genlab list runs old/       the runs below another folder
  genlab list runs --where tag=paper --json"""


def run(words: list[str]) -> int:
    parser = Parser("list", EXAMPLES)
    parser.add_argument(
        "group", nargs="?", metavar="GROUP", help="a group of choices, `metrics` or `runs`"
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="with `runs`: where")
    parser.add_where()
    parser.add_argument("--json", action="store_true", help="with `runs`: all that is known")
    arguments = parser.parse(words)
    if arguments.group in ("run", "runs"):
        from genlab.cli.run_table import print_runs

        print_runs(arguments.folder, arguments.where, json=arguments.json)
        return 0
    if arguments.where or arguments.json:
        parser.error("--where and --json go with `runs`")
    if arguments.folder is not None:
        parser.error(f"unexpected {str(arguments.folder)!r}")
    if arguments.group in ("metric", "metrics"):
        _print_metrics()
        return 0
    folder = config_dir()
    names = groups(folder)
    shown = names if arguments.group is None else [_group(arguments.group, names)]
    for group in shown:
        _print_group(group, choices(folder, group))
    return 0


def _group(word: str, names: Sequence[str]) -> str:
    """The group that a word names, in singular or plural."""
    for name in (word, f"{word}s", word.removesuffix("s")):
        if name in names:
            return name
    raise UserError(f"list {word}: no such group; {nearest(word, [*names, 'metrics', 'runs'])}")


def _print_metrics() -> None:
    better = {LOWER: "lower is better", NEITHER: "", HIGHER: "higher is better"}
    known = sorted(METRICS, key=lambda metric: rank(metric.tag))
    for line in aligned([(m.tag, m.unit, better[m.better], m.title) for m in known]):
        print(line)


def _print_group(group: str, found: dict[str, str]) -> None:
    width = max(map(len, found), default=0)
    print(f"{group}=")
    for name, description in found.items():
        print(f"  {name:{width}}  {description}".rstrip())
