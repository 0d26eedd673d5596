"""Bijections of images, at one scale after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from genlab.bijections.bijection import Bijection
from genlab.bijections.compose import Compose
from genlab.bijections.freeze import Freeze
from genlab.bijections.inverse import Inverse
from genlab.bijections.squeeze import Squeeze

__all__ = ["ImageShape", "multi_scale"]

ImageShape = tuple[int, int, int]


def multi_scale(
    event_shape: tuple[int, ...],
    scales: int,
    layers: Callable[[ImageShape], Iterable[Bijection]],
) -> Iterator[Bijection]:
    """Squeeze, map, and factor out half of the channels; the other half goes on at the next scale.

    ``z = (z_1, ..., z_K)``: what leaves at an early scale is fine detail, and costs nothing at the
    later ones (Dinh, Sohl-Dickstein, Bengio, "Real NVP", 2017, section 3.6). Factored out means
    frozen: the latent is put together again, as an image of the shape that came in.

    Args:
        event_shape: Channels, height and width.
        scales: Number of scales K; height and width must be multiples of ``2^K``.
        layers: What maps a squeezed image of such a shape, from data to latent.

    Raises:
        ValueError: The event is no image, or cannot be halved so many times.
    """
    if len(event_shape) != 3:
        raise ValueError(
            f"scales={scales}: expected images, [channels, height, width], got "
            f"{list(event_shape)}; scales=0 is for vectors"
        )
    channels, height, width = event_shape
    if height % 2**scales or width % 2**scales:
        raise ValueError(
            f"scales={scales}: expected a height and a width that are multiples of {2**scales}, "
            f"got {height} and {width}"
        )
    squeezed = (4 * channels, height // 2, width // 2)
    yield Squeeze()
    yield from layers(squeezed)
    if scales > 1:
        kept = 2 * channels
        yield Freeze(Compose(multi_scale((kept, *squeezed[1:]), scales - 1, layers)), kept)
    yield Inverse(Squeeze())
