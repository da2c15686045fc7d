"""`score` again: what is not as it was when the plan was made is said, and never mixed in."""

import json
import os
from pathlib import Path

import pytest

from kerascnn import __version__

HALF = ("--parts", "2", "--part", "0")
"""Of ten pictures the first five are done, the others are left."""


def test_added_changed_and_removed(pictures, score, rows, summary) -> None:
    score("p", *HALF)
    before = rows()
    Path("p/new.png").write_bytes(Path(pictures[0]).read_bytes())
    same_size = bytearray(Path(pictures[6]).read_bytes())
    same_size[-1] ^= 1
    Path(pictures[6]).write_bytes(same_size)
    Path(pictures[1]).write_bytes(b"changed")
    Path(pictures[7]).unlink()
    done = score("p")
    assert done.exit_code == 3
    assert "1 added: not scored. Score them into another folder (p/new.png)" in done.output
    assert "2 changed: a prediction made before is of the old content" in done.output
    assert f"1 removed: a prediction made before is kept, others are errors ({pictures[7]})" in (
        done.output
    )
    found = rows()
    assert [row["path"] for row in found] == pictures
    assert found[:5] == before
    assert "changed since the plan was made" in found[6]["error"]
    assert "removed since the plan was made" in found[7]["error"]
    assert ["error" in row for row in found[5:]] == [False, True, True, False, False]
    told = summary()["since_the_plan"]
    assert (told["added"], told["changed"], told["gone"]) == (1, 2, 1)


def test_a_job_looks_at_its_own_part(pictures, score) -> None:
    score("p", *HALF)
    Path(pictures[6]).unlink()
    assert "since the plan" not in score("p", "--part", "0").output
    assert "1 removed: a prediction made before is kept" in score("--part", "1").output


def test_nothing_to_say(pictures, score) -> None:
    score("p", *HALF)
    for words in (["p"], [], ["./p"], pictures):
        assert "since the plan" not in score(*words).output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--top-k", "3"], "top_k 5, which is now 3"),
        (["--min-probability", "0.5"], "min_probability 0.0, which is now 0.5"),
        (["--arithmetic", "fast"], "arithmetic exact, which is now fast"),
        (["--parts", "3"], "parts 2, which is now 3"),
    ],
)
def test_a_plan_about_something_else(words, named: str, pictures, score) -> None:
    score("p", *HALF)
    done = score("p", *words)
    assert (done.exit_code, named in done.output) == (2, True), done.output
    assert "Score into another folder" in done.output


def test_a_plan_of_another_model(pictures, score, exported) -> None:
    score("p", *HALF)
    # One more field of the same file: another model with the same answers.
    Path("other.onnx").write_bytes(exported.read_bytes() + b"\x32\x01x")
    done = score("p", model="other.onnx")
    assert done.exit_code == 2
    assert "planned with model (SHA-256)" in done.output
    assert score("p", model="missing.onnx").exit_code == 1


def test_a_model_that_was_replaced_under_way(pictures, score, exported, monkeypatch) -> None:
    Path("mine.onnx").write_bytes(exported.read_bytes())
    from kerascnn.scoring import job

    hashed = job.sha256_of

    def then_replaced(path: Path) -> str:
        found = hashed(path)
        Path("mine.onnx").write_bytes(exported.read_bytes() + b"\x32\x01x")
        return found

    monkeypatch.setattr(job, "sha256_of", then_replaced)
    done = score("p", "--part", "0", model="mine.onnx")
    assert (done.exit_code, "not the model that the plan was made with" in done.output) == (1, True)


def test_a_plan_of_another_version(pictures, score) -> None:
    score("p", *HALF)
    plan = Path("out/_plan.json")
    plan.write_text(plan.read_text().replace(f'"{__version__}"', '"0.0.9"'))
    done = score("p")
    assert done.exit_code == 2
    assert f"planned with kerascnn 0.0.9, which is now {__version__}" in done.output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("_plan.json", "{}", "not a plan of `kerascnn score`"),
        ("_plan.json", "[1]", "not a plan of `kerascnn score`"),
        ("_plan.json", "{", "not a plan of `kerascnn score`"),
        ("_pictures.jsonl", '["a", 1, 1]\n', "not the list that the plan was made with"),
        ("part-00000.jsonl", '{"pa', "not a complete part"),
    ],
)
def test_damage(name: str, content: str, message: str, pictures, score) -> None:
    score("p", *HALF)
    score("p")
    Path("out", name).write_text(content)
    done = score("p")
    assert (done.exit_code, message in done.output) == (1, True), done.output
    assert len(done.output.splitlines()) == 1


def test_no_plan_and_no_pictures(score) -> None:
    done = score()
    assert (done.exit_code, "there is no plan yet" in done.output) == (2, True)


def test_nothing_but_json(pictures, score) -> None:
    score("p", *HALF)
    os.utime(pictures[0], ns=(1, 1))
    done = score("p", "--json")
    assert json.loads(done.stdout)["since_the_plan"]["changed"] == 1
    assert "since the plan" in done.stderr
