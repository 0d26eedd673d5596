"""A target as the source of a flow: ``model.source=eight_gaussians data=moons``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from genlab.config import config_dir
from genlab.config.composition import compose
from genlab.config.stored import plain
from genlab.errors import UserError, nearest

__all__ = ["source_node"]


def source_node(name: str, event_shape: Sequence[int], others: Collection[str]) -> dict[str, Any]:
    """The description of the density that an option of ``data`` stands for.

    Args:
        name: The option.
        event_shape: Shape of the samples; it sets ``data.dim`` where the target has that key.
        others: What else ``model.source`` may be.

    Returns:
        A node with a ``_target_``, in plain containers.

    Raises:
        UserError: There is no such option, or no target behind it.
    """
    files = (config_dir() / "data").glob("[!_]*.yaml")
    options = [path.stem for path in files if path.stem != "custom"]
    if name not in options:
        raise UserError(
            f"model.source={name}: no such source; {nearest(name, [*options, *others])}"
        )
    data = plain(compose("train", [f"data={name}"]))["data"]
    if "dim" in data and len(event_shape) == 1:
        data = plain(compose("train", [f"data={name}", f"data.dim={event_shape[0]}"]))["data"]
    if "target" not in data:
        raise UserError(f"model.source={name}: data without a density; choose a target")
    target = data["target"]
    return {"_target_": "genlab.data.TargetDensity", "name": name, "target": target}
