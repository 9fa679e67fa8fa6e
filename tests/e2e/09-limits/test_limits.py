"""Every bound has a name and a status, and is reached without harm to anybody else."""
import random
import resource
import select
import time

from harness import http
from harness.world import eventually


def test_statuses(t):
    gateway = t.gateway([t.replica()], "--max-body", "64Ki")
    chat = "/v1/chat/completions"
    small = [("X-A", "b" * 1000)]
    for name, wanted, code, data in (
        ("line", 414, "uri_too_long", http.request("POST", chat + "?" + "a" * 9000, b"{}")),
        ("one value", 431, "headers_too_large", http.request("POST", chat, b"{}", [("X-A", "b" * 17000)])),
        ("fields", 431, "headers_too_large", http.request("POST", chat, b"{}", [(f"X-{i}", "b") for i in range(120)])),
        ("head", 431, "headers_too_large", http.request("POST", chat, b"{}", small * 70)),
        ("body by its length", 413, "body_too_large", http.request("POST", chat, b"{" + b" " * 70000 + b"}")),
        ("body by its chunks", 413, "body_too_large",
         b"POST " + chat.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 20),
    ):  # fmt: skip
        with http.Connection(gateway.port) as c:
            try:
                c.send(data)
            except OSError:
                pass  # refused and closed while we were sending
            answer = c.answer()
        t.check(name, answer.status == wanted and answer.error_code() == code, answer.raw[:300])


def test_a_slow_head_is_408(t):
    gateway = t.gateway([t.replica()], "--head-timeout", "1s")
    with http.Connection(gateway.port, 5) as c:
        c.send(b"POST / HT")
        start = time.monotonic()
        answer = c.answer()
        assert answer.status == 408 and c.closed(1), answer.raw
        assert 0.5 < time.monotonic() - start < 3


def test_a_dripped_head_is_408_too(t):
    """A byte now and then does not extend the limit."""
    gateway = t.gateway([t.replica()], "--head-timeout", "1s")
    with http.Connection(gateway.port, 5) as c:
        start = time.monotonic()
        for byte in http.request("GET", "/x", fields=[("X-A", "b" * 200)]):
            c.send(bytes([byte]))
            if select.select([c.socket], [], [], 0.1)[0]:
                break
        assert c.answer().status == 408
        assert time.monotonic() - start < 2


def test_a_slow_body_is_408(t):
    gateway = t.gateway([t.replica()], "--body-grace", "1s")
    with http.Connection(gateway.port, 8) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body("word " * 1000))[:600])
        answer = c.answer()
        assert answer.status == 408 and answer.error_code() == "request_body_timeout", answer.raw


def test_an_idle_connection_is_closed_quietly(t):
    gateway = t.gateway([t.replica()], "--idle-timeout", "1s")
    with http.Connection(gateway.port) as c:
        assert c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer().status == 200
        before = len(c.raw)
        assert c.closed(3)
        assert len(c.raw) == before


def test_requests_per_connection(t):
    gateway = t.gateway([t.replica()], "--max-requests-per-connection", "3")
    with http.Connection(gateway.port) as c:
        answers = [c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer() for _ in range(3)]
        assert [a.status for a in answers] == [200] * 3
        assert answers[2].fields.get("connection") == "close" and c.closed(1)


def test_descriptors_run_short_and_nothing_spins(t):
    """With few descriptors: connections beyond the bound wait or are refused, those there are served, and it recovers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, hard), hard))
    try:
        gateway = t.gateway([t.replica()], workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    crowd = []
    for _ in range(150):
        try:
            crowd.append(http.Connection(gateway.port, 1))
        except OSError:
            break
    time.sleep(0.5)
    before = cpu_seconds(gateway)
    time.sleep(1)
    t.check("no spinning", cpu_seconds(gateway) - before < 0.4, cpu_seconds(gateway) - before)
    t.check("admin answers", http.ask(gateway.admin, "GET", "/healthz").status == 200)
    for c in crowd:
        c.close()
    t.check("recovers", eventually(lambda: t.chat(gateway).status == 200, 2))


def test_a_client_that_does_not_read_is_let_go(t):
    replica = t.replica(lambda peer: flood(peer))
    gateway = t.gateway([replica], "--write-stall", "1s")
    with http.Connection(gateway.port) as c:
        c.send(http.request("GET", "/flood"))
        assert eventually(lambda: replica.requests and replica.requests[0].gone, 6)


def flood(peer):
    """More than any socket buffer takes; notes when the peer breaks off."""
    peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000000000\r\n\r\n")
    try:
        for _ in range(15000):
            peer.send(b"x" * 65536)
    except OSError:
        peer.request.gone = time.monotonic()
    return False


def test_connections_beyond_the_bound_get_503(t):
    gateway = t.gateway([t.replica()], "--max-connections", "10", workers=1)
    crowd = [http.Connection(gateway.port) for _ in range(10)]
    for c in crowd:
        assert c.send(http.request("POST", "/v1/chat/completions", t.chat_body())).answer().status == 200
    answer = t.chat(gateway)
    t.check("503", answer.status == 503 and answer.error_code() == "connection_limit", answer.raw)
    crowd[0].close()
    t.check("room again", eventually(lambda: t.chat(gateway).status == 200, 2))
    for c in crowd:
        c.close()


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="latin-1") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_rubbish_at_every_port(t):
    source = random.Random(7)
    replica = t.replica()
    gateway = t.gateway([replica])
    templates = [http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)), http.request("GET", "/metrics"), b"PROXY TCP4 1.1.1.1 "]
    for port in (gateway.port, gateway.admin):
        for i in range(300):
            data = bytearray(source.choice(templates) if i % 3 else source.randbytes(source.randrange(1, 3000)))
            for _ in range(source.randrange(1, 6)):
                at = source.randrange(len(data))
                data[at : at + source.randrange(3)] = source.randbytes(source.randrange(4))
            try:
                with http.Connection(port, 1) as c:
                    c.send(bytes(data))
                    c.socket.settimeout(0.01)
                    c.more()
            except OSError:
                pass
    assert gateway.running()
    assert t.chat(gateway).status == 200


def test_body_memory_is_bounded_for_all_together(t):
    """Bodies that do not fit together get 503 and a time to come again; what is small goes on, and so does all when they are gone."""
    gateway = t.gateway([t.replica()], "--body-memory", "256Ki", workers=1)
    held = []
    for _ in range(4):
        c = http.Connection(gateway.port)
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b'{"model":"tiny","user":"' + b"a" * 80000)
        held.append(c)
    time.sleep(0.3)
    refused = [c for c in held if select.select([c.socket], [], [], 0)[0]]
    t.check("two fit", len(refused) == 2, len(refused))
    for c in refused:
        answer = c.answer()
        t.check("503", answer.status == 503 and answer.error_code() == "body_memory_exhausted", answer.raw)
        t.check("when", "retry-after" in answer.fields, answer.fields)
    t.check("a small one", t.chat(gateway).status == 200)
    for c in held:
        c.close()
    t.check("nothing is held afterwards", eventually(lambda: gateway.metric("penstock_body_memory_bytes") == 0, 3))
