"""``kerascnn push``: what is on the Hub afterwards, and what is said where it cannot be."""

import hashlib
import json
import re
import shlex
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard as HubCard
from markdown_it import MarkdownIt
from PIL import Image

from kerascnn import Classifier
from kerascnn.cli import push as push_command
from kerascnn.deployment.hub_page import MARK, page
from kerascnn.files import sha256_of
from kerascnn.inference.model_file.metadata import read_card
from kerascnn.printable import command_line

from .stand_in import READER, Repo

REPO = "jane/flowers"

# huggingface_hub gives httpx the file to be sent in a way that it is told to give up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def head(hub) -> dict[str, bytes]:
    repo = hub.repos[REPO]
    return repo.commits[repo.branches["main"]]


def test_file_card_report_and_page(hub, file, run, exported) -> None:
    Path("clothes-report.html").write_text("<html>report</html>", encoding="utf-8")
    done = run("push", file, REPO, "--license", "mit", "--private", "--message", "hello", "--json")
    assert done.exit_code == 0, done.output
    files = head(hub)
    assert files["clothes.onnx"] == exported.read_bytes()
    assert files["report.html"] == b"<html>report</html>"
    assert files["card.json"].decode() == read_card(exported).to_json(indent=2) + "\n"
    said = json.loads(done.stdout)
    assert hub.repos[REPO].private
    assert hub.repos[REPO].messages[-1] == "hello"
    assert said["private"] is True
    assert said["commit"] == hub.repos[REPO].branches["main"]
    assert {one["name"]: one["sha256"] for one in said["files"]} == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name != ".gitattributes"
    }
    assert Classifier(said["address"]).card == Classifier(exported).card


def test_the_file_is_hashed_once(hub, file, run, monkeypatch) -> None:
    hashed = []
    own = sha256_of
    monkeypatch.setattr(
        "kerascnn.deployment.hub.sha256_of", lambda path: hashed.append(path) or own(path)
    )
    assert run("push", file, REPO, "--license", "mit").exit_code == 0
    assert hashed == [file]


def test_the_hubs_metadata(hub, file, run, exported) -> None:
    assert run("push", file, REPO, "--license", "cc-by-4.0", "--no-report").exit_code == 0
    found = HubCard(head(hub)["README.md"].decode())
    about, card = found.data, read_card(exported)
    assert (about.library_name, about.pipeline_tag) == ("kerascnn", "image-classification")
    assert about.license == "cc-by-4.0"
    top1 = next(one for one in about.eval_results if one.metric_type == "accuracy")
    assert top1.metric_value == card.metrics["val_top1"]
    assert (top1.dataset_name, top1.dataset_split) == ("fashion-mini", "validation")
    assert f"kerascnn predict hf://{REPO}/clothes.onnx photo.jpg" in found.text
    assert all(name in found.text for name in ("0. T-shirt/top", "9. Ankle boot"))
    assert "report.html" not in head(hub)


@pytest.mark.parametrize("branch", [None, "dev"])
def test_the_address_on_the_page_works_beside_another_file(hub, file, run, branch) -> None:
    there = ["--revision", branch] if branch else []
    for name in ("clothes.onnx", "it's the second.onnx"):
        if not Path(name).exists():
            Path(name).write_bytes(Path(file).read_bytes())
        assert run("push", name, REPO, "--license", "mit", *there).exit_code == 0
    repo = hub.repos[REPO]
    page_there = repo.commits[repo.branches[branch or "main"]]["README.md"].decode()
    [line] = re.findall("^kerascnn (predict .*) photo.jpg$", page_there, re.MULTILINE)
    Image.new("RGB", (28, 28)).save("photo.jpg")
    done = run(*shlex.split(line), "photo.jpg", "--json")
    assert done.exit_code == 0, done.output
    [address] = re.findall(r"Classifier\((.*)\)", page_there)
    assert Classifier(json.loads(address)).card == read_card(file)


NAMES = (
    "<img src=x onerror=alert(1)>", "[a](javascript:x)", "![a](http://x/y.png)", "|a|b|", "`c`",
    "**b**", "~~s~~", "&lt;i&gt;", "$x^2$", "# head",
    "- item", "+ item", "1. item", "2) item", "===", "---", "a\nb", "> quote", "1.5 mm", "\\",
)  # fmt: skip


