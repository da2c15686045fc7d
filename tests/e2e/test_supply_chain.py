"""What kerascnn is made of: its packages have no known vulnerability, and can be listed."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def test_no_package_has_a_known_vulnerability() -> None:
    pytest.importorskip("pip_audit")
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--format", "json", "--skip-editable",
         "--progress-spinner", "off"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout:
        pytest.skip("the list of vulnerabilities cannot be reached")
    rows = json.loads(done.stdout)["dependencies"]
    looked_up = [row for row in rows if "vulns" in row]
    if not looked_up:
        pytest.skip(f"the list of vulnerabilities knows none of {len(rows)} packages here")
    # What made the environment is no part of it; images that serve have neither.
    found = {row["name"]: [one["id"] for one in row["vulns"]] for row in looked_up
             if row["vulns"] and row["name"] not in ("pip", "setuptools")}  # fmt: skip
    assert not found


def test_the_bill_of_materials_of_what_serves(tmp_path: Path) -> None:
    if find_spec("cyclonedx_py") is None:
        pytest.skip("needs cyclonedx-bom")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "click"]
    if subprocess.run(download, check=False, cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("needs an index of packages")
    file = tmp_path / "sbom.json"
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "scripts/sbom", file], check=True, env=environment)
    bill = json.loads(file.read_text(encoding="utf-8"))
    names = {component["name"].lower() for component in bill["components"]}
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "kerascnn")
    assert {"numpy", "pillow", "onnxruntime", "starlette", "uvicorn", "click"} <= names
    assert not names & {"keras", "tensorflow", "jax", "torch", "onnx", "pip", "setuptools"}
    assert all(component.get("version") for component in bill["components"])
    assert str(ROOT) not in file.read_text(encoding="utf-8")
