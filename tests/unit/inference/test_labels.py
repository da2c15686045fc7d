"""Class names as others write them."""

import json

import pytest

from kerascnn.errors import ConfigError, DataError
from kerascnn.inference import ForeignModel, read_labels
from kerascnn.inference.model_file.labels import _distinct, from_metadata, unread_listing
from kerascnn.resizing import PRESETS, Resizing

FRUIT = ("apple", "pear", "fig 2")


@pytest.mark.parametrize(
    "text",
    [
        "apple\npear\nfig 2\n",
        "0 apple\n1 pear\n2 fig 2",  # Teachable Machine
        "2 fig 2\n0: apple\n1\tpear\n",
        json.dumps(FRUIT, indent=2),
        json.dumps({"0": "apple", "1": "pear", "2": "fig 2"}, indent=1),
        json.dumps({"pear": 1, "apple": 0, "fig 2": 2}),  # class_indices of a Keras generator
        json.dumps({"0": ["n01", "apple"], "1": ["n02", "pear"], "2": ["n03", "fig 2"]}),
        json.dumps({"model_type": "vit", "id2label": {"2": "fig 2", "1": "pear", "0": "apple"}}),
        json.dumps({"classes": FRUIT}),
        json.dumps({"format": "onnx", "classes": {"Label": FRUIT}}),  # signature.json of Lobe
        json.dumps({"idx_to_class": {"0": "apple", "1": "pear", "2": "fig 2"}}),
        json.dumps(
            [{"id": 2, "name": "fig 2"}, {"id": 0, "name": "apple"}, {"id": 1, "name": "pear"}]
        ),
        "apple, pear, fig 2\n",
        "{0: 'apple',\n 1: 'pear',\n 2: 'fig 2'}\n",  # as Python prints it
        "['apple', 'pear', 'fig 2']",
        "label,index\npear,1\napple,0\nfig 2,2\n",  # a table
        "index\tlabel\n0\tapple\n1\tpear\n2\tfig 2\n",
        'id,name,name in French\n1,pear,poire\n0,"apple",pomme\n2,fig 2,figue\n',
        "label\napple\npear\nfig 2\n",  # pandas' to_csv(index=False)
        "0. apple\n1. pear\n2. fig 2\n",
        "[0] apple\n[1] pear\n[2] fig 2\n",
        "0 -> apple\n1 -> pear\n2 -> fig 2\n",
        "0 - apple\n1 - pear\n2 - fig 2\n",
        "0|apple\n1|pear\n2|fig 2\n",
        "- apple\n- pear\n- fig 2\n",
        "'apple',\n'pear',\n'fig 2',\n",
        "0: 'apple',\n1: 'pear',\n2: 'fig 2'\n",
        "n07739125 apple\nn07767847 pear\nn07765999 fig 2\n",  # Caffe's synset_words.txt
        "CLASSES = ['apple', 'pear', 'fig 2']\n",
        "array(['apple', 'pear', 'fig 2'], dtype='<U5')",
        "Index(['apple', 'pear', 'fig 2'], dtype='object')",
        json.dumps(
            [
                {"index": 1, "label": "pear"},
                {"index": 0, "label": "apple"},
                {"index": 2, "label": "fig 2"},
            ]
        ),
        json.dumps([{"class_id": n, "class_name": name} for n, name in enumerate(FRUIT)]),
        json.dumps({"label2id": {"pear": "1", "apple": "0", "fig 2": "2"}}),
    ],
)
def test_names_are_read_in_the_order_of_outputs(text, tmp_path) -> None:
    path = tmp_path / ("config.json" if text[0] in "[{" else "labels.txt")
    path.write_text(text)
    assert read_labels(path) == FRUIT


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_in_encodings_that_say_what_they_are(encoding, tmp_path) -> None:
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "l.txt").write_bytes(f"고양이{end}café{end}".encode(encoding))
        assert read_labels(tmp_path / "l.txt") == ("고양이", "café")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("l.txt", "고양이\ncafé\n".encode("utf-16-be"), "Save it as UTF-8"),
        ("l.txt", "red\ngreen\n".encode("utf-16-le"), "holds zeros"),
        ("l.txt", "고양이\n".encode("cp949"), "Save it as UTF-8"),
        ("map.txt", b"item {\n  id: 1\n  name: 'red'\n}\n", "a label map of TensorFlow"),
        ("data.yaml", b"names:\n  0: red\n", "in such a file are not read"),
        ("classes.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<U5'}", "in such a file are not read"),
        ("yaml.txt", b"names: [red, green]\n", "no class names in it"),
        ("l.txt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9", "git lfs"),
        ("l.txt", b"<!DOCTYPE html>\n<html>\n</html>\n", "a web page, not the file itself"),
    ],
)
def test_files_that_hold_no_lines_of_names(name, content, words, tmp_path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_labels(tmp_path / name)


def test_numbers_that_are_not_counted_from_0_belong_to_the_names(tmp_path) -> None:
    (tmp_path / "l.txt").write_text("1 apple\n3 pear\n7\n")
    assert read_labels(tmp_path / "l.txt") == ("1 apple", "3 pear", "7")


@pytest.mark.parametrize(
    "names",
    [
        ("0 apple", "0 pear", "1 fig"),  # no name is lost
        ("-1 none", "0 apple", "1 pear"),  # nor taken for a header
        ("0.5 l", "1.5 l", "2.5 l"),
        ("0-2 years", "3-9 years", "1-2 decades"),
        ("'tis", "apple"),
        ("n1 road", "n2 road"),
        ("red [dark], blue [light]", "green"),
    ],
)
def test_what_looks_like_a_decoration_and_is_none_is_kept(names, tmp_path) -> None:
    (tmp_path / "l.txt").write_text("\n".join(names))
    assert read_labels(tmp_path / "l.txt") == names


def test_a_name_that_stands_twice_gets_its_number(tmp_path, caplog) -> None:
    (tmp_path / "l.txt").write_text("crane\nfig\ncrane\ncrane (3)\ncrane\n")
    names = read_labels(tmp_path / "l.txt")
    assert names == ("crane", "fig", "crane (2)", "crane (3)", "crane (4)")
    assert "crane (2), crane (4)" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"0": "a", "2": "b"}', "numbers are not 0 to 1"),
        ('["a", ""]', "name 1 is empty"),
        ("[1.5]", "1.5 is no name"),
        ('{"apple": 0, "pear": 0, "fig": 1}', "numbers are not 0 to 2, each once"),
        ('{"a": "b"}', "neither its keys nor its values are numbers"),
        ('["a",', "no class names in it"),
        ("[" * 100_000, "no class names in it"),
        ("[]", "name 0 is empty"),
    ],
)
def test_json_without_names_is_said(text, words, tmp_path) -> None:
    (tmp_path / "l.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read_labels(tmp_path / "l.json")


def test_metadata_of_ultralytics_speak_for_a_classifier_alone() -> None:
    names = "{0: 'red', 1: \"o'green\"}"
    told = from_metadata({"names": names, "task": "classify", "imgsz": "[64, 64]",
                    "author": "Ultralytics"})  # fmt: skip
    assert (told.classes, told.image_size, told.normalize) == (("red", "o'green"), 64, "unit")
    assert told.sizing == PRESETS["ultralytics"].sizing
    wide = from_metadata({"names": names, "imgsz": "[48, 192]", "author": "Ultralytics"})
    # torchvision's Resize([48, 192]), as ultralytics' classify_transforms has it
    assert (wide.image_size, wide.sizing) == ((48, 192), Resizing("squash"))
    other = from_metadata({"names": '["a", "b"]', "imgsz": "[64, 32]"})
    assert (other.classes, other.image_size, other.normalize) == (("a", "b"), (64, 32), None)
    assert other.sizing is None
    for size in ("[]", "0", "[64, 0]", "[1, 2, 3]", "64.5", "wide", "True"):
        assert from_metadata({"names": names, "imgsz": size}).image_size is None, size
    with pytest.raises(ConfigError, match="image_size is"):
        ForeignModel(image_size=())
    assert from_metadata({"names": names, "task": "detect"}) is None
    assert from_metadata({"names": names, "task": "image-classification"})
    assert from_metadata({"names": "open('x')"}) is from_metadata({}) is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("classes", "apple,pear,fig 2"),
        ("Class Names", " apple; pear ;fig 2;"),
        ("labels", "apple\npear\nfig 2\n"),
        ("character", "apple\npear\nfig 2"),
        ("label_names", "apple|pear|fig 2"),
        ("names", "('apple', 'pear', 'fig 2')"),
        ("class_names", '"apple,pear,fig 2"'),
        ("classes", "0: apple, 1: pear, 2: fig 2"),
        ("class_to_idx", "{'fig 2': 2, 'apple': 0, 'pear': 1}"),
        ("idx-to-class", '{"0": "apple", "1": "pear", "2": "fig 2"}'),
        ("names", "\ufeff{0: 'apple', 1: 'pear', 2: 'fig 2'}"),
        (
            "categories",
            '[{"id": 1, "name": "pear"}, {"id": 0, "name": "apple"}, {"id": 2, "name": "fig 2"}]',
        ),
    ],
)
def test_metadata_of_other_programs_hold_names_in_many_ways(key, text) -> None:
    assert from_metadata({"producer": "x", key: text}).classes == FRUIT
    assert unread_listing({key: text}) != ""


