"""Every command, end to end, in Korean: what it shows has no English but names."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.language import VARIABLE

CLASSES = ("셔츠", "바지", "스웨터", "원피스")

# Of programs, networks, blocks, operators and providers; of options and what they take; of fields
# of the card.
_NAMES = """kerascnn keras tensorflow jax numpy pillow onnx onnxruntime openvino cuda tensorrt cpu
python pip install uninstall imagenet cnn alexnet xception mobilenet head hidden flatten stem top
post convnext auto model augment light all none pad crop squash resize bilinear bicubic lanczos
nearest exact fast adamw train val predict export fetch weights opset image batch height width
logits probabilities epoch steps name skipped backend like filter share enlarge ultralytics
fastai torchvision timm black shuffle file best strong shift tanh preactivation entropy padding test
bench clothes boot augmented pretrained shrunk remembered"""
NAMES = set(_NAMES.split())
"""Words that are the same in Korean."""


def english(text):
    """The lines that have a word of English, with it: every sentence has one in small letters."""
    for line in text.splitlines():
        prose = line.replace("kerascnn data check", "kerascnn")
        words = set(re.findall(r"(?<![\w./=\[-])[a-z]{3,}(?![\w./=\]-])", prose)) - NAMES
        if words:
            yield words, line


@pytest.fixture(scope="module")
def place(tmp_path_factory, trained, exported):
    """A folder with a few pictures, one of them broken and one in two splits, and a run."""
    folder = tmp_path_factory.mktemp("korean")
    clothes = load_dataset("fashion-mini")
    pictures, labels = clothes.splits["train"], clothes.splits["train"].labels
    for number in np.flatnonzero(labels < len(CLASSES))[:80]:
        split = "val" if number % 5 == 0 else "train"
        path = folder / "사진" / split / CLASSES[labels[number]] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures.pictures[number]).save(path)
    first = min((folder / "사진/train").rglob("*.png"))
    (folder / "사진/val" / first.parent.name / "again.png").write_bytes(first.read_bytes())
    first.with_name("broken.jpg").write_bytes(b"nothing")
    (folder / "사진/train/notes.txt").write_text("1")
    rows = ["path,label"]
    for number in range(12):
        Image.fromarray(pictures.pictures[number]).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{clothes.classes[labels[number]]}")
    (folder / "clothes.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "run").symlink_to(trained)
    (folder / "model.onnx").write_bytes(exported.read_bytes())
    (folder / "picture.png").write_bytes(first.read_bytes())
    return folder


@pytest.fixture
def shown(place, monkeypatch):
    """Run a command there in Korean, and return what it shows."""
    monkeypatch.setenv(VARIABLE, "ko")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(place)

    def run(command, *codes):
        done = CliRunner().invoke(main, command.split())
        assert done.exit_code in (codes or (0,)), done.output
        assert re.search("[가-힣]", done.output)
        return done.output

    return run


@pytest.mark.parametrize(
    "command",
    [
        "data check 사진",
        "evaluate model.onnx clothes.csv",
        "evaluate model.onnx clothes.csv --compare model.onnx",
        "evaluate model.onnx clothes.csv --try-resizing",
        "export run --onnx --out new.onnx --overwrite",
        "predict model.onnx picture.png 사진/train --min-probability 0.99",
        "summary run",
        "summary run --layers",
        "explain model.onnx picture.png",
        "features run picture.png",
        "convolve picture.png -o edges.png",
        "card model.onnx",
        "models",
        "weights list",
        "weights fetch resnet18",
        "cache",
        "cache --clear",
        "doctor",
        "bench model.onnx --batch 1",
        "score model.onnx 사진/train --out 점수",
        "score model.onnx 사진/train --out 점수",
        "push model.onnx someone/clothes --license mit --yes",
        "push model.onnx clothes --license mit --yes",
        "predict hf://someone/clothes picture.png",
        "serve picture.png",
        "predict picture.png picture.png",
        "export 사진 --onnx",
    ],
)
def test_a_command_shows_no_english(command, shown, monkeypatch):
    monkeypatch.setenv("KERASCNN_OFFLINE", "1")
    assert not list(english(shown(command, 0, 1, 2, 3)))


def test_training_shows_no_english(shown):
    for command in (
        "train 사진 --out 결과 --epochs 1",
        "train 사진 --out 결과 --resume",
        "train 사진 --model cnn --find-lr",
        "advise 사진 --model cnn --weights none",
        "tune 사진 --out 탐색 --model cnn --epochs 1 --trials 1",
    ):
        said = shown(command)
        assert not list(english(said)), command
        assert not re.search(r"`\w+`", said), command  # parameters of Python; a shell has options


def test_pages_show_no_english(shown, place):
    shown("data check 사진 --page check.html", 3)
    shown("report model.onnx clothes.csv -o report.html")
    for page in ("check.html", "report.html"):
        text = re.sub(r"<(style|pre)[\s\S]*?</\1>", "", (place / page).read_text("utf-8"))
        assert not list(english(re.sub(r"<[^>]+>", "\n", text))), page
