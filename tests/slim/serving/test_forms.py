"""Forms as browsers and clients write them, and as they should not."""

import json

import numpy as np
import pytest

from kerascnn.printable import printable
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.forms import Upload, read_form
from kerascnn.serving.http.incremental_json import write_with_names

from .conftest import encoded, http

KIND = "multipart/form-data; boundary=x"


def form(*parts: tuple[str, bytes]) -> bytes:
    return (
        b"".join(
            b"--x\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts
        )
        + b"--x--\r\n"
    )


NAMED = 'Content-Disposition: form-data; name="a"; '


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (NAMED + 'filename="rose.jpg"', "rose.jpg"),
        (NAMED + "filename=rose.jpg", "rose.jpg"),
        (NAMED + 'filename="고양이 1.png"', "고양이 1.png"),
        (NAMED + 'filename=""', ""),
        (NAMED + 'FileName="a;b=c.png"', "a;b=c.png"),
        (NAMED + "filename*=UTF-8''%EA%B3%A0.png", "고.png"),
        (NAMED + "filename=\"x.png\"; filename*=UTF-8''%EA%B3%A0.png", "고.png"),
        (NAMED + "filename*=UTF-8''%EA%B3%A0.png; filename=x.png", "고.png"),
        (NAMED + '\r\n\tfilename="folded.png"', "folded.png"),
        (NAMED + "filename*=utf-8''rose%20one.jpg\r\nContent-Type: image/jpeg", "rose one.jpg"),
        ('Content-Disposition: form-data; name="a"\r\nContent-Type: image/png', None),
        ('content-disposition: form-data; name="a"', None),
        ("Content-Disposition: form-data", None),
        ("Content-Type: application/octet-stream", None),
        ("X: y", None),
    ],
)
def test_parts_that_are_files(head, name):
    content = b"\x89PNG\r\n\r\n --x, -x and more\r\n--\r\n"
    assert read_form(form((head, content)), KIND, 3) == [Upload(name, content)]


def test_a_header_of_very_many_parameters_is_refused():
    """Behind an open quotation mark each semicolon costs as much as all that came before it."""
    for sign in ("", '"'):
        many = f"a={sign}{';' * 101}"
        for body, kind in (
            (form((NAMED + many, b"1")), KIND),
            (form((NAMED, b"1")), f"multipart/form-data; {many}; boundary=x"),
        ):
            with pytest.raises(HttpError, match="more than 100 parameters") as refused:
                read_form(body, kind, 3)
            assert refused.value.status == 400
    name = ";" * 90 + ".png"
    assert read_form(form((f'{NAMED}filename="{name}"', b"1")), KIND, 3) == [Upload(name, b"1")]


@pytest.mark.parametrize("kind", ["application/json", "Application/vnd.api+JSON; charset=utf-8"])
def test_json_without_a_name_is_a_field(kind):
    field = (f'Content-Disposition: form-data; name="meta"\r\nContent-Type: {kind}', b'{"a": 1}')
    assert read_form(form(field, (NAMED + "filename=a", b"1")), KIND, 3) == [Upload("a", b"1")]


def test_files_in_quoted_printable():
    head = NAMED + "filename=a\r\nContent-Transfer-Encoding: Quoted-Printable"
    assert read_form(form((head, b"=89PNG=0D=0A=\r\n=1A=3D.")), KIND, 3) == [
        Upload("a", b"\x89PNG\r\n\x1a=.")
    ]


def test_several_files_of_one_name():
    """As ``curl -F 'a=@one.png,two.png'`` sends them."""
    inner = b"".join(
        b"--y\r\nContent-Disposition: attachment; filename=%d.png\r\n\r\n%d\r\n" % (n, n)
        for n in (1, 2)
    )
    head = NAMED.rstrip("; ") + "\r\nContent-Type: Multipart/Mixed; boundary=y"
    body = form((head, inner + b"--y--\r\n"), (NAMED + "filename=3.png", b"3"))
    expected = [Upload(f"{n}.png", b"%d" % n) for n in (1, 2, 3)]
    assert read_form(body, KIND, 3) == expected
    with pytest.raises(HttpError, match="more than 2 files"):
        read_form(body, KIND, 2)
    for wrong in (inner, b"", b"--z--"):
        with pytest.raises(HttpError, match=r"malformed|does not hold"):
            read_form(form((head, wrong)), KIND, 3)


