"""The heart: the exported file answers as the trained model does, for any picture."""

import os
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

from kerascnn import Classifier, images, training
from kerascnn.card import Normalization
from kerascnn.cli import main
from kerascnn.errors import ConfigError, DataError, KerascnnError, ModelFileError, ParityError
from kerascnn.inference.model_file.metadata import read_card
from kerascnn.training.export import compose, core, target, verify
from kerascnn.training.networks.from_pixels import from_pixels, predict_logits

SIZES = [
    (1, 7), (7, 1), (1, 1), (3, 3), (32, 32), (28, 28), (31, 33), (33, 31), (36, 36), (37, 37),
    (64, 64), (63, 65), (100, 31), (31, 100), (224, 224), (256, 256), (375, 500), (500, 375),
    (1, 400), (400, 1), (2, 999), (999, 2), (17, 640), (480, 640), (481, 641), (720, 1280),
    (1080, 1920), (1920, 1080), (32, 64), (64, 32), (16, 16), (16, 32), (32, 33), (33, 32),
    (48, 48), (96, 96), (97, 101), (113, 127), (128, 96), (150, 150), (199, 211), (240, 320),
    (299, 299), (300, 201), (333, 77), (77, 333), (512, 512), (600, 13), (13, 600), (768, 1024),
]  # fmt: skip
assert len(SIZES) == 50


@pytest.fixture(scope="module")
def keras_core(trained: Path):
    return training.open_run(trained).load_model()


@pytest.fixture(scope="module")
def onnx_core(keras_core) -> bytes:
    return core.core_model(keras_core).SerializeToString()


def session(onnx_core: bytes, card) -> onnxruntime.InferenceSession:
    model = compose.compose(onnx.load_from_string(onnx_core), card)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("rule", images.RESIZE_RULES)
def test_raw_pictures_of_any_size_answer_as_pillow_and_keras(
    rule, trained, keras_core, onnx_core, photograph
) -> None:
    card = replace(training.open_run(trained).card, resize=rule)
    graph = session(onnx_core, card)
    reference = from_pixels(keras_core, card.normalization)
    for height, width in SIZES:
        picture = photograph(height, width)
        sized = images.size_picture(picture, card.image_size, rule)
        expected = predict_logits(reference, sized[None])
        found = graph.run(["logits"], {"image": picture[None]})[0]
        # Bit-equal pixels go in, so what remains is float32 noise of the network.
        np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=f"{height} x {width}")


@pytest.mark.parametrize("rule", images.RESIZE_RULES)
def test_the_graph_sizes_exactly_as_pillow(rule, trained, photograph) -> None:
    """A network that hands its pixels through shows that not one value differs."""
    size = 24
    card = replace(
        training.open_run(trained).card, resize=rule, image_size=size, normalization=Normalization()
    )
    graph = compose.preprocessing_model(card)
    run = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    ).run
    for height, width in SIZES:
        picture = photograph(height, width)
        pixels = run(None, {"image": picture[None]})[0]
        expected = images.size_picture(picture, size, rule)
        assert np.array_equal(pixels[0].transpose(1, 2, 0), expected), f"{height} x {width}"


def test_a_batch_of_pictures_of_another_size(trained, keras_core, onnx_core, photograph) -> None:
    card = training.open_run(trained).card
    pictures = np.stack([np.roll(photograph(50, 70), shift, axis=1) for shift in (0, 20, 40)])
    together = session(onnx_core, card).run(["logits"], {"image": pictures})[0]
    alone = [session(onnx_core, card).run(["logits"], {"image": p[None]})[0][0] for p in pictures]
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_channel_order_and_means_are_in_the_graph(trained, keras_core, onnx_core, photograph):
    caffe = Normalization((103.939, 116.779, 123.68), (1.0, 2.0, 3.0), "BGR")
    card = replace(training.open_run(trained).card, normalization=caffe)
    picture = photograph(32, 32)[None]
    by_hand = (picture[..., ::-1].astype(np.float32) - caffe.mean) / caffe.std
    expected = keras_core(by_hand.astype(np.float32), training=False).numpy()
    found = session(onnx_core, card).run(["logits"], {"image": picture})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    ours = predict_logits(from_pixels(keras_core, caffe), picture)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


