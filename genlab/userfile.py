"""A user's own Python file: run from where it lies, with errors that name its lines."""

from __future__ import annotations

import ast
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from genlab.bounds import Interval
from genlab.errors import UserError, nearest, no_such_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UserFile", "glance", "line_of", "refuse_box"]

_Result = TypeVar("_Result")
# How alike a name and a known one have to be, so that a helper is not taken for a mistake.
NEARLY = 0.85
SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
"""What has names of its own."""
NO_PYTHON = "mend that line or the one before it: Python cannot read it"
NO_NUMPY = "numpy knows no derivatives: write torch.sin for numpy.sin, and so on"


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

    def error(
        self, name: str, mistake: str, cure: str = "", *, item: int | str | None = None
    ) -> UserError:
        """The error of a mistake, with the line of a definition.

        Args:
            name: What the file defines there.
            mistake: What is wrong.
            cure: What helps, a line of its own.
            item: The place of an item of a list, or a key of a table, that is wrong.
        """
        line = line_of(self._text, name, item)
        return self._error(line, mistake, cure)

    def call(self, what: str, function: Callable[[], _Result], *, given: str = "") -> _Result:
        """Call into the file; an exception there becomes an error that names its line.

        Args:
            what: The call in words, such as ``residual(x, u)`` or ``conditions[0]``.
            function: The call.
            given: What it is called with, for messages.

        Raises:
            UserError: The function failed.
        """
        try:
            return function()
        except UserError as error:
            if str(error).startswith(self.key):
                raise
            mistake, _, cure = str(error).partition("\n")
            line = _line(error, self.path) or self._line_of_call(what)
            doing = f"{what}: " if what else ""
            raise self._error(line, f"{doing}{mistake}", cure or given) from error
        except Exception as error:
            line = _line(error, self.path) or self._line_of_call(what)
            doing = f"{what} raised " if what else ""
            said = (str(error).splitlines() or [""])[0]
            cure = NO_NUMPY if "numpy()" in said else given
            if isinstance(error, SyntaxError):
                said, cure = error.msg, NO_PYTHON
            mistake = f"{doing}{type(error).__name__}: {said}{_fields(error)}"
            raise self._error(line, mistake, cure) from error

    def tensor(
        self,
        what: str,
        function: Callable[[], Any],
        shape: tuple[int, ...],
        *,
        given: str = "",
        hint: str = "",
        cure: str = "",
    ) -> Tensor:
        """Call into the file for a tensor.

        Args:
            what: The call in words, which begin with the name of the function.
            function: The call.
            shape: The shape that it must return.
            given: What it was called with.
            hint: What may help where the shape is another.
            cure: What helps then, a line of its own.

        Raises:
            UserError: The function failed, or returned something else.
        """
        from torch import Tensor

        value = self.call(what, function, given=cure)
        name = what.partition("(")[0]
        if value is None:
            raise self.error(
                name, f"{what}{given} returned nothing, expected a torch tensor", "end it by return"
            )
        if not isinstance(value, Tensor):
            raise self.error(
                name,
                f"{what}{given} returned {type(value).__name__}, expected a torch tensor",
                "make it of torch operations; torch.stack((a, b), 1) puts columns side by side",
            )
        if value.shape != shape:
            raise self.error(
                name,
                f"{what}{given} returned shape {list(value.shape)}, expected {list(shape)}{hint}",
                cure,
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
        cure = f"define it by def {name}(...):"
        raise self.error(name, f"{name} is {function!r}, expected a function", cure)

    def number(self, name: str) -> float | None:
        """A number of the file; None where it defines none of that name.

        Raises:
            UserError: The name is something else.
        """
        value = self.names.get(name)
        if value is not None and not isinstance(value, int | float):
            raise self.error(name, f"{name} is {value!r}, expected a number")
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
                    raise self._misspelt(name, meant)
        undefined = [name for name in known if name not in self.names]
        for name, value in self.names.items():
            if self._owns(value) and not name.startswith("_") and name not in known:
                for meant in get_close_matches(name, undefined, n=1, cutoff=NEARLY):
                    raise self._misspelt(name, meant)

    def missing(self, what: str, name: str, cure: str = "") -> UserError:
        """The error of a definition that has to be there: at the nearest that is, or at the end.

        Args:
            what: The definition in words.
            name: Its name.
            cure: What helps, a line of its own.
        """
        own = [name for name, value in self.names.items() if self._owns(value)]
        for near in get_close_matches(name, own, n=1, cutoff=0.6):
            return self.error(near, f"defines no {what}; {nearest(name, [near])}", cure)
        return self._error(
            len(self._text.splitlines()) or 1, f"the file ends and defines no {what}", cure
        )

    def _owns(self, value: object) -> bool:
        """Whether a value is a function that is written in the file."""
        return isinstance(value, FunctionType) and value.__code__.co_filename == self.path

    def _misspelt(self, name: str, meant: str) -> UserError:
        return self.error(name, f"defines {name}, which nothing reads; did you mean {meant!r}?")

    def _error(self, line: int | None, mistake: str, cure: str) -> UserError:
        where = f", line {line}" if line else ""
        remedy = f"\n{cure}" if cure else ""
        return UserError(f"{self.key}{where}: {mistake}{remedy}")

    def _line_of_call(self, what: str) -> int | None:
        """The line of the definition that a call in words begins with."""
        named = re.match(r"(\w+)(?:\[(\d+)\])?", what)
        if named is None:
            return None
        return line_of(self._text, named[1], None if named[2] is None else int(named[2]))

    def _run(self) -> dict[str, Any]:
        """Run the file; the names that it defines."""
        path = _found(self.path, self.key)
        self._text = path.read_bytes()
        module = ModuleType(f"genlab_custom_{path.stem}")
        module.__file__ = self.path
        before = set(vars(module)) | {"__builtins__"}
        # Dataclasses look the module of a class up by name.
        sys.modules[module.__name__] = module
        self.call("", lambda: _execute(self._text, self.path, vars(module)))
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
        raise UserError(
            f"{key}={file}{line}: {type(error).__name__}: {error.msg}\n{NO_PYTHON}"
        ) from error
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="box")], value=value):
                try:
                    box = ast.literal_eval(value)
                except ValueError:  # computed there
                    continue
                refuse_box(box, f"{key}={file}, line {node.lineno}")


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


