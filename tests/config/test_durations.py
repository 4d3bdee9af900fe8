from __future__ import annotations

import pytest

from ovapi.config.values.durations import duration


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (0, 0),
        (1.5, 1.5),
        ("0", 0),
        ("30", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        ("+2s", 2),
        (-1, None),
        ("-1", None),
        ("-5m", None),
        ("never", None),
        (1e300, None),
    ],
)
def test_durations(given: float | str, seconds: float | None) -> None:
    assert duration(given) == (pytest.approx(seconds) if seconds is not None else None)
