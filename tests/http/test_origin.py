import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from tornado.netutil import bind_sockets

from ovapi.errors import PermissionDenied
from ovapi.http.connection.listening import bindable, is_loopback, listen_on_loopback
from ovapi.http.connection.origin import OriginPolicy

PAGE = "https://page.example"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True),
     ("LOCALHOST", True), ("localhost.", True), ("127.1", True), ("0x7f.1", True),
     ("2130706433", True), ("::ffff:127.0.0.1", True), ("0:0:0:0:0:0:0:1", True),
     ("0.0.0.0", False), ("192.168.0.1", False), ("::", False), ("::ffff:192.168.0.1", False),
     ("0", False), ("3232235521", False), ("no-such-name.invalid", False), ("a" * 70, False)],
)  # fmt: skip
def test_loopback_binds_are_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.skipif("ip6-localhost" not in Path("/etc/hosts").read_text(), reason="no such name")
def test_names_of_loopback_are_those_that_resolve_to_it() -> None:
    assert is_loopback("ip6-localhost")


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "LOCALHOST", "localhost.", "::ffff:127.0.0.1"])
def test_sockets_tell_where_they_are(host: str) -> None:
    sockets = bind_sockets(0, bindable(host))
    with ExitStack() as stack:
        for one in sockets:
            stack.enter_context(one)
        assert listen_on_loopback(sockets)


def test_one_socket_elsewhere_is_enough(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as local,
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.socket(socket.AF_INET6) as mapped,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        mapped.bind(("::ffff:127.0.0.1", 0))
        unix.bind(str(tmp_path / "socket"))
        assert listen_on_loopback([local, mapped, unix])
        assert not listen_on_loopback([local, everywhere])


@pytest.mark.parametrize("bind", ["127.1", "LOCALHOST", "localhost.", "::ffff:127.0.0.1"])
def test_the_hosts_of_every_loopback_bind_are_checked(bind: str) -> None:
    policy = OriginPolicy(bind)
    for host in (
        f"[{bind}]:8000" if ":" in bind else bind,
        "localhost.:8000",
        "[::ffff:127.0.0.1]",
    ):
        policy.check(host, None)
    with pytest.raises(PermissionDenied, match="Host"):
        policy.check("evil.example", None)


def test_who_knows_the_sockets_need_not_ask_the_name() -> None:
    with pytest.raises(PermissionDenied, match="Host"):
        OriginPolicy("box.local", loopback=True).check("evil.example", None)
    OriginPolicy("127.0.0.1", loopback=False).check("any.example", None)


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
    assert policy.preflight_headers("https://other.example", "x-own") == {}
    headers = policy.preflight_headers(PAGE, "authorization,x-stainless-os")
    assert headers["Access-Control-Allow-Headers"] == "authorization,x-stainless-os"
    odd = policy.preflight_headers(PAGE, "a\nb")
    assert "X-Api-Key" in odd["Access-Control-Allow-Headers"]
    assert OriginPolicy("127.0.0.1").headers(PAGE) == {}
