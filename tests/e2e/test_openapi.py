"""The server is held to its own OpenAPI document, by schemathesis."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytest.importorskip("starlette", reason="needs the extra serve")
HUNG = 900
"""Seconds that only end a test that hangs."""
SCHEMATHESIS = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(HUNG),
    pytest.mark.skipif(SCHEMATHESIS is None, reason="needs schemathesis (extra dev)"),
]


def operations(document: dict) -> set[tuple[str, str]]:
    """List what can be asked, as method and path."""
    methods = {"get", "post", "put", "delete", "patch", "head", "options"}
    return {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in methods & set(item)
    }


def wait_until_ready(url: str) -> None:
    end = time.monotonic() + HUNG
    while httpx.get(f"{url}/v2/health/ready", timeout=HUNG).status_code != 200:
        assert time.monotonic() < end, "it is not ready"
        time.sleep(0.1)


def test_the_server_does_what_it_says(exported, tmp_path):
    command = [sys.executable, "-m", "kerascnn", "serve", str(exported), "--port", "0"]
    patient = ("--timeout", str(HUNG), "--read-timeout", str(HUNG))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    log = tmp_path / "access.jsonl"
    with log.open("w") as stdout, subprocess.Popen(
        [*command, *patient], stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:  # fmt: skip
        try:
            url = process.stderr.readline().split()[-1]
            wait_until_ready(url)
            document = httpx.get(f"{url}/openapi.json", timeout=HUNG).json()
            done = subprocess.run(
                [
                    SCHEMATHESIS, "run", f"{url}/openapi.json", "--wait-for-schema", "100",
                    "--max-examples", "20", "--seed", "7", "--generation-database", "none",
                    "--no-color",
                    # No schema can say which bytes are a picture.
                    "--exclude-checks", "positive_data_acceptance",
                ],
                capture_output=True, text=True, timeout=HUNG,
            )  # fmt: skip
        finally:
            process.terminate()
            process.wait(HUNG)
    assert done.returncode == 0, done.stdout[-6000:]
    # The server's own log tells whether each operation was tried.
    lines = log.read_text(encoding="utf-8").split("\n")  # other ends of lines occur in paths
    asked = [json.loads(line) for line in lines if line]
    for method, path in operations(document):
        pattern = re.sub(r"\\{[^}]*\\}", ".+", re.escape(path))
        assert any(
            row["method"] == method and re.fullmatch(pattern, row["path"], re.DOTALL)
            for row in asked
        ), f"{method} {path} was not tried"
    assert len(operations(document)) > 10
