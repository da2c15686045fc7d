"""Random-resized crops: the boxes, the pixels, and the pack that shows more than is taken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from kerascnn.errors import ConfigError
from kerascnn.training.augmentation.batch import batch_augmentation_of
from kerascnn.training.augmentation.crop_boxes import draw_boxes
from kerascnn.training.augmentation.random_resized_crop import crop
from kerascnn.training.callbacks import Callback
from kerascnn.training.config import TrainConfig
from kerascnn.training.data.feed import prepare, stored_size
from kerascnn.training.train import fit


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (3, 5, 24, 18), (10, 0, 9, 12), (35, 30, 5, 4)])
def test_a_crop_is_what_pillow_makes_of_the_box(
    box: tuple[int, int, int, int], photograph: Callable[[int, int], np.ndarray]
) -> None:
    picture = photograph(40, 40)
    top, left, height, width = box
    part = Image.fromarray(picture).crop((left, top, left + width, top + height))
    expected = np.asarray(part.resize((16, 16), Image.Resampling.BILINEAR))
    shares = np.array([[*box], [0, 0, 40, 40]], np.float32) / 40
    found = keras.ops.convert_to_numpy(crop(np.stack([picture, picture]), shares, 16))
    assert found.dtype == np.uint8
    assert np.abs(found[0].astype(int) - expected).max() <= 1


def test_boxes_follow_seed_and_epoch_and_lie_inside() -> None:
    boxes = draw_boxes(50, 64, 0.25, 3, 1)
    np.testing.assert_array_equal(boxes, draw_boxes(50, 64, 0.25, 3, 1))
    assert not np.array_equal(boxes, draw_boxes(50, 64, 0.25, 3, 2))
    assert not np.array_equal(boxes, draw_boxes(50, 64, 0.25, 4, 1))
    start, sides = boxes[..., :2], boxes[..., 2:]
    assert start.min() >= 0
    assert (start + sides).max() <= 1 + 1e-6
    area, ratio = sides.prod(-1), sides[..., 1] / sides[..., 0]
    assert (area.min(), area.max()) == pytest.approx((0.25, 1), abs=0.01)
    # Wide crops of large area do not fit, so the mean is a little below the middle.
    assert 0.55 < area.mean() < 0.625
    assert (ratio.min(), ratio.max()) == pytest.approx((3 / 4, 4 / 3), abs=0.01)


@pytest.mark.parametrize(
    ("options", "cropped"),
    [
        ({"epochs": 10}, 10),
        ({"epochs": 10, "uncropped": 0.33}, 7),
        ({"phase": ("head:4", "all:6"), "uncropped": 0.5}, 5),
        ({"epochs": 1, "uncropped": 0.9}, 1),
    ],
)
def test_the_last_epochs_show_whole_pictures(options: dict[str, Any], cropped: int) -> None:
    changing = batch_augmentation_of(TrainConfig(random_crop=0.35, mixup=0.2, **options), 16)
    assert changing
    for epoch in range(1, options.get("epochs", 10) + 1):
        draws = changing.draw(20, 32, 0, epoch)
        assert draws.boxes is not None and draws.recipes is not None
        assert (draws.boxes == [0, 0, 1, 1]).all() == (epoch > cropped)


def test_the_pack_is_larger_than_the_network_where_pictures_have_more_to_show() -> None:
    plain, cropped = (
        prepare(TrainConfig(image_size=21, random_crop=share), Callback()) for share in (0.0, 0.5)
    )
    assert cropped.train.images.shape[1:3] == (24, 24)
    assert cropped.val.images.shape[1:3] == plain.train.images.shape[1:3] == (21, 21)
    assert cropped.fingerprint != plain.fingerprint
    # Pictures of 28 pixels have no more to show at 37 than at 32.
    assert (stored_size(32, 28), stored_size(224, 500)) == (32, 256)


def test_both_feeds_crop_alike_and_the_network_takes_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for feed in ("resident", "streamed"):
        monkeypatch.setenv("KERASCNN_FEED", feed)
        options = TrainConfig(
            out=str(tmp_path / feed),
            image_size=12,
            epochs=1,
            augment="light",
            deterministic=True,
            calibration=False,
            random_crop=0.35,
            mixup=0.2,
        )
        runs.append(fit(options))
    first, second = ([(row.loss, row.accuracy) for row in run.history] for run in runs)
    assert first == second
    assert runs[0].card.weights_sha256 == runs[1].card.weights_sha256
    assert runs[0].load_model().input_shape == (None, 12, 12, 3)
    plain = fit(TrainConfig(out=str(tmp_path / "plain"), image_size=12, epochs=1, augment="light",
                            deterministic=True, calibration=False, mixup=0.2))  # fmt: skip
    assert plain.history[0].loss < first[0][0], "parts are harder than whole pictures"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"random_crop is 1\.5; expected 0"):
        TrainConfig(random_crop=1.5)
    with pytest.raises(ConfigError, match="`trainable` auto needs pictures of the network's size"):
        TrainConfig(random_crop=0.3, trainable="auto", weights="imagenet")
