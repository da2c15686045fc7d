"""A cluster that is not there, or packages that are not: one line, at once."""

import sys

import pytest

from kerascnn.errors import KerascnnError, MissingExtraError
from kerascnn.scoring.on_ray import ray_cluster


def join(where: str) -> None:
    with ray_cluster(where, 1, gpu=False):
        pass


@pytest.mark.parametrize("where", ["ray", "ray://127.0.0.1:1", "ray://127.0.0.1:99999999"])
def test_no_cluster(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(KerascnnError, match=r"Ray cluster at .*127\.0\.0\.1:\d+") as told:
        join(where)
    assert len(str(told.value).splitlines()) == 1


def test_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kerascnn\[ray\]'"):
        join("ray")
