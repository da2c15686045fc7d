"""Plans that somebody has edited, pictures that are named in several ways, two starts at once."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from kerascnn.file_lock import locked
from kerascnn.scoring import job
from kerascnn.scoring.entries import describe
from kerascnn.scoring.plan import ScoringOptions, location, write_plan

OPTIONS = ScoringOptions("", "", 5, 0.0, "exact", "jsonl")


@pytest.fixture
def planned(pictures, score) -> None:
    score("p", "--parts", "2", "--part", "0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parts", "2"), ("parts", 0), ("parts", -1), ("parts", 1.5), ("parts", 10**15),
        ("parts", True), ("pictures", 11), ("pictures", 0), ("pictures", None), ("base", 7),
        ("question", []), ("question", {"model": 1}), ("version", None),
    ],
)  # fmt: skip
def test_values_that_no_plan_has(name: str, value: Any, planned, score) -> None:
    plan = Path("out/_plan.json")
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {name: value}))
    done = score("p")
    assert done.exit_code == 1, done.output
    assert "Score into another folder" in done.output
    assert len(done.output.splitlines()) == 1


def test_a_format_that_no_plan_has(planned, score) -> None:
    plan = Path("out/_plan.json")
    plan.write_text(plan.read_text().replace('"jsonl"', '"../exe"'))
    assert "not a plan of `kerascnn score`" in score("p").output


@pytest.mark.parametrize("line", ["[7, 1, 1]\n", "[]\n", "{}\n", '["a", 1, 1, 1]\n', "[\n"])
def test_a_list_with_a_digest_to_match(line: str, planned, score) -> None:
    listed, plan = Path("out/_pictures.jsonl"), Path("out/_plan.json")
    text = "".join(listed.read_text().splitlines(keepends=True)[:-1]) + line
    listed.write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"list_sha256": digest}))
    done = score("p")
    assert (done.exit_code, "not the list that the plan" in done.output) == (1, True), done.output


@pytest.mark.parametrize("again", ["./p", "p/", "p/../p", "$PWD/p"])
def test_a_picture_named_twice_is_planned_once(again: str, pictures) -> None:
    base = str(Path.cwd())
    spelled = [path.replace("p/", f"{again}/", 1) for path in pictures]
    both = [*pictures, *(one.replace("$PWD", base) for one in spelled)]
    plan = write_plan(Path("plan"), OPTIONS, map(describe, both), 2, base)
    assert [entry.path for entry in plan.entries()] == pictures


def test_up_from_a_link_is_up_from_where_it_leads(tmp_path: Path) -> None:
    Path("far/away").mkdir(parents=True)
    Path("link").symlink_to("far/away")
    base = str(Path.cwd())
    assert location("link/../a.png", base) == str(Path("far").resolve() / "a.png").removeprefix(
        f"{base}/"
    )
    assert location("link/a.png", base) == "link/a.png"
    assert location("https://host//a/./b.png", base) == "https://host//a/./b.png"


def test_another_spelling_is_no_change(pictures, score) -> None:
    listed = "".join(f"./{path}\n" for path in pictures).encode()
    score("-", "--parts", "2", "--part", "0", stdin=listed)
    assert "since the plan" not in score("p", "--workers", "1").output


def test_another_start_is_waited_for(pictures, planned, score, rows, caplog) -> None:
    """What the first one has done is not done again."""
    begun: list[int] = []
    attempt = job.attempt

    def counted(one: Any) -> Any:
        begun.append(one.number)
        return attempt(one)

    class InThisProcess(job.InProcess):
        def __init__(self, _count: int) -> None:
            super().__init__(counted)

        def __enter__(self) -> "InThisProcess":
            return self

        def __exit__(self, *_: object) -> None: ...

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job, "LocalProcesses", InThisProcess)
        held = locked(Path("out/_score.lock"))
        held.__enter__()
        found: list[Any] = []
        second = threading.Thread(target=lambda: found.append(score("p")))
        second.start()
        while "another process is scoring" not in caplog.text:
            second.join(0.01)
            assert second.is_alive()
        assert begun == []
        held.__exit__(None, None, None)
        second.join()
        assert begun == [1]
        score("p")
    assert begun == [1]
    assert [row["path"] for row in rows()] == pictures
    assert found[0].exit_code == 3  # for the broken picture
