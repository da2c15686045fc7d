"""The page of a data check in a real browser: whole at every width, silent, nothing fetched."""

from pathlib import Path

import pytest
from PIL import Image

from kerascnn.dataset import load_dataset
from kerascnn.dataset.check.checking import check_data
from kerascnn.report.data_check import write_check_page

# A browser that does not start is not ours to mend: two more tries, counted in the summary.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

HOSTILE = "<script>document.title=1<\u2215script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page")
    split = load_dataset("fashion-mini").splits["train"]
    for label, name in enumerate((HOSTILE, "고양이와 강아지")):
        folder = root / "pictures" / name
        folder.mkdir(parents=True)
        for index in (split.labels == label).nonzero()[0][:25]:
            Image.fromarray(split.pictures[int(index)]).save(folder / f"{'long' * 20}{index}.png")
    first = sorted((root / "pictures" / HOSTILE).iterdir())[0]
    (root / "pictures" / "고양이와 강아지" / "wrong.png").write_bytes(first.read_bytes())
    (root / "pictures" / HOSTILE / "broken.png").write_bytes(b"")
    Image.new("RGB", (400, 20)).save(root / "pictures" / HOSTILE / "wide.png")
    dataset = load_dataset(root / "pictures")
    write_check_page(root / "check.html", check_data(dataset), dataset)
    return root


@pytest.mark.parametrize("width", [1280, 400])
def test_page_is_whole_at_every_width(page: Path, width: int, measure_page) -> None:
    seen = measure_page(page / "check.html", width)
    assert seen["console"] == []
    assert (seen["requests"], seen["outside"], seen["broken"], seen["scripts"]) == ([], [], 0, 0)
    assert seen["images"] == 4
    assert seen["styled"] == "0px"
    assert {"Unreadable files", "The same picture in two classes", "Warnings"} <= set(
        seen["headings"]
    )
    assert HOSTILE in seen["text"]
    assert "고양이와 강아지" in seen["text"]