def test_where_a_form_begins_and_ends():
    part = (NAMED + 'filename="a"', b"1")
    for body in (
        form(part),
        b"preamble\r\n" + form(part),
        form(part) + b"epilogue",
        form(part).removesuffix(b"\r\n"),
        form(part).replace(b"--x\r\n", b"--x  \r\n"),
        form(("X: text", b"text"), part),
    ):
        assert read_form(body, KIND, 1) == [Upload("a", b"1")]
    quoted = form(part).replace(b"--x", b"--a b:c")
    assert read_form(quoted, 'multipart/form-data; charset=utf-8; boundary="a b:c"', 1)
    assert read_form(form((NAMED + "filename=a", b"")), KIND, 1) == [Upload("a", b"")]
    bare = b"--x\r\n\r\n\xff\r\n--x--"
    assert read_form(bare, KIND, 1) == [Upload(None, b"\xff")]


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", KIND, "boundary"),
        (b"--x--\r\n", KIND, "holds no file"),
        (b"--x", KIND, "malformed"),
        (b"--x\r\n", KIND, "malformed"),
        (b"--xyz\r\n\r\n1\r\n--x--", KIND, "malformed"),
        (b"--x\r\nA: b\r\n--x--", KIND, "malformed"),
        (form((NAMED + "filename=a", b"1"))[:-8], KIND, "malformed"),
        (form(("A: " + "b" * 20_000, b"1")), KIND, "malformed"),
        (form(("A: b", b"text")), KIND, "holds no file"),
        (form(*[("A: b", b"text")] * 200), KIND, "more than"),
        (form(*[(NAMED + "filename=a", b"")] * 4), KIND, "more than 3 files"),
        (form((NAMED + "filename=a", b"1")), "multipart/form-data", "no boundary"),
        (form((NAMED + "filename=a", b"1")), "multipart/form-data; boundary=", "no boundary"),
        (form((NAMED + "filename=a", b"1")), "multipart/form-data; boundary=é", "no boundary"),
    ],
)
def test_forms_that_are_none(body, kind, reason):
    with pytest.raises(HttpError, match=reason) as refused:
        read_form(body, kind, 3)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "disposition",
    [
        b'form-\xd4\x85\x16v8\x13h\xf4me="a"; filename="a.png"',  # UTF-8 beside bytes that are none
        b"form-data; filename=\xff\xc3\xa9",
        *(
            b"form-data; filename*=" + charset + b"''%ff%fe%00\\ud800"
            for charset in b"idna punycode undefined raw_unicode_escape a\0b \xff".split(b" ")
        ),
        b"form-data; filename*0*=undefined''%ff; filename*1*=%41",
        b"form-data; filename*99999999999999999999=a",
    ],
)  # fmt: skip
def test_names_in_no_encoding_are_names_all_the_same(disposition):
    """Each was answered with 500; scripts/fuzz found the first."""
    body = b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\n\x89PNG\r\n--x--\r\n"
    (upload,) = read_form(body, KIND, 3)
    assert upload.content == b"\x89PNG"
    assert json.dumps(upload.name, ensure_ascii=False).encode()


def test_large_files_never_touch_a_disk(serving, exported, pictures, tmp_path):
    """The folder for temporary files is a place where nothing can be written."""
    nowhere = tmp_path / "file"
    nowhere.touch()
    noise = np.random.default_rng(1).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    content = encoded(noise)
    assert len(content) > 2_000_000
    elsewhere = {name: str(nowhere / "x") for name in ("TMPDIR", "TEMP", "TMP")}
    with serving(exported, env=elsewhere) as server:
        files = {"a": ("a.png", content), "b": ("b.png", encoded(pictures[0]))}
        rows = http.post(f"{server.url}/predict", files=files).json()["predictions"]
        alone = http.post(f"{server.url}/predict", content=content).json()
        nameless = http.post(f"{server.url}/predict", files={"a": (None, content)}).json()
    assert rows[0]["label"] == alone["label"]
    assert [row["path"] for row in rows] == ["a.png", "b.png"]
    assert nameless["predictions"] == [{**alone, "path": None}]


def test_a_line_that_only_begins_as_a_boundary_is_none():
    content = b"\x89PNG\r\n--xy\r\n--x more\r\n--x\n\r\n-"
    assert read_form(form((NAMED + "filename=a", content)), KIND, 3) == [Upload("a", content)]


def test_where_no_file_was_chosen_there_is_none():
    empty = (NAMED + 'filename=""\r\nContent-Type: application/octet-stream', b"")
    assert read_form(form(empty, (NAMED + "filename=a", b"x")), KIND, 3) == [Upload("a", b"x")]
    with pytest.raises(HttpError, match="no file"):
        read_form(form(empty), KIND, 3)


def test_files_in_base64():
    head = NAMED + "filename=a\r\nContent-Transfer-Encoding: Base64"
    assert read_form(form((head, b"iVBO\r\nRw==")), KIND, 3) == [Upload("a", b"\x89PNG")]
    with pytest.raises(HttpError, match="base64"):
        read_form(form((head, b"\xff")), KIND, 3)


@pytest.mark.parametrize("name", ["\x1b[31m", "\x9b31m", "\u2028", "\u202e", "\udc9b", "고양이"])
def test_a_name_in_an_answer_is_nothing_that_a_terminal_obeys(name: str) -> None:
    answer = write_with_names({"path": name}).decode()
    assert printable(answer) == answer
    assert json.loads(answer) == {"path": name}
