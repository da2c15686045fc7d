"""The recipe for Dask and Spark of docs/scale.md, run as it stands there. In the full suite, where
those are installed."""

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kerascnn.inference import Classifier

pytestmark = [pytest.mark.full, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]

SCALE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.fixture
def garden() -> list[str]:
    Path("garden").mkdir()
    for number in range(11):
        Image.new("RGB", (28, 28), (20 * number, 0, 90)).save(f"garden/{number:02}.png")
    Path("garden/03.png").write_bytes(b"broken")
    return [str(path.absolute()) for path in sorted(Path("garden").iterdir())]


@pytest.fixture
def expression(exported: Path, monkeypatch: pytest.MonkeyPatch):
    """Save the recipe as a module that workers can import; give the line for an engine."""
    [recipe] = re.findall(r"```python\n(import functools.*?)```", SCALE, re.S)
    Path("recipe.py").write_text(recipe.replace("/shared/flowers.onnx", str(exported.absolute())))
    for folder in (Path(__file__).parents[2], Path.cwd()):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)

    def of(engine: str) -> str:
        [found] = re.findall(rf"^# {engine}: (.*(?:\n#  +.*)*)", recipe, re.M)
        return found.replace("\n#", "")

    yield of
    sys.modules.pop("recipe", None)


def check(rows: list[dict[str, Any]], paths: list[str], exported: Path) -> None:
    assert [row["path"] for row in rows] == paths
    assert [row["label"] is None for row in rows] == [number == 3 for number in range(11)]
    assert "03.png" in rows[3]["error"]
    answers = list(Classifier(exported).stream(paths))
    for row, answer in zip(rows, answers, strict=True):
        if row["label"] is not None:
            assert (row["label"], row["probability"]) == (answer.label, answer.probability)


def test_dask(garden: list[str], expression, exported: Path) -> None:
    frames, pandas = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    frame = frames.from_pandas(pandas.DataFrame({"path": garden}), npartitions=3)
    names = {"dask_frame": frame, "score": importlib.import_module("recipe").score}
    done = eval(expression("Dask"), names).compute(scheduler="sync")
    check(done.astype(object).where(done.notna(), None).to_dict("records"), garden, exported)


SPARK = """
import json, sys
from pyspark.sql import SparkSession
from recipe import score
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
paths = json.loads(sys.argv[1])
spark_frame = spark.createDataFrame([(path,) for path in paths], "path string").coalesce(1)
print(json.dumps([row.asDict() for row in eval(sys.argv[2]).collect()]))
"""


def test_spark(garden: list[str], expression, exported: Path) -> None:
    if not importlib.util.find_spec("pyspark"):
        pytest.skip("pyspark is not installed")
    done = subprocess.run(
        [sys.executable, "-c", SPARK, json.dumps(garden), expression("Spark")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout.splitlines()[-1]), garden, exported)
