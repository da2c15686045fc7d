"""Numbers of environment variables."""

import pytest

from kerascnn.environment import environment_number
from kerascnn.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "number"), [("", 20.0), ("0", 0.0), ("2.5", 2.5), ("1e3", 1000.0)]
)
def test_numbers_are_read(monkeypatch: pytest.MonkeyPatch, text: str, number: float) -> None:
    monkeypatch.setenv("KERASCNN_X", text)
    assert environment_number("KERASCNN_X", 20, 0, "gigabytes") == number


@pytest.mark.parametrize("text", ["abc", "-1", "inf", "nan", "1 2"])
def test_what_is_no_number_or_too_small_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("KERASCNN_X", text)
    with pytest.raises(ConfigError, match=r"KERASCNN_X is '.*'; expected gigabytes, at least 0"):
        environment_number("KERASCNN_X", 20, 0, "gigabytes")