@pytest.mark.parametrize("names", [NAMES[:10], NAMES[10:]])
def test_no_name_is_markup(names, exported) -> None:
    card = replace(read_card(exported), classes=names, network="cnn`<b>", data={"name": NAMES[0]})
    text = page(card, f"hf://{REPO}/a.onnx", "0", "mit").partition("\n---\n")[2]
    html = MarkdownIt("commonmark").enable(["strikethrough", "table"]).render(text)
    shown = re.findall("<li>(.*?)</li>", html, re.DOTALL)
    assert [unescape(one.strip()) for one in shown] == [" ".join(name.split()) for name in names]
    assert not re.search("<(img|a|b|s) ?", html.partition("<p>Classifies")[2].replace("<br", ""))


def test_control_characters_of_a_name_are_escapes(exported) -> None:
    card = replace(read_card(exported), classes=("\x1b[2J\u202e", *map(str, range(9))))
    assert r"0. \\x1b\[2J\\u202e" in page(card, f"hf://{REPO}/a.onnx", "0", "mit")


def test_a_reduced_file_says_its_own_accuracy(exported) -> None:
    from kerascnn.card import Reduction

    cost = Reduction("int8", top1_after=0.5)
    card = replace(read_card(exported), precision="int8", reduction=cost)
    about = yaml.safe_load(page(card, f"hf://{REPO}/a.onnx", "0", "mit").split("---")[1])
    [metric] = about["model-index"][0]["results"][0]["metrics"]
    assert metric["value"] == 0.5


def test_accuracy_on_copies_of_training_pictures_is_said_to_be_that(exported) -> None:
    card = read_card(exported)
    card = replace(card, metrics=card.metrics | {"val_leaked": 7})
    text = page(card, f"hf://{REPO}/a.onnx", "0", "mit")
    [result, *_] = yaml.safe_load(text.split("---")[1])["model-index"][0]["results"]
    assert result["dataset"]["split"] == "validation, 7 of them training pictures"
    assert "| top-1 accuracy (validation, 7 of them training pictures) |" in text


def test_that_the_network_has_learned_from_validation_pictures_is_said(exported) -> None:
    card = read_card(exported)
    card = replace(card, data=card.data | {"refit": True})
    text = page(card, f"hf://{REPO}/a.onnx", "0", "mit")
    assert "| top-1 accuracy (validation, before they were learned from) |" in text
    assert "Afterwards, this network has learned from those of train and val." in text


def test_a_run_with_and_without_its_exported_file(hub, file, run, exported) -> None:
    runs = Path("runs/my clothes")
    runs.mkdir(parents=True)
    (runs / "card.json").write_text(read_card(exported).to_json(), encoding="utf-8")
    (runs / "model.keras").write_bytes(b"keras")
    missing = run("push", runs, REPO, "--license", "mit")
    assert missing.exit_code == 1
    assert command_line(["kerascnn", "export", str(runs), "--onnx"]) in missing.stderr
    Path("exported").mkdir()
    named = f"{read_card(exported).name}.onnx"
    file.rename(f"exported/{named}")
    done = run("push", runs, REPO, "--license", "mit", "--keras")
    assert done.exit_code == 0, done.output
    assert set(head(hub)) == {".gitattributes", named, "card.json", "README.md", "model.keras"}
    card = replace(read_card(exported), weights_sha256="0" * 64)
    (runs / "refit").mkdir()  # a second training, whose network is exported
    (runs / "card.json").write_text(card.to_json(), encoding="utf-8")
    (runs / "refit" / "card.json").write_text(read_card(exported).to_json(), encoding="utf-8")
    (runs / "refit" / "model.keras").write_bytes(b"second")
    assert run("push", runs, REPO, "--license", "mit", "--keras").exit_code == 0
    assert head(hub)["model.keras"] == b"second"
    (runs / "refit" / "card.json").unlink()
    other = run("push", runs, REPO, "--license", "mit")
    assert (other.exit_code, "not exported from the current state" in other.stderr) == (1, True)


def test_again_and_into_a_branch(hub, file, run) -> None:
    assert run("push", file, REPO, "--license", "mit").exit_code == 0
    assert run("push", file, REPO, "--license", "other", "--revision", "next").exit_code == 0
    repo = hub.repos[REPO]
    assert b"license: mit" in repo.commits[repo.branches["main"]]["README.md"]
    assert b"license: other" in repo.commits[repo.branches["next"]]["README.md"]
    done = run("push", file, REPO, "--license", "mit", "--private")
    assert (done.exit_code, "is already a public repository" in done.stderr) == (2, True)
    assert "--private" in done.stderr