def test_temperature_scales_probabilities_and_not_logits(trained, onnx_core, photograph) -> None:
    card = training.open_run(trained).card
    picture = {"image": photograph(32, 32)[None]}
    logits, probabilities = session(onnx_core, replace(card, temperature=2.0)).run(None, picture)
    plain, _ = session(onnx_core, card).run(None, picture)
    assert np.array_equal(logits, plain)
    powers = np.exp(logits / 2 - (logits / 2).max())
    np.testing.assert_allclose(probabilities, powers / powers.sum(), atol=1e-6)


def test_the_file_keeps_the_contract(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]

    def described(value) -> tuple:
        kind = value.type.tensor_type
        return value.name, kind.elem_type, [d.dim_param or d.dim_value for d in kind.shape.dim]

    assert described(model.graph.input[0]) == ("image", 2, ["batch", "height", "width", 3])
    assert [described(value) for value in model.graph.output] == [
        ("logits", 1, ["batch", 10]),
        ("probabilities", 1, ["batch", 10]),
    ]
    assert [entry.key for entry in model.metadata_props] == ["kerascnn"]
    assert not model.doc_string and not model.graph.doc_string  # tf2onnx's, for nobody


def test_the_card_travels_with_the_file(exported: Path, trained: Path) -> None:
    card, before = read_card(exported), training.open_run(trained).card
    assert card.classes == before.classes
    assert card.weights_sha256 == before.weights_sha256
    assert card.versions["tf2onnx"]
    assert card.data == before.data
    assert card.parity is not None
    assert (card.parity.images, card.parity.top1_mismatches) == (500, 0)
    assert card.parity.max_abs_diff <= 1e-4
    assert len(card.probes) == 2


