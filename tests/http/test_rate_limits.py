import pytest

from ovapi.config.settings import KeyLimits, LimitsConfig
from ovapi.errors import RateLimited, TooManyAtOnce
from ovapi.http.rate_limits import Limits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, per_key: KeyLimits, **keys: KeyLimits) -> Limits:
    return Limits(LimitsConfig(per_key, keys), clock)


def test_nothing_is_limited_unless_configured(clock: Clock) -> None:
    limits = make(clock, KeyLimits())
    for _ in range(1000):
        limits.enter("")
    assert limits.quota("") is None


def test_requests_at_a_time(clock: Clock) -> None:
    limits = make(clock, KeyLimits(concurrent=2))
    limits.enter("a")
    limits.enter("a")
    with pytest.raises(TooManyAtOnce) as caught:
        limits.enter("a")
    assert (caught.value.status, caught.value.retry_after) == (429, 1)
    limits.enter("b")
    limits.leave("a")
    limits.enter("a")


def test_a_minutes_requests_at_once_and_then_one_by_one(clock: Clock) -> None:
    limits = make(clock, KeyLimits(requests_per_minute=4))
    for _ in range(4):
        limits.enter("a")
    with pytest.raises(RateLimited) as caught:
        limits.enter("a")
    assert caught.value.retry_after == 15
    clock.now += 14.9
    with pytest.raises(RateLimited) as caught:
        limits.enter("a")
    assert caught.value.retry_after == 1
    clock.now += 0.1
    limits.enter("a")
    limits.enter("b")


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    limits = make(clock, KeyLimits(concurrent=1, requests_per_minute=4))
    limits.enter("a")
    for _ in range(9):
        with pytest.raises(TooManyAtOnce):
            limits.enter("a")
    quota = limits.quota("a")
    assert quota is not None
    assert quota.remaining == 3


@pytest.mark.parametrize(
    ("rate", "taken", "passed", "remaining", "reset"),
    [
        (4, 0, 0, "4", "0ms"),
        (4, 1, 0, "3", "15s"),
        (4, 4, 0.0, "0", "1m0s"),
        (4, 4, 7.5, "0", "52.5s"),
        (4, 4, 100, "4", "0ms"),
        (6000, 2, 0, "5998", "20ms"),
    ],
)
def test_the_headers(
    clock: Clock, rate: int, taken: int, passed: float, remaining: str, reset: str
) -> None:
    limits = make(clock, KeyLimits(requests_per_minute=rate))
    for _ in range(taken):
        limits.enter("a")
    clock.now += passed
    quota = limits.quota("a")
    assert quota is not None
    assert quota.headers() == {
        "x-ratelimit-limit-requests": str(rate),
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": reset,
    }


def test_a_key_with_limits_of_its_own(clock: Clock) -> None:
    limits = make(clock, KeyLimits(concurrent=1), alice=KeyLimits(concurrent=2))
    limits.enter("alice")
    limits.enter("alice")
    limits.enter("bob")
    with pytest.raises(TooManyAtOnce):
        limits.enter("bob")


def test_new_limits_hold_at_once(clock: Clock) -> None:
    limits = make(clock, KeyLimits(concurrent=1, requests_per_minute=9))
    limits.enter("a")
    limits.config = LimitsConfig(KeyLimits(concurrent=2, requests_per_minute=2))
    limits.enter("a")
    quota = limits.quota("a")
    assert quota is not None
    assert (quota.limit, quota.remaining) == (2, 1)
