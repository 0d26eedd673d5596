"""A small classifier of a set's own images: its features are what samples are judged in."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from genlab.batch import Batch
from genlab.densities.inference import batches
from genlab.descent import descend
from genlab.runs.files import atomic_path

__all__ = ["Classifier", "classifier_of"]

FEATURES = 32
STEPS = 1500
BATCH = 128
VERSION = 1
"""Of all that a stored classifier depends on besides the images."""


class Classifier(nn.Module):
    """Two convolutions that halve an image, a layer of `FEATURES` features, and the classes.

    >>> classifier = Classifier((1, 8, 8), classes=10)
    >>> classifier(torch.rand(5, 1, 8, 8)).shape, classifier.features(torch.rand(5, 1, 8, 8)).shape
    (torch.Size([5, 10]), torch.Size([5, 32]))

    Args:
        event_shape: Channels, height and width.
        classes: Number of classes.
    """

    def __init__(self, event_shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = event_shape
        pixels = -(-height // 4) * -(-width // 4)
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * pixels, FEATURES),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        logits: Tensor = self.head(F.relu(self.body(x)))
        return logits

    @torch.no_grad()
    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """The features that tell the classes, before the last nonlinearity, in float64.

        Values out of [0, 1] are cut off there, as on a screen.
        """
        x = x.detach().cpu().float().clamp(0, 1)
        return torch.cat([self.body(x[rows]) for rows in batches(len(x), 1000)]).double()

    def accuracy(self, labelled: Batch) -> float:
        """Share of the images whose class is the most likely one."""
        assert labelled.context is not None
        right = [
            (self.head(F.relu(self.features(part.x).float())).argmax(1) == part.context).float()
            for part in labelled.split(1000)
        ]
        return torch.cat(right).mean().item()

    @property
    def fingerprint(self) -> int:
        """CRC-32 of the weights: scores compare where it is the same."""
        numbers = [tensor.detach().numpy().tobytes() for tensor in self.state_dict().values()]
        return zlib.crc32(b"".join(numbers))


def classifier_of(labelled: Batch) -> Classifier:
    """A classifier trained on labelled images, or the one that was kept from before.

    It is kept in ``GENLAB_CACHE`` (``~/.cache/genlab``), under a name that tells the images, and
    trained with random numbers of its own.

    Args:
        labelled: Images in [0, 1], with their classes as context.
    """
    assert labelled.context is not None
    labels: Int[Tensor, " n"] = labelled.context
    event_shape, classes = tuple(labelled.x.shape[1:]), int(labels.max()) + 1
    folder = Path(os.environ.get("GENLAB_CACHE", "~/.cache/genlab")).expanduser() / "classifiers"
    path = folder / f"{_name(labelled, classes)}.pt"
    if path.is_file():
        classifier = Classifier(event_shape, classes)
        classifier.load_state_dict(torch.load(path, weights_only=True))
        return classifier.eval()
    classifier = _trained(labelled.x, labels, classes)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        torch.save(classifier.state_dict(), temporary)
    return classifier


def _trained(x: Float[Tensor, "n c h w"], labels: Int[Tensor, " n"], classes: int) -> Classifier:
    # Deterministic, whatever was drawn before, and nobody's numbers are used up.
    with torch.random.fork_rng([]), torch.enable_grad():
        torch.default_generator.manual_seed(0)
        classifier = Classifier(tuple(x.shape[1:]), classes)
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)

        def loss(step: int) -> Tensor:
            if step:
                schedule.step()
            rows = torch.randint(len(x), (BATCH,))
            return F.cross_entropy(classifier(x[rows]), labels[rows])

        descend(loss, optimizer, steps=STEPS)
    return classifier.eval()


def _name(labelled: Batch, classes: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {tuple(labelled.x.shape)} {classes}".encode())
    # A thousand images tell a set.
    part = labelled.rows(slice(1000))
    assert part.context is not None
    digest.update(part.x.numpy().tobytes())
    digest.update(part.context.numpy().tobytes())
    return digest.hexdigest()[:16]
