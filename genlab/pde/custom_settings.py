"""The settings of a user's own problem, beside its functions: read once, and refused by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from genlab.errors import nearest
from genlab.pde.boundary import Faces
from genlab.pde.coefficients import Coefficient
from genlab.pde.conditions import Condition
from genlab.pde.domain import Box, Domain
from genlab.userfile import UserFile

__all__ = ["SETTINGS", "Settings"]

SETTINGS = (
    "box",
    "domain",
    "time",
    "components",
    "prescribed",
    "up_to_constant",
    "coefficients",
    "faces",
    "periodic",
    "conditions",
)


class Settings(NamedTuple):
    """A file's own settings; see `genlab.pde.CustomProblem`.

    Attributes:
        components: Names of the components of ``u``.
        prescribed: Those that the boundary prescribes.
        up_to_constant: Those that are known up to a constant.
        coefficients: The unknown numbers of the equation.
        faces: Where the boundary is, of a box.
        periodic: The coordinates of a ring.
        conditions: Those beside the boundary's.
    """

    components: tuple[str, ...]
    prescribed: tuple[str, ...] | None
    up_to_constant: tuple[str, ...]
    coefficients: dict[str, Coefficient]
    faces: list[tuple[int, Literal["low", "high"]]]
    periodic: tuple[int, ...]
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, file: UserFile, domain: Domain, space: int) -> Settings:
        """The settings of a file.

        Args:
            file: The file.
            domain: Its domain.
            space: How many of the coordinates are space.

        Raises:
            UserError: One of them does not fit.
        """
        components = _names(file, "components", ("u",))
        prescribed = _names(file, "prescribed", components, components)
        periodic = _periodic(file, domain, space)
        conditions = tuple(_list(file, "conditions", Condition, "conditions of genlab.pde"))
        for number, condition in enumerate(conditions):
            _refuse_strange(file, "conditions", condition.components or (), components, number)
        return cls(
            components,
            None if prescribed == components else prescribed,
            _names(file, "up_to_constant", (), components),
            _coefficients(file),
            _faces(file, domain, space, periodic),
            periodic,
            conditions,
        )


def _list(file: UserFile, name: str, kind: type | tuple[type, ...], words: str) -> list[Any]:
    value = file.names.get(name, [])
    if not isinstance(value, list | tuple) or not all(isinstance(item, kind) for item in value):
        raise file.error(name, f"{name} is {value!r}, expected a list of {words}")
    return list(value)


def _names(
    file: UserFile, name: str, default: tuple[str, ...], known: Collection[str] | None = None
) -> tuple[str, ...]:
    if name not in file.names:
        return default
    names = tuple(_list(file, name, str, "names"))
    if not names or len({*names}) < len(names):
        raise file.error(name, f"{name} is {list(names)}, expected different names")
    if known is not None:
        _refuse_strange(file, name, names, known)
    return names


def _refuse_strange(
    file: UserFile,
    name: str,
    names: Collection[str],
    known: Collection[str],
    item: int | None = None,
) -> None:
    for one in names:
        if one not in known:
            mistake = f"{name} tells of {one!r}, {nearest(one, [*known])}"
            raise file.error(name, mistake, "or add it to components", item=item)


def _coefficients(file: UserFile) -> dict[str, Coefficient]:
    value = file.names.get("coefficients", {})
    if not isinstance(value, dict):
        mistake = f'coefficients is {value!r}, expected a table such as {{"D": 0.3}}'
        raise file.error("coefficients", mistake)
    found = {}
    for name, start in value.items():
        if isinstance(start, Coefficient) and (start.start > 0 or not start.positive):
            found[name] = start
        elif isinstance(start, int | float) and start > 0:
            found[name] = Coefficient(float(start))
        else:
            raise file.error(
                "coefficients",
                f"the coefficient {name} starts from {start!r}, expected a positive number",
                "of any sign is genlab.pde.Coefficient(start, positive=False)",
                item=name,
            )
    return found


def _periodic(file: UserFile, domain: Domain, space: int) -> tuple[int, ...]:
    periodic = _list(file, "periodic", int, "coordinates, the first of which is 0")
    if periodic and not isinstance(domain, Box):
        mistake = f"periodic is {periodic}, which only a box can be"
        raise file.error("periodic", mistake, "leave periodic out")
    if not {*periodic} <= {*range(space)}:
        raise file.error(
            "periodic",
            f"periodic is {periodic}, expected coordinates of space, 0 to {space - 1}",
        )
    return tuple(periodic)


def _faces(
    file: UserFile, domain: Domain, space: int, periodic: Collection[int]
) -> list[tuple[int, Literal["low", "high"]]]:
    """The faces of a box on which values are prescribed: those that are told, none of a ring.

    Where time begins they are in any case.
    """
    if not isinstance(domain, Box):
        if "faces" in file.names:
            mistake = "defines faces, which only a box has"
            raise file.error("faces", mistake, "leave faces out")
        return []
    every = Faces(domain).faces
    begin = [face for face in every if face[0] >= space and face[1] == "low"]
    possible = [face for face in every if face[0] < space and face[0] not in periodic]
    if "faces" not in file.names:
        return possible + begin
    told = [tuple(face) for face in _list(file, "faces", (tuple, list), "(coordinate, side)")]
    for face in told:
        if face not in possible:
            choices = ", ".join(map(str, possible))
            raise file.error("faces", f"faces has {face}, expected some of {choices}")
    return [face for face in possible if face in told] + begin
