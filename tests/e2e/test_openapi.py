"""The server is held to its own OpenAPI document, by schemathesis."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
SCHEMATHESIS = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SCHEMATHESIS is None, reason="needs schemathesis (extra dev)"),
]


def test_the_server_does_what_it_says(exported):
    command = [sys.executable, "-m", "kerascnn", "serve", str(exported), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            url = process.stderr.readline().split()[-1]
            done = subprocess.run(
                [
                    SCHEMATHESIS, "run", f"{url}/openapi.json", "--wait-for-schema", "20",
                    "--max-examples", "20", "--seed", "7", "--generation-database", "none",
                    "--no-color",
                    # No schema can say which bytes are a picture.
                    "--exclude-checks", "positive_data_acceptance",
                ],
                capture_output=True, text=True, timeout=300,
            )  # fmt: skip
        finally:
            process.terminate()
            process.wait(30)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: 17" in done.stdout
