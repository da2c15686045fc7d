"""Pictures and a model in S3, as moto's server speaks it. In the full suite, where moto and s3fs
are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

# Other packages' deprecations are no matter of this test.
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore")]


def test_a_bucket_by_local_processes(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        variables = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        store = s3fs.S3FileSystem()
        store.mkdir("garden")
        store.pipe("garden/model.onnx", exported.read_bytes())
        for number in range(12):
            Image.new("RGB", (28, 28), (20 * number, 0, 90)).save("one.png")
            store.pipe(f"garden/2026/{number:02}.png", Path("one.png").read_bytes())
        store.pipe("garden/2026/05.png", b"broken")
        words = ["s3://garden/model.onnx", "s3://garden/2026/", "--out", "out", "--parts", "3"]
        done = subprocess.run(
            [sys.executable, "-m", "kerascnn", "score", *words, "--format", "jsonl"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
    finally:
        server.stop()
    lines = [
        line for part in sorted(Path("out").glob("part*")) for line in part.read_text().splitlines()
    ]
    rows = [json.loads(line) for line in lines]
    assert [row["path"] for row in rows] == [f"s3://garden/2026/{n:02}.png" for n in range(12)]
    assert ["error" in row for row in rows] == [number == 5 for number in range(12)]
