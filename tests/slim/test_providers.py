"""Where a file runs: by name, by what was measured, and never by a silent fall-back."""

import gc
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from kerascnn import Classifier
from kerascnn.dataset import load_dataset, sized_pictures
from kerascnn.errors import ConfigError, ModelFileError, ProviderError
from kerascnn.inference.probes import check_probes
from kerascnn.inference.runtime import openvino
from kerascnn.inference.runtime import selection as choice
from kerascnn.inference.runtime.tuned_settings import (
    TunedSettings,
    load_settings,
    save_settings,
    settings_path,
)

HERE = ["cpu"] + ["openvino"] * (find_spec("openvino") is not None)
"""The providers that run wherever these tests do."""


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    """The exported file, in a folder of its own: settings lie beside the file."""
    return Path(shutil.copy(exported, tmp_path / "clothes.onnx"))


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    """Real pictures, sized: uint8 [24, 32, 32, 3]."""
    pictures = load_dataset("fashion-mini").splits["test"].pictures
    return np.stack(list(islice(sized_pictures(pictures, 32, "pad"), 24)))


def test_without_settings_auto_is_the_cpu_and_says_how_to_measure(model: Path) -> None:
    classifier = Classifier(model)
    assert classifier.provider == "cpu"
    assert "no settings are saved" in classifier.provider.why
    assert "kerascnn bench" in classifier.provider.why


@pytest.mark.both
@pytest.mark.parametrize("provider", HERE)
def test_every_provider_answers_exactly(provider: str, model: Path, batch: np.ndarray) -> None:
    expected = Classifier(model, "cpu", threads=1).run(batch)
    with Classifier(model, provider) as classifier:
        assert classifier.provider == provider
        found = classifier.run(batch)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_openvino_is_asked_for_float32_unless_fast_arithmetic_will_do() -> None:
    exact, fast = (openvino.settings(3, grade) for grade in ("exact", "fast"))
    assert exact == fast | {"INFERENCE_PRECISION_HINT": "f32"}
    assert "INFERENCE_PRECISION_HINT" not in fast  # bfloat16 where the processor has it
    for grade, wanted in (("exact", exact), ("fast", fast)):
        told = json.loads(openvino.plugin_options(3, grade)["load_config"])
        assert told == {"CPU": wanted}


