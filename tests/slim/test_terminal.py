"""What is printed: nothing that a terminal obeys, and one line where output cannot be written."""

import csv
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.cli.base import console, print_json
from kerascnn.cli.prediction_formats import writer
from kerascnn.cli.shown_errors import LANGUAGE, OPTIONS, _Notices, shown_errors
from kerascnn.cli.streams import SafeStream, safe_streams
from kerascnn.errors import KerascnnError
from kerascnn.language import sentences
from kerascnn.printable import printable

EVIL = (
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x90", "\x7f", "\u2028", "\u2029", "\u202e",
    "\u2066", "\x08", "\r", "\x00", "\udc9b",
)  # fmt: skip
NAME = "a" + "".join(EVIL[:11]) + "b"
"""Without what no file name may hold, and what no class name in a card may."""


def harmless(text: str) -> bool:
    return printable(text, keep="\n\t") == text


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_an_escape_stands_for_every_character_that_is_obeyed(evil: str) -> None:
    assert not harmless(f"a{evil}b")
    shown = printable(f"a{evil}b")
    assert harmless(shown)
    assert all(" " <= one <= "~" for one in shown)


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("고양이", "café", "קטמ\u200f", "😀", "e\u0301", "T-shirt/top", "a\\x1b.png"):
        assert printable(text) == text


def test_wherever_a_name_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def evil() -> None:
        from rich.table import Table

        table = Table("name")
        table.add_row(NAME)
        for out in (console(), console(stderr=True)):
            out.print(table, NAME, markup=False)
        click.echo(NAME)
        sys.stdout.write(f"{NAME}\n")
        print_json({NAME: [NAME, "\udc9b"]})
        logging.getLogger("kerascnn").warning("%s: a\nnotice", NAME)
        sys.stderr.write(f"{NAME}\n")
        raise KerascnnError(f"{NAME}\nand more")

    monkeypatch.setattr(type(main), "get_command", lambda *_: evil)
    done = CliRunner().invoke(main, ["evil"])
    assert done.exit_code == 1
    assert harmless(done.output)
    assert done.output.count(r"a\x1b[2J") > 5
    assert done.stderr.splitlines()[-1].startswith(r"Error: a\x1b[2J")
    assert done.stderr.splitlines()[-1].endswith(r"b\nand more")


