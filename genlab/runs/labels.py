"""``labels.json``: what people say of a run, which is nothing of what it computed."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from genlab.errors import UserError, nearest, plural
from genlab.runs.directory import RunDirectory
from genlab.runs.files import read_json, write_json

__all__ = ["Labels", "Note", "add_note", "add_tags", "read_labels", "remove_note", "remove_tags"]

TAG = re.compile(r"\w[\w.-]*")


class Note(NamedTuple):
    """A sentence on a run, and when it was written, in ISO format."""

    text: str
    written: str


@dataclass(frozen=True)
class Labels:
    """The labels of a run.

    Attributes:
        tags: Words that runs are found by, in the order of the alphabet.
        notes: Sentences, the first one first.
    """

    tags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def read_labels(run: RunDirectory) -> Labels:
    """The labels of a run; none where nobody has given any.

    Raises:
        UserError: The file is torn, or holds something else.
    """
    if not run.labels.exists():
        return Labels()
    found = read_json(run.labels)
    tags, notes = found.get("tags", []), found.get("notes", [])
    if not _are(tags, str) or not _are(notes, dict):
        raise UserError(f"{run.labels}: expected lists, of words as tags and of objects as notes")
    for note in notes:
        if not _are([*map(note.get, Note._fields)], str) or not _is_time(note["written"]):
            raise UserError(f"{run.labels}: expected notes of a text and an ISO time, got {note}")
    return Labels(tuple(tags), tuple(Note(note["text"], note["written"]) for note in notes))


def add_tags(run: RunDirectory, words: list[str]) -> Labels:
    """Give a run tags; those that it has stay.

    Raises:
        UserError: A word is none that a condition could name.
    """
    for word in words:
        if not TAG.fullmatch(word):
            raise UserError(f"tag {word!r}: expected a word of letters, digits, and any of . - _")
    with _alone(run):
        labels = read_labels(run)
        return _write(run, Labels(tuple(sorted({*labels.tags, *words})), labels.notes))


def remove_tags(run: RunDirectory, words: list[str]) -> Labels:
    """Take tags away from a run.

    Raises:
        UserError: It does not have one of them.
    """
    with _alone(run):
        labels = read_labels(run)
        for word in words:
            if word not in labels.tags:
                hint = nearest(word, labels.tags) if labels.tags else "it has none"
                raise UserError(f"tag {word!r}: {run.path} has no such tag; {hint}")
        return _write(run, Labels(tuple(t for t in labels.tags if t not in words), labels.notes))


def add_note(run: RunDirectory, text: str) -> Labels:
    """Add a note to a run.

    Raises:
        UserError: It says nothing.
    """
    if not text.strip():
        raise UserError("note: expected text")
    with _alone(run):
        labels = read_labels(run)
        note = Note(text.strip(), datetime.now(UTC).isoformat(timespec="seconds"))
        return _write(run, Labels(labels.tags, (*labels.notes, note)))


def remove_note(run: RunDirectory, number: int) -> Labels:
    """Take a note away from a run.

    Args:
        run: The run.
        number: Which one, from 1.

    Raises:
        UserError: It has not so many.
    """
    with _alone(run):
        labels = read_labels(run)
        count = len(labels.notes)
        if number > count:
            raise UserError(f"note {number}: {run.path} has {count} {plural('note', count)}")
        notes = (note for place, note in enumerate(labels.notes, 1) if place != number)
        return _write(run, Labels(labels.tags, tuple(notes)))


@contextmanager
def _alone(run: RunDirectory) -> Iterator[None]:
    """Of several processes that change the labels of a run, one at a time: none loses another's."""
    folder = os.open(run.path, os.O_RDONLY)
    try:
        # A mounted cloud may have no locks; who is alone there needs none.
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _are(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write(run: RunDirectory, labels: Labels) -> Labels:
    notes = [note._asdict() for note in labels.notes]
    write_json(run.labels, {"tags": labels.tags, "notes": notes})
    return labels
