"""The notebooks in examples/notebooks run from the first cell to the last."""

from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"


def run(name: str, folder: Path) -> list[Any]:
    """Execute a notebook in a folder of its own; return the outputs of all cells."""
    pytest.importorskip("ipykernel")
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without outputs"
    resources = {"metadata": {"path": str(folder)}}
    client.NotebookClient(notebook, timeout=600, resources=resources).execute()
    return [one for cell in notebook.cells for one in cell.get("outputs", ())]


def check(outputs: list[Any]) -> None:
    said = "".join(one.text for one in outputs if one.output_type == "stream")
    assert "epoch 1/1  loss" in said
    assert "oneDNN" not in said
    assert "absl" not in said
    pages = [one.data["text/html"] for one in outputs if "text/html" in one.get("data", {})]
    assert any("validation accuracy" in page for page in pages)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own packages
def test_the_course(tmp_path: Path) -> None:
    outputs = run("course", tmp_path)
    check(outputs)
    assert any("image/png" in one.get("data", {}) for one in outputs)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["transfer_learning", "serving"])
def test_the_others(name: str, tmp_path: Path) -> None:
    outputs = run(name, tmp_path)
    check(outputs)
    if name == "serving":
        assert outputs[-1].data["text/plain"].endswith("True)")


def test_there_are_no_others() -> None:
    found = {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    assert found == {"course", "transfer_learning", "serving"}
