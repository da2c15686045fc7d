"""What a run's card says of the network that is kept, measured after the last epoch.

Knows: that training accuracy is measured in inference mode, like every other. Does not know what
the numbers mean (:mod:`kerascnn.report.verdict`).
"""

from __future__ import annotations

import numpy as np

from kerascnn.training.calibration import calibrate
from kerascnn.training.feeding import Feed, Pack, steps_per_epoch
from kerascnn.training.preprocessing import at_size, from_pixels, predict_logits
from kerascnn.training.run import Run

SAMPLE = 2000
"""Training pictures at most: enough to tell 90 % from 92 %, whatever the network costs."""


def judge_kept(run: Run, feed: Feed, batch_size: int, calibration: bool) -> None:
    """Measure the kept network on training and validation pictures, and write it into the card.

    The card's metrics get ``steps`` of the optimiser in all epochs, ``train_right`` of
    ``train_images`` training pictures, ``train_top1``, ``val_right`` of ``val_images`` and
    ``val_largest``: how many of those belong to the commonest class.

    Args:
        run: With the network of the best epoch.
        feed: Of the run.
        batch_size: Pictures a step.
        calibration: Fit the temperature, too.

    Raises:
        ModelFileError: The run folder is not complete.
    """
    card = run.card
    model = from_pixels(run.load_model(), card.normalization)
    logits = predict_logits(model, feed.val.images)
    sample = _sample(feed.train, run.config.seed)
    train = predict_logits(model, at_size(feed.train.images[sample], card.image_size))
    right = int((train.argmax(1) == feed.train.labels[sample]).sum())
    steps = steps_per_epoch(len(feed.train), batch_size)
    measured = {
        "steps": len(run.history) * steps // run.config.accumulate,
        "train_right": right,
        "train_images": len(sample),
        "train_top1": right / len(sample),
        "val_right": int((logits.argmax(1) == feed.val.labels).sum()),
        "val_images": len(feed.val),
        "val_largest": int(np.bincount(feed.val.labels).max()),
    }
    run.save_card(card.with_(metrics=card.metrics | measured))
    if calibration:
        calibrate(run, feed.val, logits)


def _sample(pack: Pack, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(len(pack))[:SAMPLE])
