"""Replicas that misbehave on the wire. What is not valid HTTP is never relayed, and its connection is never used again."""
import json
import time

from harness import http
from harness.replica import chat_answer, chat_event, chunked, says, whole

GOOD = chat_answer().encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
LENGTH = b"content-length: %d\r\n" % len(GOOD)

# Answers that are no valid HTTP/1.1 before their first body byte: 502, and nothing of them at the client.
BROKEN_HEADS = {
    "garbage": b"\x00\x01garbage\xff" * 60 + b"\r\n\r\n",
    "text": b"hello, I am no web server\r\n\r\n",
    "status abc": b"HTTP/1.1 abc OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\n" + LENGTH + b"\r\n" + GOOD,
    "status 1000": b"HTTP/1.1 1000 High\r\n" + LENGTH + b"\r\n" + GOOD,
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n" + LENGTH + b"\r\n" + GOOD,
    "HTTP/0.9": GOOD,
    "bare LF": (HEAD + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + GOOD,
    "folded field": HEAD + b"x-a: b\r\n c\r\n" + LENGTH + b"\r\n" + GOOD,
    "NUL in a field": HEAD + b"x-a: \0\r\n" + LENGTH + b"\r\n" + GOOD,
    "space before the colon": HEAD + b"x-a : b\r\n" + LENGTH + b"\r\n" + GOOD,
    "length and coding": HEAD + LENGTH + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "two lengths": HEAD + LENGTH + b"content-length: 1\r\n\r\n" + GOOD,
    "length -1": HEAD + b"content-length: -1\r\n\r\n" + GOOD,
    "unknown coding": HEAD + b"transfer-encoding: gzip\r\n\r\n" + GOOD,
    "300 KiB of head": HEAD + b"".join(b"x-%d: %s\r\n" % (i, b"a" * 3000) for i in range(100)) + LENGTH + b"\r\n" + GOOD,
    "too many 1xx": b"HTTP/1.1 102 Processing\r\n\r\n" * 20 + HEAD + LENGTH + b"\r\n" + GOOD,
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}


def test_broken_heads_are_502(t):
    for name, data in BROKEN_HEADS.items():
        replica = t.replica(says(data, close=True))
        gateway = t.gateway([replica], name=f"gateway-{len(t.processes)}", workers=1)
        answer = t.chat(gateway)
        t.check(name, answer.status == 502 and answer.json()["error"]["message"], answer.raw[:200])
        gateway.stop()


def test_a_broken_replica_is_not_noticed_while_another_is_well(t):
    """A death before the first byte is another replica's turn; a protocol error may be, and is no crash."""
    for name, data in (("FIN", b""), ("half a head", b"HTTP/1.1 200 O")):
        broken = t.replica(says(data, close=True))
        gateway = t.gateway([broken, t.replica()], name=f"gateway-{len(t.processes)}", workers=1)
        got = [t.chat(gateway, f"{name} {i}").status for i in range(12)]
        t.check(name, got == [200] * 12, got)
        t.check(name + " was tried", len(broken.requests) > 0)


def test_a_reset_before_the_answer_goes_to_another(t):
    broken = t.replica(lambda peer: peer.reset() or False)
    gateway = t.gateway([broken, t.replica()])
    assert [t.chat(gateway, str(i)).status for i in range(12)] == [200] * 12
    assert broken.requests


BROKEN_BODIES = {
    "short": HEAD + b"content-length: %d\r\n\r\n" % (len(GOOD) + 100) + GOOD,
    "chunked without its end": chunked(chat_event("a"), chat_event("b"), end=False),
    "garbage between chunks": chunked(chat_event("a"), end=False) + b"zz\r\nnonsense",
    "chunk without CRLF": chunked(chat_event("a"), end=False) + b"5\r\nabcdefgh\r\n0\r\n\r\n",
    "FIN in the middle of an event": chunked('data: {"choices":[{"index":0,', end=False),
}


def test_broken_bodies_are_cut_visibly(t):
    for name, data in BROKEN_BODIES.items():
        gateway = t.gateway([t.replica(says(data, close=True))], name=f"gateway-{len(t.processes)}", workers=1)
        with http.Connection(gateway.port) as c:
            c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=b"event-stream" in data)))
            answer = c.answer()
            whole_error = answer.complete and answer.status == 502
            t.check(name, whole_error or not answer.complete, answer.raw[-200:])
            t.check(name + ": no [DONE]", b"[DONE]" not in c.raw, c.raw[-200:])
            t.check(name + ": closed or an answer of ours", whole_error or c.closed(2))
        gateway.stop()


