"""The Open Inference Protocol v2 over gRPC, as its public client speaks it."""

import json
import sys
import threading

import numpy as np
import pytest

from kerascnn.errors import MissingExtraError
from kerascnn.serving import ServeConfig, serve

from .conftest import encoded, http, wait_for
from .small_model import write_model

triton = pytest.importorskip("tritonclient.grpc", reason="needs the extra test")
import grpc  # noqa: E402
from tritonclient import http as triton_http  # noqa: E402
from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

from kerascnn.serving.endpoints.grpc_messages import id_of  # noqa: E402


@pytest.fixture(scope="module")
def server(serving, exported):
    with serving(exported, "--grpc-port", 0, "--max-body-mb", 2) as running:
        yield running


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.grpc) as client:
        yield client


@pytest.fixture
def by_http(server):
    with triton_http.InferenceServerClient(server.address) as client:
        yield client


def pixels(module, values):
    tensor = module.InferInput("image", list(values.shape), "UINT8")
    tensor.set_data_from_numpy(values)
    return [tensor]


def test_what_it_says_is_what_http_says(client, by_http, exported):
    name = exported.stem
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(name)
    for question in ("get_server_metadata", "get_model_metadata", "get_model_config"):
        asked = () if "server" in question else (name,)
        found = getattr(client, question)(*asked, as_json=True)
        found = found.get("config", found)
        expected = getattr(by_http, question)(*asked)
        for key, value in found.items():
            plain = json.loads(json.dumps(value), parse_int=str)
            assert plain == json.loads(json.dumps(expected[key]), parse_int=str), key
    client.infer(name, pixels(triton, np.zeros((1, 28, 28, 3), np.uint8)))
    (stats,) = client.get_inference_statistics(name).model_stats
    (expected,) = by_http.get_inference_statistics(name)["model_stats"]
    assert stats.inference_count == expected["inference_count"] > 0
    (row,) = client.get_model_repository_index().models
    assert [row.name, row.state] == [name, "READY"]
    # Triton's InferenceServer::ModelIsReady says so of what it does not know.
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready(name, "999")
    with pytest.raises(InferenceServerException, match="unknown model 'nobody'") as caught:
        client.get_model_metadata("nobody")
    assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_answers_are_those_of_http(client, by_http, exported, pictures):
    name, some = exported.stem, pictures[:3]
    mine = client.infer(name, pixels(triton, some), request_id="7")
    theirs = by_http.infer(name, pixels(triton_http, some))
    for output in ("logits", "probabilities"):
        np.testing.assert_allclose(mine.as_numpy(output), theirs.as_numpy(output), atol=1e-5)
    assert mine.get_response().id == "7"
    wanted = [triton.InferRequestedOutput("probabilities", class_count=2)]
    classified = client.infer(name, pixels(triton, some), outputs=wanted).as_numpy("probabilities")
    assert classified.shape == (3, 2)
    files = np.array([encoded(one) for one in some], object)
    tensor = triton.InferInput("image", [3], "BYTES")
    tensor.set_data_from_numpy(files)
    found = client.infer(name, [tensor]).as_numpy("logits")
    np.testing.assert_allclose(found, theirs.as_numpy("logits"), atol=1e-5)


