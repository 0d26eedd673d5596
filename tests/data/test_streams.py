"""Streams are pure functions of the row number, and shuffled passes are permutations."""

from __future__ import annotations

import torch

from genlab.batch import Batch, Chunk
from genlab.data import FreshSamples, NoSamples, ShuffledSet
from genlab.fields import PowerLaw
from genlab.targets import Gaussian, GaussianField, Moons


def test_fresh_samples_do_not_depend_on_where_they_are_entered() -> None:
    stream = FreshSamples(Moons(), seed=3, block=50)
    whole = stream.rows(0, 230).x
    parts = [
        FreshSamples(Moons(), seed=3, block=50).rows(a, b).x
        for a, b in ((0, 7), (7, 120), (120, 230))
    ]
    assert torch.equal(whole, torch.cat(parts))
    assert len(whole.unique(dim=0)) == 230
    assert not torch.equal(whole, FreshSamples(Moons(), seed=4, block=50).rows(0, 230).x)


def test_points_of_any_dimension_come_in_blocks_of_one_length() -> None:
    blocks = [FreshSamples(Gaussian(dim=dim), seed=0).block for dim in (2, 600)]
    assert blocks == [2**15, 2**15]
    assert FreshSamples(GaussianField(64, spectrum=PowerLaw()), seed=0).block == 2**12


def test_a_shuffled_set_shows_each_row_once_a_pass_in_a_new_order() -> None:
    rows = Batch(torch.arange(10.0)[:, None], context=torch.arange(10), weight=torch.arange(10.0))
    stream = ShuffledSet(rows, seed=0)
    passes = [stream.rows(start, start + 10) for start in (0, 10, 20)]
    for one in passes:
        assert one.x.flatten().sort().values.tolist() == list(range(10))
        assert one.context is not None
        assert one.weight is not None
        assert one.x.flatten().tolist() == one.context.tolist() == one.weight.tolist()
    assert not torch.equal(passes[0].x, passes[1].x)
    across = ShuffledSet(rows, seed=0).rows(4, 26).x
    assert torch.equal(across, torch.cat([one.x for one in passes])[4:26])


def test_a_chunk_gives_back_its_steps() -> None:
    chunk = Chunk(Batch(torch.arange(12.0)[:, None], weight=torch.ones(12)), steps=3)
    batches = list(chunk.batches())
    assert [batch.x.flatten().tolist() for batch in batches] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
    assert all(batch.context is None and len(batch.weight) == 4 for batch in batches)


def test_without_samples_only_the_number_of_rows_counts() -> None:
    rows = NoSamples().rows(32_700, 98_400)
    assert rows.x.shape == (65_700, 0)
    assert [len(batch.x) for batch in Chunk(rows, steps=3).batches()] == [21_900] * 3
