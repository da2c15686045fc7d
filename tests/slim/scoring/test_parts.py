"""`score`: each picture once, as `predict` answers it, whoever scores its part."""

import os
from pathlib import Path

import pytest

from kerascnn.cli import main
from kerascnn.deployment import hub
from kerascnn.errors import ConfigError
from kerascnn.inference import ForeignModel
from kerascnn.inference.prediction import to_row
from kerascnn.options import help_text, options_of
from kerascnn.resizing import Resizing
from kerascnn.scoring.plan import Plan, ScoringOptions
from kerascnn.scoring.request import Request


def predicted(classifier, paths: list[str], **asked) -> list[dict]:
    return [
        to_row(path, answer)
        for path, answer in zip(paths, classifier.stream(paths, **asked), strict=True)
    ]


def test_processes_give_what_predict_gives(pictures, score, rows, summary, classifier) -> None:
    done = score("p", "--parts", "3", "--workers", "2")
    assert done.exit_code == 3, done.output
    assert rows() == predicted(classifier, pictures)
    found = summary()
    assert (found["complete"], found["pictures"], found["scored"]) == (True, 10, 9)
    assert found["by_error"] == {rows()[4]["error"].removeprefix(f"{pictures[4]}: "): 1}
    assert sum(found["by_class"].values()) == 9
    assert "9 of 10 pictures scored, 1 could not be read; missing: 0 of 3 parts" in done.output
    # Nothing is left to do, so nothing is done.
    parts = {path: path.stat().st_mtime_ns for path in Path("out").glob("part-*")}
    assert score("p").exit_code == 3
    assert {path: path.stat().st_mtime_ns for path in Path("out").glob("part-*")} == parts


def test_each_part_by_a_job_of_its_own(
    pictures, score, rows, summary, classifier, monkeypatch
) -> None:
    asked = ("--parts", "4", "--top-k", "2", "--min-probability", "0.9")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert score("p", *asked, "--part", "auto").exit_code == 0
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    assert score("p", *asked, "--part", "auto").exit_code == 0
    for part in ("1", "1"):  # the second start has nothing to do
        assert score(*asked, "--part", part).exit_code == 0
    assert not Path("out/_summary.json").exists()
    assert score(*asked, "--part", "2").exit_code == 0  # the last one writes the summary
    expected = predicted(classifier, pictures, top_k=2, min_probability=0.9)
    assert rows() == expected
    assert summary()["unsure"] == sum(row.get("label", "") is None for row in expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--part", "4"], "part 4: the plan in out has 4 parts, 0 to 3"),
        (["--part", "-1"], "--part is '-1'; expected a number from 0"),
        (["--part", "auto"], "needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX"),
        (["--part", "1", "--on", "ray"], "--part scores one part in this process"),
        (["--on", "dask"], "--on is 'dask'; expected local, ray or ray://HOST:PORT"),
        (["--min-probability", "2"], "--min-probability is 2; expected from 0 to 1"),
        (["--top-k", "0"], "--top-k is 0; expected at least 1"),
    ],
)
def test_what_cannot_be(words: list[str], message: str, pictures, score) -> None:
    done = score("p", "--parts", "4", *words)
    assert done.exit_code == 2
    assert message in done.output.replace("`", "")
    assert len(done.output.splitlines()) == 1


def test_pictures_before_the_model(pictures, score, exported: Path) -> None:
    done = score(exported, model="p")
    assert (done.exit_code, "p: cannot read it as an .onnx file" in done.output) == (1, True)


def test_the_options_of_commands_are_those_of_their_dataclasses() -> None:
    """Each is declared once, and checked in Python too."""
    for command, configuration in (
        ("score", Request), ("predict", ForeignModel), ("serve", Resizing), ("push", hub.Request),
    ):  # fmt: skip
        shown = {one.name: one.help for one in main.get_command(None, command).params}  # type: ignore[attr-defined]
        for name, (declared, its_field) in options_of(configuration).items():
            assert shown[name] == help_text(declared, its_field.default), name
    request = Request("a.onnx", Path("out"), top_k="3", min_probability=1, part="auto")
    assert (request.top_k, request.min_probability) == (3, 1.0)
    with pytest.raises(ConfigError, match=r"parts is 0; expected from 1 to 99,999\."):
        Request("a.onnx", Path("out"), parts=0)
    foreign = ForeignModel(("a", "b"), "48x192", resize="pad", sizing=Resizing("pad", pad_color=7))
    assert (foreign.shape, foreign.sizing.pad_color) == ((48, 192), (7, 7, 7))
    for wrong in ({"image_size": 0}, {"normalize": "x"}, {"outputs": "x"}, {"resize": "x"}):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is .*; expected "):
            ForeignModel(("a", "b"), **wrong)
    for wrong in ({"filter": "box"}, {"crop_share": 2}, {"pad_color": (1, 2)}):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is .*; expected "):
            Resizing(**wrong)


def test_parts_are_a_partition() -> None:
    question = ScoringOptions("", "", 5, 0.0, "exact", "jsonl")
    for pictures in (1, 2, 10, 1001):
        for parts in (1, 2, 3, 7, 11):
            plan = Plan(question, pictures, parts, "", "", "")
            ranges = [plan.part_range(number) for number in range(parts)]
            assert [one for part in ranges for one in part] == list(range(pictures))
            assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_more_parts_than_pictures(pictures, score, rows) -> None:
    for part in range(12):
        assert score("p", "--parts", "12", "--part", str(part)).exit_code == 0
    assert [row["path"] for row in rows()] == pictures


def test_any_names_from_a_list_and_each_once(save_pictures, score, rows) -> None:
    paths = [*save_pictures(Path("p"), 2), "missing.png", "p/\udcff.png"]
    listed = os.fsencode("\n".join([*paths, *paths]))
    assert score("-", "--part", "0", stdin=listed).exit_code == 0
    assert [row["path"] for row in rows()] == paths
    assert ["error" in row for row in rows()] == [False, False, True, True]
    # Another time there is no list: those of the plan are looked at.
    Path("out/part-00000.jsonl").unlink()
    assert score("--part", "0").exit_code == 0
    assert [row["path"] for row in rows()] == paths
    done = score("-", out="other", stdin=b"\n")
    assert (done.exit_code, "no pictures to score" in done.output) == (1, True)
    assert not list(Path("other").iterdir())


def test_relative_paths_start_where_the_plan_was_made(
    pictures, score, rows, classifier, monkeypatch
) -> None:
    score("p", "--parts", "2", "--part", "0")
    expected = predicted(classifier, pictures)
    monkeypatch.chdir("p")
    score("--part", "1", out="../out")
    assert "since the plan" not in score("../p", out="../out").output.replace("added", "")
    assert rows("../out") == expected