def test_typed_contents(client, exported, pictures):
    one = pictures[:1]
    expected = client.infer(exported.stem, pixels(triton, one)).as_numpy("logits")
    request = service_pb2.ModelInferRequest(model_name=exported.stem)
    tensor = request.inputs.add(name="image", datatype="UINT8", shape=one.shape)
    tensor.contents.uint_contents.extend(one.ravel().tolist())
    answer = client._client_stub.ModelInfer(request)
    found = np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(1, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    file = service_pb2.ModelInferRequest(model_name=exported.stem)
    tensor = file.inputs.add(name="image", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(encoded(one[0]))
    answer = client._client_stub.ModelInfer(file)
    found = np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(1, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def refused_code(client, request) -> str:
    import grpc

    with pytest.raises(grpc.RpcError) as refused:
        client._client_stub.ModelInfer(request)
    return refused.value.code().name


def test_what_is_refused(client, exported, server):
    def request(**fields):
        made = service_pb2.ModelInferRequest(model_name=exported.stem)
        made.inputs.add(**{"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3]} | fields)
        return made

    for bad in (
        request(), request(name="x"), request(datatype="FP32"), request(shape=[1]),
        request(contents={"uint_contents": [1, 2, 256]}), request(contents={"int_contents": [1]}),
        request(contents={"uint_contents": [1, 2]}), service_pb2.ModelInferRequest(
            model_name=exported.stem),
    ):  # fmt: skip
        assert refused_code(client, bad) == "INVALID_ARGUMENT"
    both = request(contents={"uint_contents": [1, 2, 3]})
    both.raw_input_contents.append(b"123")
    assert refused_code(client, both) == "INVALID_ARGUMENT"
    shared = request()
    shared.inputs[0].parameters["shared_memory_region"].string_param = "x"
    assert refused_code(client, shared) == "INVALID_ARGUMENT"
    large = request(shape=[1, 1000, 1000, 3])
    large.raw_input_contents.append(bytes(3_000_000))
    assert refused_code(client, large) == "RESOURCE_EXHAUSTED"
    no_picture = request(datatype="BYTES", shape=[1], contents={"bytes_contents": [b"x"]})
    assert refused_code(client, no_picture) == "INVALID_ARGUMENT"
    heic = np.array([b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(99)], object)
    tensor = triton.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(heic)
    with pytest.raises(
        InferenceServerException, match=r"but HEIC\. Expected JPEG.*Convert to JPEG"
    ):
        client.infer(exported.stem, [tensor])
    wait_for(lambda: any(line["status"] == 422 for line in server.log()))
    line = server.log()[-1]
    assert (line["method"], line["outcome"]) == ("gRPC", "bad_request")


def test_messages_that_are_much_longer_than_they_can_be(client, server, exported):
    """Millions of tiny fields: nobody waits while they are read, or handed on."""
    huge = service_pb2.ModelInferRequest(model_name=exported.stem)
    huge.inputs.add(name="image", datatype="UINT8", shape=[1] * 100_000)
    files = service_pb2.ModelInferRequest(model_name=exported.stem)
    files.inputs.add(name="image", datatype="BYTES", shape=[1])
    files.inputs[0].contents.bytes_contents.extend([b""] * 100_000)
    many = service_pb2.ModelInferRequest(model_name=exported.stem, outputs=[{}] * 2000)
    names = service_pb2.ModelInferRequest(model_name=exported.stem)
    for number in range(2000):
        names.parameters[str(number)].bool_param = True
    cases = [
        *((f"/inference.GRPCInferenceService/{name}", b"\x0b\x0c" * 40_000, "RESOURCE_EXHAUSTED")
          for name in ("ServerLive", "ModelReady", "ModelMetadata", "RepositoryIndex")),
        ("/grpc.health.v1.Health/Check", b"\x0b\x0c" * 40_000, "RESOURCE_EXHAUSTED"),
        *(("/inference.GRPCInferenceService/ModelInfer", one.SerializeToString(),
           "INVALID_ARGUMENT") for one in (huge, files, many, names)),
    ]  # fmt: skip
    with grpc.insecure_channel(server.grpc) as channel:
        for path, content, code in cases:
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(path)(content)
            assert refused.value.code().name == code, path
            assert "more than" in refused.value.details() or "at most" in refused.value.details()
    assert client.is_server_live()


def test_an_answer_that_is_not_finite_is_an_error(serving, tmp_path):
    weights = np.zeros((3, 3), np.float32)
    weights[:, 0] = 3e38  # infinite for white, finite for red
    write_model(tmp_path / "m.onnx", weights)
    (tmp_path / "rgb.txt").write_text("red\ngreen\nblue\n")
    said = ("--labels", tmp_path / "rgb.txt", "--normalize", "unit", "--provider", "cpu")
    white, red = np.full((1, 16, 16, 3), 255, np.uint8), np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    both = np.concatenate([red, white])
    with (
        serving(tmp_path / "m.onnx", *said, "--grpc-port", 0) as server,
        triton.InferenceServerClient(server.grpc) as client,
    ):
        for pictures in (white, both):
            with pytest.raises(InferenceServerException, match="output is not finite") as caught:
                client.infer("m", pixels(triton, pictures))
            assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
        found = client.infer("m", pixels(triton, red))
        np.testing.assert_array_equal(found.as_numpy("probabilities"), [[1, 0, 0]])
        errors = []
        client.start_stream(lambda result, error: errors.append(error))
        client.async_stream_infer("m", pixels(triton, white))
        wait_for(lambda: errors)
        client.stop_stream()
        assert "output is not finite" in str(errors[0])


def test_a_stream(client, exported, pictures):
    answers = []
    client.start_stream(lambda result, error: answers.append((result, error)))
    client.async_stream_infer("nobody", pixels(triton, pictures[:1]))
    client.async_stream_infer(exported.stem, pixels(triton, pictures[:1]))
    wait_for(lambda: len(answers) == 2)
    client.stop_stream()
    assert "unknown model" in str(answers[0][1])
    assert answers[1][0].as_numpy("logits").shape == (1, 10)


def test_a_stream_says_which_request_failed(server):
    asked = [service_pb2.ModelInferRequest(model_name="nobody", id=name) for name in ("7", "é", "")]
    with grpc.insecure_channel(server.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answers = list(stub.ModelStreamInfer(iter(asked)))
    assert [answer.infer_response.id for answer in answers] == ["7", "é", ""]
    assert all("unknown model" in answer.error_message for answer in answers)
    for content in (b"", b"\xff", b"\x1a\x05ab", b"\x1a\x02\xff\xfe"):  # none, and not UTF-8
        assert id_of(content) == ""


def test_the_token_and_a_deadline(serving, exported, tmp_path, pictures):
    file = tmp_path / "token"
    file.write_text("s3cret")
    options = ("--grpc-port", 0, "--token-file", file)
    with (
        serving(exported, *options, hold="run") as server,
        triton.InferenceServerClient(server.grpc) as client,
    ):
        assert client.is_server_live()
        image = pixels(triton, pictures[:1])
        for headers in (None, {"authorization": "Bearer wrong"}):
            with pytest.raises(InferenceServerException, match="wrong or missing token") as caught:
                client.infer(exported.stem, image, headers=headers)
            assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
        good = {"authorization": "bearer s3cret"}
        assert client.infer(exported.stem, image, headers=good).as_numpy("logits").shape == (1, 10)
        server.gate.shut()
        for limit in ({"client_timeout": 0.2}, {"timeout": 200_000}):
            with pytest.raises(InferenceServerException) as caught:
                client.infer(exported.stem, image, headers=good, **limit)
            assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
            assert "within 10 s" not in caught.value.message()  # the client's limit, not ours
        server.gate.open()
        assert http.get(f"{server.url}/v2/health/live").status_code == 200
        assert server.stop() == 0


def test_the_health_check_that_kubernetes_asks(serving, exported, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    options = ("--grpc-port", 0, "--token-file", token)
    path, named = "/grpc.health.v1.Health/Check", b"\x0a\x1e" + b"inference.GRPCInferenceService"
    with serving(exported, *options, hold="run", shut=True) as server:
        with grpc.insecure_channel(server.grpc) as channel:
            check = channel.unary_unary(path)
            assert check(b"") == b"\x08\x02"  # NOT_SERVING: the model is being loaded
            server.gate.open()
            wait_for(lambda: check(b"") == b"\x08\x01")
            assert check(named) == b"\x08\x01"
            with pytest.raises(grpc.RpcError) as refused:
                check(b"\x0a\x01x")
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
        wait_for(lambda: any(line["path"] == path for line in server.log()))


def test_health_is_watched(serving, exported):
    """As its documentation has it: at once, and at each change; unknown services are waited for."""
    path = "/grpc.health.v1.Health/Watch"
    with (
        serving(exported, "--grpc-port", 0, hold="run", shut=True) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        watch = channel.unary_stream(path)
        states, unknown = watch(b"", timeout=100), watch(b"\x0a\x01x", timeout=100)
        assert next(unknown) == b"\x08\x03"
        assert next(states) == b"\x08\x02"
        server.gate.open()
        assert next(states) == b"\x08\x01"
        for wrong in (b"\xff", b"\x0b\x0c" * 40_000):
            with pytest.raises(grpc.RpcError) as refused:
                next(watch(wrong, timeout=100))
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert server.stop() == 0
        assert list(states) in ([], [b"\x08\x02"])
        assert list(unknown) == []


def test_streams_that_hold_a_place_are_few(serving, exported, tmp_path):
    """A stream is refused before its first message, which may never come; watchers are counted."""
    token = tmp_path / "token"
    token.write_text("secret")
    with (
        serving(exported, "--grpc-port", 0, "--token-file", token) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        silent = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        never = threading.Event()

        def nothing():
            never.wait(100)
            yield from ()

        with pytest.raises(grpc.RpcError) as refused:
            next(silent(nothing()))
        never.set()
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        watching = [watch(b"") for _ in range(100)]
        for one in watching:
            next(one)
        with pytest.raises(grpc.RpcError) as refused:
            next(watch(b""))
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        watching.pop().cancel()
        wait_for(lambda: is_answered(watch(b"")))


def is_answered(call) -> bool:
    try:
        return bool(next(call))
    except grpc.RpcError:
        return False


def test_without_the_extra(exported, monkeypatch):
    for module in ("grpc", "kerascnn.serving.endpoints.grpc"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "kerascnn.serving.endpoints.grpc")
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[grpc\]'"):
        serve(ServeConfig((str(exported),), port=0, grpc_port=0))


def test_a_port_that_is_taken(exported, server, kerascnn):
    taken = server.grpc.rpartition(":")[2]
    done = kerascnn("serve", exported, "--port", 0, "--grpc-port", taken, text=True)
    assert done.returncode == 2
    assert "--grpc-port" in done.stderr.splitlines()[-1]


def test_the_compiled_messages_are_those_of_the_text():
    """Without the compiler: each field of the text is in the descriptor, with its number."""
    import re
    from importlib.resources import files

    from kerascnn.serving.endpoints.grpc_messages import message_class

    text = files("kerascnn.serving.endpoints").joinpath("open_inference.proto").read_text()
    for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        own = re.sub(r"  message \w+ \{.*?^  \}\n", "", body, flags=re.MULTILINE | re.DOTALL)
        fields = dict(
            re.findall(r"(\w+) = (\d+);", re.sub(r"enum \w+ \{.*?\}", "", own, flags=re.S))
        )
        descriptor = message_class(name).DESCRIPTOR
        found = {field.name: str(field.number) for field in descriptor.fields}
        assert found == fields, name


def test_tensors_as_they_are_need_no_parser():
    """All else of a long message is parsed in another process."""
    from kerascnn.serving.endpoints import grpc_messages

    request = grpc_messages.message_class("ModelInferRequest")()
    request.raw_input_contents.append(bytes(1_000_000))
    assert grpc_messages.size_to_parse(request.SerializeToString()) < 10
    request.parameters["x"].string_param = "y" * 1_000_000
    assert grpc_messages.size_to_parse(request.SerializeToString()) > 1_000_000
    assert grpc_messages.size_to_parse(b"\xff" * 100) == 100
