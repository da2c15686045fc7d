"""Downloads files from the Hugging Face Hub: ``hf://OWNER/NAME[@REVISION][/FILE]``.

Knows: such addresses, the cache of ``huggingface_hub``, and the meaning of the Hub's errors. Does
not know the content of files. ``huggingface_hub`` is imported on first use.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerascnn.environment import OFFLINE, is_offline
from kerascnn.errors import ConfigError, KerascnnError, ModelFileError, needs_extra, one_line
from kerascnn.files import sha256_of
from kerascnn.printable import first_few

SCHEME = "hf://"

MODELS = (".onnx",)

CARD = "card.json"
"""Card beside weights of kerascnn, with their preprocessing."""

_ADDRESS = re.compile(
    r"hf://(?:models/)?(?P<repo>[^/@\s]+/[^/@\s]+)"
    r"(?:@(?P<revision>refs/pr/\d+|refs/convert/[\w.-]+|[^/\s]+))?(?:/(?P<file>.*))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OTHER_KINDS = ("datasets", "spaces", "kernels", "buckets")

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class HubFile:
    """A downloaded file of the Hub.

    Attributes:
        path: Path in the cache of ``huggingface_hub``.
        repo: ``OWNER/NAME``.
        commit: Commit hash.
        name: Path in the repository.
        sha256: SHA-256 of its content, in hexadecimal.
    """

    path: Path
    repo: str
    commit: str
    name: str
    sha256: str

    @property
    def address(self) -> str:
        """Permanent address of this file."""
        return f"{SCHEME}{self.repo}@{self.commit}/{self.name}"

    def __str__(self) -> str:
        return f"{self.address} (SHA-256 {self.sha256})"


def is_on_hub(path: object) -> bool:
    """Return whether a path is an address of the Hub.

    Examples:
        >>> is_on_hub("hf://jane/flowers"), is_on_hub("flowers.onnx")
        (True, False)
    """
    return str(path).startswith(SCHEME)


def fetch(address: str, kinds: Sequence[str] = MODELS) -> HubFile:
    """Download a file, unless it is in the cache.

    Args:
        address: ``hf://OWNER/NAME[@REVISION][/FILE]``.
        kinds: Suffixes by which the only file is chosen if the address names none.

    Returns:
        The file: the newest of a branch; if the network may not be used or fails, the one that was
        downloaded last.

    Raises:
        ConfigError: Invalid address.
        ModelFileError: No such repository, revision or file, no permission, or a damaged file in
            the cache.
        MissingExtraError: huggingface_hub is not installed.
    """
    repo, revision, name = _parsed(address)
    from_cache = False
    with hub_errors(address):
        if not (name and revision and _COMMIT.fullmatch(revision)):
            names, from_cache = _listed(repo, revision)
            name = name or _only_file(address, names, kinds)
        path = _download(repo, revision, name, from_cache)
        if not name.endswith(MODELS):
            _fetch_card(repo, _commit_of(path), name, from_cache)
    found = HubFile(path, repo, _commit_of(path), name, sha256_of(path))
    _check(found)
    return found


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn exceptions of ``huggingface_hub`` into one-line errors.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        ModelFileError: The Hub refused the request, or could not be reached.
    """
    with needs_extra("hub", f"for {what}"):
        from huggingface_hub import errors
    try:
        yield
    except KerascnnError:  # first, because ConfigError is also a ValueError
        raise
    except errors.HFValidationError as error:
        raise ConfigError(f"{what}: {_line(error)}") from error
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise ModelFileError(f"{what}: {_absent()}") from error
    except errors.HfHubHTTPError as error:
        raise ModelFileError(f"{what}: {_refusal(error, errors)}") from error
    except (errors.HTTPError, ConnectionError, TimeoutError) as error:
        raise ModelFileError(
            f"{what}: the Hub cannot be reached ({_line(error)}). Check the network and "
            "HF_ENDPOINT, and try again."
        ) from error
    except RuntimeError as error:  # an upload that failed; the reason is its cause
        if error.__cause__ is None:
            raise
        why = f"{_line(error)} ({_line(error.__cause__)})"
        raise ModelFileError(f"{what}: {why}. Nothing was committed; try again.") from error
    except (errors.FileMetadataError, ValueError) as error:
        raise ModelFileError(
            f"{what}: the response is not that of a Hub ({_line(error)}). Check HF_ENDPOINT."
        ) from error


def refuse_offline(what: str) -> None:
    """Refuse an operation that needs the network, if it may not be used.

    Raises:
        ModelFileError: KERASCNN_OFFLINE or HF_HUB_OFFLINE is set.
    """
    with hub_errors(what):
        if _cache_only():
            raise ModelFileError(f"{what}: {_forbidding()} is set, so the Hub is not contacted.")


