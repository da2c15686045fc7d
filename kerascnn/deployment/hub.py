"""Uploads to the Hugging Face Hub: an exported file, its card, its report and its page.

Knows: the files of a model on the Hub, and the API calls. Does not know how a file is exported, or
how the page is worded (:mod:`kerascnn.deployment.hub_page`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kerascnn.card import ModelCard
from kerascnn.deployment.hub_page import MARK, page
from kerascnn.errors import ConfigError, ModelFileError
from kerascnn.files import read_text, sha256_of
from kerascnn.hub import CARD, SCHEME, hub_errors, refuse_offline
from kerascnn.inference.model_file.kinds import MODEL, REFIT, is_own, kind_of_model
from kerascnn.inference.model_file.metadata import find_card, read_card
from kerascnn.language import Sentence, sentence
from kerascnn.option_kinds import Flag, Text
from kerascnn.options import option, read_all
from kerascnn.printable import command_line

EXPORTED = Path("exported")
"""Default folder of ``kerascnn export``."""

PAGE = "README.md"

REPOSITORY = "Repository"
"""Heading of the options."""


@dataclass(frozen=True)
class Model:
    """The files to upload.

    Attributes:
        report: An HTML report; None: no report.
        keras: ``model.keras`` of the run; None: it is not uploaded.
    """

    file: Path
    card: ModelCard
    report: Path | None = None
    keras: Path | None = None

    def files(self) -> dict[str, Path]:
        """Return the files by their names on the Hub."""
        found = {self.file.name: self.file, "report.html": self.report, MODEL: self.keras}
        return {name: path for name, path in found.items() if path is not None}


_PLACES = {
    (True, True): sentence("the new private repository"),
    (True, False): sentence("the new public repository"),
    (False, True): sentence("the private repository"),
    (False, False): sentence("the public repository"),
}
"""Descriptions of a repository, by whether it is new and whether it is private."""


@dataclass(frozen=True)
class Request:
    """Target and options of an upload, most of which their declarations describe."""

    repo: str  # `OWNER/NAME`
    license_id: str  # the Hub's identifier of a license
    # fmt: off
    private: bool = option(False, Flag(), "Make a new repository private.", REPOSITORY)
    revision: str | None = option(None, Text("the name of a branch", "BRANCH"),
        "Branch, created if needed.", REPOSITORY, without="main")
    message: str | None = option(None, Text("a text", "TEXT"), "Commit message.", REPOSITORY,
        without="Add FILE")
    # fmt: on

    def __post_init__(self) -> None:
        read_all(self)


@dataclass(frozen=True)
class Pushed:
    """Result of an upload."""

    address: str  # permanent address of the exported file
    url: str
    commit: str
    private: bool
    files: dict[str, str]  # SHA-256 by file name, including the page and the card
    kept_page: bool  # whether a page that a user has written was kept


def check_order(model: str, repo: str) -> None:
    """Check that the model is not where the name on the Hub belongs.

    Raises:
        ConfigError: It is.
    """
    if _is_model(repo) and not _is_model(model):
        raise ConfigError(
            f"{repo}: a model, not a name on the Hub. The model comes first, then OWNER/NAME."
        )


def _is_model(path: str) -> bool:
    return Path(path).is_file() or is_own(path)


def find_model(path: str, report: str | None, with_report: bool, with_keras: bool) -> Model:
    """Find the files of a run or an exported file.

    Args:
        path: The run folder, or the file.
        report: An HTML report; None: the run's, or the one that ``kerascnn report`` wrote beside
            the file, if there is one.
        with_report: Whether to upload a report.
        with_keras: Whether to upload the run's ``model.keras``.

    Raises:
        ConfigError: ``with_keras`` without a run.
        ModelFileError: No such file, or a run without an exported file.
    """
    if report is not None and not Path(report).is_file():
        command = command_line(["kerascnn", "report", str(path)])
        raise ModelFileError(f"{report}: no such file. Write it: {command}")
    run = kind_of_model(path) == "run" or is_own(path)
    if with_keras and not run:
        raise ConfigError(f"{path}: `keras` uploads model.keras of a run. Give the run's folder.")
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    file = _exported_from(folder) if run else Path(path)
    usual = folder / "report.html" if run else file.with_name(f"{file.stem}-report.html")
    found = Path(report) if report else usual if usual.is_file() else None
    card = find_card(file)
    if card is None:
        raise ModelFileError(
            f"{file}: an ONNX file without a card, so its page on the Hub could not say what it "
            "is. Expected one that kerascnn export wrote."
        )
    keras = _exported(folder) / MODEL if with_keras else None
    return Model(file, card, found if with_report else None, keras)


def _exported(run: Path) -> Path:
    """Return the folder of the network that a run exports: its second training, if there is one."""
    return run / REFIT if (run / REFIT / CARD).is_file() else run


def _exported_from(run: Path) -> Path:
    path = _exported(run) / CARD
    card = ModelCard.from_json(read_text(path), str(path))
    file = EXPORTED / f"{card.name}.onnx"
    export = command_line(["kerascnn", "export", str(run), "--onnx"])
    command = f"Export it ({export}), or give the .onnx file itself."
    if not file.is_file():
        raise ModelFileError(f"{run}: there is no {file}. {command}")
    if read_card(file).weights_sha256 != card.weights_sha256:
        raise ModelFileError(f"{file}: was not exported from the current state of {run}. {command}")
    return file


def push(model: Model, request: Request, confirm: Callable[[str], object]) -> Pushed:
    """Upload a model in one commit; the repository is created if needed.

    Raises:
        ConfigError: Invalid name, or a private model for a public repository.
        ModelFileError: The Hub refuses, or cannot be reached.
    """
    what = f"{SCHEME}{request.repo}"
    if request.repo.count("/") != 1:
        raise ConfigError(f"{request.repo}: not a name on the Hub. Expected OWNER/NAME.")
    refuse_offline(what)
    with hub_errors(what):
        from huggingface_hub import HfApi

        api = HfApi()
        there = _visibility(api, request)
        private = request.private if there is None else there
        kept = there is not None and _has_foreign_page(api, request)
        sha256 = sha256_of(model.file)
        contents = _contents(model, request, sha256, kept)
        confirm(_intention(contents, _PLACES[there is None, private], request.repo))
        _create(api, request, new=there is None)
        done = _commit(api, model, request, contents)
    others = {name: one for name, one in contents.items() if name != model.file.name}
    hashes = {model.file.name: sha256} | {name: _sha256(one) for name, one in others.items()}
    address = f"{what}@{done.oid}/{model.file.name}"
    return Pushed(address, str(done.commit_url), str(done.oid), private, hashes, kept)


def _intention(contents: dict[str, Path | bytes], place: str, repo: str) -> Sentence:
    """Describe the upload, for confirmation."""
    sizes = (
        len(one) if isinstance(one, bytes) else one.stat().st_size for one in contents.values()
    )
    return sentence(
        "upload {names} ({size} MB) to {place} {repo}",
        names=", ".join(contents),
        size=f"{sum(sizes) / 1e6:.1f}",
        place=place,
        repo=repo,
    )


def _visibility(api: Any, request: Request) -> bool | None:
    """Return whether the repository is private; None if it does not exist."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        private = bool(api.model_info(request.repo).private)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None
    if request.private and not private:
        raise ConfigError(
            f"{request.repo}: is already a public repository. `private` is for a new one; make "
            "this one private on its page first."
        )
    return private


