"""What one request left behind must never show in another one, nor in the middle of an answer."""
import json
import socket
import threading
import time

from harness import http
from harness.world import answers, eventually
from harness.replica import chat_answer, chat_event, chunked, says, whole



class Early:
    """A replica that answers as soon as it has seen a head."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.socket.accept()
            threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    @staticmethod
    def answer(peer):
        data = b""
        while b"\r\n\r\n" not in data:
            more = peer.recv(65536)
            if not more:
                return
            data += more
        if data.startswith(b"GET "):
            peer.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        else:
            peer.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
            try:
                while peer.recv(65536):
                    pass
            except OSError:
                pass  # a cut may be a reset
        peer.close()


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def test_framing_of_a_failed_attempt_does_not_survive_it(t):
    """The first replica begins a chunked stream and dies before its first content; the second one answers with a length."""
    refusal = '{"error":{"message":"no"}}'
    broken = t.replica(says(STREAM_HEAD, close=True))
    gateway = t.gateway([broken, t.replica(says(whole(refusal, "400 Bad Request")))])
    for i in range(8):
        with http.Connection(gateway.port) as c:
            for _ in range(2):
                c.send(http.request("POST", "/v1/chat/completions", t.chat_body(f"{i}", stream=True)))
                answer = c.answer()
                t.check(f"answer {i}", answer.status == 400 and answer.body == refusal.encode(), answer.raw[-200:])
    t.check("the broken one was tried", len(broken.requests) > 0)


def test_a_bad_body_behind_the_commit_point_cuts_the_answer(t):
    early = Early()
    gateway = t.gateway([early], wait=False)
    assert eventually(lambda: answers(gateway.admin, "/healthz"))
    with http.Connection(gateway.port) as c:
        c.send(b"POST /other HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        c.take_until(b"hello")
        c.send(b"zz\r\n")
        try:
            while True:
                c.take(1)
        except http.Ended:
            pass
        t.check("one head only", c.raw.count(b"HTTP/1.1 ") == 1, c.raw)
        t.check("no last chunk", not c.raw.endswith(b"0\r\n\r\n"), c.raw)


def test_a_very_long_event_passes(t):
    long = chat_event("a" * 1_600_000)
    stream = chunked(long, chat_event("", "stop"), "data: [DONE]\n\n")
    gateway = t.gateway([t.replica(says(stream))])
    answer = t.chat(gateway, stream=True)
    t.check("whole", answer.status == 200 and b"a" * 1_600_000 in answer.body and answer.body.endswith(b"[DONE]\n\n"),
            (answer.status, len(answer.body), answer.body[-100:]))


def test_every_connection_field_counts(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    fields = ["connection: keep-alive", "connection: X-Foo", "x-foo: 1", "x-bar: 2"]
    head = "".join(f + "\r\n" for f in fields).encode()
    body = json.dumps({"model": "tiny", "messages": []}).encode()
    with http.Connection(gateway.port) as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + head + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert c.answer().status == 200
    t.check("named fields stay here", replica.requests[-1].field("x-foo") is None)
    t.check("others go on", replica.requests[-1].field("x-bar") == "2")


def test_replicas_see_the_origin_form(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    for target, want in (("http://here/any?x=1", "/any?x=1"), ("http://here", "/"), ("http://here?x", "/?x"), ("/any?", "/any?")):
        with http.Connection(gateway.port) as c:
            c.send(f"GET {target} HTTP/1.1\r\nhost: here\r\n\r\n".encode())
            c.answer("GET")
        t.check(target, replica.requests[-1].path == want, replica.requests[-1].path)


def test_a_request_that_closes_its_replica_is_not_sent_once_per_connection(t):
    """Closing without a word looks like a kept connection that had died: repeated once for free, then as any failure."""
    def script(peer):
        if b"poison" in peer.request.body:
            return False
        time.sleep(0.2)
        peer.send(whole(chat_answer()))

    replica = t.replica(script)
    gateway = t.gateway([replica], workers=1)
    threads = [threading.Thread(target=t.chat, args=(gateway, str(i))) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.1)
    answer = t.chat(gateway, "poison")
    seen = sum(b"poison" in r.body for r in replica.requests)
    t.check("an error in words", answer.status == 502 and answer.error_code() == "upstream_reset", answer.raw)
    t.check("few tries", seen <= 4, seen)


def test_the_beginning_of_a_head_behind_a_request_has_its_time(t):
    gateway = t.gateway([t.replica()], "--head-timeout", "500ms")
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body()) + b"GET /x HT")
        t.check("answered", c.answer().status == 200)
        t.check("then 408", c.answer().status == 408)


def test_requests_sent_before_a_tolerated_fin_are_all_answered(t):
    gateway = t.gateway([t.replica(lambda peer: time.sleep(0.1) or peer.send(whole(chat_answer())))], "--half-close", "tolerate")
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body()) * 3)
        c.socket.shutdown(socket.SHUT_WR)
        t.check("all three", [c.answer().status for _ in range(3)] == [200] * 3)
        t.check("then the end", c.closed())


def test_what_stands_behind_a_refused_body_is_the_next_request(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    bad, good = http.request("POST", "/v1/chat/completions", b'{"model":'), http.request("POST", "/v1/chat/completions", t.chat_body())
    inner = b"GET /inner HTTP/1.1\r\nhost: x\r\n\r\n"
    outer = b"POST /outer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(inner)
    for name, pieces, wanted in (("in one piece", [bad + good], [400, 200]), ("twice", [bad + bad + good], [400, 400, 200]),
                                 ("a body that looks like a request", [bad + outer, inner], [400, 200])):
        with http.Connection(gateway.port) as c:
            got = []
            for piece in pieces:
                c.send(piece)
                time.sleep(0.1)
            for _ in wanted:
                got.append(c.answer().status)
            t.check(name, got == wanted, (got, c.raw))
    t.check("nothing inside a body was taken for a request", all(r.path != "/inner" for r in replica.requests))
