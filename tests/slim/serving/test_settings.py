"""Settings of ``kerascnn serve``: options, variables and a file, and who wins."""

import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from kerascnn import serving
from kerascnn.cli import main
from kerascnn.errors import ConfigError
from kerascnn.options import options_of
from kerascnn.serving import ModelConfig, ServeConfig

from .small_model import write_model

TOML = """
host = "0.0.0.0"
port = 9000
max-body-mb = 3.5
cors = "https://a.example"
allowed_host = ["b.example", "*.c.example"]
access-log = false
max-batch = 4

[models.flowers]
path = "a.onnx"
arithmetic = "fast"
max-batch = 8
max_queue = 9
threads = 2

[models.colors]
path = "sub/b.onnx"
labels = "rgb.txt"
image-size = [16, 24]
normalize = "unit"
pad-color = [1, 2, 3]
"""

YAML = """
host: 0.0.0.0
port: 9000
max-body-mb: 3.5
cors: https://a.example
allowed_host: [b.example, "*.c.example"]
access-log: no
max-batch: 4
models:
  flowers: {path: a.onnx, arithmetic: fast, max-batch: 8, max_queue: 9, threads: 2}
  colors:
    path: sub/b.onnx
    labels: rgb.txt
    image-size: 16x24
    normalize: unit
    pad-color: "1,2,3"
"""


@pytest.fixture
def settle(monkeypatch):
    """Run the command, and give the configuration that the server would get."""

    def run(*arguments, env=None):
        found = []
        monkeypatch.setattr(serving, "serve", lambda config, _started: found.append(config))
        result = CliRunner().invoke(main, ["serve", *map(str, arguments)], env=env)
        return (found or [None])[0], result

    return run


@pytest.fixture
def folder(tmp_path):
    """A folder of its own, with what the files name."""
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    for name in ("a.onnx", "sub/b.onnx"):
        write_model(home / name, np.eye(3))
    (home / "rgb.txt").write_text("red\ngreen\nblue\n")
    return home


@pytest.mark.parametrize(("name", "text"), [("s.toml", TOML), ("s.yaml", YAML), ("s.yml", YAML)])
def test_a_file(settle, folder, name, text):
    if name != "s.toml":
        pytest.importorskip("yaml", reason="needs the extra yaml")
    (folder / name).write_text(text)
    config, result = settle("--config", folder / name)
    assert result.exit_code == 0, result.output
    assert (config.host, config.port, config.max_body_mb) == ("0.0.0.0", 9000, 3.5)
    assert config.cors == ("https://a.example",)
    assert config.allowed_host == ("b.example", "*.c.example")
    assert config.access_log is False
    flowers, colors = config.served
    assert flowers == ModelConfig(
        str(folder / "a.onnx"), "flowers", arithmetic="fast", max_batch=8, max_queue=9, threads=2
    )
    assert (colors.name, colors.max_batch, colors.max_queue) == ("colors", 4, 256)
    assert colors.foreign.classes == ("red", "green", "blue")
    assert (colors.foreign.image_size, colors.foreign.normalize) == ((16, 24), "unit")
    assert colors.foreign.sizing.pad_color == (1, 2, 3)


def test_who_wins(settle, folder):
    (folder / "s.toml").write_text(TOML)
    env = {"KERASCNN_SERVE_PORT": "9001", "KERASCNN_SERVE_HOST": "::1",
           "KERASCNN_SERVE_CONFIG": str(folder / "s.toml")}  # fmt: skip
    config, _ = settle("--port", 9002, env=env)
    assert (config.host, config.port, config.max_body_mb) == ("::1", 9002, 3.5)
    # Over what is said about one model, too.
    config, _ = settle(env={**env, "KERASCNN_SERVE_MAX_QUEUE": "50"})
    assert [model.max_queue for model in config.served] == [50, 50]
    config, _ = settle("--arithmetic", "exact", env=env)
    assert {model.arithmetic for model in config.served} == {"exact"}
    # Models of the command line are served instead of the file's.
    config, _ = settle(folder / "a.onnx", env=env)
    assert (config.names, config.port) == (("a",), 9001)
    config, _ = settle(env={**env, "KERASCNN_SERVE_MODELS": str(folder / "a.onnx")})
    assert config.names == ("a",)


