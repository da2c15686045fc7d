"""The engines of scripts/bench_inference, each in a process of its own.

Knows: how each of them runs a network on one batch, and how a process is told to. Does not know
how the files were made, nor tables. Needs only what the engine needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kerascnn.inference.runtime.providers import Arithmetic, Provider

    Pictures = npt.NDArray[np.uint8]

SIZE, CLASSES, THREADS = 224, 1000, len(os.sched_getaffinity(0))
PAUSE = 0.1
"""Seconds before each run: the engine before goes on spinning for work for some milliseconds, in
its own process, and the next one would pay for it (at batch 1, threefold)."""
ENGINES = {  # name: (kind, file)
    "onnxruntime, defaults": ("ort", "float32"),
    "kerascnn exact, cpu": ("cpu exact", "float32"),
    "kerascnn exact, openvino": ("openvino exact", "float32"),
    "kerascnn fast, openvino": ("openvino fast", "float32"),
    "kerascnn int8, cpu": ("cpu exact", "int8"),
    "kerascnn int8, openvino": ("openvino fast", "int8"),
    "OpenVINO's runtime": ("openvino", "float32"),
    "OpenVINO's runtime, int8": ("openvino", "int8"),
    "TensorFlow function": ("tensorflow", "keras"),
    "keras.predict": ("keras", "keras"),
    "PyTorch compiled bf16": ("torch", "-"),
}
Run = Callable[[], object]
"""Classifies the same batch each time."""


def engine(kind: str, path: str, batch: int) -> Run:
    """Give a function that classifies one batch of uint8 pictures."""
    import numpy as np

    pictures = np.random.default_rng(0).integers(0, 256, (batch, SIZE, SIZE, 3), np.uint8)
    plain = {
        "ort": onnxruntime_engine,
        "openvino": openvino_engine,
        "torch": torch_engine,
        "tensorflow": tensorflow_engine,
        "keras": keras_engine,
    }
    if kind in plain:
        return plain[kind](path, pictures)
    from kerascnn import Classifier

    provider, arithmetic = kind.split()
    classifier = Classifier(
        path, cast("Provider", provider), arithmetic=cast("Arithmetic", arithmetic)
    )
    return lambda: classifier.run(pictures)


def onnxruntime_engine(path: str, pictures: Pictures) -> Run:
    """Run onnxruntime as it is when nothing is set."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda: session.run(["probabilities"], {"image": pictures})


def openvino_engine(path: str, pictures: Pictures) -> Run:
    """Run OpenVINO without onnxruntime."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(pictures.shape))
    request = core.compile_model(model, "CPU").create_infer_request()
    return lambda: request.infer({"image": pictures})


def keras_engine(path: str, pictures: Pictures) -> Run:
    """Run `predict` of the Keras model."""
    import keras
    import numpy as np

    network = keras.saving.load_model(path, compile=False)
    floats = pictures.astype(np.float32)
    return lambda: network.predict(floats, batch_size=len(floats), verbose=0)


def tensorflow_engine(path: str, pictures: Pictures) -> Run:
    """Run the Keras model in a function of TensorFlow."""
    import keras
    import tensorflow as tf

    network = keras.saving.load_model(path, compile=False)
    run = tf.function(lambda x: network(tf.cast(x, tf.float32) / 255, training=False))
    return lambda: run(tf.constant(pictures)).numpy()


def torch_engine(_path: str, pictures: Pictures) -> Run:
    """Run the same architecture in PyTorch, compiled, channels last, bfloat16."""
    import torch
    from bench_torch_networks import build
    from bench_train_rounds import CLASSES as FEW

    torch.set_num_threads(THREADS)
    network = build(os.environ["NETWORK"].removesuffix("_v1_5"), SIZE, FEW).eval()
    network = torch.compile(network.to(memory_format=torch.channels_last))
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2)

    def run() -> Any:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            floats = (planes.float() / 255).contiguous(memory_format=torch.channels_last)
            return network(floats).float().numpy()

    return run


def work(kind: str, path: str, batch: int) -> None:
    """Be the process of one engine: run once for every line, and say how long it took."""
    run = engine(kind, path, batch)
    for _ in range(2):
        run()
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        run()
        print(time.perf_counter() - began, flush=True)


class Worker:
    """The other end of that process.

    Attributes:
        ready: Whether the engine is there and has run.
        seconds: Of each run that was asked for.
    """

    def __init__(self, python: str, kind: str, path: str, batch: int, network: str) -> None:
        script = Path(__file__).with_name("bench_inference")
        command = [python, str(script), "--work", kind, path, str(batch)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=os.environ | {"NETWORK": network},
        )  # fmt: skip
        self.ready = self._line() == "ready"
        self.seconds: list[float] = []

    def _line(self) -> str:
        return self.process.stdout.readline().strip() if self.process.stdout else ""

    def run(self) -> None:
        """Let it run once."""
        if self.ready:
            time.sleep(PAUSE)
            print("go", file=self.process.stdin, flush=True)
            self.seconds.append(float(self._line()))

    def close(self) -> None:
        """Let it end."""
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()
