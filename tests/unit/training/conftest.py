"""What the tests of training share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _drawn_elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather what each run's page shows, and draw it only for tests marked ``page``.

    Drawing takes longer than most trainings here.
    """
    if "keras" in sys.modules and not request.node.get_closest_marker("page"):
        monkeypatch.setattr("kerascnn.training.reporting.render_page", lambda _content: "not drawn")
