"""A user's own Python file: run from where it lies, with errors that name its lines."""

from __future__ import annotations

import ast
import sys
import traceback
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from genlab.bounds import Interval
from genlab.errors import UserError, nearest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UserFile", "glance", "refuse_box"]

_Result = TypeVar("_Result")
# How alike a name and a known one have to be, so that a helper is not taken for a mistake.
NEARLY = 0.85


class UserFile:
    """The names that a file defines, and calls into its functions.

    The file need not be importable.

    Args:
        file: Path of the file.
        key: The argument that names it, for messages.

    Attributes:
        path: Where it lies, absolute.
        key: ``KEY=FILE``, as it was given.
        names: What the file defines.

    Raises:
        UserError: The file is missing or fails.
    """

    def __init__(self, file: str, key: str) -> None:
        self.path = str(Path(file).expanduser().absolute())
        self.key = f"{key}={file}"
        self.names = self._run()

    def call(self, what: str, function: Callable[[], _Result]) -> _Result:
        """Call into the file; an exception there becomes an error that names its line.

        Raises:
            UserError: The function failed.
        """
        try:
            return function()
        except Exception as error:
            line = _line(error, self.path)
            where = f", line {line}" if line else ""
            doing = f"{what} raised " if what else ""
            raise UserError(
                f"{self.key}{where}: {doing}{type(error).__name__}: {error}{_fields(error)}"
            ) from error

    def tensor(
        self,
        what: str,
        function: Callable[[], Any],
        shape: tuple[int, ...],
        *,
        given: str = "",
        hint: str = "",
    ) -> Tensor:
        """Call into the file for a tensor.

        Args:
            what: The call in words.
            function: The call.
            shape: The shape that it must return.
            given: What it was called with.
            hint: What may help where the shape is another.

        Raises:
            UserError: The function failed, or returned something else.
        """
        from torch import Tensor

        value = self.call(what, function)
        if not isinstance(value, Tensor):
            raise UserError(
                f"{self.key}: {what}{given} returned {type(value).__name__}, expected a "
                "torch tensor"
            )
        if value.shape != shape:
            raise UserError(
                f"{self.key}: {what}{given} returned shape {list(value.shape)}, expected "
                f"{list(shape)}{hint}"
            )
        return value

    def function(self, name: str) -> Callable[..., Any] | None:
        """A function of the file; None where it defines none of that name.

        Raises:
            UserError: The name is something else.
        """
        function: Any = self.names.get(name)
        if function is None or callable(function):
            return cast(Callable[..., Any] | None, function)
        raise UserError(f"{self.key}: {name} is {function!r}, expected a function")

    def number(self, name: str) -> float | None:
        """A number of the file; None where it defines none of that name.

        Raises:
            UserError: The name is something else.
        """
        value = self.names.get(name)
        if value is not None and not isinstance(value, int | float):
            raise UserError(f"{self.key}: {name} is {value!r}, expected a number")
        return None if value is None else float(value)

    def refuse_misspelt(self, known: Collection[str], settings: Collection[str] = ()) -> None:
        """Refuse a function that nothing reads, where its name is nearly one that is read.

        The same of a setting: a truth, a list or a table.

        Args:
            known: Names of the functions that are read.
            settings: Names of the settings that are read.

        Raises:
            UserError: The first such name, with what was meant.
        """
        for name in [name for name in self.names if name not in settings]:
            if not isinstance(self.names[name], bool | list | tuple | dict):
                continue
            for meant in get_close_matches(name, settings, n=1, cutoff=NEARLY):
                if meant not in self.names and not name.startswith("_"):
                    raise UserError(
                        f"{self.key}: defines {name}, which nothing reads; did you mean {meant!r}?"
                    )
        undefined = [name for name in known if name not in self.names]
        for name, value in self.names.items():
            own = isinstance(value, FunctionType) and value.__code__.co_filename == self.path
            if own and not name.startswith("_") and name not in known:
                for meant in get_close_matches(name, undefined, n=1, cutoff=NEARLY):
                    raise UserError(
                        f"{self.key}: defines {name}, which nothing reads; did you mean {meant!r}?"
                    )

    def missing(self, what: str, name: str) -> UserError:
        """The error of a function that has to be there, with the nearest that is."""
        own = [name for name, value in self.names.items() if callable(value)]
        hint = f"; {nearest(name, own)}" if own else ""
        return UserError(f"{self.key}: defines no function {what}{hint}")

    def _run(self) -> dict[str, Any]:
        """Run the file; the names that it defines."""
        path = _found(self.path, self.key)
        module = ModuleType(f"genlab_custom_{path.stem}")
        module.__file__ = self.path
        before = set(vars(module)) | {"__builtins__"}
        # Dataclasses look the module of a class up by name.
        sys.modules[module.__name__] = module
        self.call("", lambda: _execute(path, vars(module)))
        return {name: value for name, value in vars(module).items() if name not in before}


def glance(file: str, key: str) -> None:
    """Refuse a file that is not there, is no Python, or whose ``box`` is none, without running it.

    Args:
        file: Path of the file.
        key: The argument that names it, for messages.

    Raises:
        UserError: It is such a file.
    """
    path = _found(str(Path(file).expanduser().absolute()), f"{key}={file}")
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise UserError(f"{key}={file}{line}: {type(error).__name__}: {error.msg}") from error
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="box")], value=value):
                try:
                    box = ast.literal_eval(value)
                except ValueError:  # computed there
                    continue
                refuse_box(box, f"{key}={file}")


def refuse_box(box: object, key: str) -> None:
    """Refuse what is no box of a domain.

    Args:
        box: What a file says is one.
        key: The file, for messages.

    Raises:
        UserError: It is no list of intervals.
    """
    sides = isinstance(box, list | tuple) and box and all(isinstance(s, list | tuple) for s in box)
    if not sides or not all(map(Interval().holds, box)):  # type: ignore[call-overload]
        raise UserError(
            f"{key}: box is {box!r}, expected a list of [low, high] with low < high, both finite"
        )


def _found(path: str, key: str) -> Path:
    place = Path(path)
    if not place.is_file():
        near = [other.name for other in place.parent.glob("*.py")]
        hint = f"; {nearest(place.name, near)}" if near else ""
        raise UserError(f"{key}: no such file{hint}")
    return place


def _fields(error: Exception) -> str:
    """What an object has, where a file asked for another of its few names."""
    fields = getattr(getattr(error, "obj", None), "_fields", None)
    return f"; {nearest(str(getattr(error, 'name', '')), fields)}" if fields else ""


def _execute(path: Path, names: dict[str, Any]) -> None:
    exec(compile(path.read_bytes(), str(path), "exec"), names)


def _line(error: Exception, file: str) -> int | None:
    """The line of ``file`` where an exception was raised; None if it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
