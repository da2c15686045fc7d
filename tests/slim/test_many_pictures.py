"""`predict` on more pictures than fit anywhere: lazy, bounded, in order, never lost.

The command runs in a process of its own: pipes, signals and half-written files are its world.
"""

import io
import itertools
import json
import locale
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kerascnn.cli.prediction_formats import writer
from kerascnn.errors import ConfigError, PictureError
from kerascnn.inference.paths import expand, predict_batches
from kerascnn.inference.streaming import MOST_BYTES, in_batches


def rows(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.decode().splitlines()]


# ---- one picture after another


def test_an_endless_list_is_read_only_a_little_ahead(classifier, tmp_path, save_pictures) -> None:
    paths = save_pictures(tmp_path / "p", 3)
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        for path in itertools.cycle([*paths, "missing.png"]):
            taken += 1
            yield path

    batches = predict_batches(classifier, endless(), batch_size=8)
    answers = itertools.chain.from_iterable(batches)
    seen = [path for path, _ in itertools.islice(answers, 400)]
    assert seen == ([*paths, "missing.png"] * 100)
    ahead = 8 * 4 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 64)
    assert taken <= 400 + 8 + 8 + ahead
    batches.close()


def test_memory_does_not_grow_with_the_number_of_pictures(
    classifier, tmp_path, save_pictures
) -> None:
    paths = save_pictures(tmp_path / "p", 2)
    batches = predict_batches(classifier, itertools.cycle(paths))
    answers = itertools.chain.from_iterable(batches)
    for _ in itertools.islice(answers, 500):
        pass
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in itertools.islice(answers, 3000):
        pass
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    batches.close()
    assert grown < 1_000_000  # 3,000 sized pictures would be 9 MB


def test_a_folder_is_walked_while_its_pictures_are_taken(
    tmp_path, monkeypatch, save_pictures
) -> None:
    for number in range(50):
        save_pictures(tmp_path / "p" / f"{number:02}", 1)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(str(path)), scandir(path))[1])
    found = expand([str(tmp_path / "p")], io.StringIO())
    assert next(found).endswith("00/000.png".replace("/", os.sep))
    assert len(listed) < 5
    assert len(list(found)) == 49


def test_what_is_hidden_or_no_picture_is_passed_over(tmp_path, save_pictures) -> None:
    (first,) = save_pictures(tmp_path / "p" / "b", 1)
    save_pictures(tmp_path / "p" / ".thumbnails", 1)
    (second,) = save_pictures(tmp_path / "p" / "a", 1)
    (tmp_path / "p" / "notes.txt").touch()
    (tmp_path / "p" / ".hidden.png").touch()
    (tmp_path / "p" / "a" / "loop").symlink_to(tmp_path / "p")
    assert list(expand([str(tmp_path / "p")], io.StringIO())) == [second, first]


def test_globs_find_files_and_walk_folders_but_nothing_twice(tmp_path, save_pictures) -> None:
    inside = save_pictures(tmp_path / "p" / "a", 2)
    beside = save_pictures(tmp_path / "p", 1)
    for pattern in ("p/*", "p/**/*.png", "p/**"):
        found = list(expand([str(tmp_path / pattern)], io.StringIO()))
        assert sorted(found) == sorted(inside + beside), pattern
    assert list(expand(["none*.png", "gone.png"], io.StringIO())) == ["none*.png", "gone.png"]


def test_a_slow_source_does_not_hold_back_answers(classifier, tmp_path, save_pictures) -> None:
    paths = save_pictures(tmp_path / "p", 3)
    go_on = threading.Event()

    def live() -> Iterator[str]:
        yield from paths
        assert go_on.wait(600)
        yield "missing.png"

    answers = itertools.chain.from_iterable(predict_batches(classifier, live()))
    assert [path for path, _ in itertools.islice(answers, 3)] == paths
    go_on.set()
    assert [path for path, _ in answers] == ["missing.png"]