def test_a_page_of_somebody_else_stays(hub, file, run) -> None:
    hub.repos[REPO] = Repo()
    hub.repos[REPO].commit("main", {"README.md": b"mine"}, "by hand")
    done = run("push", file, REPO, "--license", "mit")
    assert done.exit_code == 0, done.output
    assert "is kept" in done.stdout
    assert head(hub)["README.md"] == b"mine"
    hub.repos[REPO].commit("main", {"README.md": MARK.encode()}, "ours")
    assert run("push", file, REPO, "--license", "mit").exit_code == 0
    assert b"pipeline_tag" in head(hub)["README.md"]


def test_a_license_is_asked_for_on_a_terminal_only(hub, file, monkeypatch, run) -> None:
    done = run("push", file, REPO)
    assert (done.exit_code, "--license is missing" in done.stderr) == (2, True)
    from click.testing import CliRunner

    from kerascnn.cli import main

    monkeypatch.setattr(push_command, "_on_terminal", lambda: True)
    asked = CliRunner().invoke(main, ["push", str(file), REPO], input="mit\ny\n")
    assert asked.exit_code == 0, asked.output
    assert b"license: mit" in head(hub)["README.md"]
    before = dict(head(hub))
    no = CliRunner().invoke(main, ["push", str(file), REPO, "--license", "other"], input="n\n")
    assert (no.exit_code, head(hub)) == (1, before)
    yes = CliRunner().invoke(main, ["push", str(file), REPO, "--license", "other", "--yes"])
    assert (yes.exit_code, b"license: other" in head(hub)["README.md"]) == (0, True)


@pytest.mark.parametrize(
    ("token", "arguments", "said"),
    [
        (READER, ["--license", "mit"], "the Hub refuses it (status 403)"),
        ("", ["--license", "mit"], "or set HF_TOKEN"),
        (None, ["--license", "nonsense"], '"license" must be one of'),
        (None, ["--license", "mit", "--report", "absent.html"], "absent.html: no such file"),
        (None, ["--license", "mit", "--keras"], "--keras uploads model.keras of a run"),
    ],
    ids=["no right", "not logged in", "license", "report", "keras"],
)
def test_faults_are_one_line(token, arguments, said, hub, file, run, monkeypatch) -> None:
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    done = run("push", file, REPO, *arguments)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert (done.exit_code > 0, len(errors)) == (True, 1), done.output
    assert said in errors[0]
    assert all(list(repo.messages) == ["initial commit"] for repo in hub.repos.values())


def test_an_upload_that_fails_is_one_line_and_commits_nothing(hub, file, run) -> None:
    hub.full = True
    done = run("push", file, REPO, "--license", "mit")
    assert (done.exit_code, "Nothing was committed; try again." in done.stderr) == (1, True)
    assert hub.repos[REPO].messages == ["initial commit"]


def test_the_name_before_the_model(hub, file, run) -> None:
    Path("runs/a").mkdir(parents=True)
    Path("runs/a/card.json").write_text("{}", encoding="utf-8")
    for model in (file, "runs/a"):
        done = run("push", REPO, model, "--license", "mit")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert f"{model}: a model, not a name on the Hub. The model comes first" in done.stderr
    Path(REPO).parent.mkdir()
    Path("runs/a").rename(REPO)  # a run that has the name of its repository
    assert run("push", file, REPO, "--license", "mit").exit_code == 0


def test_no_name_no_file_no_network(hub, file, run, monkeypatch) -> None:
    assert "Expected OWNER/NAME" in run("push", file, "flowers", "--license", "mit").stderr
    assert "no such file" in run("push", "absent.onnx", REPO, "--license", "mit").stderr
    bare = Path("bare.onnx")
    bare.write_bytes(Path(file).read_bytes().replace(b"\x0a\x08kerascnn", b"\x0a\x08somebody"))
    assert "without a card" in run("push", bare, REPO, "--license", "mit").stderr
    monkeypatch.setenv("KERASCNN_OFFLINE", "1")
    done = run("push", file, REPO, "--license", "mit")
    assert (done.exit_code, "KERASCNN_OFFLINE is set" in done.stderr) == (1, True)
    assert hub.asked == []
