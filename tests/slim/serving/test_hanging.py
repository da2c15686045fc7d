"""Work that hangs where nobody can stop it: the process ends, and says before that it is not ready.

Pictures and networks take no time here: the servers are held until a test lets them go on.
"""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import http, post, wait_for

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("hold", ["decode", "run"])
def test_what_hangs_for_ever_ends_with_the_grace(serving, exported, content, hold):
    """Nobody can stop a thread in a decoder or in a network; the process ends all the same."""
    with serving(exported, "--grace", 0.5, hold=hold) as server:
        calls = server.gate.calls
        with ThreadPoolExecutor(1) as pool, server.gate.held():
            asked = pool.submit(post, server, content)
            wait_for(lambda: server.gate.calls > calls)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(100) == 1
            assert asked.exception() is not None  # cut off, and not answered
        assert "could not be stopped" in server.process.stderr.read()


def test_a_load_that_hangs_ends_with_the_grace_too(serving, exported):
    with serving(exported, "--grace", 0.5, hold="run", shut=True) as server:
        wait_for(lambda: server.gate.calls)
        assert server.stop() == 1
        assert "could not be stopped" in server.process.stderr.read()


@pytest.mark.parametrize("hold", ["decode", "run"])
def test_it_is_not_ready_while_what_was_begun_hangs(serving, exported, content, hold):
    def ready() -> int:
        return http.get(f"{server.url}/v2/health/ready").status_code

    with serving(exported, "--timeout", 0.3, hold=hold) as server:
        with server.gate.held():
            assert post(server, content).status_code == 503
            wait_for(lambda: ready() == 503)
            assert http.get(f"{server.url}/v2/health/live").status_code == 200
        wait_for(lambda: ready() == 200)
        # On a busy machine one may take longer than the time that they have here.
        wait_for(lambda: post(server, content).status_code == 200)