@pytest.mark.both
@pytest.mark.skipif("openvino" not in HERE, reason="OpenVINO is not installed")
def test_openvino_hears_which_arithmetic_was_chosen(
    model: Path, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    real = openvino.settings

    def settings(threads: int, arithmetic: str) -> dict[str, str]:
        heard.append(arithmetic)
        return real(threads, arithmetic)

    monkeypatch.setattr(openvino, "settings", settings)
    exact = Classifier(model, "openvino").run(batch)[1]
    fast = Classifier(model, "openvino", arithmetic="fast").run(batch)[1]
    assert heard == ["exact", "fast"]
    assert np.abs(fast - exact).max() < 0.05


@pytest.fixture
def networks_used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many pictures each network that runs is compiled, -1: any; in OpenVINO's runtime."""
    monkeypatch.setattr("kerascnn.inference.runtime.session.plugin_devices", list)
    used, run = [], openvino._Network.run

    def seen(network: openvino._Network, *arguments: object) -> list[np.ndarray]:
        axis = network.compiled.inputs[0].partial_shape[0]
        used.append(-1 if axis.is_dynamic else axis.get_length())
        return run(network, *arguments)

    monkeypatch.setattr(openvino._Network, "run", seen)
    return used


@pytest.mark.skipif("openvino" not in HERE, reason="OpenVINO is not installed")
def test_openvino_has_a_network_for_full_batches(
    model: Path, batch: np.ndarray, networks_used: list[int]
) -> None:
    expected = Classifier(model, "cpu", threads=1).run(batch)[1]
    with Classifier(model, "openvino", full_batch=8) as classifier:
        assert networks_used == [-1, 8, 8]  # each answers the probes
        networks_used.clear()
        for count in (1, 8, 9, 8):
            answers = classifier.run(batch[-count:])[1]
            assert np.abs(answers - expected[-count:]).max() < 1e-5
    assert networks_used == [-1, 8, -1, 8]


@pytest.mark.skipif("openvino" not in HERE, reason="OpenVINO is not installed")
def test_without_a_network_for_full_batches_the_other_runs_them(
    model: Path, batch: np.ndarray, networks_used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_model: object, _count: int) -> bool:
        raise RuntimeError("no kernel for this shape")

    monkeypatch.setattr(openvino, "_fix_batch", fail)
    assert Classifier(model, "openvino", full_batch=8).run(batch[:8])[1].shape == (8, 10)
    assert set(networks_used) == {-1}


@pytest.mark.skipif("openvino" not in HERE, reason="OpenVINO is not installed")
def test_a_network_for_full_batches_that_answers_otherwise_is_found(
    model: Path, networks_used: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = openvino._Network.run

    def wrong(network: openvino._Network, *arguments: object) -> list[np.ndarray]:
        answers = run(network, *arguments)
        return answers if networks_used[-1] == -1 else [answer[:, ::-1] for answer in answers]

    monkeypatch.setattr(openvino._Network, "run", wrong)
    with pytest.raises(ProviderError, match="on provider openvino, a probability differs"):
        Classifier(model, "openvino", full_batch=8)


def test_a_full_batch_of_no_picture_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match="`full_batch` is 0; expected a whole number"):
        Classifier(model, full_batch=0)


@pytest.mark.skipif("openvino" in HERE, reason="OpenVINO is installed")
def test_openvino_that_is_missing_is_named_with_its_pip_line(model: Path) -> None:
    with pytest.raises(
        ProviderError, match=r"is not installed.*pip install 'kerascnn\[openvino\]'"
    ):
        Classifier(model, "openvino")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_an_onnxruntime_without_gpus_says_what_to_install(provider: str, model: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built with CUDA")
    with pytest.raises(ProviderError, match=r"built without it.*pip install 'kerascnn\[gpu\]'"):
        Classifier(model, provider)


def test_unknown_names_are_refused_with_those_that_exist(model: Path) -> None:
    with pytest.raises(ConfigError, match="cpu, openvino, cuda, tensorrt"):
        Classifier(model, "gpu")
    with pytest.raises(ConfigError, match="exact, fast"):
        Classifier(model, arithmetic="quick")


@pytest.mark.both
def test_auto_takes_what_was_measured(model: Path, batch: np.ndarray) -> None:
    best = TunedSettings(HERE[-1], threads=1, spinning=False, batch=8, images_per_second=1234.0)
    save_settings(model, {"exact": best})
    classifier = Classifier(model)
    assert classifier.provider == HERE[-1]
    assert classifier.provider.why == "fastest here: 1,234 images/s"
    assert choice.choose(model, "auto", "exact", None)[0].threads == 1
    assert choice.choose(model, "auto", "exact", 2)[0].threads == 2
    assert Classifier(model, arithmetic="fast").provider == "cpu"
    np.testing.assert_allclose(
        classifier.run(batch)[1], Classifier(model, "cpu").run(batch)[1], atol=1e-5
    )


def test_auto_goes_on_with_the_cpu_where_the_best_cannot_run(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_settings(model, {"exact": TunedSettings("tensorrt", 1, True, 8, 1e6)})
    classifier = Classifier(model)
    assert classifier.provider == "cpu"
    assert classifier.provider.why == "tensorrt failed"
    assert "continues with cpu" in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"machine": {"processor": "another"}}, "measured under other conditions"),
        ({"model_bytes": 1}, "belongs to another file"),
        ({"schema": 99}, "another version"),
    ],
)
def test_settings_that_do_not_hold_here_are_not_used(change, reason: str, model: Path) -> None:
    path = save_settings(model, {"exact": TunedSettings("cpu", 1, True, 8, 1.0)})
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change))
    assert reason in Classifier(model).provider.why
    assert load_settings(model)[0] == {}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"schema": 1}', "\x00\xff"],
    ids=["empty", "cut", "list", "bare", "raw"],
)
def test_settings_that_are_damaged_are_an_error_with_the_remedy(text: str, model: Path) -> None:
    settings_path(model).write_text(text, encoding="latin-1")
    with pytest.raises(ModelFileError, match=r"clothes\.bench\.json: not the settings.*--save"):
        Classifier(model)
    Classifier(model, "cpu")