def line_of(text: bytes, name: str, item: int | str | None = None) -> int | None:
    """The line where a name of a module is bound last; None where it is not.

    >>> line_of(b"import math\\nsizes = {\\n  'a': 1,\\n  'b': 2}\\n", "sizes", "b")
    4

    Args:
        text: The module.
        name: The name.
        item: The place of an item of its list, or a key of its table: its line, if it is written
            out there.

    Raises:
        SyntaxError: The text is no Python.
    """
    line, value = None, None
    for node in _outside(ast.parse(text)):
        match node:
            case ast.FunctionDef(name=bound) | ast.ClassDef(name=bound) if bound == name:
                line, value = node.lineno, None
            case ast.alias(name=bound, asname=alias) if (alias or bound) == name:
                line, value = node.lineno, None
            case ast.Name(id=bound, ctx=ast.Store()) if bound == name:
                line = node.lineno
            case ast.Assign(targets=[ast.Name(id=bound)]) if bound == name:
                value = node.value
    return line if value is None else _line_in(value, item) or line


def _outside(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that lie in no function, class or comprehension."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _outside(child)


def _line_in(value: ast.expr, item: int | str | None) -> int | None:
    match value, item:
        case ((ast.List(elts=items) | ast.Tuple(elts=items)), int()) if item < len(items):
            return items[item].lineno
        case ast.Dict(keys=keys), str():
            named = (key for key in keys if isinstance(key, ast.Constant))
            return next((key.lineno for key in named if key.value == item), None)
    return None


def _found(path: str, key: str) -> Path:
    place = Path(path)
    if not place.is_file():
        raise UserError(f"{key}: {no_such_file(place, ['.py'])}")
    return place


def _fields(error: Exception) -> str:
    """What an object has, where a file asked for another of its few names."""
    fields = getattr(getattr(error, "obj", None), "_fields", None)
    return f"; {nearest(str(getattr(error, 'name', '')), fields)}" if fields else ""


def _execute(text: bytes, path: str, names: dict[str, Any]) -> None:
    exec(compile(text, path, "exec"), names)


def _line(error: Exception, file: str) -> int | None:
    """The line of ``file`` where an exception was raised; None if it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
