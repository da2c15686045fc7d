"""Ways to call a Classifier: one picture, none, many at once, and what cannot be done."""

import base64
import copy
import io
import json
import math
import os
import pickle
import threading
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from kerascnn import Classifier, parallel
from kerascnn.card import ModelCard
from kerascnn.errors import ConfigError, KerascnnError, PictureError
from kerascnn.inference import checked_session, reading
from kerascnn.inference import streaming as flow


@pytest.fixture(scope="module")
def paths(save_pictures, tmp_path_factory):
    return save_pictures(tmp_path_factory.mktemp("pictures"), 20)


def test_files_that_are_open(classifier, paths):
    """And what frameworks for the web pass on: anything that can be read, or a buffer."""
    content = Path(paths[0]).read_bytes()
    (expected,) = classifier.predict([paths[0]])

    class Upload:
        def read(self) -> bytes:
            return content

    with Path(paths[0]).open("rb") as file:
        assert classifier.classify(file) == expected
    for one in (io.BytesIO(content), Upload(), bytearray(content), memoryview(content)):
        assert classifier.classify(one) == expected
    assert classifier.predict(io.BytesIO(content)) == [expected]
    assert classifier.predict([Upload(), memoryview(content)]) == [expected, expected]
    with os.scandir(Path(paths[0]).parent) as entries:
        entry = next(entries)
    for path in (PurePath(paths[0]), entry):
        assert classifier.predict(path) == classifier.predict([path]) == [classifier.classify(path)]
    with pytest.raises(PictureError, match="a file that is closed; give its path"):
        classifier.classify(file)


def test_files_that_cannot_be_read_as_they_are(classifier, paths):
    """The reason is the file's state, and not what is in it."""

    class Awaited:
        async def read(self) -> bytes:
            return b""

    with Path(paths[0]).open(encoding="utf-8") as text, Path(paths[0]).open("rb") as file:
        for one in (text, io.StringIO("text")):
            with pytest.raises(PictureError, match="open it with 'rb'"):
                classifier.classify(one)
        classifier.classify(file)
        with pytest.raises(PictureError, match=r"read to its end; go back with seek\(0\)"):
            classifier.classify(file)
    with pytest.raises(PictureError, match=r"read\(\) has to be awaited"):
        classifier.classify(Awaited())
    with pytest.raises(PictureError, match="an empty file"):
        classifier.classify(io.BytesIO())


@pytest.mark.parametrize("kind", [object, str])
def test_a_column_of_paths_is_many_pictures(classifier, paths, kind):
    assert classifier.predict(np.array(paths, kind)) == classifier.predict(paths)


class Frame:
    """What a data frame shows of itself: it yields the names of its columns."""

    columns = ("path",)

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize("wrong", [None, 5, {"a.jpg": 1}, Frame()])
def test_what_is_neither_pictures_nor_one_is_named(classifier, wrong):
    words = f"a value of type {type(wrong).__name__}; expected"
    with pytest.raises(PictureError, match=words):
        classifier.predict(wrong)
    with pytest.raises(PictureError, match=words):
        classifier.predict([wrong])


def test_all_names_of_providers_are_offered(exported):
    with pytest.raises(ConfigError, match="Choose one of: auto, cpu, openvino, cuda, tensorrt"):
        Classifier(exported, provider="gpu")


def test_one_picture_in_every_form(classifier, paths):
    path = paths[0]
    picture = Image.open(path).convert("RGB")
    (expected,) = classifier.predict([path])
    for one in (path, Path(path), Path(path).read_bytes(), picture, np.asarray(picture)):
        assert classifier.classify(one) == expected
        assert classifier.predict(one) == list(classifier.stream(one)) == [expected]
    assert classifier.classify(path, top_k=2).top == expected.top[:2]
    assert classifier.classify(path, min_probability=1).label is None
    assert classifier.predict(np.asarray(picture)[None]) == [expected]
    with pytest.raises(PictureError, match="no such file"):
        classifier.classify("none.jpg")
    with pytest.raises(PictureError, match="a folder"):
        classifier.classify(Path(path).parent)
    with pytest.raises(ConfigError, match="`top_k` is 0"):
        classifier.classify(path, top_k=0)


