"""`predict` on more pictures than fit anywhere: lazy, bounded, in order, never lost.

The command runs in a process of its own: pipes, signals and half-written files are its world.
"""

import io
import itertools
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerascnn import Classifier
from kerascnn.dataset import Pictures, load_dataset
from kerascnn.errors import ConfigError, DataError
from kerascnn.inference.inputs import expand, parse_shard, predict_paths, shard
from kerascnn.inference.resume import read_earlier

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": ""}


@cache
def built_in() -> Pictures:
    return load_dataset("fashion-mini").splits["test"].pictures


def save_pictures(folder: Path, count: int) -> list[str]:
    """Write some of the built-in pictures, from different classes, and give their paths."""
    pictures = built_in()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f"{number:03}.png") for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(pictures[number * 37 % len(pictures)]).save(path)
    return paths


def kerascnn(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "kerascnn", *map(str, arguments)]
    defaults = {"capture_output": True, "timeout": 120, "env": ENVIRONMENT}
    return subprocess.run(command, **defaults | options)


def rows(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.decode().splitlines()]


@pytest.fixture(scope="module")
def classifier(exported: Path) -> Classifier:
    return Classifier(exported)


# ---- one picture after another


def test_an_endless_list_is_read_only_a_little_ahead(classifier, tmp_path) -> None:
    paths = save_pictures(tmp_path / "p", 3)
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        for path in itertools.cycle([*paths, "missing.png"]):
            taken += 1
            yield path

    answers = predict_paths(classifier, endless(), batch_size=8)
    seen = [path for path, _ in itertools.islice(answers, 400)]
    assert seen == ([*paths, "missing.png"] * 100)
    ahead = 8 * 4 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 64)
    assert taken <= 400 + 8 + 8 + ahead
    answers.close()


def test_memory_does_not_grow_with_the_number_of_pictures(classifier, tmp_path) -> None:
    paths = save_pictures(tmp_path / "p", 2)
    answers = predict_paths(classifier, itertools.cycle(paths))
    for _ in itertools.islice(answers, 500):
        pass
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in itertools.islice(answers, 3000):
        pass
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    answers.close()
    assert grown < 1_000_000  # 3,000 sized pictures would be 9 MB


def test_a_folder_is_walked_while_its_pictures_are_taken(tmp_path, monkeypatch) -> None:
    for number in range(50):
        save_pictures(tmp_path / "p" / f"{number:02}", 1)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(str(path)), scandir(path))[1])
    found = expand([str(tmp_path / "p")], io.StringIO())
    assert next(found).endswith("00/000.png".replace("/", os.sep))
    assert len(listed) < 5
    assert len(list(found)) == 49


def test_what_is_hidden_or_no_picture_is_passed_over(tmp_path) -> None:
    (first,) = save_pictures(tmp_path / "p" / "b", 1)
    save_pictures(tmp_path / "p" / ".thumbnails", 1)
    (second,) = save_pictures(tmp_path / "p" / "a", 1)
    (tmp_path / "p" / "notes.txt").touch()
    (tmp_path / "p" / ".hidden.png").touch()
    (tmp_path / "p" / "a" / "loop").symlink_to(tmp_path / "p")
    assert list(expand([str(tmp_path / "p")], io.StringIO())) == [second, first]


def test_globs_find_files_and_walk_folders_but_nothing_twice(tmp_path) -> None:
    inside = save_pictures(tmp_path / "p" / "a", 2)
    beside = save_pictures(tmp_path / "p", 1)
    for pattern in ("p/*", "p/**/*.png", "p/**"):
        found = list(expand([str(tmp_path / pattern)], io.StringIO()))
        assert sorted(found) == sorted(inside + beside), pattern
    assert list(expand(["none*.png", "gone.png"], io.StringIO())) == ["none*.png", "gone.png"]


# ---- lines


def test_broken_inputs_cost_only_their_own_line(exported, tmp_path) -> None:
    paths = save_pictures(tmp_path / "p", 40)
    for number in (0, 17, 39):
        Path(paths[number]).write_bytes(b"\x89PNG\r\n\x1a\n broken \xff")
    done = kerascnn("predict", exported, "--json", tmp_path / "p", "missing.png")
    assert done.returncode == 3
    assert b"4 of the pictures could not be read" in done.stderr
    found = rows(done.stdout)
    assert [row["path"] for row in found] == [*paths, "missing.png"]
    assert [number for number, row in enumerate(found) if "error" in row] == [0, 17, 39, 40]