def test_pictures_in_flight_are_bounded_in_bytes() -> None:
    held: list[int] = []
    most = 0

    def work(item: int) -> int:
        return item

    def endless() -> Iterator[int]:
        nonlocal most
        for number in itertools.count():
            held.append(number)
            most = max(most, len(held))
            yield number

    batches = in_batches(work, endless(), 2, lambda _: MOST_BYTES // 4)
    for batch in itertools.islice(batches, 20):
        for number in batch:
            held.remove(number)
    batches.close()
    # Four are in flight, one waits to get in, and up to a task is on its way out.
    assert most <= 4 + 1 + 8
    # What is larger than all that is allowed goes alone.
    assert list(in_batches(work, iter(range(5)), 2, lambda _: 2 * MOST_BYTES)) != []
    assert [*itertools.chain(*in_batches(work, iter(range(5)), 2, lambda _: 2 * MOST_BYTES))] == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip


def test_what_a_source_raises_is_raised(classifier) -> None:
    def broken() -> Iterator[str]:
        yield "missing.png"
        raise OSError("the list ends here")

    answers = itertools.chain.from_iterable(predict_batches(classifier, broken()))
    assert next(answers)[0] == "missing.png"
    with pytest.raises(OSError, match="the list ends here"):
        next(answers)


# ---- lines


@pytest.mark.parametrize(
    "bad", ["a" * 300, "a" * 300 + "/*.png", "p\0.png", "x/" * 3000, "*" * 300]
)
def test_a_path_that_no_system_takes_costs_its_own_line(
    classifier, tmp_path, save_pictures, bad: str
) -> None:
    (good,) = save_pictures(tmp_path / "p", 1)
    for listed in (io.StringIO(), io.StringIO(f"{bad}\n{good}\n")):
        patterns = ["-"] if listed.getvalue() else [bad, good]
        batches = predict_batches(classifier, expand(patterns, listed))
        found = dict(itertools.chain.from_iterable(batches))
        assert list(found) == [bad, good]
        assert isinstance(found[bad], PictureError)
        assert str(found[bad]).startswith(bad)
        assert "\n" not in str(found[bad])
        assert found[good].label in classifier.classes


def test_a_pipe_that_stays_open_gets_its_answers(
    exported, tmp_path, save_pictures, environment
) -> None:
    """Somebody types paths, or another program finds them: one at a time, and it goes on."""
    paths = save_pictures(tmp_path / "p", 3)
    command = [sys.executable, "-m", "kerascnn", "predict", str(exported), "-", "--json"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdin
        assert process.stdout
        for some in ([paths[0]], paths[1:]):
            process.stdin.write("".join(f"{path}\n" for path in some).encode())
            process.stdin.flush()
            for path in some:
                assert json.loads(process.stdout.readline())["path"] == path
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(600) == 0


def test_broken_inputs_cost_only_their_own_line(
    exported, tmp_path, save_pictures, kerascnn
) -> None:
    paths = save_pictures(tmp_path / "p", 40)
    for number in (0, 17, 39):
        Path(paths[number]).write_bytes(b"\x89PNG\r\n\x1a\n broken \xff")
    done = kerascnn("predict", exported, "--json", tmp_path / "p", "missing.png")
    assert done.returncode == 3
    assert b"4 of the pictures could not be read" in done.stderr
    found = rows(done.stdout)
    assert [row["path"] for row in found] == [*paths, "missing.png"]
    assert [number for number, row in enumerate(found) if "error" in row] == [0, 17, 39, 40]


def test_rows_that_are_written_together_keep_their_order_and_stream(capsys) -> None:
    good = [
        {"path": name, "label": "x", "top": [{"label": "x", "probability": 1}]} for name in "ac"
    ]
    writer("table")([good[0], {"path": "b", "error": "b: broken"}, good[1]])
    assert capsys.readouterr() == ("a  x 100.0%\nc  x 100.0%\n", "error: b: broken\n")
    writer("json")(good)
    assert rows(capsys.readouterr().out.encode()) == good


def test_a_list_on_stdin_with_names_that_are_no_text(
    exported, tmp_path, save_pictures, kerascnn
) -> None:
    good = os.fsencode(tmp_path / "고양이 1.png")
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    (source,) = save_pictures(tmp_path / "p", 1)
    for name in (good, odd):
        Path(os.fsdecode(name)).write_bytes(Path(source).read_bytes())
    model = os.fsdecode(b"\xff.onnx")
    shutil.copyfile(exported, model)
    listed = b"\r\n".join([good, odd, b"", b"  ", b"missing.png"])
    for form in ("json", "csv", "table"):
        done = kerascnn("predict", model, "-", "--format", form, input=listed)
        assert done.returncode == 3, done.stderr
        assert b"Traceback" not in done.stderr
        assert "고양이".encode() in done.stdout
        if form == "json":
            assert [os.fsencode(row["path"]) for row in rows(done.stdout)] == [
                good, odd, b"missing.png",
            ]  # fmt: skip


def test_a_list_on_stdin_in_the_code_page_of_windows(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("utf-8", "surrogatepass"))
    monkeypatch.setattr(locale, "getencoding", lambda: "cp949")
    listed = tmp_path / "list.txt"
    listed.write_bytes("고양이.png\r\n".encode("cp949") + "개.png\r\n".encode())
    with listed.open(encoding="utf-8") as stdin:
        assert list(expand(["-"], stdin)) == ["고양이.png", "개.png"]


def test_json_is_valid_where_stdout_is_no_unicode(
    exported, tmp_path, save_pictures, kerascnn, environment
) -> None:
    (source,) = save_pictures(tmp_path / "p", 1)
    path = tmp_path / "고양이.png"
    path.write_bytes(Path(source).read_bytes())
    done = kerascnn(
        "predict", exported, "--json", path, env=environment | {"PYTHONIOENCODING": "latin-1"}
    )
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)[0]["path"] == str(path)


def test_a_reader_that_has_seen_enough_stops_it_quietly(
    exported, tmp_path, save_pictures, environment
) -> None:
    """As `kerascnn predict ... | head -1` does, here with a list that would take minutes."""
    paths = save_pictures(tmp_path / "p", 3)
    Path("list").write_text("\n".join(paths * 100_000))
    command = [sys.executable, "-m", "kerascnn", "predict", str(exported), "-", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
    with (
        Path("list").open("rb") as listed,
        subprocess.Popen(command, stdin=listed, **pipes) as process,
    ):
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["path"] == paths[0]
        process.stdout.close()
        said = process.stderr.read().splitlines()
        assert [line.partition(b":")[0] for line in said] == [b"provider"]
        assert process.wait(600) == 1


# ---- unsure answers


def test_an_unsure_answer_has_no_label_but_a_ranking(
    exported, tmp_path, save_pictures, kerascnn
) -> None:
    save_pictures(tmp_path / "p", 30)
    every = rows(kerascnn("predict", exported, tmp_path / "p", "--json").stdout)
    half = sorted(row["probability"] for row in every)[15]  # whatever this model is sure of
    arguments = ("predict", exported, tmp_path / "p", "--min-probability", str(half))
    sure, unsure = [], []
    for row in rows(kerascnn(*arguments, "--json").stdout):
        (unsure if row["label"] is None else sure).append(row)
        assert row["probability"] == row["top"][0]["probability"]
    assert (len(sure), len(unsure)) == (15, 15)
    assert all(
        row["probability"] >= half and row["label"] == row["top"][0]["label"] for row in sure
    )
    assert all(row["probability"] < half and len(row["top"]) == 5 for row in unsure)
    table = kerascnn(*arguments).stdout.decode().splitlines()
    assert sum("  unsure  " in line for line in table) == len(unsure)
    lines = kerascnn(*arguments, "--format", "csv").stdout.decode().splitlines()[1:]
    assert sum(line.split(",")[1] == "" for line in lines) == len(unsure)


def test_limits_of_the_probability(classifier) -> None:
    picture = np.zeros((28, 28, 3), np.uint8)
    assert classifier.predict([picture], min_probability=1.0)[0].label is None
    assert classifier.predict([picture])[0].label is not None
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="expected a number from 0 to 1"):
            classifier.predict([picture], min_probability=wrong)
