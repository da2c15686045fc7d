"""What tests share: real photographs, the full data set where it is there, one trained run."""

import gc
import os
import random
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn.files import write_bytes

TESTS = Path(__file__).parent
LONG = (
    "test_local_devices.py", "test_battery.py", "test_distributed.py", "test_readme.py",
    "test_kill.py", "test_openapi.py", "test_library_files.py", "test_optimizer.py",
    "test_torch.py", "test_files.py", "test_feeds.py", "test_resnet.py", "test_time_limit.py",
    "test_advise.py", "test_mixed_precision.py", "test_blocks.py", "test_rewrites.py",
    "test_examples.py",
)  # fmt: skip
"""Files that take longest, of which the first is begun first: no process then waits at the end."""

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of tests/slim, and put those of long files first.

    A file's tests stay together (``--dist loadfile``): what they share is then made once.
    """
    for item in items:
        if item.path.is_relative_to(TESTS / "slim"):
            item.add_marker("slim")
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_unconfigure() -> None:
    """End at once: Python would look at every object of TensorFlow once more, for two seconds."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in an empty folder: nothing may depend on where it is started."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Start every test from random numbers of its own, whatever ran before it."""
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)


@pytest.fixture(autouse=True, scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep packs among the tests, and what JAX compiled: most of the time of its short trainings.

    All processes of one run of the tests share JAX's, never two runs: what is tested is compiled
    by the JAX that is installed.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KERASCNN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patched.setenv("JAX_COMPILATION_CACHE_DIR", str(shared / "jax"))
        patched.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patched.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ask no network for weights, and find none that somebody else has put on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASCNN_OFFLINE", "1")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        patch.setenv("KAGGLEHUB_CACHE", str(tmp_path_factory.mktemp("kaggle")))
        yield


@pytest.fixture(scope="session")
def preloaded(
    tmp_path_factory: pytest.TempPathFactory, _caches: None, _no_weights: None
) -> Iterator[Callable[[str], list[str]]]:
    """What stands for ``python`` in a command: ``[*preloaded("jax"), "-m", "kerascnn", "train"]``.

    A process of its own, with its own end, but Keras on that backend is imported already
    (tests/preloaded.py). Where the system cannot do that, Python itself.
    """
    if not hasattr(os, "pidfd_open"):
        yield lambda _backend: [sys.executable]
        return
    with ExitStack() as servers:
        yield cache(
            lambda backend: servers.enter_context(preloading(backend, tmp_path_factory.mktemp("p")))
        )


@contextmanager
def preloading(backend: str, folder: Path) -> Iterator[list[str]]:
    """Start a server of such processes; it ends when its standard input does."""
    place, log, script = folder / "socket", folder / "log.txt", str(TESTS / "preloaded.py")
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, script, "serve", place],
            env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS.parent)},
            stdin=subprocess.PIPE, stdout=errors, stderr=errors,
        ) as server,
    ):  # fmt: skip
        while not place.exists() and server.poll() is None:
            time.sleep(0.05)
        assert server.poll() is None, log.read_text(encoding="utf-8")
        yield [sys.executable, "-IS", script, "call", str(place)]
        server.communicate()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of 127.0.0.1 for a server that must be told one beforehand.

    It stays bound here, so the system gives it to nobody who asks for any port; as nothing
    listens, a server that names it may have it (SO_REUSEADDR).
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """The folder of the full Fashion-MNIST, or a skip that says so."""
    if not FASHION_MNIST.is_dir():
        pytest.skip("needs the full Fashion-MNIST: apt-get install dataset-fashion-mnist")
    return FASHION_MNIST


@pytest.fixture(scope="session")
def full_names(fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full Fashion-MNIST with the class names of the built-in part."""
    from kerascnn.dataset.builtin import CLASSES

    folder = tmp_path_factory.mktemp("fashion-mnist")
    for file in fashion_mnist.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def photograph() -> Callable[[int, int], np.ndarray]:
    """A real photograph, at any size: ``photograph(height, width)`` gives uint8 RGB."""
    from skimage import data

    original = Image.fromarray(data.astronaut())
    return lambda height, width: np.asarray(original.resize((width, height)))


@pytest.fixture(scope="session")
def subset(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Data for a short training: so many of the built-in pictures, as an .npz file.

    All of them, of which a run learns a few, would be predicted in every epoch.
    """
    from kerascnn.dataset import load_dataset

    @cache
    def write(count: int) -> Path:
        split = load_dataset("fashion-mini").splits["train"]
        path = tmp_path_factory.mktemp("subset") / f"{count}.npz"
        pictures = np.stack([split.pictures[index] for index in range(count)])
        np.savez(path, x_train=pictures, y_train=split.labels[:count])
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: the baseline CNN after two epochs on the built-in pictures."""
    from kerascnn import training

    out = tmp_path_factory.mktemp("session") / "clothes"
    training.fit(training.TrainConfig(out=str(out), epochs=2))
    return out


@pytest.fixture(scope="session")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run as an ONNX file.

    Where Keras is not installed, the file that the full environment's tests left behind.
    """
    shared = os.environ.get("KERASCNN_TEST_MODEL")
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError:
        if not shared or not Path(shared).is_file():
            pytest.fail("no model to test with: run scripts/test, which exports one first")
        return Path(shared)
    if shared and Path(shared).is_file() and "PYTEST_XDIST_WORKER" not in os.environ:
        return Path(shared)  # those that run alone, after the others, need nothing else of Keras
    from kerascnn import training

    path = tmp_path_factory.mktemp("exported") / "clothes.onnx"
    training.export_onnx(request.getfixturevalue("trained"), path)
    if shared:
        write_bytes(shared, path.read_bytes())  # whole, though other processes write it too
    return path