DELTA = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'


def test_an_error_event_follows_a_cut_stream(t):
    for path, event, mark in (
        ("/v1/chat/completions", chat_event("a"), b'data: {"error"'),
        ("/v1/messages", DELTA, b"event: error\n"),
    ):
        replica = t.replica(says(chunked(event, end=False), close=True))
        gateway = t.gateway([replica], name=f"gateway-{len(t.processes)}")
        answer = t.chat(gateway, path=path, stream=True, max_tokens=5)
        t.check(path, mark in answer.raw and not answer.complete, answer.raw[-300:])


def test_before_the_first_content_a_cut_stream_is_an_error(t):
    """Only the role has come: nothing was given to the client yet, so it gets a status, not half a stream."""
    role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
    gateway = t.gateway([t.replica(says(chunked(role, end=False), close=True))])
    answer = t.chat(gateway, stream=True)
    assert answer.complete and answer.status == 502, answer.raw


def test_a_longer_body_than_promised_is_cut_there(t):
    replica = t.replica(lambda peer: peer.send(HEAD + LENGTH + b"\r\n" + GOOD + b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"))
    gateway = t.gateway([replica], workers=1)
    for i in range(5):
        answer = t.chat(gateway)
        t.check(f"chat {i}", answer.status == 200 and answer.body == GOOD, answer.raw)
    t.check("connections not used again", replica.connections >= 5, replica.connections)


def test_an_idle_connection_the_replica_closes_is_not_noticed(t):
    """Engines close idle connections after some seconds; reuse must not race that."""
    replica = t.replica(lambda peer: (peer.send(whole(GOOD)), time.sleep(0.05), False)[2])
    gateway = t.gateway([replica], workers=1)
    for i in range(40):
        answer = t.chat(gateway)
        t.check(f"chat {i}", answer.status == 200, answer.raw)
        time.sleep(0.045 + (i % 5) * 0.004)


def test_a_refused_connection_goes_to_another(t):
    dead = t.replica()
    dead.close()
    gateway = t.gateway([dead, t.replica()])
    assert [t.chat(gateway, str(i)).status for i in range(10)] == [200] * 10


def test_silence_before_the_head_has_a_limit(t):
    gateway = t.gateway([t.replica(lambda peer: peer.wait_gone(20) and False)], "--first-byte-timeout", "700ms", "--tries", "1")
    start = time.monotonic()
    answer = t.chat(gateway)
    assert answer.status == 504 and 0.5 < time.monotonic() - start < 3, answer.raw


def test_silence_in_the_stream_has_a_limit(t):
    def silent(peer):
        peer.send(chunked(chat_event("a"), end=False))
        peer.wait_gone(20)
        return False

    replica = t.replica(silent)
    gateway = t.gateway([replica], "--between-timeout", "700ms")
    start = time.monotonic()
    answer = t.chat(gateway, stream=True)
    assert not answer.complete and b'"error"' in answer.raw and 0.5 < time.monotonic() - start < 3, answer.raw
    assert replica.requests[0].gone


def test_total_time_has_a_limit(t):
    def drip(peer):
        peer.send(chunked(chat_event("a"), end=False))
        for _ in range(100):
            time.sleep(0.1)
            piece = chat_event("x").encode()
            peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        return False

    gateway = t.gateway([t.replica(drip)], "--total-timeout", "1s")
    start = time.monotonic()
    assert not t.chat(gateway, stream=True).complete
    assert time.monotonic() - start < 3


def test_a_dripped_head_is_served(t):
    def drip(peer):
        data = whole(GOOD)
        for i in range(0, len(data), 7):
            peer.send(data[i : i + 7])
            time.sleep(0.005)

    gateway = t.gateway([t.replica(drip)])
    assert t.chat(gateway).body == GOOD


def test_errors_of_engines_come_through_as_they_are(t):
    for status in ("400 Bad Request", "404 Not Found", "422 Unprocessable Entity", "500 Internal Server Error"):
        body = json.dumps({"error": {"message": "engine says no", "type": "X", "param": None, "code": int(status[:3])}})
        gateway = t.gateway([t.replica(lambda peer, b=body, s=status: peer.send(whole(b, s)))], name=f"gateway-{status[:3]}", workers=1)
        answer = t.chat(gateway)
        t.check(status, answer.status == int(status[:3]) and answer.body.decode() == body, answer.raw)
