"""What the tests of `score` share: some pictures, and the command in this process."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kerascnn.cli import main


@pytest.fixture
def pictures(save_pictures) -> list[str]:
    """Ten in the folder `p`, one of them broken."""
    paths = save_pictures(Path("p"), 10)
    Path(paths[4]).write_bytes(b"no picture")
    return paths


@pytest.fixture
def score(exported: Path) -> Callable[..., Result]:
    """Run `score MODEL … --out out`, with JSON lines in parts."""

    def run(
        *words: str, out: str = "out", stdin: bytes | None = None, model: str | Path = exported
    ) -> Result:
        arguments = ["score", str(model), *map(str, words), "--out", out, "--format", "jsonl"]
        done = CliRunner().invoke(main, arguments, input=stdin)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done

    return run


@pytest.fixture
def rows() -> Callable[[], list[dict]]:
    """Read all parts in `out`, in order."""

    def read(folder: str = "out") -> list[dict]:
        parts = sorted(Path(folder).glob("part-*.jsonl"))
        return [json.loads(line) for part in parts for line in part.read_text().splitlines()]

    return read


@pytest.fixture
def summary() -> Callable[[], dict]:
    return lambda: json.loads(Path("out/_summary.json").read_text())