@pytest.fixture
def pictures(tmp_path: Path, save_pictures: Callable[[Path, int], list[str]]) -> list[str]:
    """Four pictures, the last three with names that no program should choose."""
    folder = tmp_path / "p"
    paths = [Path(path) for path in save_pictures(folder, 4)]
    names = (NAME + ".png", 'c,"d"\ne.png', "=1+1.png")
    for path, name in zip(paths[1:], names, strict=True):
        path.rename(folder / name)
    (folder / ("broken" + NAME + ".png")).write_text("no picture")
    (folder / "two\nlines.png").write_text("no picture")
    return sorted(str(path) for path in folder.iterdir())


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_predict(form: str, exported: Path, pictures: list[str]) -> None:
    folder = str(Path(pictures[0]).parent)
    done = CliRunner().invoke(main, ["predict", str(exported), folder, "--format", form])
    assert done.exit_code == 3, done.output
    assert harmless(done.stdout)
    assert harmless(done.stderr)
    if form == "json":
        assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == pictures
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert [row["path"] for row in rows] == [
            printable(path, keep="\n\t") if NAME in path else path for path in pictures
        ]
    if form == "table":
        assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "path", "label"),
    [
        ("=1+1", "./=1+1", "'=1+1"),
        ("@SUM(A1)", "./@SUM(A1)", "'@SUM(A1)"),
        ("+A1", "./+A1", "'+A1"),
        ("-2+3", "./-2+3", "'-2+3"),
        ("-1", "-1", "-1"),
        ("+0.5", "+0.5", "+0.5"),
        ("-", "-", "-"),
        ("a=1", "a=1", "a=1"),
    ],
)
def test_a_spreadsheet_calculates_no_name(
    name: str, path: str, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    top = [{"label": name, "probability": 0.5}] * 2
    row = {"path": name, "label": name, "probability": 0.5, "top": top}
    writer("csv", 2)([row, {"path": name, "error": name}])
    good, bad = csv.DictReader(io.StringIO(capsys.readouterr().out))
    found = [good["path"], good["label"], good["label_2"], bad["path"], bad["error"]]
    assert found == [path, label, label, path, label]
    assert Path(good["path"]) == Path(name)


@pytest.mark.parametrize("name", [NAME, 'c,"d"\ne'])
def test_a_name_that_looks_like_a_color_is_shown_whole_and_in_one_line(
    name: str, exported: Path, pictures: list[str], tmp_path: Path
) -> None:
    (path,) = (path for path in pictures if Path(path).name == name + ".png")
    done = CliRunner().invoke(main, ["explain", str(exported), path, "--out", str(tmp_path / "e")])
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    assert printable(name) in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["predict", "MODEL", "PICTURES"],
     ["predict", "MODEL", "PICTURES", "--json"], ["bench", "MODEL", "--json", "--batch", "1"]],
    ids=" ".join,
)  # fmt: skip
def test_a_full_disk_behind_standard_output(
    words: list[str], exported: Path, pictures: list[str], environment: dict[str, str]
) -> None:
    there = {"MODEL": str(exported), "PICTURES": pictures[0]}
    command = [sys.executable, "-m", "kerascnn", *(there.get(word, word) for word in words)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment)
    errors = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert errors[-1].startswith("Error: standard output: cannot write (No space left")
    assert not any(line.startswith(("Traceback", "Exception")) for line in errors)


def test_notices_that_nobody_can_write_down_stop_nothing() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    stream = SafeStream(Full(), lossy=True)
    assert stream.write("a notice") == len("a notice")
    stream.flush()
    with pytest.raises(OSError, match="No space"):
        SafeStream(Full(), lossy=False).write("a result")


def test_the_streams_of_whoever_calls_are_theirs_again() -> None:
    before = sys.stdout, sys.stderr
    with safe_streams():
        assert isinstance(sys.stdout, SafeStream)
        sys.stderr.close()
    assert (sys.stdout, sys.stderr) == before
    assert not sys.stderr.closed


def test_a_warning_of_a_file_that_is_opened_again_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logging.Logger("kerascnn.inference")
    log.addHandler(_Notices())
    for name in ("a", "a", "b", "a"):
        log.warning("%s: told", name, extra={"once": True})
        log.warning("%s: again", name)
    said = capsys.readouterr().err.splitlines()
    assert said.count("warning: a: told") == said.count("warning: b: told") == 1
    assert said.count("warning: a: again") == 3


def test_a_warning_from_another_thread_is_in_the_words_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A server loads models in a thread, and watches them in one."""
    log = logging.getLogger("kerascnn.inference")
    ctx = click.Context(click.Command("serve"))
    ctx.meta.update({OPTIONS: {"max_batch": "--max-batch"}, LANGUAGE: "ko"})
    with ctx.scope(), shown_errors(ctx):
        thread = threading.Thread(target=log.warning, args=("`max_batch` told",))
        thread.start()
        thread.join()
    log.warning("`max_batch` told")
    assert capsys.readouterr().err.splitlines() == [
        f"{sentences('ko')['warning']}: --max-batch told",
        "warning: `max_batch` told",
    ]


def test_errors_that_nobody_expected_come_with_their_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logging.Logger("kerascnn.serving")
    log.addHandler(_Notices())
    try:
        raise OSError("the disk\x1b[2J is full")
    except OSError:
        log.exception("request %s failed", 5)
        log.warning("left out", exc_info=True)
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["error: request 5 failed", "Traceback (most recent call last):"]
    assert said[-2:] == ["OSError: the disk\\x1b[2J is full", "warning: left out"]
