"""``genlab tag RUN WORD``: words that runs are found by."""

from __future__ import annotations

from genlab.cli.arguments import Parser
from genlab.runs.find import resolve
from genlab.runs.labels import add_tags, read_labels, remove_tags

__all__ = ["run"]

EXAMPLES = """\
  genlab tag latest paper figure-2
  genlab tag latest --remove figure-2
  genlab tag latest                      what it has
  genlab compare --where tag=paper       the runs that have it"""


def run(words: list[str]) -> int:
    parser = Parser("tag", EXAMPLES)
    parser.add_run()
    parser.add_argument("words", nargs="*", metavar="WORD", help="letters, digits, and . - _")
    parser.add_argument("--remove", action="store_true", help="take them away")
    arguments = parser.parse(words)
    if arguments.remove and not arguments.words:
        parser.error("--remove: which?")
    found = resolve(arguments.run)
    labels = read_labels(found)
    if arguments.words:
        labels = (remove_tags if arguments.remove else add_tags)(found, arguments.words)
    print(f"{found.path}: {' '.join(labels.tags) or 'no tags'}")
    return 0
