from __future__ import annotations

import pytest
import torch

from genlab.densities.inference import batches, draw_samples, inference, log_probs, spawn


def test_the_mode_of_every_submodule_is_restored(affine_flow):
    flow = affine_flow([0.0], [1.0])
    flow.train()
    flow.dropout.eval()
    with inference(flow):
        assert not any(module.training for module in flow.modules())
        assert not torch.is_grad_enabled()
    assert flow.training
    assert not flow.dropout.training
    assert torch.is_grad_enabled()


def test_the_mode_is_restored_after_an_error(affine_flow):
    flow = affine_flow([0.0], [1.0]).train()
    with pytest.raises(RuntimeError, match="boom"), inference(flow):
        raise RuntimeError("boom")
    assert flow.training
    assert flow.dropout.training


def test_the_private_random_state_follows_the_generator(global_state, affine_flow):
    flow = affine_flow([0.0], [1.0])

    def draw(seed):
        with inference(flow, torch.Generator().manual_seed(seed)):
            return torch.randn(3)

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_spawned_generators_differ_and_repeat():
    source = torch.Generator().manual_seed(0)
    first, second = spawn(source).initial_seed(), spawn(source).initial_seed()
    assert first != second
    assert spawn(torch.Generator().manual_seed(0)).initial_seed() == first


@pytest.mark.parametrize(("n", "size"), [(10, 3), (9, 3), (2, 5), (0, 4)])
def test_batches_cover_the_range_once(n, size):
    slices = list(batches(n, size))
    assert [i for rows in slices for i in range(n)[rows]] == list(range(n))
    assert all(rows.stop - rows.start <= size for rows in slices)


def test_log_probs_split_rows_and_their_context(affine_flow):
    flow = affine_flow([0.0, 1.0], [1.0, 2.0], context_dim=2)
    x, context = torch.randn(10, 2), torch.randn(10, 2)
    with inference(flow):
        whole = flow.log_prob(x, context)
        flow.seen.clear()
        torch.testing.assert_close(log_probs(flow, x, context, batch_size=4), whole.double())
        assert [rows for rows, *_ in flow.seen] == [4, 4, 2]
        row = context[:1]
        torch.testing.assert_close(
            log_probs(flow, x, row, batch_size=4), flow.log_prob(x, row).double()
        )
        # A float vector is one row, whatever its length.
        torch.testing.assert_close(
            log_probs(flow, x[:2], context[0], batch_size=1),
            flow.log_prob(x[:2], context[0]).double(),
        )


def test_labels_are_split_with_their_rows(affine_flow):
    flow = affine_flow([0.0, 1.0], [1.0, 2.0], labels=2)
    x, labels = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    with inference(flow):
        torch.testing.assert_close(
            log_probs(flow, x, labels, batch_size=2), flow.log_prob(x, labels).double()
        )


def test_points_are_brought_to_the_type_of_the_density(affine_flow):
    flow = affine_flow([0.0], [1.0]).double()
    x = torch.randn(4, 1)
    with inference(flow):
        assert torch.equal(log_probs(flow, x), flow.log_prob(x.double()))


def test_samples_repeat_and_carry_their_context(global_state, affine_flow):
    flow = affine_flow([0.0, 0.0], [1e-3, 1e-3], context_dim=2)
    context = torch.arange(14.0).reshape(7, 2)

    def draw():
        source = torch.Generator().manual_seed(3)
        with inference(flow):
            return draw_samples(flow, 7, context, generator=source, batch_size=3)

    x = draw()
    assert x.shape == (7, 2)
    torch.testing.assert_close(x, context, atol=0.01, rtol=0)
    assert torch.equal(x, draw())