def test_variables_for_every_option(settle, folder):
    from kerascnn.cli.foreign import FOREIGN
    from kerascnn.cli.serve import command

    values = {
        "host": "::1", "port": "9000", "provider": "cpu", "arithmetic": "fast", "threads": "3",
        "copies": "2", "max_batch": "5", "max_wait_ms": "1.5", "max_queue": "99",
        "max_body_mb": "2.5", "max_megapixels": "7", "timeout": "4", "read_timeout": "6",
        "grace": "1", "reload_seconds": "0", "token_file": "t",
        "grpc_port": "8001", "traces": "true", "tls_cert": "c", "tls_key": "k",
        "cors": "https://a https://b", "allowed_host": "a b", "access_log": "false",
    }  # fmt: skip
    others = {"models", "config", "debug", "lang"} | set(FOREIGN)
    assert {option.name for option in command.params} - others == values.keys()
    env = {f"KERASCNN_SERVE_{name.upper()}": value for name, value in values.items()}
    config, result = settle(folder / "a.onnx", env=env)
    assert result.exit_code == 0, result.output
    for name, value in values.items():
        found = getattr(config, name)
        told = " ".join(found) if isinstance(found, tuple) else str(found).removesuffix(".0")
        assert told.lower() == value, name
    empty, _ = settle(folder / "a.onnx", env=dict.fromkeys(env, ""))
    assert empty == serving.ServeConfig((str(folder / "a.onnx"),))


def test_models_in_a_variable(settle, folder):
    a, b = folder / "a.onnx", folder / "sub" / "b.onnx"
    spaced = folder / "with space.onnx"
    write_model(spaced, np.eye(3))
    for text, names in (
        (f"{a}", ("a",)), (f"{a}{os.pathsep}{b}", ("a", "b")), (f"{a} {b}", ("a", "b")),
        (f"{a}\n{b}\n", ("a", "b")), (f"x={a}{os.pathsep}y={a}", ("x", "y")),
        (f"{spaced}", (spaced.stem,)),
        (f"{folder}", ("a", spaced.stem)),
    ):  # fmt: skip
        for variable in ("KERASCNN_SERVE_MODELS", "KERASCNN_SERVE_MODEL"):
            config, result = settle(env={variable: text})
            assert config.names == names, result.output
    assert settle()[1].exit_code == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max-bach = 3", "max-bach is not a setting. Did you mean max-batch?"),
        ("[models.x]\npath = 'a.onnx'\nmax_bach = 3", "models.x: max_bach is not a setting. Did"),
        ("[models.x]\npath = 'a.onnx'\nport = 3", "models.x: port is not a setting"),
        ("[models.x]\nmax-batch = 3", 'models.x: expected a section with path = "FILE.onnx"'),
        ("[modles.x]\npath = 'a.onnx'", "modles is not a setting"),
        ("port = 'x'", "port: 'x' is not a valid integer"),
        ("port = true", "port: 'True' is not a valid integer"),
        ("port = [1]", "port is [1]; expected one value"),
        ("host = {a = 1}", "host is {'a': 1}; expected a value"),
        ("token-file = true", "token_file is True; expected text"),
        ("tls-cert = 2024-01-01", "expected text"),
        ("cors = [1]", "expected text, or a list of it"),
        ("[models.x]\npath = 'a.onnx'\nthreads = [2]", "threads is [2]; expected one value"),
        ("[models.'a/b']\npath = 'a.onnx'", "contains /; expected one without it"),
        ("max-batch = 2.5", "max_batch: '2.5' is not a valid integer"),
        ("provider = 'gpu'", "provider: 'gpu' is not one of"),
        ("[models.x]\npath = 'a.onnx'\nmax-batch = 0", "--max-batch is 0; expected at least 1"),
        ("[models.x]\npath = 'a.onnx'\nmax-queue = 3", "--max-queue is 3; expected at least"),
        ("models = ['a.onnx']\nport = 99999", "--port is 99999; expected 0 to 65535"),
        ("models = ['a.onnx']\ntimeout = nan", "--timeout is nan; expected above 0"),
        ("[models.x]\npath = 'a.onnx'\nimage-size = 'big'", "models.x: image_size: 'big'"),
        ("models = 3", "expected a section for each"),
        ("models = ['a.onnx', 3]", "expected a list of paths, or a section for each"),
        ("[[models]]\npath = 'a.onnx'", "expected a list of paths, or a section for each"),
        ("port = ", "not TOML"),
        ("a" + ".a" * 20_000 + " = 1", "a key of more than 32 parts"),
        ("x = {" + """'a b' . "c" .""" * 20_000 + " a = 1}", "a key of more than 32 parts"),
        ("", "Missing argument"),
    ],
    ids=range(28),
)  # fmt: skip
def test_mistakes_in_a_file_are_one_line(settle, folder, text, reason):
    (folder / "s.toml").write_text(text)
    _, result = settle("--config", folder / "s.toml")
    assert result.exit_code == 2
    assert reason in result.output
    assert "Traceback" not in result.output


