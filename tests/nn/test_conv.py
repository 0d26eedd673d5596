"""Convolutional networks on images of any size."""

from __future__ import annotations

import pytest
import torch

from genlab.nn.conv import ConvDecoder, ConvEncoder

SIZES = [(28, 28), (8, 8), (7, 5), (1, 3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("hidden", [[], [4], [4, 8, 8]])
@pytest.mark.parametrize("context_dim", [0, 3])
def test_shapes(size: tuple[int, int], hidden: list[int], context_dim: int) -> None:
    shape = (2, *size)
    options = {"hidden": hidden, "activation": "relu", "context_dim": context_dim}
    encoder, decoder = ConvEncoder(shape, 6, **options), ConvDecoder(6, shape, 2, **options)
    context = torch.randn(5, context_dim) if context_dim else None
    x = torch.randn(5, *shape)
    z = encoder(x, context)
    assert z.shape == (5, 6)
    assert decoder(z, context).shape == (5, 2, *shape)


def test_each_part_of_the_image_and_the_code_counts() -> None:
    shape = (1, 9, 6)
    options = {"hidden": [4, 8], "activation": "silu", "context_dim": 2}
    encoder, decoder = ConvEncoder(shape, 3, **options), ConvDecoder(3, shape, 1, **options)
    x, z, c = torch.randn(1, *shape), torch.randn(1, 3), torch.randn(1, 2)
    by_image, by_context = torch.func.jacrev(encoder, argnums=(0, 1))(x, c)
    assert by_image.any(dim=1).all()
    assert by_context.any(dim=1).all()
    by_code, by_context = torch.func.jacrev(decoder, argnums=(0, 1))(z, c)
    assert by_code.any(-1).all()
    assert by_context.any(-1).all()


def test_the_width_is_the_largest_layers() -> None:
    decoder = ConvDecoder(3, (1, 16, 16), 2, hidden=[5, 9], activation="relu")
    widths = []
    for layer in decoder.convolutions:
        layer.register_forward_hook(lambda _, __, output: widths.append(output[0].numel()))
    decoder(torch.randn(1, 3))
    assert decoder.width == max(widths)
