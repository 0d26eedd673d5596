"""A program as ONNX, where torch's converter bears it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import torch

from genlab.assembly.export.programs import Program

__all__ = ["write_onnx"]


def write_onnx(program: Program, path: Path) -> str | None:
    """Write a program as ONNX.

    Args:
        program: The program.
        path: The file.

    Returns:
        None where it is written, and the converter's message in one line where it is not.
    """
    noise = io.StringIO()
    logging.disable(logging.WARNING)  # the converter's own progress
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(noise):
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                program.program,
                input_names=[one["name"] for one in program.inputs],
                output_names=[program.name],
                dynamo=True,
                verbose=False,
            )
        assert made is not None
        made.save(path)
    except Exception as error:  # of whatever kind, it is the converter's answer
        return _message(error)
    finally:
        logging.disable(logging.NOTSET)
    return None


def _message(error: BaseException) -> str:
    """The innermost cause, which says what the converter does not know."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
