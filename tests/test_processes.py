"""What data-parallel training leaves in a process, and that it is undone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torch import distributed

from genlab.cli.processes import is_first, separate


def test_which_process_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert is_first()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert is_first()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not is_first()


def test_one_process_group_after_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASTER_PORT", "1234")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    for number in range(2):
        store = distributed.FileStore(str(tmp_path / f"{number}"), 1)
        with separate():
            os.environ.update(MASTER_PORT="5678", WORLD_SIZE="1")
            distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        assert not distributed.is_initialized()
        assert os.environ["MASTER_PORT"] == "1234"
        assert "WORLD_SIZE" not in os.environ