@pytest.mark.parametrize("size", [30, 4000])  # a path that is not there, and one too long
@pytest.mark.parametrize("beginning", ["", "data:image/png;base64,"])
def test_text_in_base64_is_no_path(classifier, paths, size, beginning):
    text = beginning + base64.b64encode(Path(paths[0]).read_bytes() * 9).decode()[:size]
    with pytest.raises(PictureError, match=r"text in base64, not a path\. Decode it") as caught:
        classifier.predict([text])
    assert len(str(caught.value)) < 150


class Tensor:
    """A tensor of TensorFlow, PyTorch or JAX, as far as NumPy and a loop see it."""

    def __init__(self, values, reason=None):
        self.values, self.reason = values, reason

    def __array__(self, dtype=None, copy=None):
        if self.reason:
            raise TypeError(self.reason)
        return self.values

    def __iter__(self):
        return map(Tensor, self.values)


def test_tensors_are_arrays(classifier, paths):
    picture = np.asarray(Image.open(paths[0]).convert("RGB"))
    expected = classifier.predict(picture)
    for given in (Tensor(picture), [Tensor(picture)], Tensor(picture[None])):
        assert classifier.predict(given) == expected
    with pytest.raises(PictureError, match=r"type Tensor that NumPy cannot read \(TypeError: cuda"):
        classifier.predict([Tensor(picture, "cuda:0")])
    with pytest.raises(PictureError, match=r"Move the channels to the end\.$"):
        classifier.predict([Tensor(picture.transpose(2, 0, 1))])
    with pytest.raises(PictureError, match=r"Leave out the alpha channel\.$"):
        classifier.predict([np.dstack([picture, picture[..., 0]])])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("top_k", value) for value in (0, -1, 1.5, "3", None, np.float64(2))),
        *(("batch_size", value) for value in (0, None, "8")),
        *(("min_probability", value) for value in (2, -0.1, float("nan"), "0.5", None)),
    ],
)
def test_numbers_that_are_none(classifier, paths, name, wrong):
    with pytest.raises(ConfigError, match=f"`{name}` is .*; expected a"):
        classifier.predict(paths[:1], **{name: wrong})


def test_numbers_of_numpy(classifier, paths):
    chosen = {"top_k": np.int64(2), "batch_size": np.uint8(1), "min_probability": np.float32(0.1)}
    assert len(classifier.predict(paths[:1], **chosen)[0].top) == 2


@pytest.mark.parametrize("batch", [None, [[1]], b"1"])
def test_a_batch_that_is_no_array(classifier, batch):
    with pytest.raises(PictureError, match="expected a uint8 array"):
        classifier.run(batch)


@pytest.mark.parametrize("wrong", ["2", 1.5, -1])
def test_threads_that_are_no_count(exported, wrong):
    with pytest.raises(ConfigError, match=r"`threads` is .*; expected a whole number"):
        Classifier(exported, threads=wrong)
    with pytest.raises(ConfigError, match=r"`full_batch` is .*; expected a whole number"):
        Classifier(exported, full_batch=wrong)


def test_threads_are_as_many_as_asked_for(exported):
    """Of the network and of those that read pictures: many processes may share a machine."""
    pictures = [np.full((40, 40, 3), 7, np.uint8)] * 400
    for count in (1, 3):
        before = set(threading.enumerate())
        with Classifier(exported, threads=count) as classifier:
            assert len(classifier.predict(pictures)) == 400
            mine = set(threading.enumerate()) - before
            assert sum(one.name.startswith("reading") for one in mine) <= count
    with pytest.raises(ConfigError, match="`threads` is 0; expected a whole number"):
        Classifier(exported, threads=0)


