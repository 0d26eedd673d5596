"""``genlab diff RUN RUN``: in what two runs differ, and what that did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from genlab.cli.arguments import Parser
from genlab.runs.comparison.records import Record, metrics_of, read_record
from genlab.runs.find import resolve
from genlab.runs.settings import CHOICE, spell
from genlab.runs.text import aligned, with_error

__all__ = ["run"]

EXAMPLES = """\
  genlab diff latest outputs/2025-01-31/12-00-00-realnvp-moons"""

MADE_WITH = ("genlab", "git_commit", "python", "threads")


def run(words: list[str]) -> int:
    parser = Parser("diff", EXAMPLES)
    parser.add_run()
    parser.add_argument("other", metavar="RUN", help="the run to compare it with")
    arguments = parser.parse(words)
    first, second = (read_record(resolve(text)) for text in (arguments.run, arguments.other))
    differing = [
        *_settings(first, second),
        *_versions(first.manifest, second.manifest),
        *_metrics(first, second),
    ]
    rows = [
        ("run", str(first.run.path), str(second.run.path)),
        ("state", first.state, second.state),
        *differing,
    ]
    print("".join(f"{line}\n" for line in aligned(rows)), end="")
    if not differing:
        settings, metrics = len(first.manifest["config"]), len(metrics_of([first]))
        print(f"they agree in all {settings} settings, in versions, and in all {metrics} metrics")
    return 0


def _settings(first: Record, second: Record) -> Iterator[tuple[str, str, str]]:
    one, other = first.manifest["config"], second.manifest["config"]
    # Choices first; what a key is set to follows.
    for key in sorted({*one, *other}, key=lambda key: (not key.startswith(CHOICE), key)):
        if one.get(key) != other.get(key) or (key in one) != (key in other):
            name = key.removeprefix(CHOICE)
            yield (name, *(spell(config[key]) if key in config else "" for config in (one, other)))


def _versions(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    pairs = [(key, first[key], second[key]) for key in MADE_WITH]
    one, other = first["packages"], second["packages"]
    pairs += [(key, one.get(key), other.get(key)) for key in sorted({*one, *other})]
    yield from ((key, str(a), str(b)) for key, a, b in pairs if a != b)


def _metrics(first: Record, second: Record) -> Iterator[tuple[str, str, str]]:
    for tag in metrics_of((first, second)):
        if first.metrics.get(tag) != second.metrics.get(tag):
            yield tag, _shown(first.metrics, tag), _shown(second.metrics, tag)


def _shown(metrics: Mapping[str, float | None], tag: str) -> str:
    if tag not in metrics:
        return ""
    return with_error(metrics[tag], metrics.get(f"{tag}/se"))
