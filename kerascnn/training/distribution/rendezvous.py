"""Connections between processes before a run, and the detection of lost ones.

Knows: sockets, one line of JSON per message. Does not know: JAX, training.

Rank 0 listens at an address, and the others connect and identify themselves. When all are
connected, it tells them to begin. The connections stay open for the whole run: the system closes
those of a process that dies, so its loss is noticed at once. Each process also sends heartbeats,
since the system keeps answering for one that is suspended, or whose machine hangs. A loss is thus
noticed within 40 s, instead of blocking a reduction over all forever.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kerascnn.errors import ConfigError, TrainingError

ARRIVAL = 120.0
"""Seconds within which all processes must connect."""

HEARTBEAT = 5.0
"""Seconds between heartbeats."""

PATIENCE = 40.0
"""Seconds without a heartbeat after which a process is lost; compiling delays none for so long."""


@dataclass(frozen=True)
class Cluster:
    """The processes that train together.

    Attributes:
        address: ``HOST:PORT`` of rank 0.
        local_devices: GPUs of the machine that this process uses; None: all.
        initialized: Whether JAX has already been initialized for all of them.
    """

    address: str
    processes: int
    rank: int
    local_devices: tuple[int, ...] | None = None
    initialized: bool = False

    def __post_init__(self) -> None:
        if self.processes < 2:
            raise ConfigError(f"`processes` is {self.processes}; expected at least 2.")
        if not 0 <= self.rank < self.processes:
            raise ConfigError(
                f"`rank` is {self.rank}; expected from 0 to {self.processes - 1}, each once, for "
                f"{self.processes} processes."
            )
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(
                f"`distributed` {self.address!r}: expected HOST:PORT of rank 0, e.g. 10.0.0.1:7000."
            )

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)


class PeerConnection:
    """A connection to another process; ``silent`` if an open one brought nothing in time."""

    def __init__(self, connection: socket.socket, rank: int) -> None:
        self.rank, self._connection = rank, connection
        self.silent = False
        self._sending = threading.Lock()
        self._file = connection.makefile("rb")

    def send(self, **message: Any) -> None:
        """Send a message, unless the peer is gone."""
        with suppress(OSError), self._sending:
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):  # wakes a listening thread; the peer may be gone already
            self._connection.shutdown(socket.SHUT_RDWR)
        self._file.close()
        self._connection.close()

    def receive(self, seconds: float | None = None) -> dict[str, Any] | None:
        """Wait for a message; return None if the peer is gone, or silent for so many seconds."""
        self._connection.settimeout(seconds)
        try:
            return json.loads(self._file.readline()) or None
        except TimeoutError:
            self.silent = True
            return None
        except (OSError, ValueError):
            return None


def connect_all(
    cluster: Cluster, about: dict[str, Any], arrival: float = ARRIVAL
) -> list[PeerConnection]:
    """Wait until all processes are connected.

    Args:
        about: What must be the same in all: options and versions, as JSON values.
        arrival: Seconds to wait.

    Returns:
        For rank 0, a connection to each other process; for the others, one to rank 0.

    Raises:
        ConfigError: Two processes have the same rank, or something differs.
        TrainingError: Not all connected in time.
    """
    about = json.loads(json.dumps(about))
    if cluster.rank == 0:
        return _receive(cluster, about, arrival)
    line = _join(cluster, time.monotonic() + arrival)
    line.send(rank=cluster.rank, processes=cluster.processes, about=about)
    answer = line.receive(arrival)
    if answer is None:
        line.close()
        raise TrainingError(
            f"rank 0 at {cluster.address} did not start within {arrival:g} s, or has ended. "
            "Look at its output."
        )
    if "refused" in answer:
        line.close()
        raise ConfigError(answer["refused"])
    return [line]


def _receive(cluster: Cluster, about: dict[str, Any], arrival: float) -> list[PeerConnection]:
    end = time.monotonic() + arrival
    lines: dict[int, PeerConnection] = {}
    try:
        with _listening(cluster) as server:
            while len(lines) < cluster.processes - 1:
                server.settimeout(max(0.01, end - time.monotonic()))
                connection, _ = server.accept()
                _accept_peer(PeerConnection(connection, -1), lines, cluster, about)
    except TimeoutError as error:
        missing = sorted(set(range(1, cluster.processes)) - set(lines))
        reason = (
            f"rank {', '.join(map(str, missing))} did not come to {cluster.address} in time "
            f"({arrival:g} s). Start all {cluster.processes} processes with the same `distributed`."
        )
        for line in lines.values():
            line.send(refused=reason)
            line.close()
        raise TrainingError(reason) from error
    for line in lines.values():
        line.send(begin=True)
    return list(lines.values())


def _listening(cluster: Cluster) -> socket.socket:
    host, port = cluster.place
    try:
        return socket.create_server((host, port), backlog=cluster.processes)
    except OSError as error:
        raise ConfigError(
            f"rank 0 cannot listen at {cluster.address} ({error}). Expected an address of this "
            "machine, and a port that is free."
        ) from error


def _accept_peer(
    line: PeerConnection, lines: dict[int, PeerConnection], cluster: Cluster, about: dict[str, Any]
) -> None:
    hello = line.receive(5)
    if not hello or not {"rank", "processes", "about"} <= set(hello):
        line.close()
        return  # an unrelated client
    line.rank = hello["rank"]
    reason = _rejection(hello, lines, cluster, about)
    if reason:
        for other in (line, *lines.values()):
            other.send(refused=reason)
            other.close()
        raise ConfigError(reason)
    lines[line.rank] = line


def _rejection(
    hello: dict[str, Any], lines: dict[int, PeerConnection], cluster: Cluster, about: dict[str, Any]
) -> str | None:
    rank = hello["rank"]
    if hello["processes"] != cluster.processes:
        return f"rank {rank} says `processes` {hello['processes']}, rank 0 {cluster.processes}."
    if rank in lines:
        return f"two processes came as `rank` {rank}. Give each its own."
    changed = [
        f"{name} is {hello['about'].get(name)} on rank {rank} and {about.get(name)} on rank 0"
        for name in sorted({*about, *hello["about"]})
        if about.get(name) != hello["about"].get(name)
    ]
    return f"the processes differ: {'; '.join(changed)}. Start all alike." if changed else None


def _join(cluster: Cluster, end: float) -> PeerConnection:
    while True:
        try:
            return PeerConnection(socket.create_connection(cluster.place, timeout=2), 0)
        except OSError as error:
            if time.monotonic() > end:
                raise TrainingError(
                    f"nothing listens at {cluster.address} ({error}). Start rank 0 there, and make "
                    "sure that this machine can reach it."
                ) from error
            time.sleep(0.2)


class PeerMonitor:
    """Listens to the other processes in threads, and sends them heartbeats.

    ``lost`` is called in a thread with a message for the user, as soon as a process is lost.
    """

    def __init__(self, lines: list[PeerConnection], lost: Callable[[str], None]) -> None:
        self._lines, self._exit_after_loss = lines, lost
        self._done = {line.rank: threading.Event() for line in lines}
        self._finished = threading.Event()
        threading.Thread(target=self._send_heartbeats, name="heartbeat", daemon=True).start()
        for line in lines:
            threading.Thread(target=self._listen, args=(line,), daemon=True).start()

    def finish(self) -> None:
        """Announce that this process is done, and wait for the others."""
        self._finished.set()
        for line in self._lines:
            line.send(done=True)
        for done in self._done.values():
            done.wait()

    def shutdown(self) -> None:
        """Wait, after :meth:`finish`, until the others have disconnected."""
        for line in self._lines:
            line.receive(10)

    def close(self) -> None:
        """Close the connections."""
        self._finished.set()
        for line in self._lines:
            line.close()

    def stop(self, reason: str) -> None:
        """Tell the others why this process stops."""
        for line in self._lines:
            line.send(stopped=reason)

    def _send_heartbeats(self) -> None:
        while not self._finished.wait(HEARTBEAT):
            for line in self._lines:
                line.send(alive=True)

    def _listen(self, line: PeerConnection) -> None:
        heard = line.receive(PATIENCE)
        while heard and "alive" in heard:
            heard = line.receive(PATIENCE)
        if heard and "done" in heard:
            self._done[line.rank].set()
            return
        reason = " (its process or machine is gone)"
        if heard:
            reason = f": {heard['stopped']}"
        elif line.silent:
            reason = f" (no sign of life for {PATIENCE:g} s: it was stopped, or it hangs)"
        cause = f"rank {line.rank} was lost{reason}"
        for other in self._lines:
            if other is not line:  # the one that stopped knows why
                other.send(stopped=cause)
        self._exit_after_loss(
            f"{cause}. What was learned up to the last whole epoch is kept; go on with `resume` on "
            "all ranks."
        )
