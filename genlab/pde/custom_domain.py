"""The domain of a user's own problem: a box, what a function tells of it, or one of genlab.pde."""

from __future__ import annotations

from genlab.errors import UserError
from genlab.pde.boundary import Boundary, WholeBoundary
from genlab.pde.custom_boundary import UserBoundary
from genlab.pde.cylinder import Cylinder, CylinderBoundary
from genlab.pde.domain import Box, Domain, IndicatorDomain
from genlab.userfile import UserFile, refuse_box

__all__ = ["boundary_of", "domain_of"]

EXAMPLE = "box = [[low, high], ...]"


def domain_of(file: UserFile) -> Domain:
    """The domain that a file defines by ``domain``, or by ``box`` and perhaps ``inside``.

    Args:
        file: The file.

    Raises:
        UserError: It defines none, or one that does not fit.
    """
    box, inside, domain = file.names.get("box"), file.function("inside"), file.names.get("domain")
    if domain is not None:
        return _made(file, domain)
    if box is None:
        cure = "add an interval for each coordinate, such as box = [[0, 1], [0, 1]]"
        raise file.missing(EXAMPLE, "box", cure)
    try:
        refuse_box(box, "")
    except UserError as error:
        raise file.error("box", str(error).removeprefix(": ")) from None
    if inside is None:
        return Box(box)
    try:
        return IndicatorDomain(
            box,
            lambda x: file.tensor(
                "inside(x)",
                lambda: inside(x),
                (len(x),),
                cure=f"x is {list(x.shape)}, a point in each row: say of each whether it is inside",
            ).bool(),
        )
    except UserError as error:
        if str(error).startswith(file.key):
            raise
        what = str(error).removeprefix("domain: its indicator ")
        raise file.error("inside", f"inside(x) {what}") from error


def boundary_of(file: UserFile, domain: Domain, *, time: bool, begins: bool) -> Boundary:
    """The boundary of a domain that is no box: what the file tells of it, or all that is known.

    Args:
        file: The file.
        domain: The domain.
        time: Whether its last coordinate is time.
        begins: Whether the file tells of where time begins by itself.

    Raises:
        UserError: It is a domain of space, and there is time.
    """
    own = "boundary_points" in file.names or "cutoff" in file.names
    if own or "domain" not in file.names:
        return UserBoundary(file, domain, begins=begins)
    if isinstance(domain, Cylinder):
        return file.call("domain", lambda: CylinderBoundary(domain))
    if time:
        raise file.error(
            "domain",
            f"domain is a {type(domain).__name__}, and time = True",
            "write domain = Cylinder(space, (start, end)), a domain of space over an interval",
        )
    return file.call("domain", lambda: WholeBoundary(domain))


def _made(file: UserFile, domain: object) -> Domain:
    if not isinstance(domain, Domain):
        raise file.error(
            "domain",
            f"domain is {domain!r}, expected a domain of genlab.pde",
            "such as Box([(-1, 1), (-1, 1)]) - Disk(radius=0.5)",
        )
    for name in ("box", "inside"):
        if name in file.names:
            cure = f"leave one of them out, or name it other than {name}"
            raise file.error(name, f"defines {name} beside domain, expected one of them", cure)
    # A box over an interval is a box: its faces are known, and it may be closed to a ring.
    return Box(domain.box) if domain.is_box else domain
