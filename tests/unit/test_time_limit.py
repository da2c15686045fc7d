"""Work that takes too long, or does not heed Ctrl-C: it ends, with one line."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.cli.time_limit import time_limit
from kerascnn.errors import KerascnnError

PROGRAM = """
import signal, sys, threading
from kerascnn.cli.time_limit import time_limit

# In place of a step that Python cannot interrupt: no signal reaches the main thread's code.
signal.signal(signal.SIGINT, lambda *_: None)
with time_limit(float(sys.argv[1]), "too slow."):
    print("begun", flush=True)
    while True:
        threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def heeds_ctrl_c() -> Iterator[None]:
    """A shell starts what runs in the background deaf to SIGINT, which none of this is about."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def started(seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_work_that_takes_too_long_is_interrupted() -> None:
    with pytest.raises(KerascnnError, match=r"too slow\."), time_limit(0.01, "too slow."):
        threading.Event().wait(100)


def test_work_in_time_is_left_alone() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with time_limit(1e5, "too slow."):
        pass
    with pytest.raises(KeyboardInterrupt), time_limit(1e5, "too slow."):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), time_limit(1e5, "too slow."):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) == handler
    assert signal.set_wakeup_fd(-1) == -1


def test_a_thread_is_not_limited() -> None:
    done = []

    def work() -> None:
        with time_limit(1e-9, "too slow."):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def test_what_cannot_be_interrupted_ends_with_the_process() -> None:
    process = started(0.01)
    _, said = process.communicate()
    assert process.returncode == 1
    assert said == "Error: too slow.\n"


def test_ctrl_c_ends_what_does_not_heed_it() -> None:
    process = started(1e5)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate()
    assert process.returncode == 130
    assert said == ("", "\nStopped.\n")


COMMANDS = {
    "kerascnn.training.train.fit": ["train", "--epochs", "1", "--out", "run"],
    "kerascnn.training.tuning.study.search": ["tune", "--out", "study"],
    "kerascnn.training.advising.advise.advise": ["advise"],
    "kerascnn.training.export.export_onnx": ["export", "nothing", "--onnx"],
}


@pytest.mark.parametrize("function", COMMANDS)
@pytest.mark.parametrize(("pressed", "code"), [(True, 130), (False, 1)])
def test_ctrl_c_that_tensorflow_takes_for_another_error(
    monkeypatch: pytest.MonkeyPatch, function: str, pressed: bool, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        if pressed:
            with pytest.raises(KeyboardInterrupt):  # lost in C++
                signal.raise_signal(signal.SIGINT)
        raise TypeError("Failed to convert elements of (None, 735) to Tensor.")

    monkeypatch.setattr(function, fail)
    done = CliRunner().invoke(main, COMMANDS[function])
    assert done.exit_code == code, done.output
    assert done.output.count("Stopped") == pressed
