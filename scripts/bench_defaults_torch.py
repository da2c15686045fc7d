"""What PyTorch's tools do on the data sets of bench_defaults, from random weights.

Knows: how Ultralytics and timm are used by people who name nothing but their data. Knows nothing
else of the project: it runs in an environment of its own, which needs ultralytics and timm.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EPOCHS = 10
"""Of Ultralytics, as of Keras' tutorials."""

TIMM_EPOCHS, TIMM_PICTURES = (10, 50), 4_000
"""Lowest and highest number of epochs, and how many pictures timm sees in all where that allows it:
its own 300 epochs of ImageNet's pictures would take hours."""

SIDE = 64
"""Pixels of timm's input."""

Arrays = dict[str, np.ndarray]


def ultralytics(arrays: Arrays, seed: int, folder: Path) -> np.ndarray:
    """Train YOLO11's smallest classifier with its defaults."""
    os.environ.update(YOLO_CONFIG_DIR=str(folder), YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false")
    from ultralytics import YOLO, settings
    from ultralytics.utils import LOGGER

    LOGGER.setLevel("ERROR")
    settings.update({"sync": False, **dict.fromkeys(("wandb", "mlflow", "tensorboard"), False)})
    data = _folders(arrays, folder / "data")
    model = YOLO("yolo11n-cls.yaml")
    model.train(data=str(data), epochs=EPOCHS, pretrained=False, seed=seed, device="cpu", workers=0,
                plots=False, verbose=False, project=str(folder), name="run")  # fmt: skip
    # BGR, as OpenCV reads files.
    found = [model.predict(one[..., ::-1].copy(), verbose=False)[0] for one in arrays["x_test"]]
    return np.array([int(one.names[one.probs.top1]) for one in found])


def _folders(arrays: Arrays, folder: Path) -> Path:
    """Write files: a tenth of the training pictures of each class are for validation."""
    from PIL import Image

    for label in np.unique(arrays["y_train"]):
        places = np.flatnonzero(arrays["y_train"] == label)
        held = max(1, len(places) // 10)
        for number, place in enumerate(places):
            target = folder / ("val" if number < held else "train") / str(label)
            target.mkdir(parents=True, exist_ok=True)
            Image.fromarray(arrays["x_train"][place]).save(target / f"{number}.png")
    return folder


def timm(arrays: Arrays, seed: int, _folder: Path) -> np.ndarray:
    """Train ResNet18 as timm's train.py does where nothing but the length is said."""
    import torch
    from PIL import Image
    from timm import create_model
    from timm.data import create_transform
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

    torch.manual_seed(seed)
    # Of train.py's 128 few pictures would make one step an epoch.
    count, batch = len(arrays["x_train"]), 32
    epochs = min(TIMM_EPOCHS[1], max(TIMM_EPOCHS[0], TIMM_PICTURES // count))
    model = create_model("resnet18", num_classes=int(arrays["y_train"].max()) + 1)
    # train.py: SGD at 0.1 for 256 pictures, linear in the batch; weight decay 2e-5.
    optimizer = create_optimizer_v2(
        model, "sgd", lr=0.1 * batch / 256, momentum=0.9, weight_decay=2e-5
    )
    scheduler, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=epochs, warmup_epochs=min(5, epochs // 4), warmup_lr=1e-5
    )
    change = create_transform(SIDE, is_training=True)
    see = create_transform(SIDE)
    loss = LabelSmoothingCrossEntropy(0.1)
    pictures = [Image.fromarray(one) for one in arrays["x_train"]]
    labels = torch.as_tensor(arrays["y_train"])
    for epoch in range(epochs):
        scheduler.step(epoch)
        model.train()
        order = torch.randperm(count)
        # As PyTorch's loader with drop_last does, unless that left nothing.
        for chosen in order.split(batch)[: max(1, count // batch)]:
            seen = torch.stack([change(pictures[place]) for place in chosen])
            optimizer.zero_grad()
            loss(model(seen), labels[chosen]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return np.array(
            [int(model(see(Image.fromarray(one))[None]).argmax()) for one in arrays["x_test"]]
        )


TOOLS: dict[str, Callable[[Arrays, int, Path], Any]] = {
    "Ultralytics": ultralytics,
    "timm": timm,
}


def main() -> int:
    """Answer for one tool: NAME FILE SEED; print the share of right answers."""
    name, file, seed = sys.argv[1:]
    with np.load(file) as found:
        arrays = dict(found)
    with tempfile.TemporaryDirectory() as folder:
        answers = TOOLS[name](arrays, int(seed), Path(folder))
    print(f"{(answers == arrays['y_test']).mean():.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
