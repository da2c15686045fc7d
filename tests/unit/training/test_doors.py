"""What people give in place of a model: each command says what it is and what to do with it."""

import json
import re
import zipfile
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner
from PIL import Image

from kerascnn.card import ModelCard
from kerascnn.cli import main
from kerascnn.inference import ForeignModel
from kerascnn.training.foreign.loading import load_foreign

pytestmark = pytest.mark.filterwarnings("ignore")


def tell(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def model() -> keras.Model:
    entry = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(entry)
    return keras.Model(entry, keras.layers.Dense(2, "softmax")(x))


FROZEN = b"\n\x10\n\x05input\x12\x0bPlaceholder"
NPY = b"\x93NUMPY\x01\0"

OTHERS = {
    "empty.onnx": b"", "page.onnx": b"\n<!DOCTYPE html><html></html>",
    "m.ort": b"0000ORTM" + bytes(9),
    "m.engine": b"ftrt" + bytes(9), "m.plan": bytes(9), "m.mlmodel": b"\x08\x04\x12" + bytes(9),
    "m.xml": b"<?xml version='1.0'?>\n<net name='x'/>", "m.pdparams": bytes(9),
    "m.gguf": b"GGUF\x03" + bytes(9), "m.onnx.xz": b"\xfd7zXZ\0" + bytes(9),
    "m.tar": b"m.onnx" + bytes(251) + b"ustar\0" + bytes(9), "zeros.onnx": bytes(600),
    "picture.onnx": b"\x89PNG\r\n" + bytes(9), "answer.onnx": b"404: Not Found",
    "refused.onnx": b'{"error":"no such repository"}',
    "denied.onnx": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "head.onnx": b"<!-- cached --><head><title>Not Found</title></head>",
    "x/graph.json": b'{"irVersion": "8", "producerName": "elsewhere"}',
    "webp.onnx": b"RIFF\x10\0\0\0WEBPVP8 ", "scan.onnx": b"II*\0" + bytes(9),
    "ckpt/cp-1.index": bytes(9), "ckpt/cp-1.data-00000-of-00001": bytes(9),
    "m.caffemodel": b"\n\1", "m.param": b"7767517\n", "m.onnx.data": b"\x80\x3f" * 9,
    "notes.onnx": "The model is at example.org, größer".encode(), "frozen.onnx": FROZEN,
    "kept.h5": b"\x08\x07\x12\x07pytorch", "opset.keras": b"\x08\x08\x3a\x02",
    "saved.pb": b"\x08\x01\x12",
    "js/model.json": b'{"format": "layers-model", "modelTopology": {"class_name": "Model"}}',
    "repo/m/1/model.onnx": b"\x08\x07",
    "vit/model.safetensors": b"", "vit/onnx/model.onnx": b"\x08\x07",
    "tf/1/saved_model.pb": b"\x08\x01\x12",
    "runs/one/card.json": b"{}", "photos/a/1.JPG": b"", "models/best.h5": b"\x89HDF", "w.npy": NPY,
    "mx/m-symbol.json": b'{"nodes": []}', "mx/m-0000.params": b"\x12\1",
    "lobe/signature.json": b'{"format": "onnx"}', "lobe/model.onnx": b"\x08\x07",
    "ov/m.xml": b"<?xml version='1.0'?>\n<net/>", "ov/m.bin": b"\1\2", "x/alone.bin": b"\1\2",
    "m.mat": b"MATLAB 5.0 MAT-file", "m.pmml": b"<?xml version='1.0'?>\n<PMML/>",
    "v1.plan": b"<?xml version='1.0'?>\n<Error/>", "ggml.bin": b"lmgg\1\2", "m.eim": b"\x7fELF\1",
    "m.joblib": b"x\x9c\1\2", "pd/inference.json": b'{"base_code":{"magic":"pir"}}',
    "pd/inference.pdiparams": b"\1", "sharded/m.weights.json": b'{"weight_map": {}}',
    "sharded/m_00000.weights.h5": b"\x89HDF", "pkg.mlpackage/Manifest.json": b"{}",
    "orbax/_METADATA": b"{}", "orbax/manifest.ocdbt": b"\x0c\xdb", "tm/weights.bin": b"\1\2",
    "tm/metadata.json": b"{}",
    "caffe2/predict_net.pb": b"\n\x0asqueezenet\x12\x05\n\x03one",
    "old.pb": b"\x08\x03\x12\x04CNTK", "m.rds": b"\x1f\x8b\x08" + bytes(9),
    "photo.heic": b"\0\0\0\x18ftypheic",
    "m.onnx.crdownload": b"\x08\x07\x12\2", "mlflow/data/model.keras": b"PK\x03\x04",
    "preset/task.json": b'{"class_name": "ResNetImageClassifier"}',
    "preset/image_converter.json": b"{}", "preset/model.weights.h5": b"\x89HDF",
    "saved/keras_metadata.pb": b"\n\2\x10\1",
    "m.onnx.gz": b"\x1f\x8b\x08" + bytes(9), "cut.pt": b"PK\x03\x04" + bytes(9),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> Path:
    """One of everything."""
    Image.new("RGB", (8, 8)).save("p.png")
    Path("names.txt").write_text("a\nb\n")
    for name in ("saved", "run", "empty", "several", "hub", "m.mlpackage"):
        Path(name).mkdir()
    Path("saved", "saved_model.pb").write_bytes(b"\x08\x01")
    Path("run", "card.json").write_text(ModelCard("m", "cnn", ("a", "b"), 8, "squash").to_json())
    Path("run", "model.keras").write_bytes(b"PK\x03\x04 and no more")
    Path("model.json").write_text(json.dumps({"class_name": "Sequential", "config": {}}))
    Path("small.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(9))
    Path("pointer.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    Path("mine.onnx").write_bytes(b"\x08\x07")
    Path("several", "a.onnx").write_bytes(b"\x08\x07")
    Path("hub", "config.json").write_text(json.dumps({"class_name": "ResNetBackbone"}))
    Path("hub", "model.weights.h5").write_bytes(b"\x89HDF")
    for name, content in OTHERS.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    Path("kept").mkdir()
    Path("kept", "card.json").touch()
    with zipfile.ZipFile("kept/model.keras", "w") as file:
        file.writestr("config.json", b"{}")
        file.writestr("model.weights.h5", b"")
    with zipfile.ZipFile("w.npz", "w") as file:
        file.writestr("arr_0.npy", NPY)
    Path("w.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    Path("old.pth").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    Path("frozen.pb").write_bytes(FROZEN)
    Path("cp.ckpt.index").write_bytes(b"\0\0")
    Path("zeros.safetensors").write_bytes(bytes(512))
    for name, inside in (
        ("model.zip", "m.keras"), ("script.pt", "m/data.pkl"), ("m.mar", "m.pt"),
        ("m.pt2", "m/archive_format"),
    ):  # fmt: skip
        with zipfile.ZipFile(name, "w") as file:
            file.writestr(inside, b"")
    for name, place, value in (("locked.keras", 6, 1), ("odd.keras", 8, 93)):
        patched_zip(Path(name), place, value)
    return tmp_path


def patched_zip(path: Path, place: int, value: int) -> None:
    """Write what Keras saves, with another number in every entry's header: its flags, its method.

    Python's zipfile writes neither encrypted entries nor unknown methods.
    """
    with zipfile.ZipFile(path, "w") as file:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            file.writestr(name, b"{}")
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\x03\x04", place), (b"PK\x01\x02", place + 2)):
        for found in re.finditer(re.escape(start), bytes(data)):
            data[found.start() + offset] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("predict run p.png", "kerascnn export run --onnx"),
        ("predict saved p.png", "SavedModel folder"),
        ("predict empty p.png", "a folder, and neither"),
        ("predict pointer.onnx p.png", "git lfs pull"),
        ("predict small.tflite p.png", "TensorFlow Lite"),
        ("predict model.json p.png", "model.save('model.keras')"),
        ("export saved --onnx --labels names.txt", "SavedModel folder"),
        ("export model.json --onnx --labels names.txt", "model.save('model.keras')"),
        ("export run --onnx", "truncated or damaged"),
        ("export run/other.keras --onnx --labels names.txt", "no such file"),
        ("export empty --onnx", "a folder, and neither"),
        ("export mine.onnx --onnx", "an .onnx file already"),
        ("export mine.onnx --onnx --labels names.txt", "an .onnx file already"),
        ("export pointer.onnx --onnx", "git lfs pull"),
        ("evaluate run/other.keras", "no such file"),
        ("evaluate saved", "SavedModel folder"),
        ("explain run/other.keras p.png --labels names.txt", "no such file"),
        ("summary mine.onnx", "name ends in .onnx: kerascnn predict"),
        ("summary saved", "SavedModel folder"),
        ("summary run/other.keras", "other.keras: no such file"),
        ("predict w.safetensors p.png", "weights alone, without the network"),
        ("predict old.pth p.png", "a pickle, as PyTorch"),
        ("predict empty.onnx p.png", "It is empty. Copy or download it again"),
        ("predict page.onnx p.png", "a web page, not the file itself"),
        ("predict m.ort p.png", "onnxruntime's own format"),
        ("predict m.engine p.png", "an engine of TensorRT"),
        ("predict m.plan p.png", "an engine of TensorRT"),
        ("predict m.mlmodel p.png", "a Core ML model"),
        ("predict m.xml p.png", "a model of OpenVINO"),
        ("predict m.pdparams p.png", "a file of PaddlePaddle"),
        ("predict m.gguf p.png", "a language model"),
        ("predict m.onnx.xz p.png", "an archive. Unpack it"),
        ("predict m.tar p.png", "an archive. Unpack it"),
        ("predict zeros.onnx p.png", "nothing but zeros"),
        ("predict picture.onnx p.png", "a picture. The model comes first"),
        (
            "predict answer.onnx p.png",
            "a server's response, not the file: 404: Not Found. Download",
        ),
        ("predict refused.onnx p.png", 'not the file: {"error":"no such repository"}'),
        ("predict denied.onnx p.png", "AccessDenied"),
        ("predict head.onnx p.png", "a web page, not the file itself"),
        ("predict x/graph.json p.png", "JSON, but not a Keras model"),
        ("predict several p.png", "Give one of them: several/a.onnx"),
        ("predict hub p.png", "kerascnn train --weights hub/model.weights.h5"),
        ("predict m.mlpackage p.png", "a Core ML model"),
        ("features picture.onnx p.png", "a picture. The model comes first"),
        ("summary answer.onnx", "a server's response"),
        ("predict webp.onnx p.png", "a picture. The model comes first"),
        ("predict scan.onnx p.png", "a picture. The model comes first"),
        ("predict photos p.png", "a folder of pictures. The model comes first"),
        ("predict ckpt p.png", "a checkpoint of TensorFlow"),
        ("predict ckpt/cp-1 p.png", "no such file. It is a checkpoint of TensorFlow"),
        ("predict ckpt/cp-1.index p.png", "a checkpoint of TensorFlow"),
        ("export ckpt/cp-1.data-00000-of-00001 --onnx --labels names.txt", "(model.load_weights)"),
        ("summary m.caffemodel", "a model of Caffe"),
        ("predict m.param p.png", "a model of ncnn"),
        ("predict m.onnx.data p.png", "Give the .onnx file beside it"),
        (
            "predict notes.onnx p.png",
            "a text file that begins with: The model is at example.org, größer",
        ),
        ("predict frozen.onnx p.png", "--graphdef frozen.onnx"),
        ("export kept.h5 --onnx --labels names.txt", "in the format ONNX. Let its name end in"),
        ("export opset.keras --onnx", "in the format ONNX"),
        ("explain opset.keras p.png", "in the format ONNX"),
        ("evaluate kept.h5", "in the format ONNX"),
        ("predict saved.pb p.png", "a TensorFlow SavedModel folder"),
        ("export js/model.json --onnx --labels names.txt", "a model of TensorFlow.js"),
        ("predict vit p.png", "Give one of them: vit/onnx/model.onnx"),
        ("predict repo p.png", "Give one of them: repo/m/1/model.onnx"),
        ("predict tf p.png", "which is tf/1"),
        ("export runs --onnx", "Give one of them: runs/one"),
        ("export models --onnx", "Give one of them: models/best.h5"),
        ("predict w.npy p.png", "an array of NumPy"),
        ("predict w.npz p.png", "an array of NumPy"),
        ("predict kept/model.keras p.png", "a run folder of kerascnn train. Export it, then use"),
        ("card kept/model.keras", "kerascnn export kept --onnx."),
        ("predict m.onnx.gz p.png", "a gzip archive. Unpack it"),
        ("predict cut.pt p.png", "a truncated zip archive"),
        ("predict frozen.pb p.png", "--graphdef frozen.pb"),
        ("predict model.zip p.png", "Unpack it"),
        ("export w.safetensors --onnx --labels names.txt", "weights alone, without the network"),
        ("export script.pt --onnx --labels names.txt", "torch.onnx.export"),
        ("export model.zip --onnx --labels names.txt", "Unpack it"),
        ("export gone.onnx --onnx --labels names.txt", "There is no such file"),
        ("export locked.keras --onnx --labels names.txt", "an encrypted zip archive"),
        ("predict locked.keras p.png", "an encrypted zip archive"),
        ("train --weights locked.keras --model cnn --out r", "an encrypted zip archive"),
        ("export odd.keras --onnx --labels names.txt", "packed as zip in a way that Python"),
        ("train --weights several --model cnn --out r", "a weights file; in it are none"),
        ("train --weights saved --model cnn --out r", "in it are none. It is a TensorFlow Saved"),
        ("train --weights cp.ckpt --model cnn --out r", "a checkpoint of TensorFlow. Load it"),
        ("train --weights cp.ckpt.index --model cnn --out r", "a checkpoint of TensorFlow"),
        ("train --weights hub --model cnn --out r", "in it are hub/model.weights.h5"),
        ("train --weights zeros.safetensors --model resnet18 --out r", "nothing but zeros"),
        ("predict mx p.png", "a model of MXNet. Export the model as ONNX"),
        ("export mx/m-symbol.json --onnx --labels names.txt", "a model of MXNet"),
        ("card mx/m-0000.params", "a model of MXNet"),
        (
            "serve lobe/signature.json",
            "part of a folder of .onnx files. Give one of them: lobe/mod",
        ),
        ("predict ov/m.bin p.png", "part of a model of OpenVINO"),
        (
            "predict x/alone.bin p.png",
            "in a format that is not known here. Export the model as ONNX",
        ),
        ("evaluate m.mat", "a model of MATLAB"),
        ("predict m.pmml p.png", "a model of PMML"),
        ("predict v1.plan p.png", "a server's response"),
        ("predict m.joblib p.png", "a pickle"),
        ("predict pd/inference.json p.png", "convert it with paddle2onnx".capitalize()),
        ("predict pd p.png", "a file of PaddlePaddle"),
        ("predict pkg.mlpackage/Manifest.json p.png", "part of a Core ML model"),
        ("predict orbax p.png", "a model of Orbax"),
        ("card orbax/manifest.ocdbt", "part of a model of Orbax"),
        ("card tm/metadata.json", "part of a model of TensorFlow.js"),
        ("predict sharded/m.weights.json p.png", "weights alone, without the network"),
        ("predict m.pt2 p.png", "a file of PyTorch"),
        ("predict caffe2/predict_net.pb p.png", "a model of Caffe2"),
        ("predict caffe2 p.png", "a model of Caffe2"),
        ("export preset --onnx --labels names.txt", "a model of keras-hub. Load it where it was"),
        ("predict preset/task.json p.png", "part of a model of keras-hub"),
        ("train --weights preset --model cnn --out r", "in it are preset/model.weights.h5"),
        ("predict old.pb p.png", "in the format ONNX. Let its name end in .onnx"),
        ("predict m.rds p.png", "a model of R. Export the model as ONNX"),
        ("predict m.mar p.png", "a model of TorchServe"),
        ("predict photo.heic p.png", "a picture. The model comes first"),
        ("predict m.onnx.crdownload p.png", "an unfinished download. Download it to its end"),
        ("predict mlflow p.png", "Give one of them: mlflow/data/model.keras"),
        ("predict saved/keras_metadata.pb p.png", "a TensorFlow SavedModel folder"),
        ("train --weights m.mat --model cnn --out r", ".bin. It is a model of MATLAB"),
        ("train --weights ggml.bin --model resnet18 --out r", "GGUF or GGML; kerascnn takes class"),
        ("train --weights ov/m.bin --model resnet18 --out r", "part of a model of OpenVINO"),
        ("train --weights sharded/m.weights.json --model cnn --out r", "that Keras split. Load"),
        ("train --weights sharded/m_00000.weights.h5 --model cnn --out r", "that Keras split"),
        ("export run --onnx --labels names.txt", "A run of kerascnn has its class names"),
    ],
)
def test_what_came_instead_is_said(words, told, folder) -> None:
    code, output = tell(*words.split())
    assert (code in (1, 2), told in output) == (True, True), output


def test_keras_files_are_known_by_what_is_in_them(folder, model) -> None:
    model.save("m.keras")
    model.save("m.h5")
    Path("m.h5").rename("MODEL.H5")
    Path("m.keras").rename("zip.h5")
    Path("old.keras").write_bytes(Path("MODEL.H5").read_bytes())
    for name in ("MODEL.H5", "zip.h5", "old.keras"):
        assert load_foreign(name, ForeignModel(("a", "b"))).shape == (8, 8)
    code, output = tell("export", "MODEL.H5", "--onnx")
    assert (code, "needs --labels FILE" in output) == (2, True)
    assert "names.txt" in output
    for name in ("MODEL.H5", "old.keras"):
        code, output = tell("predict", name, "p.png")
        assert (code, f"kerascnn export {name} --onnx --labels" in output) == (1, True), output
