"""What files of fields tell before any model is made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from genlab.data.field_files.opened import parts_of
from genlab.data.field_files.rows import FieldRows, RowChoices
from genlab.errors import UserError, plural
from genlab.runs.settings import DIGITS, checksum

__all__ = ["fingerprint", "look_at_fields", "rows_of", "seam", "stored_facts"]

SAMPLED = 32
"""Rows that tell whether fields are periodic, or hold what is no number."""
CLOSED = 2.0
"""Largest seam of periodic fields: their sides differ as neighbours inside do."""
LARGE = 2**26
"""Bytes of a file above which only pieces of it are looked at to know it again."""
VELOCITIES = (["velocity_x", "velocity_y"], ["velocity_0", "velocity_1"], ["vx", "vy"])
"""What files call the components of a velocity, those of an array without names by number."""
FINE = 100
"""Steps of single precision that fields should vary by, at least."""
STILL = 1e-10
"""Share of the mean power below which a mode or a point holds nothing but rounding."""
PIECES, PIECE = 64, 2**16


def rows_of(path: str, part: str = "train", **choices: Any) -> FieldRows | None:
    """The rows of a file or folder; None where no folder is kept for a part.

    Args:
        path: The file or the folder.
        part: ``train``, ``val`` or ``test``.
        **choices: Those of `FieldRows`.

    Raises:
        UserError: There is no such file.
    """
    parts = parts_of(Path(path).expanduser())
    called = parts["train"][0].stem
    return FieldRows(paths=parts[part], called=called, **choices) if part in parts else None


def stored_facts(**node: Any) -> dict[str, Any]:
    """Shapes, names, whether the fields are periodic, and what tells the files again.

    Args:
        **node: The options of `genlab.data.StoredFields`.

    Raises:
        UserError: A file or a channel is missing, or the fields are not square.
    """
    if node["lag"] < 0:
        raise UserError(f"lag={node['lag']}: expected an integer, at least 0")
    if node["lag"] and not node["condition"]:
        raise UserError(
            f"lag={node['lag']}: `condition` is what is so much earlier; it names nothing"
        )
    rows = rows_of(node["path"], **chosen(node))
    assert rows is not None
    periodic = node["periodic"]
    if periodic is None:
        periodic = closes(rows)
    quantity = "scalar"
    if periodic:
        quantity = told_quantity(rows.names)
    refuse_other_quantity(node.get("quantity"), len(rows.names), periodic=periodic)
    return {
        "channels": list(rows.names),
        "event_shape": list(rows.event_shape),
        "context_dim": rows.context_dim,
        "condition_shape": list(rows.condition_shape),
        "periodic": periodic,
        "padding": "circular" if periodic else "zeros",
        "quantity": quantity,
        "checksums": [fingerprint(Path(node["path"]).expanduser())],
    }


def look_at_fields(**node: Any) -> None:
    """Refuse fields some of which hold no numbers, or all of which are one constant.

    Args:
        **node: The options of `genlab.data.StoredFields`.

    Raises:
        UserError: They are such fields.
    """
    rows = rows_of(node["path"], **chosen(node))
    assert rows is not None
    x = sampled(rows)
    for name, field in zip(rows.names, np.moveaxis(x, 1, 0), strict=True):
        if np.ptp(field) == 0:
            raise UserError(
                f"path={node['path']}: {name!r} is {field.flat[0]:g} everywhere in single "
                "precision, which has no density"
            )


def chosen(node: Mapping[str, Any]) -> dict[str, Any]:
    """The options that choose rows."""
    return {key: node[key] for key in RowChoices.__annotations__}


def sampled(rows: FieldRows) -> Float[np.ndarray, "n c h h"]:
    """Some rows from all over the files."""
    places = np.unique(np.linspace(0, len(rows) - 1, SAMPLED).astype(np.int64))
    return rows.read(places)[0]


def closes(rows: FieldRows) -> bool:
    """Whether fields are periodic: as their files say or, where these say nothing, as they look."""
    if not rows.whole_fields:
        return False
    told = [one.variable.periodic for one in rows.files[0].event]
    if None not in told:
        return all(told)
    return max(seam(sampled(rows))) < CLOSED


def seam(x: Float[np.ndarray, "n c h h"]) -> tuple[float, float]:
    """How much more opposite sides differ than neighbours inside: along x, and along y.

    Mean squares. About 1 for periodic fields, many times as much for others that are smooth, and 0
    where the last points repeat the first.

    >>> grid, phase = (2 * np.pi * np.arange(n) / n for n in (32, 8))
    >>> wave = np.sin(grid + phase[:, None])[:, None, :, None] * np.ones(32)
    >>> round(seam(wave)[0], 6)
    1.0
    """
    ratios = []
    for axis in (2, 3):
        inside = np.square(np.diff(x.astype(np.float64), axis=axis)).mean()
        first, last = np.take(x, 0, axis), np.take(x, -1, axis)
        across = np.square(first.astype(np.float64) - last).mean()
        ratios.append(float(across / inside) if inside else 1.0)
    return ratios[0], ratios[1]


def doubts(
    x: Float[np.ndarray, "n c h h"], names: Sequence[str], *, periodic: bool
) -> Iterator[str]:
    """Why some fields have no density, or less precision than their numbers seem to have.

    Args:
        x: Some of them, in single precision.
        names: Of their channels.
        periodic: Whether a model learns their modes; their points if not.
    """
    for name, field in zip(names, np.moveaxis(x.astype(np.float64), 1, 0), strict=True):
        step, std = float(np.spacing(np.abs(field).max().astype(np.float32))), field.std()
        if std < FINE * step:
            yield (
                f"{name}: varies by {std:.2g} in steps of {step:.2g}, the least of single "
                "precision there; subtract a constant from the file's numbers"
            )
        if (field == field.round()).all():
            yield (
                f"{name}: whole numbers have no density; the sharper a model the lower its "
                "val/nll, without end"
            )
        still = _still(field, periodic=periodic)
        if count := int(still.sum()):
            what = "modes" if periodic else "points"
            yield (
                f"{name}: {count:,} of {still.size:,} {what} never vary, so that there is no "
                "density: val/nll and test/nll fall as far as rounding lets them; compare by "
                "test/spectrum and the other statistics"
            )


def _still(field: Float[np.ndarray, "n h h"], *, periodic: bool) -> Bool[np.ndarray, "h h"]:
    """The modes of fields that hold nothing but rounding, or else the points."""
    varying = field - field.mean(axis=None if periodic else 0)
    if periodic:
        varying = np.abs(np.fft.fft2(varying))
    power = np.square(varying).mean(0)
    still: Bool[np.ndarray, "h h"] = power < STILL * power.mean()
    return still


def told_quantity(names: Sequence[str]) -> str:
    """What fields are, by the names of their channels.

    >>> told_quantity(["vorticity"]), told_quantity(["velocity_x", "velocity_y"])
    ('vorticity', 'velocity')
    >>> told_quantity(["pressure"])
    'scalar'
    """
    low = [name.lower() for name in names]
    if low in (["vorticity"], ["omega"]):
        return "vorticity"
    if low in VELOCITIES:
        return "velocity"
    return "scalar"


def refuse_other_quantity(quantity: str | None, channels: int, *, periodic: bool) -> None:
    """Refuse to call fields a flow that are none.

    Raises:
        UserError: They have other channels than a flow, or do not close at their sides.
    """
    wanted = {"vorticity": 1, "velocity": 2}.get(quantity or "", channels)
    if wanted != channels:
        raise UserError(
            f"quantity={quantity}: expected {wanted} {plural('channel', wanted)}, got {channels}; "
            "`quantity='scalar'` is for all others"
        )
    if quantity in ("vorticity", "velocity") and not periodic:
        raise UserError(
            f"quantity={quantity}: its statistics are those of periodic fields, and these are not; "
            "expected `periodic=True`, or `quantity='scalar'`"
        )


def fingerprint(path: Path) -> str:
    """Tells a file or a folder again; of a large file by its size and pieces from all over it."""
    if path.is_dir() or path.stat().st_size <= LARGE:
        return checksum(path)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in np.linspace(0, size - PIECE, PIECES).astype(np.int64):
            file.seek(int(start))
            digest.update(file.read(PIECE))
    return digest.hexdigest()[:DIGITS]
