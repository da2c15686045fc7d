"""Long messages are read in a process of their own, whatever is in them."""

import base64
import io
import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from kerascnn.serving import ServeConfig
from kerascnn.serving.endpoints import v1_messages, v2_messages
from kerascnn.serving.http.errors import HttpError
from kerascnn.serving.http.forms import read_form
from kerascnn.serving.http.message_reader import LONG, MessageReader

from .asking import SAID, asked, finished
from .small_model import write_model


@pytest.fixture(scope="module")
def rgb(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "rgb.onnx"
    write_model(path, np.eye(3))
    return ServeConfig((str(path),), foreign=SAID, timeout=1000)


@pytest.fixture
def reader():
    one = MessageReader()
    yield one
    one.close()


def keys(count: int) -> bytes:
    inner = b",".join(b'"%x":1' % number for number in range(count))
    return b'{"instances": [{%s}]}' % inner


def test_it_is_another_process_and_goes_on(reader):
    async def main():
        first = await reader.call(os.getpid)
        return first, await reader.call(os.getpid)

    first, second = finished(main())
    assert first == second != os.getpid()


def test_what_is_refused_there_is_refused_here(reader):
    with pytest.raises(HttpError, match=r"no 'instances'") as refused:
        finished(reader.call(v1_messages.read_request, b"{}" + b" " * LONG, 8))
    assert refused.value.status == 400


def test_one_that_was_killed_is_started_again(reader):
    async def main():
        first = await reader.call(os.getpid)
        with pytest.raises(HttpError, match="Try again") as refused:
            await reader.call(os.kill, first, signal.SIGKILL)
        return first, refused.value.status

    first, status = finished(main())
    assert status == 503
    # In the same thread, so that it finds the process that is gone.
    assert finished(reader.call(os.getpid)) not in (first, os.getpid())


@pytest.mark.skipif(not hasattr(signal, "SIGSEGV"), reason="no such signal here")
def test_a_message_that_crashes_its_parser_is_not_to_be_sent_again(reader):
    async def main():
        with pytest.raises(HttpError) as refused:
            await reader.call(signal.raise_signal, signal.SIGSEGV)
        return refused.value.status, await reader.call(os.getpid)

    status, after = finished(main())
    assert (status, after != os.getpid()) == (413, True)


def test_where_no_process_can_be_started(reader, monkeypatch):
    def refuse(*_arguments, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as limited:
        limited.setattr("kerascnn.child_process.subprocess.Popen", refuse)
        with pytest.raises(HttpError, match="no process can be started") as refused:
            finished(reader.call(os.getpid))
    assert refused.value.status == 503
    assert finished(reader.call(os.getpid)) != os.getpid()


def test_memory_is_limited(reader):
    with pytest.raises(HttpError, match="too much memory") as refused:
        finished(reader.call(bytearray, 1 << 30))
    assert refused.value.status == 413


def test_long_requests_are_answered_as_short_ones(rgb):
    """By both protocols, and by number, text and file."""
    pixels = np.zeros((200, 16, 16, 3), np.uint8)
    pixels[..., 0] = 255
    file = io.BytesIO()
    Image.fromarray(pixels[0]).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    padded = text + "\n" * LONG
    tensor = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape)}
    files = {"name": "image", "datatype": "BYTES", "shape": [1]}

    async def main():
        async with asked(rgb) as (client, _):
            return [
                await client.post("/v1/models/rgb:predict", content=json.dumps(body))
                if "instances" in body
                else await client.post("/v2/models/rgb/infer", content=json.dumps(body))
                for body in (
                    {"instances": [{"b64": text}]},
                    {"instances": [{"b64": padded}]},
                    {"instances": pixels.tolist()},
                    {"inputs": [files | {"data": [padded]}]},
                    {"inputs": [tensor | {"data": pixels.ravel().tolist()}]},
                )
            ]

    answers = finished(main())
    assert [answer.status_code for answer in answers] == [200] * 5
    short, long, many = (answer.json()["predictions"] for answer in answers[:3])
    assert short == long
    np.testing.assert_allclose(many, short * 200)
    first, second = (answer.json()["outputs"][1]["data"] for answer in answers[3:])
    np.testing.assert_allclose(first, short[0])
    np.testing.assert_allclose(second, short[0] * 200)


@pytest.mark.parametrize(
    "body", [keys(30_000), b"[" * LONG, b'{"instances": "' + b"\\u0041" * LONG]
)
def test_long_nonsense_is_refused(rgb, body):
    async def main():
        async with asked(rgb) as (client, _):
            return [
                await client.post("/v1/models/rgb:predict", content=body),
                await client.post("/v2/models/rgb/infer", content=body),
            ]

    assert [answer.status_code for answer in finished(main())] == [400, 400]


def test_closing_ends_the_processes_and_those_who_wait():
    reader = MessageReader()

    async def main():
        number = await reader.call(os.getpid)
        reader.close()
        return number

    number = finished(main())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_very_many_files_are_refused_before_they_are_taken_apart():
    """Four bytes of binary data are a file without content: a body may hold millions."""
    tensor = {"name": "image", "datatype": "BYTES", "shape": [4_000_000],
              "parameters": {"binary_data_size": 16_000_000}}  # fmt: skip
    head = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(HttpError, match="at most 256 at a time"):
        v2_messages.read_request(head + bytes(16_000_000), str(len(head)), 10, (16, 16), 256)


@pytest.mark.parametrize(
    ("content", "is_file"),
    [
        ("ä".encode() * 40_000, False),
        (b"a" + "ä".encode() * 40_000, False),  # a character is cut where looking ends
        ("ä".encode() * 40_000 + b"\xff", False),  # it was told by the beginning
        ("ä".encode() * 9 + b"\xc3", True),
        (b"\xff\xd8" + b"a" * 70_000, True),
        (b"a" * 70_000, False),
    ],
)
def test_text_in_forms_is_told_by_its_beginning(content, is_file):
    form = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n%s\r\n--b--\r\n' % content
    if is_file:
        (found,) = read_form(form, "multipart/form-data; boundary=b", 8)
        assert found.content == content
    else:
        with pytest.raises(HttpError, match="no file"):
            read_form(form, "multipart/form-data; boundary=b", 8)


@pytest.mark.parametrize("before", range(65_520, 65_540, 3))
def test_boundaries_are_found_wherever_they_lie(before):
    """They are looked for a piece at a time, and may lie across two of them."""
    files = b"\x89" * before, b"\x89" * 200_000
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n%s\r\n'
    body = b"".join(part % one for one in files) + b"--b--\r\n"
    found = read_form(body, "multipart/form-data; boundary=b", 8)
    assert [one.content for one in found] == list(files)
