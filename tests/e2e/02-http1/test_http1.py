"""HTTP/1.1 on the client side: strict where two parsers could differ, and faithful where they cannot."""
import random
import socket
import time

import cases
from harness import http
from harness.process import free_port
from harness.replica import chat_answer, chat_event, chunked, says, whole


def test_what_is_ambiguous_is_refused_and_goes_nowhere(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    for name, data in cases.refused():
        seen = len(replica.requests)
        with http.Connection(gateway.port, 5) as c:
            c.send(data)
            closed = c.closed(3)
            status = int(c.raw[9:12]) if c.raw.startswith(b"HTTP/1.1 ") else 0
            t.check(name, closed and 400 <= status < 600, f"closed={closed} answer={c.raw[:60]!r} to {data[:90]!r}")
            t.check(name + " (replica)", len(replica.requests) == seen, f"reached the replica: {data[:90]!r}")
    t.check("no half request reached the replica", replica.partial == b"", repr(replica.partial[:100]))


def test_what_is_right_is_served(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    for name, data, answers in cases.served():
        try:
            with http.Connection(gateway.port, 5) as c:
                c.send(data)
                got = [c.answer().status for _ in range(answers)]
        except (http.Ended, OSError) as error:
            got = [str(error)]
        t.check(name, got == [200] * answers, f"{got} to {data[:90]!r}")
    for request in replica.requests:
        t.check("body as sent", request.body == cases.BODY, request.body)


def test_byte_by_byte_is_the_same(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    for name, data, answers in list(cases.served())[:9]:
        with http.Connection(gateway.port, 10) as c:
            for i in range(len(data)):
                c.send(data[i : i + 1])
            got = [c.answer().status for _ in range(answers)]
        t.check(name, got == [200] * answers, got)


def test_only_what_was_reserialised_is_forwarded(t):
    """Hop-by-hop fields stay behind, names and values arrive clean, framing is the gateway's own."""
    replica = t.replica()
    gateway = t.gateway([replica])
    fields = [("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("X-End", "2"),
              ("Proxy-Connection", "keep-alive"), ("X-Gateway-Destination-Endpoint", "10.0.0.1:1"), ("X-Forwarded-For", "6.6.6.6")]  # fmt: skip
    assert t.chat(gateway, fields=fields).status == 200
    got = {name.lower(): value for name, value in replica.requests[0].fields}
    for name in ("x-hop", "keep-alive", "te", "proxy-connection", "x-gateway-destination-endpoint", "transfer-encoding"):
        t.check(name, name not in got, got)
    t.check("end-to-end field", got.get("x-end") == "2", got)
    t.check("X-Forwarded-For is the peer", got.get("x-forwarded-for") == "127.0.0.1", got)


def test_connections_are_kept(t):
    gateway = t.gateway([t.replica()])
    with http.Connection(gateway.port) as c:
        for _ in range(20):
            assert c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer().status == 200


def test_upstream_connections_are_kept(t):
    replica = t.replica()
    gateway = t.gateway([replica], workers=1)
    with http.Connection(gateway.port) as c:
        for _ in range(20):
            assert c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer().status == 200
    assert replica.connections <= 4, replica.connections


def test_head_has_no_body(t):
    replica = t.replica(lambda peer: peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"))
    gateway = t.gateway([replica])
    with http.Connection(gateway.port) as c:
        first = c.send(http.request("HEAD", "/thing")).answer("HEAD")
        assert first.status == 200 and first.fields["content-length"] == "5" and first.body == b""
        assert c.send(http.request("HEAD", "/thing")).answer("HEAD").status == 200


def test_expect_100_is_answered_after_the_head_was_accepted(t):
    gateway = t.gateway([t.replica()])
    head = cases.LINE + cases.HOST + cases.JSON + cases.LENGTH + b"Expect: 100-continue\r\n\r\n"
    with http.Connection(gateway.port) as c:
        c.send(head)
        assert c.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        assert c.send(cases.BODY).answer().status == 200
    with http.Connection(gateway.port) as c:
        c.send(head.replace(b"Content-Length: %d" % cases.SIZE, b"Content-Length: 99999999999"))
        assert c.answer().status == 413


def test_trailers_of_answers_come_through(t):
    body = chat_answer().encode()
    answer = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 42\r\n\r\n" % (len(body), body)
    gateway = t.gateway([t.replica(lambda peer: peer.send(answer))])
    with http.Connection(gateway.port) as c:
        got = c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer()
    assert got.complete and got.body == body
    assert b"x-sum: 42" in got.raw.lower(), got.raw[-80:]


def test_any_path_passes_through(t):
    replica = t.replica(lambda peer: peer.send(whole(peer.request.method + " " + peer.request.path, content_type="text/plain")))
    gateway = t.gateway([replica])
    for method, path in (("GET", "/version"), ("DELETE", "/v1/files/1"), ("PUT", "/x?y=z"), ("OPTIONS", "/v1/models/x"), ("PATCH", "/a%20b")):
        answer = http.ask(gateway.port, method, path)
        t.check(f"{method} {path}", answer.body.decode() == f"{method} {path}", answer.raw)


def test_a_megabyte_goes_through(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    body = t.chat_body("word " * 250_000)
    sent = http.request("POST", "/v1/chat/completions", body)
    with http.Connection(gateway.port, 20) as c:
        assert c.send(sent).answer().status == 200
    assert sent.endswith(replica.requests[0].body) and len(replica.requests[0].body) > 1_000_000


def test_a_body_beyond_body_hold_streams_through(t):
    replica = t.replica()
    gateway = t.gateway([replica], "--body-hold", "64Ki")
    sent = http.request("POST", "/v1/chat/completions", t.chat_body("word " * 100_000))
    with http.Connection(gateway.port, 20) as c:
        assert c.send(sent).answer().status == 200
    assert sent.endswith(replica.requests[0].body)


def test_ipv6(t):
    port = free_port()
    gateway = t.gateway([t.replica()], "--listen", f"[::1]:{port}")
    with http.Connection(port, host="::1") as c:
        assert c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer().status == 200
    assert gateway.running()


def test_proxy_protocol_when_the_listener_says_so(t):
    replica = t.replica()
    gateway = t.gateway([replica], "--proxy-protocol", "true")
    plain = http.request("POST", "/v1/chat/completions", t.chat_body())
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([203, 0, 113, 9, 127, 0, 0, 1]) + b"\x10\x00\x00\x50"
    for name, header, source in (
        ("v1", b"PROXY TCP4 203.0.113.7 127.0.0.1 4096 80\r\n", "203.0.113.7"),
        ("v1 unknown", b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        ("v2", v2, "203.0.113.9"),
    ):
        with http.Connection(gateway.port) as c:
            answer = c.send(header + plain).answer()
        t.check(name, answer.status == 200 and replica.requests[-1].field("x-forwarded-for") == source, replica.requests[-1].fields)
    with http.Connection(gateway.port) as c:
        c.send(plain)
        t.check("missing", c.closed() and not c.raw.startswith(b"HTTP/1.1 200"), c.raw[:60])


def test_back_pressure_both_ways(t):
    """A client that reads slowly stops the replica, not the process: 200 MB wait nowhere."""
    piece = b"x" * 65536

    def flood(peer):
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % (3200 * len(piece)))
        peer.socket.settimeout(3)
        try:
            for _ in range(3200):
                peer.send(piece)
        except TimeoutError:
            pass
        return False

    gateway = t.gateway([t.replica(flood)], workers=1)
    before = gateway.resident_kb()
    with http.Connection(gateway.port) as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.send(http.request("GET", "/flood"))
        c.take_until(b"\r\n\r\n")
        time.sleep(1.5)
        grown = gateway.resident_kb() - before
    assert grown < 20_000, f"{grown} KiB more while the client did not read"


def test_any_stream_is_byte_exact(t):
    """Random events in random chunks in random writes: none lost, doubled, reordered or changed."""
    source = random.Random(11)
    sent = []

    def script(peer):
        events = b"".join(b"data: %s\n\n" % source.randbytes(source.randrange(1, 900)).hex().encode() for _ in range(60)) + b"data: [DONE]\n\n"
        sent.append(events)
        framed, at = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n", 0
        while at < len(events):
            size = source.choice([1, 7, 100, 1000, 20000])
            piece = events[at : at + size]
            framed, at = framed + b"%x\r\n%s\r\n" % (len(piece), piece), at + size
        framed += b"0\r\n\r\n"
        while framed:
            size = source.choice([1, 3, 50, 1400, 60000])
            peer.send(framed[:size])
            framed = framed[size:]

    gateway = t.gateway([t.replica(script)])
    for i in range(25):
        answer = t.chat(gateway, stream=True, stream_options={"include_usage": True})
        t.check(f"stream {i}", answer.complete and answer.body == sent[-1], len(answer.body))


def test_an_answer_to_http_1_0_ends_with_the_connection(t):
    gateway = t.gateway([t.replica(says(chunked(chat_event("a"), "data: [DONE]\n\n")))])
    body = http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0")
    with http.Connection(gateway.port) as c:
        answer = c.send(body).answer()
    assert "transfer-encoding" not in answer.fields and answer.body.endswith(b"data: [DONE]\n\n"), answer.raw


def test_slow_clients_do_not_slow_others(t):
    gateway = t.gateway([t.replica()], workers=1)
    slow = [http.Connection(gateway.port) for _ in range(300)]
    for c in slow:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    start = time.monotonic()
    assert [t.chat(gateway).status for _ in range(20)] == [200] * 20
    assert time.monotonic() - start < 2
    for c in slow:
        c.close()


def test_forwarded_for_is_believed_as_far_as_was_said(t):
    for hops, wanted in (("0", "127.0.0.1"), ("1", "6.6.6.6, 127.0.0.1"), ("2", "7.7.7.7, 6.6.6.6, 127.0.0.1")):
        replica = t.replica()
        gateway = t.gateway([replica], "--trusted-hops", hops, name=f"gateway-{hops}")
        t.chat(gateway, fields=[("X-Forwarded-For", "8.8.8.8, 7.7.7.7, 6.6.6.6")])
        got = replica.requests[0].field("x-forwarded-for")
        t.check(hops, got.endswith(wanted), got)
