"""What `export --triton` writes, served by a real Triton: the one in nvidia-pytriton's wheel.

It wants numpy 1, so it has an environment of its own: that of the Python in KERASCNN_PYTRITON, or
one that is made here. In the full suite only.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerascnn.deployment.triton import MAX_QUEUE, write_triton
from kerascnn.inference import Classifier

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

BACKEND = Path(__file__).with_name("triton_onnxruntime_backend.py")
FIND = "import sys, pytriton; print(pytriton.__path__[0], '%d.%d' % sys.version_info[:2])"


@dataclass
class Triton:
    http: str
    grpc: str


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has nvidia-pytriton and onnxruntime."""
    if given := os.environ.get("KERASCNN_PYTRITON"):
        return given
    home = tmp_path_factory.mktemp("pytriton")
    made = str(home / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(home)],
        [made, "-m", "pip", "install", "--quiet", "nvidia-pytriton", "onnxruntime"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"nvidia-pytriton cannot be installed here: {done.stderr[-300:]}")
    return made


@pytest.fixture(scope="module")
def repository(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton")
    source = folder / "flowers.onnx"
    shutil.copyfile(exported, source)
    write_triton(source, folder / "repository")
    return folder / "repository"


@pytest.fixture(scope="module")
def triton(python: str, repository: Path) -> Iterator[Triton]:
    told = subprocess.run([python, "-c", FIND], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    package, version = told.stdout.split()
    server, backends = Path(package, "tritonserver"), repository.parent / "backends"
    shutil.copytree(server / "backends" / "python", backends / "python")
    shutil.copy(
        server / "python_backend_stubs" / version / "triton_python_backend_stub",
        backends / "python",
    )
    (backends / "onnxruntime").mkdir()
    shutil.copyfile(BACKEND, backends / "onnxruntime" / "model.py")
    with held_ports(2) as (http, grpc):
        words = [
            str(server / "bin" / "tritonserver"), f"--model-repository={repository}",
            f"--backend-directory={backends}", "--http-address=127.0.0.1", f"--http-port={http}",
            "--grpc-address=127.0.0.1", f"--grpc-port={grpc}", "--allow-metrics=false",
        ]  # fmt: skip
        libraries = Path(package).with_name("nvidia_pytriton.libs")
        variables = {
            "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
            "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": "",
        }  # fmt: skip
        log = repository.parent / "log.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(words, env=os.environ | variables, stdout=file, stderr=file)
        try:
            wait_until_ready(process, f"http://127.0.0.1:{http}/v2/health/ready", log)
            yield Triton(f"127.0.0.1:{http}", f"127.0.0.1:{grpc}")
        finally:
            process.terminate()
            process.wait()


@contextmanager
def held_ports(count: int) -> Iterator[list[int]]:
    """Ports that the system gives to nobody else, bound here and not listened on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as gRPC does
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + 120  # it waits for ever for a backend that does not start
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="module")
def images(exported: Path) -> np.ndarray:
    height, width = Classifier(exported).card.shape
    return np.random.default_rng(22).integers(0, 256, (12, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def ours(exported: Path, images: np.ndarray) -> tuple[np.ndarray, list[str]]:
    answers = Classifier(exported).predict(list(images), top_k=10)
    classes = Classifier(exported).classes
    found = [{one.label: one.probability for one in answer.top} for answer in answers]
    return np.array([[row[label] for label in classes] for row in found]), [
        answer.label for answer in answers
    ]


def client(triton: Triton, kind: str) -> tuple[Any, Any]:
    module = pytest.importorskip(f"tritonclient.{kind}")
    return module, module.InferenceServerClient(getattr(triton, kind))


def asked(module: Any, images: np.ndarray) -> list[Any]:
    image = module.InferInput("image", list(images.shape), "UINT8")
    image.set_data_from_numpy(images)
    return [image]


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_the_answers_are_ours(kind: str, triton: Triton, images, ours) -> None:
    module, server = client(triton, kind)
    probabilities, labels = ours
    found = server.infer("flowers", asked(module, images))
    assert np.allclose(found.as_numpy("probabilities"), probabilities, atol=1e-6)
    logits = found.as_numpy("logits")
    assert (logits.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    best = module.InferRequestedOutput("probabilities", class_count=1)
    told = server.infer("flowers", asked(module, images), outputs=[best])
    texts = [row[0].decode() for row in told.as_numpy("probabilities")]
    assert [text.split(":", 2)[2] for text in texts] == labels  # probability:index:label
    server.close()


def test_requests_at_the_same_time(triton: Triton, images, ours) -> None:
    """They share batches, as `dynamic_batching` says; each gets its own answer."""
    module, server = client(triton, "grpc")

    def answer(number: int) -> np.ndarray:
        found = server.infer("flowers", asked(module, images[number : number + 1]))
        return found.as_numpy("probabilities")[0]

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(answer, range(12)))
    assert np.allclose(found, ours[0], atol=1e-6)
    server.close()


def test_the_configuration_in_force(triton: Triton) -> None:
    with urllib.request.urlopen(f"http://{triton.http}/v2/models/flowers/config") as answer:
        config = json.load(answer)
    assert config["backend"] == "onnxruntime"
    assert config["instance_group"][0]["count"] == 1
    batching = config["dynamic_batching"]
    assert batching["preferred_batch_size"] == [16, 32]
    assert batching["default_queue_policy"]["max_queue_size"] == MAX_QUEUE


def test_another_size_is_refused(triton: Triton, images) -> None:
    module, server = client(triton, "http")
    with pytest.raises(module.InferenceServerException, match="unexpected shape"):
        server.infer("flowers", asked(module, images[:, 1:]))
    server.close()
