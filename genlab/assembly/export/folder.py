"""What leaves a run: a folder with the model's weights, all that makes it again, and its card."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import genlab
from genlab.assembly.export.card import card
from genlab.assembly.export.exported import FORMAT, read_exported
from genlab.assembly.export.noise import UnexportableError
from genlab.assembly.export.onnx import write_onnx
from genlab.assembly.export.preprocessing import described
from genlab.assembly.export.programs import Program, log_prob_program, sample_program
from genlab.assembly.export.programs import save as save_program
from genlab.assembly.export.user_code import own_code
from genlab.assembly.run import Run
from genlab.assembly.training import Training
from genlab.batch import Batch
from genlab.config.stored import names, plain
from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference, log_probs
from genlab.errors import RunError, UserError
from genlab.models import Flow
from genlab.runs.exported import CONFIG, WEIGHTS, check_replaceable
from genlab.runs.files import atomic_folder, write_json
from genlab.runs.manifest import read_manifest

__all__ = ["export", "told"]

# Test points that a program is compared with its model at, and fewer of them in many dimensions.
POINTS, NUMBERS, FEWEST = 1000, 2**17, 16


def export(
    run: Run,
    folder: Path,
    *,
    programs: bool = False,
    dtype: torch.dtype | None = None,
    onnx: bool = False,
    license: str = "unknown",
    force: bool = False,
) -> dict[str, Any]:
    """Write the model of a finished run into a folder of its own, whole or not at all.

    Args:
        run: The run, with its best weights.
        folder: Where to.
        programs: Write programs of `log_prob` and `sample`, too.
        dtype: What the programs compute in; None for the model's own.
        onnx: Write the programs as ONNX, too.
        license: What a hub is told of the license.
        force: Replace a folder that is there.

    Returns:
        What ``config.json`` says.

    Raises:
        UserError: The folder is there, holds what is no export, or the run has no model that can be
            written down.
        RunError: The disk is full, or what is written does not give the model again.
    """
    if folder.exists() and not force:
        raise UserError(f"-o {folder}: is there already; another folder, or --force to replace it")
    if folder.exists():
        check_replaceable(folder)
    if not isinstance(run, Training) or run.directory is None:
        raise UserError(
            "export: takes a run of `genlab train`; of a solve, `genlab score` writes u at points"
        )
    model = run.model.cpu().eval()
    points = _points(run)
    config = _config(run)
    with atomic_folder(folder.absolute()) as draft:
        _write_weights(model, draft / WEIGHTS)
        figures = _copy_figures(run.directory.figures, draft)
        if programs:
            config["programs"] = _write_programs(
                model, points, dtype or model.dtype, draft, onnx=onnx
            )
        write_json(draft / CONFIG, config)
        text = card(config, license=license, figures=figures)
        (draft / "README.md").write_text(text, encoding="utf-8")
        _read_back(draft, model, points)
    return config


def _config(run: Training) -> dict[str, Any]:
    assert run.directory is not None
    model, data, config = run.model, run.data, plain(run.config)
    manifest, encoder = read_manifest(run.directory), run.model.context_encoder
    learned = dict(zip(("model", "data"), names(run.config.choices), strict=True))
    # A flow that lives in a box makes its own way there.
    own = isinstance(model, Flow) and model.confined
    return {
        "format": FORMAT,
        "library": "genlab",
        "genlab": genlab.__version__,
        "learned": learned,
        "model": config["model"],
        "own": {part: own_code(config[part], part) for part in ("model", "data")},
        "preprocessing": None if own else described(model.preprocessing),
        "precision": str(model.dtype).removeprefix("torch."),
        "event_shape": list(model.event_shape),
        "circular": list(model.circular),
        "likelihood": run.likelihood,
        "context": {
            "dim": encoder.context_dim,
            "labels": encoder.labels,
            "columns": list(data.context_columns),
            "label_column": data.label_column,
            "label_names": list(data.label_names),
        },
        "columns": None if data.columns is None else list(data.columns),
        "transforms": None if data.transforms is None else data.transforms.plainly(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "metrics": dict(run.metrics),
        "made": {
            "created": manifest["created"],
            "genlab": manifest["genlab"],
            "git_commit": manifest["git_commit"],
            "packages": manifest["packages"],
            "seed": config["seed"],
            "steps": run.metrics.get("train/steps"),
        },
        "programs": {},
    }


def _write_weights(model: Density, path: Path) -> None:
    from safetensors.torch import save

    # Two names for one tensor are written as two: what is shared once may be another's later.
    weights = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
    # Its own writer makes files that nobody else can read.
    path.write_bytes(save(weights, metadata={"format": "pt", "library": "genlab"}))


def _copy_figures(figures: Path, folder: Path) -> list[str]:
    copied = []
    for path in sorted(figures.glob("[!.]*.png")):
        (folder / "figures").mkdir(exist_ok=True)
        shutil.copyfile(path, folder / "figures" / path.name)
        copied.append(f"figures/{path.name}")
    return copied


def _write_programs(
    model: Density, points: Batch, dtype: torch.dtype, folder: Path, *, onnx: bool
) -> dict[str, Any]:
    """Write what can be a program, and say of what cannot why."""
    told: dict[str, Any] = {}
    for name, make in (("log_prob", log_prob_program), ("sample", sample_program)):
        try:
            program = make(model, points, dtype)
        except UnexportableError as error:
            told[name] = {"reason": str(error)}
            continue
        save_program(program, folder)
        told[name] = {"file": f"{name}.pt2", "inputs": program.inputs, **program.said}
        if onnx:
            told[name]["onnx"] = _written(program, folder / f"{name}.onnx")
    return told


def _written(program: Program, path: Path) -> dict[str, str]:
    message = write_onnx(program, path)
    if message is None:
        return {"file": path.name}
    path.unlink(missing_ok=True)
    return {"reason": message}


def _points(run: Training) -> Batch:
    """Points to compare at: the first of the test set, or samples where there is none.

    The condition of samples is that of training rows.
    """
    test: Batch | None = run.data.test
    n = max(FEWEST, min(POINTS, NUMBERS // math.prod(run.model.event_shape)))
    if test is not None and len(test.x):
        return test.rows(slice(n)).cast(torch.device("cpu"), run.model.dtype)
    context = None
    if run.model.context_encoder.dim:
        rows = run.data.first_rows(n).cast(torch.device("cpu"), run.model.dtype)
        n, context = len(rows.x), rows.context
    with inference(run.model):
        x = draw_samples(run.model, n, context, generator=torch.Generator().manual_seed(0))
    return Batch(x, context)


def _read_back(folder: Path, model: Density, points: Batch) -> None:
    """Refuse to hand out a folder that does not give the same model.

    Raises:
        RunError: It does not.
    """
    again = read_exported(str(folder)).model
    few = points.rows(slice(50))

    def scores(density: Density) -> Tensor:
        with inference(density):
            return log_probs(density, few.x, few.context)

    if not torch.equal(scores(model).nan_to_num(), scores(again).nan_to_num()):
        raise RunError(
            "export: what was written gives another model than the run's; nothing is kept"
        )


def told(config: Mapping[str, Any]) -> list[str]:
    """What was written, a line a program."""
    lines = []
    for name, program in config["programs"].items():
        if "reason" in program:
            lines.append(f"{name}: not exported: {program['reason']}")
            continue
        off = ""
        if "max_difference" in program:
            off = f", within {program['max_difference']:.1e} nats of genlab score"
        if "mean_difference" in program:
            mean, error = program["mean_difference"], program["mean_difference_se"]
            off = f", its mean {mean:.1e} +- {error:.1e} nats from that of genlab score"
        onnx = program.get("onnx", {})
        also = f", {onnx['file']}" if "file" in onnx else ""
        lines.append(f"{name}: {program['file']}{also}, {program['inputs'][0]['dtype']}{off}")
        if "reason" in onnx:
            lines.append(f"{name}: no ONNX: {onnx['reason']}")
    return lines