def _parsed(address: str) -> tuple[str, str | None, str]:
    from urllib.parse import unquote

    found = _ADDRESS.fullmatch(address)
    if found is None or found["repo"].partition("/")[0] in _OTHER_KINDS:
        raise ConfigError(
            f"{address}: not a model on the Hub. Expected hf://OWNER/NAME, "
            "hf://OWNER/NAME@REVISION or hf://OWNER/NAME@REVISION/FILE."
        )
    revision = found["revision"]
    return found["repo"], unquote(revision) if revision else None, (found["file"] or "").strip("/")


def _listed(repo: str, revision: str | None) -> tuple[list[str], bool]:
    """List a repository's files.

    Returns:
        Their names, and whether they are from the cache because the Hub may not be contacted or
        fails. It is contacted once here, because later calls would retry for half a minute.
    """
    from huggingface_hub import HfApi, errors

    if _cache_only():
        return _in_cache(repo, revision), True
    try:
        found = HfApi().model_info(repo, revision=revision).siblings
        return [one.rfilename for one in found or ()], False
    except (errors.HTTPError, ConnectionError, TimeoutError) as error:
        refused = isinstance(error, errors.HfHubHTTPError) and error.response.status_code < 500
        if refused:
            raise
        with suppress(errors.LocalEntryNotFoundError):
            return _in_cache(repo, revision), True
        raise


def _in_cache(repo: str, revision: str | None) -> list[str]:
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(repo, revision=revision, local_files_only=True))
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def _only_file(address: str, names: Sequence[str], kinds: Sequence[str]) -> str:
    found = [name for name in names if name.lower().endswith(tuple(kinds))]
    if len(found) == 1:
        return found[0]
    wanted = " or ".join(kinds)
    if not found:
        has = f"; it has {first_few(names, 10)}" if names else ""
        raise ModelFileError(f"{address}: no {wanted} file in it{has}.")
    choice = first_few([f"{address.rstrip('/')}/{name}" for name in found], 10)
    raise ConfigError(f"{address}: {len(found)} {wanted} files in it. Name one: {choice}")


def _download(repo: str, revision: str | None, name: str, from_cache: bool) -> Path:
    from huggingface_hub import hf_hub_download

    local = from_cache or _cache_only()
    return Path(hf_hub_download(repo, name, revision=revision, local_files_only=local))


def _cache_only() -> bool:
    from huggingface_hub import constants

    return is_offline() or bool(constants.HF_HUB_OFFLINE)


def _fetch_card(repo: str, commit: str, name: str, from_cache: bool) -> None:
    from huggingface_hub import errors

    beside = f"{name.rpartition('/')[0]}/{CARD}".lstrip("/")
    with suppress(errors.EntryNotFoundError):
        _download(repo, commit, beside, from_cache)


def _commit_of(path: Path) -> str:
    return path.parts[path.parts.index("snapshots") + 1]


def _check(found: HubFile) -> None:
    """Refuse a damaged file in the cache: the name of its blob is the hash of the Hub's file."""
    blob = found.path.resolve().name
    actual = {64: lambda: found.sha256, 40: lambda: _git_hash(found.path)}.get(len(blob))
    if found.path.is_symlink() and actual is not None and actual() != blob:
        raise ModelFileError(
            f"{found.address}: the file in the cache is damaged: its hash is {actual()}, and the "
            f"Hub's is {blob}. Remove {found.path.resolve()} and try again."
        )


def _git_hash(path: Path) -> str:
    """Return the git blob hash of a file, by which small files are named."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _absent() -> str:
    if _cache_only():
        return f"not in the cache, and {_forbidding()} is set, so the Hub is not contacted."
    return "not in the cache, and the Hub cannot be reached. Check the network, and try again."


def _forbidding() -> str:
    return OFFLINE if is_offline() else "HF_HUB_OFFLINE"


def _refusal(error: Any, errors: Any) -> str:
    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return f"its owner decides who may read it. Ask for access on its page, and {LOG_IN}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such repository, or one that you may not see. Check the name, or {LOG_IN}."
    if isinstance(error, errors.RevisionNotFoundError):
        return "no such revision. Expected a branch, a tag or a commit."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return "no such file in this repository, or not at this revision."
    if status in (401, 403):
        return f"the Hub refuses it (status {status}). Check your rights there, or {LOG_IN}."
    return f"the Hub returned status {status} ({_line(error.server_message or error)})."


def _line(error: object) -> str:
    return one_line(error) or type(error).__name__
