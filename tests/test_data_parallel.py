"""Two processes that share the work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from small import SMALL, small_experiment

from genlab.learning.checkpoint_io import load_checkpoint
from genlab.runs.directory import RunDirectory
from genlab.runs.status import read_status

STEPS = ("trainer.max_steps=20", "trainer.val_every=10")


def test_two_processes_train_like_one_with_the_doubled_batch(tmp_path: Path) -> None:
    words = [*SMALL, *STEPS, "trainer=ddp", "data.batch_size=32", f"outputs={tmp_path / 'two'}"]
    subprocess.run([sys.executable, "-m", "genlab", "train", *words], check=True, timeout=280)
    (path,) = (tmp_path / "two").glob("*/*")
    two = RunDirectory.open(path)
    assert read_status(two)["state"] == "done"
    one = small_experiment(tmp_path / "one", *STEPS, "data.batch_size=64")
    one.fit()
    assert one.directory is not None
    theirs = load_checkpoint(two.last)["state_dict"]
    for name, value in load_checkpoint(one.directory.last)["state_dict"].items():
        torch.testing.assert_close(theirs[name], value, atol=1e-5, rtol=1e-4)
