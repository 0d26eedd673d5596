"""What stands between data and a model."""

from __future__ import annotations

from genlab.bijections.bijection import Inverse
from genlab.data.module import DataModule
from genlab.data.target_density import TargetDensity
from genlab.densities.density import Density
from genlab.errors import UserError

__all__ = ["precede"]

# What makes families that have densities of angles.
OF_ANGLES = ("CNF", "FlowMatching", "GMM", "NICE", "neural_spline_flow", "VAE")


def precede(model: Density, data: DataModule) -> None:
    """Let a model work behind the way from the units of its data to its own.

    Raises:
        UserError: The data are black and white, and the model gives densities; or they have angles,
            and the model has none, or others.
    """
    _refuse_other_angles(model, data)
    if data.masses and not model.masses:
        raise UserError(
            f"`binarise`: black and white images have masses, and {type(model).__name__} "
            "gives densities; use `VAE` with `Bernoulli`"
        )
    if data.standardise_context:
        model.context_encoder.standardise = True
    # A model that lives in a box has its own way to data units.
    if model.preprocessing is not None:
        if data.transforms is not None and not data.transforms.plain:
            raise UserError(
                f"`bounded`: this {type(model).__name__} lives in a box of its own, and columns "
                "have transforms; `bounded=None` leaves the bounds to these"
            )
        return
    model.preprocessing = data.preprocessing(model.circular)
    source = getattr(model, "base", None)
    if model.preprocessing is not None and isinstance(source, TargetDensity):
        # A source has the units of its own data, the model works in preprocessed ones.
        source.preprocessing = Inverse(model.preprocessing)


def _refuse_other_angles(model: Density, data: DataModule) -> None:
    if not data.angles or set(data.angles) == set(model.circular):
        return
    if model.knows_angles:
        raise UserError(
            f"circular={list(model.circular)}: expected {list(data.angles)}, the angles of the data"
        )
    names = data.columns or tuple(map(str, range(max(data.angles) + 1)))
    angles = ", ".join(names[i] for i in data.angles)
    raise UserError(
        f"model: {type(model).__name__} takes angles ({angles}) for numbers of the line; densities "
        f"of angles: {', '.join(f'`{name}`' for name in OF_ANGLES)}"
    )
