"""`predict` again after it was cut off: nothing lost, nothing twice."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kerascnn.errors import DataError
from kerascnn.inference.resume import read_previous


def rows(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.decode().splitlines()]


@pytest.fixture
def resume(exported, tmp_path, kerascnn) -> Callable[..., subprocess.CompletedProcess]:
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
def test_cut_off_anywhere_and_gone_on_with(resume, tmp_path, cut: int, save_pictures) -> None:
    paths = save_pictures(Path("p"), 5)
    assert resume().returncode == 0
    whole = Path("all.jsonl").read_bytes()
    Path("all.jsonl").write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n") + (cut == -1)
    done = resume()
    assert done.returncode == 0, done.stderr
    assert f"pictures that already have a prediction in all.jsonl: {kept}".encode() in done.stderr
    assert Path("all.jsonl").read_bytes() == whole
    assert [row["path"] for row in rows(whole)] == paths


def test_killed_in_the_middle_and_gone_on_with(
    exported, resume, tmp_path, save_pictures, environment
) -> None:
    paths = save_pictures(Path("p"), 300)
    command = [sys.executable, "-m", "kerascnn", "predict", str(exported), "--json", "p"]
    with subprocess.Popen(
        [*command, "--batch-size", "1"], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout
        Path("all.jsonl").write_bytes(process.stdout.readline() + process.stdout.read(300))
        process.kill()
    assert resume().returncode == 0
    assert [row["path"] for row in rows(Path("all.jsonl").read_bytes())] == paths


def test_what_could_not_be_read_is_tried_again(resume, tmp_path, save_pictures) -> None:
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


def test_new_lines_elsewhere_leave_the_earlier_file_alone(resume, tmp_path, save_pictures) -> None:
    paths = save_pictures(Path("p"), 2)
    resume()
    cut = Path("all.jsonl").read_bytes()[:-5]
    Path("all.jsonl").write_bytes(cut)
    assert resume(to="new.jsonl").returncode == 0
    assert Path("all.jsonl").read_bytes() == cut
    assert [row["path"] for row in rows(Path("new.jsonl").read_bytes())] == paths[1:]


@pytest.mark.parametrize("cut", [300, -1, -2])
def test_behind_tee_a_cut_line_is_mended_too(
    exported, resume, save_pictures, environment, cut: int
) -> None:
    save_pictures(Path("p"), 5)
    resume()
    whole = Path("all.jsonl").read_bytes()
    Path("all.jsonl").write_bytes(whole[:cut])
    predict = [sys.executable, "-m", "kerascnn", "predict", str(exported), "--json", "p"]
    command = f"{shlex.join(predict)} --resume all.jsonl | tee -a all.jsonl"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert Path("all.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,label\na.png,cat\n", "line 1: .*is not a prediction"),
        (b'{"path":"a","error":"x"}\n[]\n', "line 2: .*is not a prediction"),
        (
            b'{"path":"a","error":"x"}\n{"pa\n{"path":"b","error":"x"}\n',
            "line 2: .*is not a prediction",
        ),
        (b'{"path":"a","label":"cow","top":[{"label":"cow"}]}\n', "'cow' is not a class of this"),
        (b"\xff\xfe\n", "line 1: .*is not a prediction"),
        (
            b'{"path": "a.png", "top": [{"label": "Bag", "probability": NaN}]}\n',
            "line 1: .*not a pr",
        ),
        (b'{"path": "a.png", "top": []}\n', "line 1: .*not a prediction"),
        (b'{"path": "a.png", "top": [1]}\n', "line 1: .*not a prediction"),
    ],
)
def test_another_file_is_refused(classifier, content: bytes, message: str) -> None:
    Path("all.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_previous("all.jsonl", classifier.classes)
    with pytest.raises(DataError, match="the first time, leave out `resume`"):
        read_previous("missing.jsonl", classifier.classes)


def test_blank_lines_of_an_editor_are_nothing(classifier) -> None:
    row = b'{"path": "a.png", "top": [{"label": "Bag", "probability": 0.5}]}\n'
    content = b"\xef\xbb\xbf" + row + b"\r\n" + row.replace(b"a.png", b"b.png") + b"\n"
    Path("edited.jsonl").write_bytes(content + b'{"path": "c')
    earlier = read_previous("edited.jsonl", classifier.classes)
    assert earlier.answered == {"a.png", "b.png"}
    assert (earlier.whole, earlier.ended) == (len(content), True)


def test_resume_needs_json(exported, kerascnn) -> None:
    Path("all.jsonl").touch()
    done = kerascnn("predict", exported, "x.png", "--resume", "all.jsonl", "--format", "csv")
    assert (done.returncode, b"Add --json" in done.stderr) == (2, True)