def test_metadata_with_two_lists_of_names_are_not_chosen_from() -> None:
    """The same names under two keys are no contradiction, whatever their form."""
    first = {"classes": '["apple", "pear"]', "label2id": '{"pear": 1, "apple": 0}'}
    assert from_metadata(first).classes == ("apple", "pear")
    for other in ("pear,apple", "apple,pear,fig"):
        assert from_metadata({**first, "labels": other}) is None
        assert "hold different names" in unread_listing({**first, "labels": other})


def test_names_with_commas_are_not_cut() -> None:
    told = from_metadata({"labels": "tench, Tinca tinca\ngoldfish, Carassius"})
    assert told.classes == ("tench, Tinca tinca", "goldfish, Carassius")


@pytest.mark.parametrize("text", ["3", "apple", '["apple",', "apple,,pear", '{"0": 1.5}', ""])
def test_metadata_that_hold_no_names_are_shown(text) -> None:
    assert from_metadata({"classes": text}) is None
    assert repr(text) in unread_listing({"classes": text})


def test_many_names_are_compared_by_their_hashes() -> None:
    """21,841 names (ImageNet-21k), half of them twice: in a list each would be looked for."""
    names = [f"class {number}" for number in range(10_920)]
    looked = 0

    class Name(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    found = _distinct([Name(name) for name in names * 2], "l.txt")
    assert len(set(found)) == len(found) == 2 * len(names)
    assert looked < 20 * len(found)
