"""A report's content from real pictures, with names that try to be more than names."""

from collections.abc import Callable

import numpy as np
import pytest

from kerascnn.dataset import load_dataset
from kerascnn.metrics.classification import evaluate_predictions
from kerascnn.metrics.epoch import EpochRecord
from kerascnn.metrics.outputs import Predictions
from kerascnn.report.content import Content, Layer, PhaseSpan, Sample, gallery

CLASSES = ("<script>alert(1)</script>", "고양이", '"><img src=x onerror=alert(2)>', "{{ 7 * 7 }}")


@pytest.fixture(scope="session")
def content() -> Callable[..., Content]:
    """Make content; keyword arguments replace its fields."""

    def make(classes: tuple[str, ...] = CLASSES, images: int = 40, **changes: object) -> Content:
        split = load_dataset("fashion-mini").splits["test"]
        pictures = np.stack([split.pictures[index] for index in range(images)])
        labels = (np.arange(images) % len(classes)).astype(np.int64)
        logits = np.eye(len(classes), dtype=np.float32)[labels] * 3
        logits[::7] = np.roll(logits[::7], 1, axis=1) * np.linspace(1, 2, len(logits[::7]))[:, None]
        names = tuple(split.pictures.name(index) for index in range(images))
        evaluation = evaluate_predictions(Predictions(logits, labels, classes, names, split="val"))
        heat = np.linspace(0, 1, 49, dtype=np.float32).reshape(7, 7)
        fields: dict[str, object] = {
            "name": "<b>flowers</b>",
            "made": "2026-01-02 03:04 UTC",
            "evaluation": evaluation,
            "epochs": (
                EpochRecord(1, 0.003, 1.0, 0.5, 0.9, 0.55, 900.0, 2.0),
                EpochRecord(2, 0.002, 0.5, 0.7, 0.6, 0.75, 900.0, 2.0),
                EpochRecord(3, 0.001, 0.4, 0.8, 0.7, 0.7, 900.0, 2.0),
            ),
            "best_epoch": 2,
            "phase_spans": (PhaseSpan("head", 1, 1), PhaseSpan("all", 2, 3)),
            "layers": (
                Layer("block1_conv", "block1", "Conv2D", (28, 28, 7), 532, False),
                Layer("block1_bn", "block1", "BatchNormalization", (28, 28, 7), 14, True),
                Layer("head", "head", "Dense", (4,), 3010, True),
            ),
            "mistakes": gallery(
                evaluation.mistakes,
                lambda index: pictures[index],
                lambda some, _: [heat] * len(some),
            ),
            "method": "Grad-CAM",
            "samples": (Sample(pictures[0], classes[0], (pictures[0][:, ::-1],)),),
            "balance": {"train": (9,) * len(classes), "val": (1,) * len(classes)},
            "facts": {"Machine": {"processor": "<i>fast</i>"}},
            "commands": ("kerascnn train 'a & b' --seed 0",),
        }
        return Content(**{**fields, **changes})

    return make
