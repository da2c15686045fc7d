"""The Python scripts: each explains itself, is checked as the package is, and measures something.

A tiny round on the built-in pictures shows that a benchmark still runs; its numbers mean nothing.
The benchmarks without one need more data (bench_transfer, bench_advise), an index of packages
(bench_footprint), or the steps of another that has one (bench_fashion those of bench_accuracy).
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts"
SCRIPTS = sorted(
    path.name
    for path in FOLDER.iterdir()
    if path.is_file() and re.match(rb"#!.*python", path.read_bytes())
)
FRAMEWORKS = ("keras", "tensorflow", "jax", "torch", "tf2onnx")
NUMBER = r"\d[\d,]*(?:\.\d+)?"


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / script, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def printed(script: str, *arguments: object) -> str:
    done = run(script, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_scripts() -> None:
    assert {"bench_train", "make_tutorial", "fetch_hostile_pictures"} <= set(SCRIPTS)
    assert "quickstart" not in SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_the_docstring_and_comes_before_any_framework(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", FOLDER / name, "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    docstring = ast.get_docstring(ast.parse((FOLDER / name).read_text(encoding="utf-8")))
    assert docstring
    assert docstring in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & set(FRAMEWORKS)


@pytest.mark.parametrize("tool", ["ruff", "mypy"])
def test_every_script_is_formatted_linted_and_typed(tool: str) -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    patterns = {"ruff": tools["ruff"]["extend-include"], "mypy": tools["mypy"]["files"]}[tool]
    covered = {path.name for pattern in patterns for path in ROOT.glob(pattern)}
    modules = [path.name for path in FOLDER.glob("*.py")] if tool == "mypy" else []
    assert not {*SCRIPTS, *modules} - covered
    assert not {"quickstart", "install", "test"} & covered


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "gray.png"
    Image.fromarray(np.full((40, 30, 3), 127, np.uint8)).save(path)
    return path


@pytest.mark.full
def test_bench_accuracy_adds_a_line_once_and_tables_it(tmp_path: Path) -> None:
    row, file = "lenet5:none:epochs=1", tmp_path / "runs.jsonl"
    asked = ("fashion-mini", "--out", file, "--rows", row, "--seeds", 0)
    table = printed("bench_accuracy", *asked)
    assert re.search(rf"^\| {row} \| cpu \| 1 \| {NUMBER}% \| 1 \| {NUMBER} s", table, re.M)
    assert re.search(r"^\| resnet20:\S+ \| cpu \| 0 \| not measured \|", table, re.M)
    assert printed("bench_accuracy", *asked) == table
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.full
def test_bench_defaults_judges_on_held_out_pictures_once(tmp_path: Path) -> None:
    asked = (
        "--out",
        tmp_path / "d.jsonl",
        "--sets",
        "textures",
        "--who",
        "kerascnn",
        "random forest",
    )
    table = printed("bench_defaults", *asked)
    cell = rf"{NUMBER}%, {NUMBER} s"
    row = rf"^\| textures, 3 classes, 40 each \| {cell} \|(?: not measured \|){{3}} {cell} \|"
    assert re.search(row, table, re.M)
    assert printed("bench_defaults", *asked) == table


def test_bench_defaults_gives_everybody_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    sets = import_module("bench_defaults_sets")
    pictures = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3), np.uint8)
    labels = np.arange(40) % 2
    task = sets.Task(pictures, labels, pictures[:5], labels[:5], mixed=True)
    folder = task.data(tmp_path / "p.npz", 0)
    for split, number in (("train", 40), ("test", 5)):
        with np.load(tmp_path / "p.npz") as arrays:
            read = arrays[f"x_{split}"]
        files = sorted((folder / split).rglob("*.*"), key=lambda file: file.stem)
        assert len(files) == len(read) == number
        for file, pixels in zip(files, read, strict=True):
            with Image.open(file) as found:
                resized = np.asarray(found.convert("RGB").resize((24, 24)))
            np.testing.assert_array_equal(resized, pixels)
    assert {file.suffix for file in folder.rglob("*.*")} > {".gif", ".jpg", ".png", ".webp"}
    plain = replace(task, mixed=False).data(tmp_path / "q.npz", 0)
    with np.load(plain) as arrays:
        np.testing.assert_array_equal(arrays["x_train"], pictures)


@pytest.mark.full
def test_bench_train_compares_what_is_there() -> None:
    chosen = ("--tasks", "cnn", "--who", "tensorflow", "--rounds", 1, "--pictures", 256)
    table = printed("bench_train", *chosen)
    ends = rf"{NUMBER} to {NUMBER}"
    assert re.search(rf"^\| tensorflow \| {NUMBER} \| {ends} \| - \| {NUMBER} \|", table, re.M)


@pytest.mark.full
def test_bench_overhead_divides_a_start_into_its_parts() -> None:
    table = printed("bench_overhead", "fashion-mini", "--model", "lenet5", "--epochs", 2)
    for name in ("empty cache", "kept pictures"):
        (cells,) = re.findall(rf"^\| {name} \|((?: {NUMBER} \|){{4}})$", table, re.M)
        *parts, whole = map(float, re.findall(NUMBER, cells))
        assert sum(parts) == pytest.approx(whole, abs=0.3)
    assert re.search(rf"steps in `train` {NUMBER} images/s, alone {NUMBER}: overhead", table)


@pytest.mark.full
def test_bench_start_measures_every_command() -> None:
    table = printed("bench_start", "--rounds", 1)
    assert len(re.findall(rf"^\| .*\| {NUMBER} \|$", table, re.M)) == 14


@pytest.mark.full
@pytest.mark.timeout(600)
def test_bench_gpu_goes_through_every_job_without_a_gpu(tmp_path: Path) -> None:
    """All commands run, and their figures are found; what no GPU measured is not shown."""
    printed("bench_gpu", "--prepare", tmp_path / "taken", "--dry")
    table = printed("bench_gpu", tmp_path / "taken", "--out", tmp_path / "dry.json", "--dry")
    jobs = json.loads((tmp_path / "dry.json").read_text())["jobs"]
    assert len(jobs) == 8
    for job in jobs.values():
        assert all(re.search(NUMBER, result) for _, result, _ in job["figures"])
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| ")][1:]
    assert {row[1] for row in rows} == {"not measured"}
    assert printed("bench_gpu", "--table", tmp_path / "dry.json") == table


@pytest.mark.full
def test_bench_score_compares_on_the_same_pictures(exported: Path) -> None:
    table = printed("bench_score", exported, "--pictures", 40, "--rounds", 1, "--on", "local")
    cells = rf"{NUMBER} \| [+-]{NUMBER} % \([+-]{NUMBER} to [+-]{NUMBER}\) \|"
    assert re.search(rf"^\| `score --on local` \| {cells}$", table, re.M), table


@pytest.mark.full
def test_bench_session_options_sets_each_of_them(exported: Path) -> None:
    quick = ("--rounds", 1, "--batches", 1, "--seconds", 0)
    table = printed("bench_session_options", exported, *quick)
    rows = re.findall(rf"^\| ([a-z ]+?)(?: 4)? (?:\| {NUMBER} ){{4}}\|$", table, re.M)
    assert len(rows) == 9 and rows[0] == "defaults"


@pytest.mark.full
def test_bench_zoo_trains_a_network_of_it() -> None:
    table = printed("bench_zoo", "fashion-mini", "lenet5")
    (top1,) = re.findall(rf"^\| lenet5 \| 62,006 \| 32 \| {NUMBER} \| ({NUMBER})% \|$", table, re.M)
    assert 50 < float(top1) <= 100


@pytest.mark.full
def test_bench_inference_counts_changed_answers(exported: Path) -> None:
    table = printed("bench_inference", "--trained", exported, "--data", "fashion-mini")
    told = re.findall(r"^(\w+), openvino (\w+): \d+ of 500 top-1 predictions", table, re.M)
    assert len(set(told)) == 6


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("overhead", "MODEL", "--seconds", 0.5, "--clients", 2), '"overhead_ms": '),
        (("compare", "MODEL", "PICTURE", "--seconds", 0.5, "--copies", 1, "--only", "serve"),
         '"processors_had": '),
        (("attacks", "MODEL", "--seconds", 0.5, "--only", "thin"), '"p99_ms": '),
        (("reload", "MODEL", "PICTURE", "--other", "MODEL", "--seconds", 3), '"replaced": '),
    ],
)  # fmt: skip
def test_bench_serving_asks_a_server(
    arguments: tuple[object, ...], shown: str, exported: Path, picture: Path
) -> None:
    places: dict[object, object] = {"MODEL": exported, "PICTURE": picture}
    told = printed("bench_serving", *(places.get(one, one) for one in arguments))
    assert re.search(f"{shown}{NUMBER}", told)
    assert '"wrong"' not in told


def test_fuzz_finds_nothing_in_a_few_damaged_files() -> None:
    """Those that need neither Keras nor a server: some milliseconds each."""
    kinds = ("pictures", "cards", "csv", "npz", "idx")
    table = printed("fuzz", "--inputs", 300, "--processes", 1, "--seed", 5, "--only", *kinds)
    rows = re.findall(rf"^\| (\w+) \| (\d+) \| ({NUMBER}) \| ({NUMBER}) .* \| 0 \|$", table, re.M)
    assert [row[0] for row in rows] == list(kinds)
    assert sum(int(row[1]) for row in rows) == 300
    assert all(int(read) and int(refused) for _, _, read, refused in rows), table


@pytest.mark.full
@pytest.mark.timeout(900)
def test_fuzz_finds_nothing_in_damaged_files_of_all_kinds() -> None:
    table = printed("fuzz", "--inputs", 3000, "--minutes", 10)
    assert re.search(r"^3,000 inputs", table), table
    for kind in ("onnx", "requests", "grpc", "keras", "weights", "checkpoints", "runs"):
        assert re.search(rf"^\| {kind} \|.*\| 0 \|$", table, re.M), table


def test_fuzz_finds_what_is_wrong_and_shows_it_again(tmp_path: Path) -> None:
    """A traceback, a process that ends, and one that hangs, in a target made for that."""
    program = """
