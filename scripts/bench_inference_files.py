"""From picture files to predictions, and a process's first prediction: for scripts/bench_inference.

Knows: both measurements and what they are held against. Does not know engines other than
kerascnn's.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import numpy as np
from bench_inference_engines import SIZE
from PIL import Image

from kerascnn import Classifier, images
from kerascnn.inference.runtime.providers import Arithmetic, Provider
from kerascnn.parallel import in_order

TEN_LINES = (
    "import sys, numpy, onnxruntime\nfrom PIL import Image\n"
    "session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
    "image = Image.open(sys.argv[2]).convert('RGB').resize((224, 224))\n"
    "p = session.run(['probabilities'], {'image': numpy.asarray(image)[None]})[0][0]\n"
    "print(p.argmax(), p.max())\n"
)
WAYS: tuple[tuple[Provider, Arithmetic], ...] = (("cpu", "exact"), ("openvino", "fast"))


def photograph() -> Image.Image:
    """Give a photograph of 500 x 375."""
    from skimage import data

    return Image.fromarray(data.coffee()).resize((500, 375))


def end_to_end(path: str, folder: Path, count: int) -> None:
    """Print the speed from JPEG files to answers, and the two ceilings."""
    original = photograph()
    paths = [str(folder / f"{number}.jpg") for number in range(count)]
    for number, name in enumerate(paths):
        original.rotate(number % 7).save(name, quality=90)
    for provider, arithmetic in WAYS:
        with Classifier(path, provider, arithmetic=arithmetic) as classifier:
            told = end_to_end_with(classifier, paths)
        print(f"{count:,} JPEG files, {provider} {arithmetic}: {told}")


def end_to_end_with(classifier: Classifier, paths: list[str]) -> str:
    """Measure one way: decoding alone, the network alone, both."""
    rule = classifier.card.resize

    def size(name: str) -> images.UInt8Array:
        return images.size_picture(images.decode(name), SIZE, rule)

    pictures = np.stack([size(name) for name in paths[:32]])
    list(classifier.stream(paths[:100]))
    before = peak_memory()
    decoding = speed(in_order(size, paths))
    batches = max(1, len(paths) // 64)
    network = 32 * speed(classifier.run(batch) for batch in repeat(pictures, batches))
    whole = speed(classifier.stream(paths))
    both = 1 / (1 / decoding + 1 / network)
    return (
        f"{whole:,.0f} pictures/s; decoding alone {decoding:,.0f}, network alone {network:,.0f}: "
        f"{whole / min(decoding, network):.0%} of the smaller, {whole / both:.0%} of what both can "
        f"do on the same processors; memory {peak_memory() / before:.2f} times that of 100 files"
    )


def speed(done: Iterable[object]) -> float:
    """Take all that comes; give how many came in a second."""
    began = time.perf_counter()
    count = sum(1 for _ in done)
    return count / (time.perf_counter() - began)


def peak_memory() -> int:
    """Give the most memory that this process has had, in the system's units."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def first_answer(path: str, folder: Path, rounds: int) -> None:
    """Print a fresh process's seconds, against ten lines with onnxruntime and Pillow."""
    picture = str(folder / "one.jpg")
    photograph().save(picture)
    commands = {
        "ten lines": [sys.executable, "-c", TEN_LINES, path, picture],
        "kerascnn predict": [sys.executable, "-m", "kerascnn", "predict", path, picture],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    ours, theirs = (float(np.median(seconds[name])) for name in ("kerascnn predict", "ten lines"))
    print(f"first prediction: {ours:.2f} s, ten lines {theirs:.2f} s: {ours / theirs:.2f} times")