def test_a_list_on_stdin_with_names_that_are_no_text(exported, tmp_path) -> None:
    good = os.fsencode(tmp_path / "고양이 \n.png".replace("\n", ""))
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    (source,) = save_pictures(tmp_path / "p", 1)
    for name in (good, odd):
        Path(os.fsdecode(name)).write_bytes(Path(source).read_bytes())
    listed = b"\r\n".join([good, odd, b"", b"  ", b"missing.png"])
    for form in ("json", "csv", "table"):
        done = kerascnn("predict", exported, "-", "--format", form, input=listed)
        assert done.returncode == 3, done.stderr
        assert b"Traceback" not in done.stderr
        assert "고양이".encode() in done.stdout
        if form == "json":
            assert [os.fsencode(row["path"]) for row in rows(done.stdout)] == [
                good, odd, b"missing.png",
            ]  # fmt: skip


def test_json_is_valid_where_stdout_is_no_unicode(exported, tmp_path) -> None:
    (source,) = save_pictures(tmp_path / "p", 1)
    path = tmp_path / "고양이.png"
    path.write_bytes(Path(source).read_bytes())
    done = kerascnn(
        "predict", exported, "--json", path, env=ENVIRONMENT | {"PYTHONIOENCODING": "latin-1"}
    )
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)[0]["path"] == str(path)


def test_a_reader_that_has_seen_enough_stops_it_quietly(exported, tmp_path) -> None:
    """As `kerascnn predict ... | head -1` does, here with a list that would take minutes."""
    paths = save_pictures(tmp_path / "p", 3)
    Path("list").write_text("\n".join(paths * 100_000))
    command = [sys.executable, "-m", "kerascnn", "predict", str(exported), "-", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT}
    with (
        Path("list").open("rb") as listed,
        subprocess.Popen(command, stdin=listed, **pipes) as process,
    ):
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["path"] == paths[0]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


# ---- sharing the work


