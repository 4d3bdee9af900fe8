import pytest

from ovapi.errors import PermissionDenied
from ovapi.http.origin import OriginPolicy, is_loopback

PAGE = "https://page.example"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("192.168.0.1", False), ("::", False), ("box.local", False)],
)  # fmt: skip
def test_loopback_binds_are_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "box.local"]
)
def test_a_loopback_bind_answers_to_its_own_names(host: str) -> None:
    OriginPolicy("127.0.0.1", hosts=["Box.Local"]).check(host, None)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[", "a:b:c"]
)
def test_a_loopback_bind_refuses_foreign_names(host: str) -> None:
    with pytest.raises(PermissionDenied, match="Host"):
        OriginPolicy("127.0.0.1").check(host, None)


def test_other_binds_answer_to_any_name() -> None:
    OriginPolicy("0.0.0.0").check("anything.example", None)


@pytest.mark.parametrize("origin", [PAGE, "null", "http://localhost:9999", ""])
def test_a_foreign_origin_is_refused(origin: str) -> None:
    for bind in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(PermissionDenied, match="Origin"):
            OriginPolicy(bind).check("localhost:8000", origin)


def test_the_servers_own_page_and_listed_origins_may_call() -> None:
    policy = OriginPolicy("127.0.0.1", origins=[PAGE + "/"])
    policy.check("localhost:8000", "http://localhost:8000")
    policy.check("localhost:8000", PAGE)
    OriginPolicy("127.0.0.1", origins=["*"]).check("localhost", "https://any.example")


def test_headers_are_for_listed_origins_only() -> None:
    policy = OriginPolicy("127.0.0.1", origins=[PAGE])
    assert policy.headers(PAGE)["Access-Control-Allow-Origin"] == PAGE
    assert policy.headers("https://other.example") == {"Vary": "Origin"}
    assert policy.headers(None) == {"Vary": "Origin"}
    assert policy.preflight_headers(PAGE)["Access-Control-Allow-Methods"]
    assert policy.preflight_headers("https://other.example") == {}
    assert OriginPolicy("127.0.0.1").headers(PAGE) == {}
