"""Processes of their own that need not import Keras again, which takes longer than most runs here.

    python tests/preloaded.py serve SOCKET                 imports the training half once
    python tests/preloaded.py call SOCKET -m MODULE …      stands for `python -m MODULE …`
    python tests/preloaded.py call SOCKET -c PROGRAM …     stands for `python -c PROGRAM …`

For each call the server forks a process, which gets the folder, the environment, the arguments and
the standard streams of its caller. What a signal or a kill does to the caller it does to the forked
process, and as that one ends, so does the caller.

Knows: processes. Does not know any test. Importing starts no thread of a framework; it would be
lost in the fork.
"""

import array
import atexit
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path
from typing import Any

LENGTH = struct.Struct("!I")
ENDED = struct.Struct("!i")
PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def call(path: str, arguments: list[str]) -> None:
    """Have the server run something, and end as it ends."""
    with socket.socket(socket.AF_UNIX) as server:
        folder = str(Path.cwd())
        server.connect(short(path))
        asked = {"folder": folder, "environment": dict(os.environ), "arguments": arguments}
        text = json.dumps(asked).encode()
        streams = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
        server.sendmsg([LENGTH.pack(len(text))], [streams])
        server.sendall(text)
        for number in PASSED_ON:
            signal.signal(number, lambda number, _frame: server.sendall(bytes([number])))
        (code,) = ENDED.unpack(receive(server, ENDED.size))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


def short(path: str) -> str:
    """Go to a socket's folder and give its name: the path may be longer than a socket's may be."""
    place = Path(path)
    os.chdir(place.parent)
    return place.name


def receive(connection: socket.socket, size: int) -> bytes:
    """Take exactly so many bytes."""
    taken = b""
    while len(taken) < size:
        part = connection.recv(size - len(taken))
        if not part:
            raise ConnectionError("the other side has gone")
        taken += part
    return taken


class Server:
    """Forks a process for each caller, until its own standard input is closed."""

    def __init__(self, path: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._processes: dict[socket.socket, int] = {}
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(short(path))
        self._listening.listen(64)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer callers."""
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    for process in self._processes.values():
                        os.kill(process, signal.SIGKILL)
                    return
                key.data()

    def _accept(self) -> None:
        caller, _ = self._listening.accept()
        streams: list[int] = []
        try:
            head, streams, _, _ = socket.recv_fds(caller, LENGTH.size, 3)
            asked = json.loads(receive(caller, LENGTH.unpack(head)[0]))
        except (ConnectionError, struct.error):  # killed before it said what it wants
            for stream in streams:
                os.close(stream)
            caller.close()
            return
        process = os.fork()
        if not process:
            caller.close()
            self._forget()
            become(asked, streams)
        for stream in streams:
            os.close(stream)
        ending = os.pidfd_open(process)
        self._processes[caller] = process
        self._selector.register(caller, selectors.EVENT_READ, lambda: self._pass_on(caller))
        self._selector.register(ending, selectors.EVENT_READ, lambda: self._end(caller, ending))

    def _forget(self) -> None:
        """Leave nothing of the server open in a forked process."""
        for key in self._selector.get_map().values():
            os.close(key.fd)
        self._selector.close()

    def _pass_on(self, caller: socket.socket) -> None:
        """Pass a caller's signals on; one that is gone was killed."""
        if caller not in self._processes:  # it ended a moment ago
            return
        signals = caller.recv(64) or bytes([signal.SIGKILL])
        for number in signals:
            os.kill(self._processes[caller], number)
        if signal.SIGKILL in signals:
            self._selector.unregister(caller)

    def _end(self, caller: socket.socket, ending: int) -> None:
        code = os.waitstatus_to_exitcode(os.waitpid(self._processes.pop(caller), 0)[1])
        self._selector.unregister(ending)
        os.close(ending)
        if caller in self._selector.get_map():
            self._selector.unregister(caller)
            caller.sendall(ENDED.pack(code))
        caller.close()


def become(asked: dict[str, Any], streams: list[int]) -> None:
    """Be the process that was asked for. Does not return."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    code = 0
    try:
        run(*asked["arguments"])
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def run(kind: str, what: str, *arguments: str) -> None:
    """Do what Python does with ``-m`` or ``-c``."""
    sys.argv = [kind, *arguments]
    sys.path[0] = ""
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def preload() -> None:
    """Import what calls would import, for the backend that KERAS_BACKEND names."""
    from kerascnn import training

    _ = training.fit, training.export_onnx
    import tensorflow  # noqa: F401  # Keras imports it with JAX too


if __name__ == "__main__":
    role, path, *arguments = sys.argv[1:]
    if role == "call":
        call(path, arguments)
    preload()
    Server(path).serve()