def _has_foreign_page(api: Any, request: Request) -> bool:
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

    try:
        path = api.hf_hub_download(request.repo, PAGE, revision=request.revision)
    except (EntryNotFoundError, RevisionNotFoundError):
        return False
    return MARK not in Path(path).read_text(encoding="utf-8", errors="replace")


def _contents(
    model: Model, request: Request, sha256: str, keep_page: bool
) -> dict[str, Path | bytes]:
    found: dict[str, Path | bytes] = dict(model.files())
    found[CARD] = (model.card.to_json(indent=2) + "\n").encode()
    if not keep_page:
        branch = f"@{quote(request.revision, safe='')}" if request.revision else ""
        address = f"{SCHEME}{request.repo}{branch}/{model.file.name}"
        text = page(model.card, address, sha256, request.license_id)
        found[PAGE] = text.encode("utf-8", "replace")
    return found


def _create(api: Any, request: Request, *, new: bool) -> None:
    """Create the repository if it is new, and the branch if one is named."""
    if new:
        api.create_repo(request.repo, private=request.private, exist_ok=True)
    if request.revision:
        api.create_branch(request.repo, branch=request.revision, exist_ok=True)


def _commit(api: Any, model: Model, request: Request, contents: dict[str, Path | bytes]) -> Any:
    from huggingface_hub import CommitOperationAdd

    operations = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=one) for name, one in contents.items()
    ]
    message = request.message or f"Add {model.file.name}"
    return api.create_commit(
        request.repo, operations, commit_message=message, revision=request.revision
    )


def _sha256(content: Path | bytes) -> str:
    return sha256_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
