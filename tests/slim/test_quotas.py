"""Processors that a container may use, as Linux tells it in either way."""

import pytest

from kerascnn.parallel import usable_cpus


@pytest.mark.parametrize(
    ("new", "quota", "period", "expected"),
    [
        ("200000 100000", None, None, 2),
        ("max 100000", None, None, 64),
        (None, "300000", "100000", 3),
        (None, "50000", "100000", 1),
        (None, "-1", "100000", 64),
        (None, "100000", "0", 64),
        (None, "100000", None, 64),
        (None, None, None, 64),
        ("100000 100000", "300000", "100000", 1),
        ("garbage", None, None, 64),
    ],
)
def test_quotas(tmp_path, monkeypatch, new, quota, period, expected):
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    files = {"cpu.max": new, "cpu.cfs_quota_us": quota, "cpu.cfs_period_us": period}
    for name, text in files.items():
        if text is not None:
            (tmp_path / name).write_text(f"{text}\n")
    assert usable_cpus(tmp_path / "cpu.max", tmp_path) == expected
