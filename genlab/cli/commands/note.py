"""``genlab note RUN "text"``: sentences on a run, which stay with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from genlab.cli.arguments import Parser, positive
from genlab.errors import one_line
from genlab.runs.find import resolve
from genlab.runs.labels import Labels, add_note, read_labels, remove_note

__all__ = ["note_lines", "run"]

EXAMPLES = """\
  genlab note latest "diverged until the rate was halved"
  genlab note latest                     what has been noted
  genlab note latest --remove 1          the first of them no more"""


def run(words: list[str]) -> int:
    parser = Parser("note", EXAMPLES)
    parser.add_run()
    parser.add_argument("text", nargs="?", metavar="TEXT", help="a sentence")
    parser.add_argument("--remove", type=positive, metavar="N", help="take the N-th away")
    arguments = parser.parse(words)
    if arguments.remove is not None and arguments.text is not None:
        parser.error("--remove N goes without a text")
    found = resolve(arguments.run)
    if arguments.remove is not None:
        labels = remove_note(found, arguments.remove)
    elif arguments.text is not None:
        labels = add_note(found, arguments.text)
    else:
        labels = read_labels(found)
    print(found.path if labels.notes else f"{found.path}: no notes")
    for line in note_lines(labels):
        print(f"  {line}")
    return 0


def note_lines(labels: Labels) -> Iterator[str]:
    """The notes, numbered, with the day that each was written on."""
    for number, note in enumerate(labels.notes, 1):
        day = datetime.fromisoformat(note.written).astimezone()
        yield f"{number}. {one_line(note.text)} ({day:%Y-%m-%d %H:%M})"
