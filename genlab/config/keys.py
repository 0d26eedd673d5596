"""What a message of the library names, its own arguments and classes, as a command line says it.

The library sets its words in backticks, as Python has them: an argument ```missing='drop'```, a
class ```EM```, or one of many such as ```FixedStepSolver(method='rk4')```. Where a configuration is
known, the words are those that set it: ``data.missing=drop``, ``objective=em``, ``solver=rk4``.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from genlab.config import config_dir, is_hidden
from genlab.errors import GenlabError, UserError
from genlab.runs.settings import CHOICE, flatten

__all__ = ["Keys", "in_shell", "override_value", "typed"]

MARK = re.compile(r"`([^`\n]+)`")
ARGUMENT = re.compile(r"([a-z_][\w.]*)(?:=(.*))?")
CLASS = re.compile(r"([A-Z]\w*)(?:\((.*)\))?")
# How a message begins that is about an argument: with it, and perhaps its value.
HEAD = re.compile(r"([a-z_][\w.]*)(?==)")
HEAD_OF_SECTION = re.compile(r"([a-z_][\w.]*)(?=(?:=.*?)?: )|([a-z_][\w.]*)(?==)", re.DOTALL)
# Text that the command line takes for itself, without quotes.
PLAIN = re.compile(r"[A-Za-z_/0-9][\w/.-]*", re.ASCII)
QUOTE = {"'": "\\'", "": ""}
# A name in a mapping: some of what it may hold stands behind a backslash.
NAME = re.compile(r"(?!\s)[\w/.+%*@?|\\()\[\]{}:=, -]*(?<!\s)", re.ASCII)
SPECIAL = re.compile(r"([\\()\[\]{}:=,])")
NOT_TEXT = {"true", "false", "null", "nan", "inf"}


class Keys:
    """The keys of a configuration, for messages.

    Args:
        config: The configuration, or a section of it under its name. As long as interpolations are
            unresolved, an argument that follows another is called by the key that it follows.
    """

    def __init__(self, config: Any) -> None:
        plain: Any = OmegaConf.to_container(OmegaConf.create(config), resolve=False)
        flat = flatten(plain)
        self.flat = {key: value for key, value in flat.items() if not key.startswith(CHOICE)}

    @contextmanager
    def telling(self, section: str = "") -> Iterator[None]:
        """Say in these keys what the errors inside say of arguments and classes.

        Args:
            section: Where the object stands that is at work, if it is one: an argument that a
                message begins with is its own.
        """
        try:
            yield
        except GenlabError as error:
            error.args = (self.told(str(error), section), *error.args[1:])
            raise

    def told(self, message: str, section: str = "") -> str:
        """A message of the library in these keys; what is none of them stays as it is."""
        head = (HEAD_OF_SECTION if section else HEAD).match(message)
        if head and (key := self._key(head[0], section)):
            message = f"{key}{message[head.end() :]}"
        return MARK.sub(lambda found: self._word(found[1], section) or found[0], message)

    def _word(self, text: str, section: str) -> str | None:
        if named := CLASS.fullmatch(text):
            keywords = _keywords(named[2] or "")
            return None if keywords is None else _option(named[1], keywords)
        found = ARGUMENT.fullmatch(text)
        key = found and self._key(found[1], section)
        if not found or not key:
            return _option(text, {}) if text.isidentifier() else None
        return key if found[2] is None else typed(key, _value(found[2]))

    def _key(self, name: str, section: str) -> str | None:
        """The key of an argument: in the section, or else the one that the fewest dots lead to."""
        keys = [key for key in self.flat if f".{key}".endswith(f".{name}")]
        if keys:
            return min(keys, key=lambda key: self._rank(key, section))
        if (config_dir() / name).is_dir():
            return name
        # A mapping, of which only its own keys are in the list.
        whole = f"{section}.{name}"
        return whole if any(key.startswith(f"{whole}.") for key in self.flat) else None

    def _rank(self, key: str, section: str) -> tuple[bool, bool, int]:
        follows = isinstance(self.flat[key], str) and self.flat[key].startswith("${")
        return follows, not f"{key}.".startswith(f"{section}."), key.count(".")


def typed(key: str, value: Any) -> str:
    """A setting as it is typed in a shell.

    >>> print(typed("data.drop", ["a", 2, "b (m)"]), typed("data.missing", "drop"))
    "data.drop=[a,2,'b (m)']" data.missing=drop
    """
    return in_shell(f"{key}={value if isinstance(value, _Raw) else override_value(key, value)}")


def in_shell(word: str) -> str:
    """A word in quotes, where a shell would take its quotes or braces for itself."""
    if not set("'{") & set(word):
        return word
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'


def override_value(key: str, value: Any) -> str:
    """A value in the grammar of the command line.

    >>> override_value("data.path", "my points.csv"), override_value("model.hidden", (64, 64))
    ("'my points.csv'", '[64,64]')
    >>> print(override_value("data.bounds", {"p [GeV]": [0, None]}))
    {p \\[GeV\\]:[0,null]}

    Raises:
        UserError: It is of a type that has no place there.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        text = str(value)
        if PLAIN.fullmatch(text) and text.lower() not in NOT_TEXT and not _is_number(text):
            return text
        # A backslash has a meaning only in front of a quote, or of the last one.
        return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + QUOTE[found[2]], text) + "'"
    if isinstance(value, Mapping):
        items = (f"{_name(key, name)}:{override_value(key, item)}" for name, item in value.items())
        return "{" + ",".join(items) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(override_value(key, item) for item in value) + "]"
    raise UserError(
        f"{key}: expected text, a number, a list or a mapping, got {type(value).__name__}"
    )


def _name(key: str, name: object) -> str:
    """A name in a mapping, which takes no quotes."""
    text = str(name)
    if not NAME.fullmatch(text):
        raise UserError(
            f"{key}: {text!r} has letters that no mapping of the command line takes in its names; "
            "a column has a number too, from 0"
        )
    return SPECIAL.sub(r"\\\1", text)


class _Raw(str):
    """What stands for a value, such as ``FILE``."""


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return _Raw(text)


def _keywords(text: str) -> dict[str, Any] | None:
    """The plain arguments of a call; None of one that only looks like it, in a user's own words."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        words = call.keywords if isinstance(call, ast.Call) else None
        return None if words is None else {str(w.arg): ast.literal_eval(w.value) for w in words}
    except (SyntaxError, ValueError):
        return None


def _option(name: str, keywords: Mapping[str, Any]) -> str | None:
    """The choice whose object is of a class, with these arguments; None where there is none."""
    target = re.compile(rf"^ *_target_: *genlab\.\w+\.{name}\b", re.MULTILINE)
    for file in sorted(config_dir().glob("*/[!_]*.yaml")):
        group, text = file.parent.name, file.read_text(encoding="utf-8")
        if is_hidden(group) or not target.search(text):
            continue
        config = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        assert isinstance(config, dict)
        node = config.get(group, config)
        if str(node.get("_target_", "")).endswith(f".{name}") and keywords.items() <= node.items():
            return f"{group}={file.stem}"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
