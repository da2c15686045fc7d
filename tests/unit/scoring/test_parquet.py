"""Parts in Parquet hold what parts in JSON lines hold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.scoring import formats

ROOT = str(Path(__file__).parents[3])


def scored(exported: Path, form: str) -> None:
    words = ["--out", form, "--format", form, "--part", "0", "--min-probability", "0.5"]
    done = CliRunner().invoke(main, ["score", str(exported), "p", *words])
    assert done.exit_code == 0, done.output


def test_the_same_rows(exported: Path) -> None:
    Path("p").mkdir()
    for number in range(4):
        Image.new("RGB", (28, 28), (60 * number, 0, 90)).save(f"p/{number}.png")
    Path("p/broken.png").write_bytes(b"")
    scored(exported, "jsonl")
    scored(exported, "parquet")
    lines = Path("jsonl/part-00000.jsonl").read_text().splitlines()
    blank = {"label": None, "probability": None, "top": None, "error": None}
    table = pq.read_table("parquet/part-00000.parquet")
    assert table.column_names == ["path", "label", "probability", "top", "error"]
    assert table.to_pylist() == [blank | json.loads(line) for line in lines]
    summaries = [json.loads(Path(form, "_summary.json").read_text()) for form in formats.FORMATS]
    for name in ("by_class", "by_error", "unsure", "scored"):
        assert summaries[0][name] == summaries[1][name]


def test_names_that_are_no_text() -> None:
    row = {"path": "p/\udcff.png", "error": "p/\udcff.png: gone"}
    Path("part.parquet").write_bytes(formats.encode([row], "parquet"))
    [found] = formats.read_back(Path("part.parquet"))
    assert found == {"path": "p/\\xff.png", "error": "p/\\xff.png: gone", "label": None}


def test_the_default_is_what_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats.default_format() == "parquet"
    monkeypatch.setattr(formats, "find_spec", lambda _name: None)
    assert formats.default_format() == "jsonl"


def test_a_damaged_part() -> None:
    Path("part.parquet").write_bytes(b"PAR1")
    with pytest.raises(formats.ModelFileError, match="not a complete part"):
        list(formats.read_back(Path("part.parquet")))


def test_odd_values() -> None:
    names = ["2026-11-29", "12", "true", "", 'a"b\\c', "\u2028é꧁", "x" * 5000]
    rows = [
        {
            "path": name,
            "label": None,
            "probability": 0.25,
            "top": [{"label": name, "probability": 1.0}],
        }
        for name in names
    ]
    Path("part.parquet").write_bytes(formats.encode(rows, "parquet"))
    found = pq.read_table("part.parquet").to_pylist()
    assert found == [{**row, "error": None} for row in rows]
    Path("part.parquet").write_bytes(formats.encode([], "parquet"))
    assert list(formats.read_back(Path("part.parquet"))) == []


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys\nfrom kerascnn.scoring import formats\n"
        "formats.encode([{'path': 'a', 'error': 'b'}], 'parquet')\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": ROOT})
