"""Signals where asyncio's loop takes no handlers, as on Windows."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from kerascnn.errors import ConfigError
from kerascnn.serving import ServeConfig, serve
from kerascnn.serving.server import _plain_handlers


@pytest.mark.both
def test_a_signal_reaches_the_server_without_the_loops_own_handlers() -> None:
    async def serve() -> bool:
        ended = asyncio.Event()
        with _plain_handlers(asyncio.get_running_loop(), {signal.SIGINT: ended.set}):
            os.kill(os.getpid(), signal.SIGINT)
            return bool(await asyncio.wait_for(ended.wait(), 60))

    before = signal.getsignal(signal.SIGINT)
    assert asyncio.run(serve())
    assert signal.getsignal(signal.SIGINT) is before


def test_elsewhere_than_in_the_main_thread_nothing_is_listened_to() -> None:
    def serve() -> None:
        loop = asyncio.new_event_loop()
        with _plain_handlers(loop, {signal.SIGINT: print}):
            found.append(signal.getsignal(signal.SIGINT))
        loop.close()

    found: list[object] = []
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert found == [before]


SERVE_IN_A_THREAD = """
import queue, sys, threading, urllib.request
from kerascnn.serving import ServeConfig, serve

started, config = queue.Queue(), ServeConfig((sys.argv[1],), port=0, access_log=False)
threading.Thread(target=serve, args=(config, started.put), daemon=True).start()
print(urllib.request.urlopen(f"{started.get(timeout=60)}/v2/health/live").status)
"""


def test_serving_in_a_thread(exported, environment) -> None:
    """As a notebook does, whose main thread runs an event loop."""
    command = [sys.executable, "-c", SERVE_IN_A_THREAD, str(exported)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["200"], done.stderr


@pytest.mark.both
def test_serving_inside_a_running_event_loop_is_an_error_that_says_what_to_do() -> None:
    async def notebook() -> None:
        serve(ServeConfig(("not-looked-for.onnx",)))

    with pytest.raises(ConfigError, match=r"Call it in a thread: .* mount create_app\(config\)"):
        asyncio.run(notebook())
