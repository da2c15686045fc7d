"""A stand-in of the Hugging Face Hub on loopback: what huggingface_hub asks of its HTTP API."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

WRITER, READER = "hf_writer", "hf_reader"
"""Tokens: of the owner, and of somebody who may see public repositories only."""

REGULAR = (".md", ".json", ".html")
"""Endings of files that the Hub keeps in git itself; all others go to LFS."""


@dataclass
class Repo:
    """Commits by name, the newest last; each has all of its files."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, changes: dict[str, bytes], message: str) -> str:
        files = self.commits.get(self.branches.get(branch, ""), {}) | changes
        name = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits[name], self.branches[branch] = files, name
        self.messages.append(message)
        return name


class StandIn(ThreadingHTTPServer):
    """The server; ``asked`` has method and path of every request; ``full``: it stores nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[str, Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.gated: set[str] = set()
        self.full = False


class Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {self.path}")
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size) if size else self._chunks()
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        for pattern, work in ROUTES.items():
            found = re.fullmatch(pattern, f"{self.command} {self.path}")
            if found:
                work(self, **found.groupdict())
                return
        self.send(404, {"error": f"stand-in: {self.command} {self.path}"})

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def _chunks(self) -> bytes:
        found = b""
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            found += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
        return found

    def send(self, status: int, content: object = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass

    def found(self, repo: str, writing: bool = False) -> Repo | None:
        """Find a repository that the token may see (or write); else say so, as the Hub does."""
        one = self.server.repos.get(repo)
        if one is None or (one.private and self.token != WRITER):
            status = 404 if self.token else 401
            self.send(status, {"error": "no such repository"}, X_Error_Code="RepoNotFound")
        elif repo in self.server.gated:
            self.send(403, {"error": "gated"}, X_Error_Code="GatedRepo")
        elif writing and self.token != WRITER:
            self.send(403, {"error": "you have no right to do this"})
        else:
            return one
        return None

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        one = self.found(repo)
        if one is None:
            return None
        commit = one.branches.get(revision, revision)
        if commit not in one.commits:
            self.send(404, {"error": "no such revision"}, X_Error_Code="RevisionNotFound")
            return None
        return commit, one.commits[commit]

    # What is asked, in the order in which a push asks it.

    def info(self, repo: str, revision: str = "main") -> None:
        at = self.files(repo, revision)
        if at:
            names = [{"rfilename": name} for name in at[1]]
            private = self.server.repos[repo].private
            self.send(200, {"id": repo, "sha": at[0], "private": private, "siblings": names})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if self.token != WRITER:
            self.send(403 if self.token else 401, {"error": "no rights here"})
            return
        status = 409 if name in self.server.repos else 200
        if status == 200:
            self.server.repos[name] = Repo(asked.get("visibility") == "private")
            self.server.repos[name].commit("main", {".gitattributes": b"*.onnx"}, "initial commit")
        self.send(status, {"url": f"{self.server.url}/{name}"})

    def branch(self, repo: str, branch: str) -> None:
        one = self.found(repo, writing=True)
        if one:
            status = 409 if branch in one.branches else 200
            one.branches.setdefault(branch, one.branches["main"])
            self.send(status, {})

    def validate(self) -> None:
        text = json.loads(self.body)["content"]
        licensed = "license: nonsense" not in text
        errors = [] if licensed else [{"message": '"license" must be one of [mit, other]'}]
        self.send(200 if licensed else 400, {"errors": errors, "warnings": []})

    def preupload(self, repo: str, revision: str) -> None:
        if self.found(repo, writing=True) and revision:
            rows = [
                {
                    "path": one["path"],
                    "uploadMode": "regular" if one["path"].endswith(REGULAR) else "lfs",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for one in json.loads(self.body)["files"]
            ]
            self.send(200, {"files": rows})

    def batch(self, repo: str) -> None:
        if not self.found(repo, writing=True):
            return
        objects = [
            {
                **one,
                "actions": {
                    "upload": {"href": f"{self.server.url}/storage/{one['oid']}", "header": {}}
                },
            }
            for one in json.loads(self.body)["objects"]
        ]
        self.send(200, {"transfer": "basic", "objects": objects})

    def store(self, oid: str) -> None:
        if self.server.full:
            self.send(403, {"error": "no room"})
            return
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.server.lfs[oid] = self.body
        self.send(200)

    def commit(self, repo: str, revision: str) -> None:
        one = self.found(repo, writing=True)
        if one is None:
            return
        rows = [json.loads(line) for line in self.body.splitlines()]
        changes, message = {}, ""
        for row in rows:
            value = row["value"]
            if row["key"] == "header":
                message = value["summary"]
            elif row["key"] == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            else:
                changes[value["path"]] = self.server.lfs[value["oid"]]
        name = one.commit(revision, changes, message)
        url = f"{self.server.url}/{repo}/commit/{name}"
        self.send(200, {"commitUrl": url, "commitOid": name})

    def resolve(self, repo: str, revision: str, name: str) -> None:
        at = self.files(repo, revision)
        if not at:
            return
        commit, files = at
        if name not in files:
            self.send(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        data = files[name]
        regular = name.endswith(REGULAR)
        etag = _git_name(data) if regular else hashlib.sha256(data).hexdigest()
        self.send(200, data, X_Repo_Commit=commit, ETag=f'"{etag}"')


def _git_name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_AT = r"(?P<revision>.+)"
ROUTES = {
    rf"GET /api/models/{_REPO}": Handler.info,
    rf"GET /api/models/{_REPO}/revision/{_AT}": Handler.info,
    r"POST /api/repos/create": Handler.create,
    rf"POST /api/models/{_REPO}/branch/(?P<branch>.+)": Handler.branch,
    r"POST /api/validate-yaml": Handler.validate,
    rf"POST /api/models/{_REPO}/preupload/{_AT}": Handler.preupload,
    rf"POST /{_REPO}\.git/info/lfs/objects/batch": Handler.batch,
    r"PUT /storage/(?P<oid>\w+)": Handler.store,
    rf"POST /api/models/{_REPO}/commit/{_AT}": Handler.commit,
    rf"(GET|HEAD) /{_REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)": Handler.resolve,
}
