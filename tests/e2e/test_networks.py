"""Networks, scopes and weights from the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kerascnn.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_models_lists_networks_with_blocks_and_weights() -> None:
    rows = {row["name"]: row for row in json.loads(run("models", "--json").stdout)}
    assert rows["resnet18"]["params"] == 11_689_512
    assert rows["resnet18"]["blocks"][1] == "conv2_block1"
    assert rows["resnet50"]["weights"] == ["imagenet (keras.applications)", "torchvision/timm file"]
    assert "conv2(2)" in run("models").stdout.replace("\n", " ")


def test_summary_of_a_scope_as_json() -> None:
    result = run("summary", "resnet18", "--classes", "2", "--image-size", "28",
                 "--trainable", "head", "--json")  # fmt: skip
    answer = json.loads(result.stdout)
    assert (answer["trainable_params"], answer["non_trainable_params"]) == (1_026, 11_176_512)
    assert answer["total_params"] == sum(block["params"] for block in answer["blocks"])
    assert [row["trainable"] for row in answer["layers"] if row["params"]][-1] is True


def test_summary_shows_a_tree_of_blocks_or_every_layer() -> None:
    tree = run("summary", "resnet18", "--classes", "2", "--trainable", "conv5,head").stdout
    assert "  conv5_block2" in tree
    assert "conv1_conv" not in tree
    lines = {line.split()[0]: line for line in tree.splitlines()}
    assert lines["conv1"].endswith("frozen")
    assert lines["head"].endswith("trainable")
    layers = run("summary", "resnet18", "--classes", "2", "--layers").stdout
    assert "conv1_conv" in layers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("summary", "resnet19"), "Did you mean: resnet"),
        (("summary", "xyz"), "`kerascnn models` lists the networks."),
        (("summary", "resnet18", "--trainable", "conv6"), "Did you mean conv"),
        (("summary", "densenet121", "--image-size", "31"), "expected at least 32"),
        (("train", "--phase", "head"), "is not SCOPE:EPOCHS"),
        (("train", "--layer-decay", "1.5"), "--layer-decay is 1.5"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("runs").exists()


@pytest.mark.slow
def test_transfer_from_a_run_and_export(tmp_path: Path) -> None:
    first = run("train", "--epochs", "1", "--out", "first")
    assert first.exit_code == 0, first.stderr
    second = run("train", "--weights", "first/model.keras", "--phase", "head:1", "--phase",
                 "from:hidden:1", "--out", "second")  # fmt: skip
    assert second.exit_code == 0, second.stderr
    exported = run("export", "second", "--onnx", "--out", "m.onnx", "--triton", "repo", "--json")
    assert exported.exit_code == 0, exported.stderr
    told = json.loads(exported.stdout)
    assert told["parity"]["top1_mismatches"] == 0
    home = Path(told["triton"])
    assert home == Path("repo/m")
    assert (home / "1" / "model.onnx").read_bytes() == Path("m.onnx").read_bytes()
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    text = (home / "config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.name, config.dynamic_batching.max_queue_delay_microseconds > 0) == ("m", True)
    assert Path("repo/kserve.yaml").exists()
