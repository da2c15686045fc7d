"""Processes find each other, or say in time why not."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from kerascnn.errors import ConfigError, TrainingError
from kerascnn.training.config import TrainConfig
from kerascnn.training.distribution import rendezvous
from kerascnn.training.distribution.processes import check_cluster, cluster_of
from kerascnn.training.distribution.rendezvous import (
    Cluster,
    PeerConnection,
    PeerMonitor,
    connect_all,
)


@pytest.fixture
def address(free_port: int) -> str:
    return f"127.0.0.1:{free_port}"


def outcome(call: Callable[..., Any], *given: Any) -> Any:
    try:
        return call(*given)
    except (ConfigError, TrainingError) as error:
        return error


def meeting(
    address: str, *those: tuple[int, int, dict[str, Any]], seconds: float = 100
) -> list[Any]:
    with ThreadPoolExecutor(len(those)) as threads:
        found = [
            threads.submit(outcome, connect_all, Cluster(address, count, rank), about, seconds)
            for rank, count, about in those
        ]
        return [one.result() for one in found]


def test_all_meet_and_hear_of_a_loss(address: str) -> None:
    lines = meeting(address, *((rank, 3, {"epochs": 2}) for rank in range(3)))
    assert sorted(line.rank for line in lines[0]) == [1, 2]
    heard: list[str] = []
    told = threading.Event()
    PeerMonitor(lines[0], lambda text: (heard.append(text), told.set()))  # type: ignore[func-returns-value]
    PeerMonitor(lines[1], lambda text: heard.append(text)).stop("the disk is full")
    assert told.wait(100)
    assert heard[0].startswith("rank 1 was lost: the disk is full")
    for line in (line for part in lines for line in part):
        line.close()


def test_one_that_says_nothing_is_lost_though_its_connection_is_open(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the process that was stopped: the system answers for it, and it does not."""
    monkeypatch.setattr(rendezvous, "PATIENCE", 0.2)
    (mine,), (silent,) = meeting(address, (0, 2, {}), (1, 2, {}))
    heard: list[str] = []
    told = threading.Event()
    PeerMonitor([mine], lambda text: (heard.append(text), told.set()))  # type: ignore[func-returns-value]
    assert told.wait(100)
    assert heard[0].startswith("rank 1 was lost (no sign of life for 0.2 s")
    silent.close()
    mine.close()


def test_those_that_beat_are_not_lost(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "HEARTBEAT", 0.001)
    lost: list[str] = []
    beats = threading.Semaphore(0)
    send = PeerConnection.send

    def counted(line: PeerConnection, **message: Any) -> None:
        send(line, **message)
        if "alive" in message:
            beats.release()

    monkeypatch.setattr(PeerConnection, "send", counted)
    lines = meeting(address, (0, 2, {}), (1, 2, {}))
    both = [PeerMonitor(line, lost.append) for line in lines]
    for _ in range(100):
        assert beats.acquire(timeout=100)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(PeerMonitor.finish, both))
    assert not lost
    for one in both:
        one.close()


def test_options_that_differ_are_named_to_all(address: str) -> None:
    found = meeting(address, (0, 2, {"epochs": 2, "seed": 1}), (1, 2, {"epochs": 3, "seed": 1}))
    for error in found:
        assert isinstance(error, ConfigError)
        assert "epochs is 3 on rank 1 and 2 on rank 0" in str(error)


def test_two_of_one_rank_are_refused(address: str) -> None:
    found = meeting(address, (0, 3, {}), (1, 3, {}), (1, 3, {}))
    assert all("two processes came as `rank` 1" in str(error) for error in found)


def test_another_count_is_refused(address: str) -> None:
    found = meeting(address, (0, 3, {}), (1, 2, {}))
    assert all("rank 1 says `processes` 2, rank 0 3" in str(error) for error in found)


def test_who_does_not_come_is_named_in_time(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is over as soon as rank 2 is there, by a clock that the test has put forward."""
    forward = [0.0]
    admit = rendezvous._accept_peer

    def admitted(*given: Any) -> None:
        admit(*given)
        forward[0] = 1000.0

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + forward[0], sleep=time.sleep)
    monkeypatch.setattr(rendezvous, "time", clock)
    monkeypatch.setattr(rendezvous, "_accept_peer", admitted)
    first, second = meeting(address, (0, 3, {}), (2, 3, {}))
    assert isinstance(first, TrainingError)
    assert "rank 1 did not come" in str(first)
    assert isinstance(second, ConfigError | TrainingError)


def test_nobody_there_is_told_in_time(address: str) -> None:
    (error,) = meeting(address, (1, 2, {}), seconds=0.5)
    assert isinstance(error, TrainingError)
    assert "nothing listens" in str(error)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("host:1", 2, None), "belong together"),
        ((None, 2, 0), "belong together"),
        (("host:1", 2, 2), "`rank` is 2; expected from 0 to 1"),
        (("host:1", 1, 0), "`processes` is 1; expected at least 2"),
        (("host", 2, 0), "expected HOST:PORT"),
        (("host:99999", 2, 0), "expected HOST:PORT"),
    ],
)
def test_wrong_options_are_refused(given: tuple[Any, Any, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cluster_of(*given)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="what TensorFlow refuses")
def test_tensorflow_is_refused() -> None:
    with pytest.raises(ConfigError, match="KERAS_BACKEND=jax"):
        check_cluster(Cluster("host:1", 2, 0), TrainConfig())


def test_a_line_that_is_closed_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        server.accept()[0].close()
    line = PeerConnection(near, 1)
    assert line.receive(1) is None
    line.close()