def test_a_file_that_answers_differently_is_refused_and_not_left(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What re-typed preprocessing would do: another mean in the graph than in training."""
    wrong = Normalization((120.0, 127.5, 127.5), (127.5, 127.5, 127.5))

    def compose_wrongly(converted, card):
        return compose.compose(converted, replace(card, normalization=wrong))

    monkeypatch.setattr("kerascnn.training.export.compose_file", compose_wrongly)
    good = tmp_path / "model.onnx"
    good.write_bytes(b"an older file")
    with pytest.raises(ParityError, match="No file was written"):
        training.export_onnx(trained, good)
    assert good.read_bytes() == b"an older file"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_parity_is_measured_through_the_classifier(exported, keras_core, trained) -> None:
    """A Keras model that is another one fails, so the comparison compares."""
    card = training.open_run(trained).card
    _, pictures = training.export.verification_pictures(training.open_run(trained), card, None)
    changed = training.open_run(trained).load_model()
    changed.layers[-1].bias.assign(changed.layers[-1].bias + np.eye(10)[0] * 0.01)
    with pytest.raises(ParityError, match="largest difference"):
        verify.measure_parity(exported, changed, card, pictures, "test")


@pytest.mark.parametrize("theirs", [None, "TRUE"])
def test_an_optimization_of_tf2onnx_that_fails_is_left_out(
    theirs, trained, keras_core, onnx_core, photograph, monkeypatch
) -> None:
    from tf2onnx.optimizer.identity_optimizer import IdentityOptimizer

    tried = []

    def fail(*_):
        tried.append(os.environ.get(core.CATCH_ERRORS))
        raise IndexError("out of range")

    monkeypatch.delenv(core.CATCH_ERRORS, raising=False)
    if theirs:
        monkeypatch.setenv(core.CATCH_ERRORS, theirs)
    monkeypatch.setattr(IdentityOptimizer, "optimize", fail)
    converted = core.core_model(keras_core).SerializeToString()
    assert tried[:2] == ["FALSE", None]
    assert os.environ.get(core.CATCH_ERRORS) == theirs
    card, picture = training.open_run(trained).card, photograph(40, 50)
    found, expected = (
        session(each, card).run(["logits"], {"image": picture[None]})[0]
        for each in (converted, onnx_core)
    )
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_what_tensorflow_says_of_its_own_accord_is_not_shown(
    keras_core, monkeypatch, capfd
) -> None:
    import tf2onnx

    convert = tf2onnx.convert.from_function

    def chatter(*given, **options):
        os.write(2, b"I0000 devices.cc:67] Number of eligible GPUs: 0\n")
        return convert(*given, **options)

    monkeypatch.setattr(tf2onnx.convert, "from_function", chatter)
    core.core_model(keras_core)
    assert capfd.readouterr().err == ""


def test_errors_are_one_sentence(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not a run folder"):
        training.export_onnx(tmp_path)
    with pytest.raises(ModelFileError, match=r"ends in \.onnx"):
        training.export_onnx(trained, tmp_path / "model.txt")
    with pytest.raises(DataError, match="does not exist"):
        training.export_onnx(trained, tmp_path / "x.onnx", verify=tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_the_command_has_a_limit_of_time(trained: Path, tmp_path: Path, monkeypatch) -> None:
    def over(seconds: float, message: str) -> NoReturn:
        raise KerascnnError(f"{seconds:g} s: {message}")

    monkeypatch.setattr("kerascnn.cli.export.time_limit", over)
    arguments = ["export", str(trained), "--onnx", "--out", str(tmp_path / "m.onnx")]
    for options, seconds in (([], "3600 s"), (["--timeout", "0.5"], "0.5 s")):
        done = CliRunner().invoke(main, [*arguments, *options])
        assert done.exit_code == 1
        assert f"not done within {seconds}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_model_is_replaced_only_with_overwrite(trained, tmp_path) -> None:
    out = tmp_path / "m.onnx"
    words = ["export", str(trained), "--onnx", "--out", str(out)]
    out.write_bytes(b"something else")
    refused = CliRunner().invoke(main, words)
    assert (refused.exit_code, out.read_bytes()) == (2, b"something else")
    assert "holds a file of unknown origin already. Replace it (--overwrite)" in refused.stderr
    assert CliRunner().invoke(main, [*words, "--overwrite"]).exit_code == 0
    assert CliRunner().invoke(main, words).exit_code == 0  # the same weights
    card = training.open_run(trained).card
    with pytest.raises(ConfigError, match=r"holds another model already.*`overwrite`"):
        target.check_replaceable(out, replace(card, weights_sha256="0" * 64), overwrite=False)


def test_exported_answers_equal_those_of_the_run(exported: Path, trained: Path) -> None:
    from kerascnn.inference import evaluate_file

    shipped = evaluate_file(exported).to_dict(curves=True)
    ours = training.evaluate_run(trained).to_dict(curves=True)
    for key in ("images", "top1", "top5", "confusion", "split", "skipped"):
        assert shipped[key] == ours[key], key
    assert [m["path"] for m in shipped["mistakes"]] == [m["path"] for m in ours["mistakes"]]
    assert shipped["calibration"]["ece"] == pytest.approx(ours["calibration"]["ece"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.full_data
def test_ten_thousand_pictures_without_one_changed_answer(
    trained, tmp_path, fashion_mnist, full_names
) -> None:
    result = training.export_onnx(trained, tmp_path / "full.onnx", verify=full_names)
    assert result.parity.images == 10_000
    assert result.parity.top1_mismatches == 0
    assert result.parity.max_abs_diff <= 1e-4
    assert Classifier(tmp_path / "full.onnx").card.parity == result.parity