@pytest.mark.parametrize("count", [1, 2, 3, 7, 11])
def test_shards_are_a_partition_of_equal_parts(count: int) -> None:
    whole = [f"{number}.png" for number in range(10)]
    parts = [list(shard(iter(whole), index, count)) for index in range(1, count + 1)]
    assert sorted(itertools.chain(*parts)) == whole
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(part == sorted(part) for part in parts)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "/2", "a/b", "1/2/3", "-1/2", "1/0", ""])
def test_impossible_shards_are_a_misuse(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected I/N .* e\.g\. 2/8"):
        parse_shard(text)


def test_shards_of_the_command_make_up_the_whole(exported, tmp_path) -> None:
    paths = save_pictures(tmp_path / "p", 7)
    parts = [
        rows(kerascnn("predict", exported, "--json", tmp_path / "p", "--shard", f"{i}/2").stdout)
        for i in (1, 2)
    ]
    assert [[row["path"] for row in part] for part in parts] == [paths[::2], paths[1::2]]
    assert kerascnn("predict", exported, tmp_path / "p", "--shard", "3/2").returncode == 2


# ---- a second try


@pytest.fixture
def resume(exported, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """`predict --json p --resume all.jsonl >> all.jsonl`, or to somewhere else."""
    Path("all.jsonl").touch()

    def run(*arguments: str, to: str = "all.jsonl") -> subprocess.CompletedProcess:
        with Path(to).open("ab") as output:
            return kerascnn(
                "predict", exported, "--json", "p", "--resume", "all.jsonl", *arguments,
                capture_output=False, stdout=output, stderr=subprocess.PIPE,
            )  # fmt: skip

    return run


@pytest.mark.parametrize("cut", [0, 1, 90, 700, -1, -2, -40])
def test_cut_off_anywhere_and_gone_on_with(resume, tmp_path, cut: int) -> None:
    paths = save_pictures(Path("p"), 5)
    assert resume().returncode == 0
    whole = Path("all.jsonl").read_bytes()
    Path("all.jsonl").write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n") + (cut == -1)
    done = resume()
    assert done.returncode == 0, done.stderr
    assert f"{kept} pictures are answered in all.jsonl".encode() in done.stderr
    assert Path("all.jsonl").read_bytes() == whole
    assert [row["path"] for row in rows(whole)] == paths


def test_killed_in_the_middle_and_gone_on_with(exported, resume, tmp_path) -> None:
    paths = save_pictures(Path("p"), 300)
    command = [sys.executable, "-m", "kerascnn", "predict", str(exported), "--json", "p"]
    with subprocess.Popen(
        [*command, "--batch-size", "1"], stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout
        Path("all.jsonl").write_bytes(process.stdout.readline() + process.stdout.read(300))
        process.kill()
    assert resume().returncode == 0
    assert [row["path"] for row in rows(Path("all.jsonl").read_bytes())] == paths


def test_what_could_not_be_read_is_tried_again(resume, tmp_path) -> None:
    paths = save_pictures(Path("p"), 3)
    good = Path(paths[1]).read_bytes()
    Path(paths[1]).write_bytes(b"")
    assert resume().returncode == 3
    Path(paths[1]).write_bytes(good)
    assert resume().returncode == 0
    found = rows(Path("all.jsonl").read_bytes())
    assert [(row["path"], "error" in row) for row in found] == [
        (paths[0], False), (paths[1], True), (paths[2], False), (paths[1], False),
    ]  # fmt: skip


def test_new_lines_elsewhere_leave_the_earlier_file_alone(resume, tmp_path) -> None:
    paths = save_pictures(Path("p"), 2)
    resume()
    cut = Path("all.jsonl").read_bytes()[:-5]
    Path("all.jsonl").write_bytes(cut)
    assert resume(to="new.jsonl").returncode == 0
    assert Path("all.jsonl").read_bytes() == cut
    assert [row["path"] for row in rows(Path("new.jsonl").read_bytes())] == paths[1:]


def test_shard_first_then_what_is_left_of_it(resume, tmp_path) -> None:
    paths = save_pictures(Path("p"), 6)
    resume("--shard", "1/2")
    resume("--shard", "1/2")
    resume()
    found = [row["path"] for row in rows(Path("all.jsonl").read_bytes())]
    assert found == paths[::2] + paths[1::2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\na.png,cat\n", "line 1: .*is no answer"),
        (b'{"path":"a","error":"x"}\n[]\n', "line 2: .*is no answer"),
        (b'{"path":"a","error":"x"}\n{"pa\n{"path":"b","error":"x"}\n', "line 2: .*is no answer"),
        (b'{"path":"a","label":"cow","top":[{"label":"cow"}]}\n', "'cow' is no class of this"),
        (b"\xff\xfe\n", "line 1: .*is no answer"),
    ],
)
def test_another_file_is_refused(classifier, content: bytes, message: str) -> None:
    Path("all.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_earlier("all.jsonl", classifier.classes)
    with pytest.raises(DataError, match="for the first time leave --resume out"):
        read_earlier("missing.jsonl", classifier.classes)


def test_resume_needs_json(exported) -> None:
    Path("all.jsonl").touch()
    done = kerascnn("predict", exported, "x.png", "--resume", "all.jsonl", "--format", "csv")
    assert (done.returncode, b"Add --json" in done.stderr) == (2, True)


# ---- unsure answers


def test_an_unsure_answer_has_no_label_but_a_ranking(exported, tmp_path) -> None:
    save_pictures(tmp_path / "p", 30)
    arguments = ("predict", exported, tmp_path / "p", "--min-probability", "0.6")
    sure, unsure = [], []
    for row in rows(kerascnn(*arguments, "--json").stdout):
        (unsure if row["label"] is None else sure).append(row)
        assert row["probability"] == row["top"][0]["probability"]
    assert sure
    assert unsure
    assert all(row["probability"] >= 0.6 and row["label"] == row["top"][0]["label"] for row in sure)
    assert all(row["probability"] < 0.6 and len(row["top"]) == 5 for row in unsure)
    table = kerascnn(*arguments).stdout.decode().splitlines()
    assert sum("  unsure  " in line for line in table) == len(unsure)
    lines = kerascnn(*arguments, "--format", "csv").stdout.decode().splitlines()[1:]
    assert sum(line.split(",")[1] == "" for line in lines) == len(unsure)


def test_limits_of_the_probability(classifier) -> None:
    picture = np.zeros((28, 28, 3), np.uint8)
    assert classifier.predict([picture], min_probability=1.0)[0].label is None
    assert classifier.predict([picture])[0].label is not None
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="expected 0 to 1"):
            classifier.predict([picture], min_probability=wrong)
