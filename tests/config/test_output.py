"""The directory that a run claims: made once, the same each time it is resolved, never shared."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from genlab.config.output import register_claim
from genlab.config.primary import compose_raw


def config(root: Path) -> DictConfig:
    text = "${genlab.claim:${root},2026-01-31,12-00-00-nice-moons}"
    return OmegaConf.create({"root": str(root), "dir": text})


def test_resolved_again_it_is_the_same(tmp_path: Path) -> None:
    register_claim(make=True)
    first = config(tmp_path)
    assert first.dir == first.dir == config(tmp_path).dir
    assert Path(first.dir) == tmp_path / "2026-01-31" / "12-00-00-nice-moons"
    assert [path.name for path in (tmp_path / "2026-01-31").iterdir()] == ["12-00-00-nice-moons"]


def test_the_next_run_in_the_same_second_gets_another(tmp_path: Path) -> None:
    register_claim(make=True)
    first = config(tmp_path).dir
    register_claim(make=True)
    second = config(tmp_path).dir
    assert first != second
    assert Path(first).is_dir()
    assert Path(second).is_dir()


def test_it_travels_to_another_process(tmp_path: Path) -> None:
    register_claim(make=True)
    here = config(tmp_path)
    place = here.dir
    there = pickle.loads(pickle.dumps(here))
    register_claim(make=True)
    assert there.dir == place


def test_looking_makes_nothing(tmp_path: Path) -> None:
    register_claim(make=False)
    assert config(tmp_path).dir.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("train model=nsf data=rings", "nsf-rings"),
        ("train data=pinn_residual problem=burgers", "realnvp-pinn_residual"),
        ("solve problem=burgers", "das-krnet-burgers"),
        ("solve sampler=bootstrap", "bootstrap-flow-matching-peak"),
        ("solve sampler=uniform", "uniform-peak"),
    ],
)
def test_it_is_named_by_what_learns_and_what_from(words: str, name: str) -> None:
    register_claim(make=False)
    command, *overrides = words.split()
    folder = Path(compose_raw(command, overrides).hydra.run.dir)
    assert folder.name[len("12-00-00-") :] == name