@pytest.mark.parametrize(("quick", "expected"), [(math.inf, [1]), (0.0, [1, 4])])
def test_a_network_that_is_quick_runs_in_one_thread(exported, paths, monkeypatch, quick, expected):
    """Whatever it takes on this machine: the answers are the same."""
    opened, real = [], checked_session.open_session

    def open_session(path, provider, threads, *rest):
        opened.append(threads)
        return real(path, provider, threads, *rest)

    monkeypatch.setattr(checked_session, "open_session", open_session)
    monkeypatch.setattr(checked_session, "usable_cpus", lambda: 4)
    monkeypatch.setattr(checked_session, "_QUICK", quick)
    with Classifier(exported, "cpu") as classifier:
        assert opened == expected
        answers = classifier.predict(paths)
    with Classifier(exported, "cpu", threads=3) as classifier:
        assert opened == [*expected, 3]
        assert classifier.predict(paths) == answers


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_of_numpy_is_a_gray_picture(classifier):
    gray = np.arange(1600, dtype=np.uint8).reshape(40, 40)
    assert classifier.classify(np.matrix(gray)) == classifier.classify(gray)


def test_a_classifier_says_what_it_is(classifier):
    card = classifier.card
    for part in (card.name, card.network, f"classes={len(card.classes)}", "'cpu'"):
        assert part in repr(classifier)


def test_no_pictures(classifier):
    size = classifier.card.image_size
    assert classifier.predict([]) == []
    assert list(classifier.stream(iter(()))) == []
    for answer in classifier.run(np.empty((0, size, size, 3), np.uint8)):
        assert (answer.shape, answer.dtype) == ((0, len(classifier.classes)), np.float32)
    with pytest.raises(PictureError, match="expected uint8"):
        classifier.run(np.empty((0, size, size), np.uint8))


@pytest.mark.parametrize("work", [pickle.dumps, copy.copy, copy.deepcopy], ids=lambda w: w.__name__)
def test_pickling_says_what_to_do(classifier, work):
    with pytest.raises(KerascnnError, match=r"open Classifier\(path\) once in each process"):
        work(classifier)


def test_threads_are_made_once(exported, paths, monkeypatch):
    made = []

    class Counted(reading.ThreadPoolExecutor):
        def __init__(self, *arguments, **options):
            made.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(reading, "ThreadPoolExecutor", Counted)
    monkeypatch.setattr(flow, "ThreadPoolExecutor", Counted)
    with Classifier(exported) as classifier:
        expected = [classifier.classify(path) for path in paths]
        assert made == []  # there is nothing to do side by side
        for _ in range(3):
            assert classifier.predict(paths) == expected
        several = [threading.Thread(target=classifier.predict, args=(paths,)) for _ in range(3)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
        assert len(made) == 1
        half = classifier.stream(paths)
        next(half)
        half.close()
        assert classifier.predict(paths) == expected
    with pytest.raises(ConfigError, match="closed"):
        classifier.classify(paths[0])


def test_batches_hold_what_the_stream_gives_one_by_one(classifier, paths):
    some = [*paths[:3], "missing.png", paths[4]]
    batches = list(classifier.stream_batches(some, batch_size=2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    one_by_one = [str(answer) for answer in classifier.stream(some, batch_size=2)]
    assert [str(answer) for batch in batches for answer in batch] == one_by_one


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 100])
def test_all_items_in_order(count):
    for options in ({}, {"threads": 3}):
        assert list(parallel.in_order(lambda n: n * 2, range(count), **options)) == [
            n * 2 for n in range(count)
        ]


def test_a_card_of_a_newer_version_of_the_same_schema(classifier):
    fields = json.loads(classifier.card.to_json())
    fields["color_profile"] = {"name": "sRGB"}
    fields["normalization"]["gamma"] = 2.2
    fields["parity"]["device"] = "cpu"
    for probe in fields["probes"]:
        probe["seed"] = 1
    assert ModelCard.from_json(json.dumps(fields)) == classifier.card
