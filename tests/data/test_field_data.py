"""Fields as data: streams with contexts, units, and the width of the context."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from genlab.bijections import PosteriorStandardise, Standardise
from genlab.data import FieldData, FreshSamples
from genlab.data.field_facts import field_facts
from genlab.errors import UserError
from genlab.fields import PowerLaw
from genlab.targets import GaussianField


def data_of(**others: Any) -> FieldData:
    seen = {"condition": "low_resolution", "factor": 3}
    settings: dict[str, Any] = {
        "target": GaussianField(9, spectrum=PowerLaw(rms=3.0), **seen),
        "event_shape": (1, 9, 9),
        "context_dim": 9,
        "condition_shape": [1, 3, 3],
        "train_size": None,
        "val_size": 20,
        "test_size": 30,
        "batch_size": 10,
        "standardise": True,
        "alike": "orbits",
        "seed": 0,
    }
    return FieldData(**{**settings, **others})


def test_fresh_fields_come_with_their_contexts_wherever_a_stream_is_entered() -> None:
    target = data_of().target
    whole = FreshSamples(target, seed=0, block=50).rows(0, 130)
    assert whole.context is not None
    for start, stop in ((0, 7), (45, 55), (60, 130)):
        part = FreshSamples(target, seed=0, block=50).rows(start, stop)
        assert torch.equal(part.x, whole.x[start:stop])
        assert part.context is not None
        assert torch.equal(part.context, whole.context[start:stop])


def test_a_block_of_large_fields_fits_into_memory() -> None:
    small, large = (
        FreshSamples(GaussianField(n, spectrum=PowerLaw()), seed=0).block for n in (9, 127)
    )
    assert small == 2**15
    assert large * 127**2 <= 2**24


@pytest.mark.parametrize("train_size", [None, 40])
def test_sets(train_size: int | None) -> None:
    data = data_of(train_size=train_size)
    for batch, n in ((data.stream.rows(5, 15), 10), (data.validation, 20), (data.test, 30)):
        assert batch is not None
        assert batch.context is not None
        assert (batch.x.shape, batch.context.shape) == ((n, 1, 9, 9), (n, 9))
    assert len(data.first_rows(100).x) == (100 if train_size is None else 40)


def test_units() -> None:
    white = data_of().preprocessing(())
    assert isinstance(white, PosteriorStandardise)
    x, y, _ = data_of().first_rows(2000)
    assert white.initialise(x, y).std().item() == pytest.approx(1, abs=0.01)
    assert isinstance(data_of(alike=None).preprocessing(()), Standardise)
    assert data_of(standardise=False).preprocessing(()) is None
    with pytest.raises(UserError, match="values of fields are no angles"):
        data_of().preprocessing([0])


def test_the_width_of_the_context() -> None:
    node = {"event_shape": [1, 9, 9], "factor": 3}
    seen = {"context_dim": 9, "condition_shape": [1, 3, 3]}
    assert field_facts(**node, condition="low_resolution") == seen
    assert field_facts(**node, condition=None) == field_facts(**node)
    assert field_facts(**node) == {"context_dim": 0, "condition_shape": []}
    with pytest.raises(UserError, match="context_dim=4: follows from `condition`"):
        data_of(context_dim=4)
    with pytest.raises(UserError, match=r"event_shape=\[1, 8, 8\]: the target's samples"):
        data_of(event_shape=(1, 8, 8))
