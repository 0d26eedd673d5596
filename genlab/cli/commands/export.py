"""``genlab export RUN -o DIR``: the model, its card, and programs that run without genlab."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from genlab.cli.arguments import Parser
from genlab.cli.run_argument import SavedRun
from genlab.errors import UserError
from genlab.runs.exported import check_replaceable

__all__ = ["run"]

EXAMPLES = """\
  genlab export latest -o moons                      weights, settings and model card
  genlab export latest -o moons --program            programs for plain torch, too
  genlab export latest -o moons --program --dtype float64 --force
  genlab export latest -o moons --program --onnx     and as ONNX, where the converter bears it
  genlab export latest -o moons --license mit        what a model hub shows

genlab.load("moons").model is the density again; genlab.load("hf://USER/NAME") fetches one."""

TYPES = ("float32", "float64")


def run(words: list[str]) -> int:
    parser = Parser("export", EXAMPLES)
    parser.add_run()
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="DIR",
                        help="a new folder")  # fmt: skip
    parser.add_argument("--program", action="store_true",
                        help="programs of log_prob and sample, by torch.export")  # fmt: skip
    parser.add_argument("--dtype", choices=TYPES,
                        help="what the programs compute in (as the run does)")  # fmt: skip
    parser.add_argument("--onnx", action="store_true", help="the programs as ONNX, too")
    parser.add_argument("--license", default="unknown", metavar="ID",
                        help="of the model, as a hub names it (unknown)")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace a folder that is there")
    arguments = parser.parse(words)
    if (arguments.onnx or arguments.dtype) and not arguments.program:
        option = "--onnx" if arguments.onnx else "--dtype"
        raise UserError(f"export {option}: is about programs; add --program")
    _check(arguments.output, force=arguments.force, onnx=arguments.onnx)
    saved = SavedRun(arguments.run)
    experiment = saved.load()

    import torch

    from genlab.assembly.export.folder import export, told

    dtype = getattr(torch, arguments.dtype) if arguments.dtype else None
    with experiment.keys.telling():
        config = export(
            experiment,
            arguments.output,
            programs=arguments.program,
            dtype=dtype,
            onnx=arguments.onnx,
            license=arguments.license,
            force=arguments.force,
        )
    print(saved.title)
    for line in told(config):
        print(line)
    print(f"wrote {arguments.output}")
    return 0


def _check(folder: Path, *, force: bool, onnx: bool) -> None:
    """Refuse, before torch is imported, what could not be written.

    Raises:
        UserError: The folder is there, its parent is not, or a package is missing.
    """
    if folder.exists() and not force:
        raise UserError(f"-o {folder}: is there already; another folder, or --force to replace it")
    if folder.exists():
        check_replaceable(folder)
    parent = folder.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError(f"-o {folder}: the folder {parent} does not exist or cannot be written")
    for package in ("safetensors", *(("onnx", "onnxscript") if onnx else ())):
        if find_spec(package) is None:
            raise UserError(f"export: needs {package}; pip install 'genlab[export]'")
