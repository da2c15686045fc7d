"""``hf://OWNER/NAME`` wherever a model file is expected, with huggingface_hub as it is."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from kerascnn import Classifier, hub
from kerascnn.errors import ConfigError, KerascnnError, MissingExtraError, ModelFileError
from kerascnn.serving import ServeConfig

from .stand_in import READER

ADDRESS = "hf://jane/flowers"


@pytest.fixture
def picture(save_pictures) -> str:
    return save_pictures(Path("p"), 1)[0]


def test_the_only_file_is_cached_and_named(hub, flowers, exported, run, picture) -> None:
    done = run("predict", ADDRESS, picture, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(run("predict", exported, picture, "--json").stdout)
    newest = hub.repos["jane/flowers"].branches["main"]
    sha256 = hashlib.sha256(exported.read_bytes()).hexdigest()
    assert f"{ADDRESS}@{newest}/clothes.onnx (SHA-256 {sha256})" in done.stderr
    pinned = f"{ADDRESS}@{newest}/clothes.onnx"
    hub.asked.clear()
    assert run("predict", pinned, picture).exit_code == 0
    assert hub.asked == []  # a commit does not change


@pytest.mark.parametrize("form", ["@main", "@{first}", "@main/clothes.onnx", "/clothes.onnx"])
def test_forms_of_an_address(form: str, flowers, exported) -> None:
    address = ADDRESS + form.format(first=flowers)
    assert Classifier(address).card == Classifier(exported).card


@pytest.mark.parametrize(
    "command",
    [["card", ADDRESS], ["explain", ADDRESS, "IMAGE"],
     ["evaluate", ADDRESS, "fashion-mini", "--no-leaks", "--compare", ADDRESS],
     ["bench", ADDRESS, "--batch", "1"],
     ["score", ADDRESS, "IMAGE", "--out", "scores", "--part", "0"]],
    ids=lambda command: command[0],
)  # fmt: skip
def test_other_commands(command: list[str], flowers, run, picture) -> None:
    done = run(*[picture if word == "IMAGE" else word for word in command])
    assert done.exit_code == 0, done.output


def test_a_summary_needs_a_model_of_keras(flowers, run) -> None:
    done = run("summary", ADDRESS)
    assert done.exit_code == 1, done.output
    assert "clothes.onnx: " in done.stderr
    assert "kerascnn card" in done.stderr


def test_serve_takes_it_under_its_files_name_or_another(flowers, hub) -> None:
    config = ServeConfig(models=(ADDRESS, f"other={ADDRESS}"))
    assert config.names == ("clothes", "other")
    assert all(Path(model.path).is_file() for model in config.served)


def test_serve_by_a_variable(flowers, run, monkeypatch) -> None:
    from kerascnn import serving

    served: list[ServeConfig] = []
    monkeypatch.setattr(serving, "serve", lambda config, _started: served.append(config))
    monkeypatch.setenv("KERASCNN_SERVE_MODELS", f"{ADDRESS}:other={ADDRESS}@{flowers}")
    done = run("serve")
    assert done.exit_code == 0, done.output
    assert served[0].names == ("clothes", "other")


@pytest.mark.both
def test_a_report_lies_here_and_not_in_the_cache(flowers, run, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    done = run("report", ADDRESS, "fashion-mini")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "clothes-report.html").is_file()


@pytest.mark.parametrize("variable", ["KERASCNN_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_the_cache_is_enough(variable: str, flowers, hub, monkeypatch) -> None:
    before = Classifier(ADDRESS).card
    if variable == "KERASCNN_OFFLINE":
        monkeypatch.setenv(variable, "1")
    else:
        monkeypatch.setattr(constants, variable, True)
    hub.asked.clear()
    assert Classifier(ADDRESS).card == before
    with pytest.raises(ModelFileError, match=f"not in the cache, and {variable} is set"):
        Classifier("hf://jane/other")
    with pytest.raises(ModelFileError, match=f"not in the cache, and {variable} is set"):
        Classifier(f"{ADDRESS}/other.onnx")
    assert hub.asked == []


def test_a_hub_that_is_gone(flowers, hub, monkeypatch) -> None:
    before = Classifier(ADDRESS).card
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert Classifier(ADDRESS).card == before
    with pytest.raises(ModelFileError, match="cannot be reached"):
        Classifier("hf://jane/other")


FAULTS = {
    "hf://jane/absent": "no such repository, or one that you may not see",
    "hf://jane/hidden": "no such repository, or one that you may not see",
    "hf://jane/gated/a.onnx": "its owner decides who may read it",
    f"{ADDRESS}@nowhere": "no such revision",
    f"{ADDRESS}@nowhere/clothes.onnx": "no such revision",
    f"{ADDRESS}/absent.onnx": "no such file in this repository",
    "hf://jane/two": "2 .onnx files in it. Name one: hf://jane/two/a.onnx, hf://jane/two/b.onnx",
    "hf://jane/none": "no .onnx file in it; it has readme.txt",
    "hf://datasets/jane/pictures": "not a model on the Hub",
    "hf://flowers": "not a model on the Hub",
    "hf://jane/fl..owers": "Cannot have -- or ..",
}


@pytest.fixture
def faulty(hub, flowers, monkeypatch) -> None:
    from .stand_in import Repo

    monkeypatch.setenv("HF_TOKEN", READER)
    hub.repos["jane/hidden"] = Repo(private=True)
    made = {"gated": ["a.onnx"], "two": ["a.onnx", "b.onnx"], "none": ["readme.txt"]}
    for name, files in made.items():
        hub.repos[f"jane/{name}"] = Repo()
        hub.repos[f"jane/{name}"].commit("main", dict.fromkeys(files, b"x"), "one")
    hub.gated.add("jane/gated")


@pytest.mark.parametrize("address", FAULTS)
def test_faults_are_one_line(address: str, faulty, run, picture) -> None:
    done = run("predict", address, picture)
    assert done.exit_code in (1, 2), done.output
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"Error: {address}: ")
    assert FAULTS[address] in lines[0]


def test_a_damaged_file_in_the_cache(flowers) -> None:
    path = hub.fetch(ADDRESS).path.resolve()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="the file in the cache is damaged"):
        Classifier(ADDRESS)


def test_without_the_package(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[hub\]'"):
        Classifier(ADDRESS)


def test_it_is_imported_only_for_such_an_address(environment, exported) -> None:
    code = "import sys; from kerascnn import Classifier; Classifier(sys.argv[1]); " \
           "sys.exit('huggingface_hub' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code, exported], env=environment).returncode == 0


def test_as_a_user_by_the_hubs_own_variables(flowers, hub, kerascnn, environment, picture) -> None:
    variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(Path("home").resolve()), "HF_TOKEN": "",
                 "KERASCNN_OFFLINE": ""}  # fmt: skip
    done = kerascnn("predict", f"{ADDRESS}@{flowers[:40]}", picture, env=environment | variables)
    assert done.returncode == 0, done.stderr
    assert flowers.encode() in done.stderr
    offline = variables | {"HF_HUB_OFFLINE": "1"}
    again = kerascnn("predict", f"{ADDRESS}@{flowers}", picture, env=environment | offline)
    assert (again.returncode, again.stdout) == (0, done.stdout), again.stderr


def test_types_of_errors(hub) -> None:
    with pytest.raises(ConfigError):
        Classifier("hf://jane")
    with pytest.raises(KerascnnError):
        Classifier("hf://jane/absent")
