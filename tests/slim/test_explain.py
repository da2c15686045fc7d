"""`kerascnn explain` on an exported file: occlusion, without Keras."""

import json
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.cli import main
from kerascnn.dataset import load_dataset
from kerascnn.errors import ConfigError
from kerascnn.inference import Classifier, occlusion
from kerascnn.inference.occlusion import explain_file


def boot() -> np.ndarray:
    return load_dataset("fashion-mini").splits["test"].pictures[0]


class Watching:
    """A network of which it is known where it looks: class 0 is how bright one place is."""

    classes = ("bright there", "not")
    card = SimpleNamespace(shape=(32, 32), resize_rule="pad")
    place = (slice(8, 12), slice(20, 24))

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bright = batch[(slice(None), *self.place)].mean((1, 2, 3)) / 10
        logits = np.stack([bright, np.full_like(bright, 5)], 1).astype(np.float32)
        powers = np.exp(logits)
        return logits, powers / powers.sum(1, keepdims=True)


def test_what_the_network_looks_at_is_warm_and_the_rest_is_cold():
    picture = np.full((32, 32, 3), 20, np.uint8)
    picture[Watching.place] = 200
    heat = explain_file(Watching(), picture, top=1).reasons[0].heat
    assert heat.shape == (32, 32)
    assert heat.max() == 1
    assert heat[Watching.place].min() > 0.5
    far = np.ones((32, 32), bool)
    far[4:16, 16:28] = False  # what a patch covers that touches the place
    assert heat[far].max() == 0


def test_the_likeliest_classes_are_explained(exported):
    classifier = Classifier(exported)
    answer = classifier.predict([boot()], top_k=3)[0]
    found = explain_file(classifier, boot(), top=3).reasons
    assert [one.label for one in found] == [one.label for one in answer.top]
    assert [one.probability for one in found] == pytest.approx(
        [one.probability for one in answer.top]
    )
    assert len(explain_file(classifier, boot(), top=99).reasons) == 10
    with pytest.raises(ConfigError, match="top is 0"):
        explain_file(classifier, boot(), top=0)


def test_from_the_command_line(exported):
    Path("a").mkdir()
    Image.fromarray(boot()).save("신발.png")
    decomposed = unicodedata.normalize("NFD", "신발")
    for name in ("신발", decomposed, "Boot", "boot"):
        Image.fromarray(boot()).save(f"a/{name}.png")
    result = CliRunner().invoke(
        main, ["explain", str(exported), "신발.png", "a", "--top", "2", "--json"]
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    # Some file systems take each two of these for the same name.
    assert sorted(row["figure"] for row in rows) == sorted(
        f"explained/{name}.svg" for name in ("신발", f"{decomposed}-2", "신발-3", "Boot", "boot-2")
    )
    assert rows[0]["method"] == "occlusion"
    answer = Classifier(exported).predict([boot()])[0]
    assert rows[0]["top"][0]["label"] == answer.label
    figure = Path("explained/신발.svg").read_text(encoding="utf-8")
    assert figure.count("<image") == 3
    assert ">신발.png<" in figure


def test_a_bad_picture_costs_only_itself(exported):
    Path("bad.png").write_bytes(b"no picture")
    Image.fromarray(boot()).save("good.png")
    result = CliRunner().invoke(
        main, ["explain", str(exported), "bad.png", "good.png", "--format", "png"]
    )
    assert result.exit_code == 3
    assert "bad.png" in result.stderr
    answer = Classifier(exported).predict(["good.png"])[0]
    assert f"explained/good.png: {answer.label}" in result.stdout
    assert [path.name for path in Path("explained").iterdir()] == ["good.png"]
    alone = CliRunner().invoke(main, ["explain", str(exported), "bad.png"])
    assert alone.exit_code == 1


def test_only_the_chosen_classes_are_worked_out(monkeypatch):
    """Of 400 classes 3 are explained: so many sums over the others, and no more."""
    logits = np.random.default_rng(0).normal(size=(20, 400)).astype(np.float32)
    chosen, calls = np.array([5, 399, 0]), []
    reduce = np.logaddexp.reduce

    class Counting:
        @staticmethod
        def reduce(values, axis):
            calls.append(values.size)
            return reduce(values, axis=axis)

    monkeypatch.setattr(occlusion.np, "logaddexp", Counting)
    found = occlusion.log_odds(logits, chosen)
    assert sum(calls) == len(chosen) * 20 * 399
    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(found, np.log(shares / (1 - shares))[:, chosen], rtol=1e-9)
