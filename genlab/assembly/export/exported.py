"""A model that left its run: read from its folder, or from a model hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

import genlab
from genlab.assembly.export.preprocessing import made
from genlab.assembly.export.user_code import located, nodes
from genlab.config.build import build
from genlab.config.targets import locate
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.preceding import stand_before
from genlab.densities.density import Density
from genlab.densities.event import Names
from genlab.errors import RunError, UserError
from genlab.learning.checkpoint_io import check_weights
from genlab.learning.rng import rng_state, set_rng_state
from genlab.runs.exported import CONFIG, WEIGHTS, is_exported
from genlab.runs.files import read_json

__all__ = ["FORMAT", "HUB", "Exported", "is_exported", "read_exported"]

FORMAT = 1
HUB = "hf://"
NEEDED = ("columns", "context", "learned", "metrics", "model", "precision", "preprocessing")

# What a folder of a stranger may name: rooms of mathematics, and no reader of a user's own files.
ROOMS = ("bijections", "densities", "models", "nn", "paths", "targets")
OWN = ("genlab.targets.custom", "genlab.userfile")


@dataclass(frozen=True)
class Exported:
    """A trained density without its run.

    Attributes:
        path: Its folder.
        config: What ``config.json`` says.
        model: The density, with its weights, in evaluation mode.
    """

    path: Path
    config: Mapping[str, Any]
    model: Density

    @property
    def density(self) -> Density:
        """The same as `model`, by the name that runs have for it."""
        return self.model

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """What was measured when it was trained, by tag."""
        metrics: Mapping[str, float | None] = self.config["metrics"]
        return metrics

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the coordinates of a sample; None where they have none."""
        names = self.config["columns"]
        return None if names is None else tuple(names)

    @property
    def transforms(self) -> ColumnTransforms | None:
        """What the columns of the table hold, as `genlab.score` takes it; None of other data.

        Its `frame` makes rows of samples, in the types and units of the table.
        """
        said = self.config.get("transforms")
        return None if said is None else ColumnTransforms.of(**said)

    def __repr__(self) -> str:
        learned = self.config["learned"]
        return f"Exported {learned['model']} on {learned['data']}: {self.path}"


def read_exported(text: str) -> Exported:
    """The model of a folder, or of ``hf://user/name``, perhaps with ``@revision`` behind it.

    Raises:
        UserError: There is no such model, or one of another version.
        RunError: Its weights or its settings are damaged, or those of another model.
    """
    hub = text.startswith(HUB)
    path = _downloaded(text) if hub else Path(text)
    if not is_exported(path):
        raise UserError(f"{text}: no exported model ({CONFIG} and {WEIGHTS})")
    config = read_json(path / CONFIG)
    if config.get("library") != "genlab" or config.get("format") != FORMAT:
        raise UserError(
            f"{text}: format {config.get('format', 'unknown')} of "
            f"{config.get('library', 'another library')}; this is genlab {genlab.__version__}, "
            f"which reads format {FORMAT}"
        )
    missing = [name for name in NEEDED if name not in config]
    if missing:
        raise RunError(f"{path / CONFIG}: damaged, it has no {missing[0]}")
    if hub:
        _refuse_foreign(text, config)
    if find_spec("safetensors") is None:
        raise UserError(f"{text}: needs safetensors; pip install 'genlab[export]'")
    exported = Exported(path, config, _model(path, config))
    exported.model.names = _names(exported)
    return exported


def _names(exported: Exported) -> Names:
    """What frames call the numbers that the model takes, where these are the columns' own."""
    context, transforms = exported.config["context"], exported.transforms
    same = transforms is None or not (transforms.discrete or transforms.degrees)
    return Names(
        exported.columns if same else None,
        tuple(context["columns"]),
        context.get("label_column"),
        tuple(context["label_names"]),
    )


def _model(path: Path, config: Mapping[str, Any]) -> Density:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    node = located(config["model"], config.get("own", {}).get("model", []), path)
    # Building a model draws its first weights: that is nothing to the caller's random numbers.
    state = rng_state()
    model: Density = build(OmegaConf.create({"model": node}), "model")
    set_rng_state(state)
    if config["preprocessing"] is not None:
        stand_before(model, made(config["preprocessing"]))
    try:
        weights = load_file(path / WEIGHTS)
    except SafetensorError as error:
        raise RunError(f"{path / WEIGHTS}: damaged, and cannot be read ({error})") from error
    model.to(getattr(torch, config["precision"]))
    check_weights(model, weights, path / WEIGHTS)
    model.load_state_dict(weights)
    return model.eval()


def _downloaded(text: str) -> Path:
    """The folder of a model of the hub, on this machine.

    Raises:
        UserError: What would fetch it is not installed, or there is no such model.
    """
    name, _, revision = text.removeprefix(HUB).partition("@")
    if name.count("/") != 1 or not all(name.split("/")):
        raise UserError(f"{text}: expected hf://USER/NAME, or hf://USER/NAME@REVISION")
    if find_spec("huggingface_hub") is None:
        raise UserError(f"{text}: needs huggingface_hub; pip install 'genlab[export]'")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = huggingface_hub.snapshot_download(
            name, revision=revision or None, allow_patterns=[CONFIG, WEIGHTS]
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{text}: cannot be fetched ({reason})") from error
    return Path(folder)


def _refuse_foreign(text: str, config: Mapping[str, Any]) -> None:
    """Let what comes from a hub name nothing but mathematics of genlab.

    Raises:
        UserError: It names other code, which would run here, or hides what it names.
    """
    if "${" in json.dumps(config["model"]):
        raise UserError(f"{text}: its settings ask for values of this machine (${{...}}); refused")
    for _, node in nodes(config["model"], "model"):
        target = str(node["_target_"])
        room = target.removeprefix("genlab.").partition(".")[0]
        ours = target.startswith("genlab.") and room in (*ROOMS, "data")
        if ours:
            home = getattr(locate("model", target), "__module__", None) or ""
            allowed = tuple(f"genlab.{room}." for room in ROOMS)
            ours = home == "genlab.data.target_density" or (
                f"{home}.".startswith(allowed) and home not in OWN
            )
        if not ours:
            raise UserError(
                f"{text}: names {target}, which is no model of genlab; download it, look at it and "
                "load the folder if you trust it"
            )