def test_a_provider_that_answers_otherwise_is_refused(model: Path) -> None:
    card = Classifier(model).card
    wrong = tuple(
        replace(probe, probabilities=tuple(reversed(probe.probabilities))) for probe in card.probes
    )
    from kerascnn.inference.probes import probe_pictures

    pictures = probe_pictures(card.image_size)
    answers = Classifier(model).run(pictures)[1]
    for arithmetic in ("exact", "fast"):
        with pytest.raises(ProviderError, match="on provider cuda, a probability differs"):
            check_probes(replace(card, probes=wrong), pictures, answers, "cuda", arithmetic)
    slightly = tuple(
        replace(probe, probabilities=tuple(value + 1e-3 for value in probe.probabilities))
        for probe in card.probes
    )
    check_probes(replace(card, probes=slightly), pictures, answers, "cuda", "fast")
    with pytest.raises(
        ProviderError, match=r"0\.001 from .*\(allowed: 0\.0001\).*with its weights"
    ):
        check_probes(replace(card, probes=slightly), pictures, answers, "cuda", "exact")


@pytest.mark.both
@pytest.mark.parametrize("provider", HERE)
def test_many_threads_share_one_classifier(provider: str, model: Path, batch: np.ndarray) -> None:
    classifier = Classifier(model, provider, threads=1)
    singly = [classifier.run(batch[i : i + 1 + i % 3])[1] for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: classifier.run(batch[n % 20 : n % 20 + 1 + n % 20 % 3])[1],
                              range(200)))  # fmt: skip
    for n, answers in enumerate(found):
        np.testing.assert_allclose(answers, singly[n % 20], atol=1e-6)


@pytest.mark.both
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("provider", HERE)
def test_a_forked_process_is_told_to_open_its_own(provider: str, model: Path) -> None:
    """In a process of its own: forking one with pytest's threads would be another test."""
    code = (
        "import os, sys, numpy as np\n"
        "from kerascnn import Classifier, KerascnnError\n"
        f"classifier = Classifier({str(model)!r}, {provider!r})\n"
        "picture = np.zeros((1, 32, 32, 3), np.uint8)\n"
        "expected = classifier.run(picture)[1]\n"
        "many = [picture[0]] * 100\n"
        "classifier.predict(many)\n"  # by threads, which do not exist after a fork either
        "for work in (lambda: classifier.run(picture), lambda: classifier.predict(many)):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        try:\n"
        "            work()\n"
        "        except KerascnnError as error:\n"
        "            os._exit(42 if 'forked' in str(error) else 1)\n"
        "        os._exit(2)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42\n"
        "assert np.array_equal(classifier.run(picture)[1], expected)\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True, text=True, timeout=600, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.both
@pytest.mark.parametrize("provider", HERE)
def test_a_closed_classifier_says_so(provider: str, model: Path, batch: np.ndarray) -> None:
    with Classifier(model, provider) as classifier:
        classifier.run(batch)
    with pytest.raises(ConfigError, match="closed"):
        classifier.run(batch)
    with Classifier(model, provider) as classifier:
        answers = classifier.stream([batch[0]] * 1000)
        next(answers)
    with pytest.raises(ConfigError, match="closed"):
        list(answers)
    classifier.close()


@pytest.mark.both
@pytest.mark.serial
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("provider", HERE)
def test_closing_frees_memory(provider: str, model: Path, batch: np.ndarray) -> None:
    many = np.concatenate([batch] * 20)

    def use() -> int:
        with Classifier(model, provider) as classifier:
            classifier.run(many)
        gc.collect()
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(3):
        warm = use()
    # An open one holds some 100 MB for this batch; ten that leaked would be a gigabyte.
    assert max(use() for _ in range(10)) - warm < 150e6


def test_settings_are_plain_json(model: Path) -> None:
    setting = TunedSettings("cpu", 2, True, 32, 10.0)
    value = json.loads(save_settings(model, {"fast": setting}).read_text(encoding="utf-8"))
    assert value["best"] == {"fast": asdict(setting)}
    assert value["machine"]["processors"].isdecimal()


@pytest.mark.both
@pytest.mark.skipif("openvino" not in HERE, reason="OpenVINO is not installed")
def test_openvino_reports_nothing_over_the_net(model: Path, tmp_path: Path) -> None:
    """It does so on import, where its package openvino_telemetry can be imported."""
    fake = tmp_path / "openvino_telemetry"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise SystemExit('telemetry was imported')\n")
    code = (
        "import sys\n"
        "from kerascnn import Classifier\n"
        f"Classifier({str(model)!r}, 'openvino')\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), *sys.path]))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=600, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