import os, sys, time
sys.path[:0] = [{scripts!r}, {root!r}]
import fuzz_processes
from fuzz_targets import Target
fuzz_processes.HANGS = 5

def attempt(name, data):
    if data.startswith(b"a"):
        raise ValueError("wrong")
    if data.startswith(b"b"):
        os._exit(7)
    while data.startswith(b"c"):
        time.sleep(1)

def target(folder):
    return Target({{"x": b"abcd"}}, attempt)

def make_input(target, seed, job):
    return "x", b"abcd"[job[1] % 4 :]

fuzz_processes.make_input = make_input
if __name__ == "__main__":
    jobs = [("odd", number) for number in range(4)]
    for one in fuzz_processes.try_all({{"odd": target}}, jobs, 0, 1, float("inf")):
        print(one.job[1], one.outcome, one.fault)
"""
    path, scripts = tmp_path / "odd.py", tmp_path / "kerascnn" / "scripts"  # as in a clone
    scripts.parent.mkdir()
    scripts.symlink_to(FOLDER)
    path.write_text(program.format(scripts=str(scripts), root=str(ROOT)))
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "0 fault odd: ValueError at odd.py:10",
        "1 fault odd: the process ended with 7",
        "2 fault odd: hangs: 5 s",
        "3 read ",
    ], done.stderr


@pytest.mark.parametrize(
    ("package", "script", "arguments"),
    [
        ("torch", "bench_train", ("--tasks", "cnn", "--who", "torch")),
        ("torch", "make_torch_golden", ("out.json",)),
        ("litserve", "bench_serving", ("compare", "model.onnx", "picture.jpg")),
        (
            "litserve",
            "bench_serving_rivals",
            ("litserve", "m.onnx", "cpu", "1", "1", "1", "pillow"),
        ),
    ],
)
def test_what_is_not_installed_is_named(
    package: str, script: str, arguments: tuple[str, ...]
) -> None:
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    done = run(script, *arguments)
    assert done.returncode == 1
    assert re.search(r"has no PyTorch|LitServe is not installed", done.stderr)
    assert "Traceback" not in done.stderr