def test_files_that_are_none(settle, folder, monkeypatch):
    assert "no such file" in settle("--config", folder / "none.toml")[1].output
    (folder / "s.toml").write_bytes(b"\xff")
    assert "not TOML" in settle("--config", folder / "s.toml")[1].output
    monkeypatch.setitem(sys.modules, "yaml", None)
    (folder / "s.yaml").write_text(YAML)
    result = settle("--config", folder / "s.yaml")[1]
    assert "pip install 'kerascnn[yaml]'" in result.output
    monkeypatch.undo()


LAUGHS = "&a0 [1, 1]," + ",".join(f"&a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))
"""Nine lists, each but the first ten times the one before it: 2 * 10^8 numbers if written out."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("port: 1\nport: 2", "port occurs twice"),
        ("models:\n  x: {path: a.onnx}\n  x: {path: a.onnx}", "x occurs twice"),
        ("models:\n  on: {path: a.onnx}", "the name True is not text; put it in quotes"),
        ("token-file:", "expected a value"),
        ("port: &a [*a]", "more than 10,000 values"),
        ("host: [" + LAUGHS + "]", "more than 10,000 values"),
        ("port: !!bool maybe", "a value is not what its tag says"),
        ('port: !!int ""', "a value is not what its tag says"),
        ("port: !!timestamp x", "a value is not what its tag says"),
        (f"port: 0x{'f' * 20_000}", "a whole number of more than 18 digits"),
        (f"port: {'1:' * 20_000}1", "a whole number of more than 18 digits"),
        (f"host: {'x' * 5_000}", "a text of 5,000 characters; expected at most 4,096"),
        ("#" * 300_000, "more than 262,144 bytes"),
    ],
    ids=range(13),
)
def test_what_yaml_would_let_pass(settle, folder, text, reason):
    pytest.importorskip("yaml", reason="needs the extra yaml")
    (folder / "s.yaml").write_text(text)
    _, result = settle("--config", folder / "s.yaml")
    assert (result.exit_code, reason in " ".join(result.output.split())) == (2, True)


@pytest.mark.parametrize("text", ["a: [", "[1, 2]", "- x", "5"])
def test_yaml_that_is_none(settle, folder, text):
    pytest.importorskip("yaml", reason="needs the extra yaml")
    (folder / "s.yaml").write_text(text)
    result = settle("--config", folder / "s.yaml")[1]
    assert result.exit_code == 2
    assert "not YAML" in result.output or "holds no settings" in result.output


def test_origins_are_as_browsers_write_them(settle, folder):
    given = "http://A.org:80 https://a.org:8443 http://[::1]:443 capacitor://localhost *"
    given += " https://Bücher.example:443"
    config, _ = settle(folder / "a.onnx", env={"KERASCNN_SERVE_CORS": given})
    assert config.cors == (
        "http://a.org", "https://a.org:8443", "http://[::1]:443", "capacitor://localhost", "*",
        "https://xn--bcher-kva.example",
    )  # fmt: skip


def test_models_on_the_hub_are_not_relative_to_the_file(settle, folder, monkeypatch):
    fetched = []

    def fetch(address):
        fetched.append(address)
        return SimpleNamespace(path=folder / "a.onnx")

    for home in ("kerascnn.cli.shared", "kerascnn.serving.sources.hub"):
        monkeypatch.setattr(f"{home}.fetch", fetch)
    texts = [
        'models = ["hf://jane/flowers", "x=hf://jane/birds@v1"]\n',
        '[models.x]\npath = "hf://jane/birds"\n[models.y]\npath = "sub/b.onnx"\n',
    ]
    for text in texts:
        (folder / "s.toml").write_text(text)
        config, result = settle("--config", folder / "s.toml")
        assert result.exit_code == 0, result.output
    assert fetched == ["hf://jane/flowers", "hf://jane/birds@v1", "hf://jane/birds"]
    assert config.served[1].path == str(folder / "sub" / "b.onnx")


def test_a_path_with_a_sign_in_it_has_no_name(settle, folder):
    (folder / "k=v").mkdir()
    write_model(folder / "k=v" / "c.onnx", np.eye(3))
    (folder / "s.toml").write_text('models = ["./k=v/c.onnx", "d=k=v/c.onnx"]\n')
    config, result = settle("--config", folder / "s.toml")
    assert result.exit_code == 0, result.output
    assert config.names == ("c", "d")
    assert {model.path for model in config.served} == {str(folder / "k=v" / "c.onnx")}


def test_models_as_a_list(settle, folder):
    (folder / "s.toml").write_text('models = ["a.onnx", "b=sub/b.onnx"]\n')
    config, _ = settle("--config", folder / "s.toml")
    assert [(one.name, one.path) for one in config.served] == [
        ("a", str(folder / "a.onnx")), ("b", str(folder / "sub" / "b.onnx")),
    ]  # fmt: skip


def test_variables_that_are_none(settle, folder):
    """Kubernetes adds some for a Service that is called kerascnn-serve; they are no mistake."""
    env = {
        "KERASCNN_SERVE_PORT": "tcp://10.0.0.7:8000", "KERASCNN_SERVE_SERVICE_HOST": "10.0.0.7",
        "KERASCNN_SERVE_PORT_8000_TCP": "tcp://10.0.0.7:8000", "KERASCNN_SERVE_MAX_BACH": "3",
    }  # fmt: skip
    config, result = settle(folder / "a.onnx", env=env)
    assert config.port == 8000
    [line] = [line for line in result.output.splitlines() if line.startswith("warning")]
    assert line == (
        "warning: KERASCNN_SERVE_MAX_BACH is not a setting. Did you mean KERASCNN_SERVE_MAX_BATCH?"
    )
    assert json.dumps(config.names) == '["a"]'


def test_an_option_is_declared_once_and_checked_in_python_too():
    options = {name for names in main.get_command(None, "serve").groups.values() for name in names}
    assert set(options_of(ServeConfig)) < options
    config = ServeConfig(("a.onnx",), port="9000", max_wait_ms=1, cors=("HTTPS://A.example:443",))
    assert (config.port, config.cors) == (9000, ("https://a.example",))
    assert isinstance(config.max_wait_ms, float)
    with pytest.raises(ConfigError) as failed:
        ServeConfig(("a.onnx",), port=70_000, copies="many", timeout=float("inf"), cors=("a",))
    for said in (
        "`port` is 70000; expected 0 to 65535",
        "`copies` is 'many'; expected 1 to 64",
        "`timeout` is inf; expected above 0",
        "`cors` is ('a',); expected a list of origins like https://example.org",
    ):
        assert str(failed.value).count(said) == 1
