"""What `export --triton` writes, read by Triton's own schema and by Kubernetes' rules."""

import re
import shutil

import pytest

from kerascnn.deployment.triton import triton_config, write_triton
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.inference.model_file.metadata import read_card


@pytest.fixture
def repository(exported, tmp_path):
    source = tmp_path / '옷 1 "Kleider".onnx'
    shutil.copyfile(exported, source)
    write_triton(source, tmp_path / "repository")
    return tmp_path / "repository"


@pytest.mark.both
def test_the_configuration_as_triton_reads_it(repository, exported):
    pytest.importorskip("grpc", reason="needs tritonclient[grpc], which the extra dev brings")
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2 as pb2

    (home,) = (path for path in repository.iterdir() if path.is_dir())
    text = (home / "config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, pb2.ModelConfig())
    card = read_card(exported)
    assert config.name == home.name
    assert config.backend == "onnxruntime"
    assert config.max_batch_size == 32
    batching = config.dynamic_batching
    assert batching.max_queue_delay_microseconds == 2000
    assert list(batching.preferred_batch_size) == [16, 32]
    assert batching.default_queue_policy.max_queue_size == 256
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, pb2.ModelInstanceGroup.KIND_AUTO)
    threads = config.parameters["intra_op_thread_count"].string_value
    manifest = (repository / "kserve.yaml").read_text()
    assert f'limits:\n          cpu: "{threads}"' in manifest
    (image,) = config.input
    assert (image.name, list(image.dims)) == ("image", [card.image_size, card.image_size, 3])
    assert image.data_type == pb2.TYPE_UINT8
    assert [output.name for output in config.output] == ["logits", "probabilities"]
    for output in config.output:
        assert list(output.dims) == [len(card.classes)]
        assert output.data_type == pb2.TYPE_FP32
        labels = (home / output.label_filename).read_text(encoding="utf-8").splitlines()
        assert tuple(labels) == card.classes


def test_the_model_is_the_file(repository, exported):
    (home,) = (path for path in repository.iterdir() if path.is_dir())
    assert (home / "1" / "model.onnx").read_bytes() == exported.read_bytes()


def test_a_second_export_replaces_the_first(repository, exported, tmp_path):
    before = sorted(path for path in repository.rglob("*"))
    write_triton(next(tmp_path.glob("*.onnx")), repository)
    assert sorted(path for path in repository.rglob("*")) == before


def test_what_was_edited_is_kept_by_a_second_export(repository, exported, tmp_path, caplog):
    source = next(tmp_path.glob("*.onnx"))
    (home,) = (path for path in repository.iterdir() if path.is_dir())
    manifest, config = repository / "kserve.yaml", home / "config.pbtxt"
    written, text = manifest.read_text(), config.read_text(encoding="utf-8")
    manifest.write_text("mine: 1\n")
    config.write_text("# mine\n")
    write_triton(source, repository)
    assert manifest.read_text() == "mine: 1\n"
    assert (repository / "kserve.yaml.new").read_text() == written
    # The configuration must fit the model; so it is the old one that lies beside.
    assert config.read_text(encoding="utf-8") == text
    assert (home / "config.pbtxt.old").read_text() == "# mine\n"
    assert "kserve.yaml was edited and is kept" in caplog.text
    assert "config.pbtxt was overwritten" in caplog.text


def test_the_manifest(repository):
    text = (repository / "kserve.yaml").read_text()
    name = re.search(r"^  name: (.*)$", text, re.MULTILINE)[1]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)  # RFC 1035
    assert 'storageUri: "pvc://models/repository"' in text
    assert "protocolVersion: v2" in text
    assert 'name: triton\n        version: "2"' in text


def test_what_triton_cannot_have(exported, tmp_path):
    card = read_card(exported)
    assert "# Written" in triton_config("a\nmax_batch_size: 7", card)
    assert "\nmax_batch_size: 7" not in triton_config("a\nmax_batch_size: 7", card)
    (tmp_path / "no.onnx").write_bytes(b"no")
    with pytest.raises(ModelFileError):
        write_triton(tmp_path / "no.onnx", tmp_path)
    other = exported.read_bytes().replace(b"Ankle boot", b"Ankle\\nbot")
    (tmp_path / "lines.onnx").write_bytes(other)
    with pytest.raises(ConfigError, match="cannot be a line"):
        write_triton(tmp_path / "lines.onnx", tmp_path / "repository")
