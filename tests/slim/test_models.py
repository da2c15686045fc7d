"""`kerascnn models` reads a table of facts: no Keras, every name whole, one family after another.

That the table says what the networks are is tests/unit/training/networks/test_battery.py's.
"""

import json
import sys

import pytest
from click.testing import CliRunner

from kerascnn.cli import main
from kerascnn.training.networks import NETWORKS
from kerascnn.training.networks.facts import load_facts
from kerascnn.training.networks.table import FAMILIES

pytestmark = pytest.mark.both


def test_the_list(monkeypatch) -> None:
    for module in ("keras", "tensorflow"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    monkeypatch.setenv("COLUMNS", "40")
    done = CliRunner().invoke(main, ["models"])
    assert done.exit_code == 0, done.output
    first, *lines = done.stdout.splitlines()
    assert "1,000 classes" in first  # `train` shows other numbers
    starts = [line.split()[0] for line in lines if line.startswith("  ")]
    assert [name for name in starts if name != "blocks"] == list(NETWORKS)
    headings = [line.partition(":")[0] for line in lines if line and line[0] != " "]
    assert set(headings) == set(FAMILIES.values())
    assert {network.family for network in NETWORKS.values()} == set(FAMILIES)
    assert not [heading for heading in headings if "_" in heading]


def test_json_has_every_fact(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    rows = json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)
    facts = load_facts()
    assert [row["name"] for row in rows] == list(NETWORKS) == list(facts)
    for row in rows:
        assert (row["params"], row["blocks"]) == (
            facts[row["name"]]["params"],
            facts[row["name"]]["blocks"],
        )
