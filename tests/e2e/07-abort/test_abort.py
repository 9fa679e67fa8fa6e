"""A client that leaves, in any phase, closes its upstream within 100 ms: its KV blocks are money."""
import socket
import time

from harness import http
from harness.replica import chat_event, chunked
from harness.world import eventually

LIMIT = 0.1


def waiting(peer):
    """Prefill: nothing is said until the peer leaves."""
    peer.wait_gone(10)
    return False


def streaming(peer):
    """Decode: one event, then silence until the peer leaves."""
    peer.send(chunked(chat_event("a"), end=False))
    peer.wait_gone(10)
    return False


def leave(t, script, how, phase, arguments=(), before=b""):
    """Opens a stream, leaves in that phase in that way; how long the replica's connection outlived it."""
    replica = t.replica(script)
    gateway = t.gateway([replica], *arguments, name=f"gateway-{len(t.processes)}", workers=1)
    c = http.Connection(gateway.port)
    c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
    assert eventually(lambda: replica.requests)
    if phase == "decode":
        c.take_until(b'"content"')
    else:
        time.sleep(0.1)
    c.send(before)
    left = time.monotonic()
    how(c)
    assert eventually(lambda: replica.requests[0].gone, 3, 0.005), "the upstream stayed open"
    took = replica.requests[0].gone - left
    gateway.stop()
    return took


WAYS = {
    "FIN": lambda c: c.close(),
    "RST": lambda c: c.reset(),
    "half close": lambda c: c.socket.shutdown(socket.SHUT_WR),
}


def test_in_prefill(t):
    for name, how in WAYS.items():
        took = leave(t, waiting, how, "prefill")
        t.check(name, took < LIMIT, f"{took * 1000:.0f} ms")


def test_in_decode(t):
    for name, how in WAYS.items():
        took = leave(t, streaming, how, "decode")
        t.check(name, took < LIMIT, f"{took * 1000:.0f} ms")


def test_behind_unread_pipelined_bytes(t):
    for name in ("FIN", "RST"):
        took = leave(t, waiting, WAYS[name], "prefill", before=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        t.check(name, took < LIMIT, f"{took * 1000:.0f} ms")
    took = leave(t, streaming, WAYS["FIN"], "decode", before=b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
    t.check("64 KB unread", took < LIMIT, f"{took * 1000:.0f} ms")


def test_a_tolerated_half_close_goes_on(t):
    replica = t.replica(lambda peer: (time.sleep(0.4), peer.send(chunked(chat_event("late"), "data: [DONE]\n\n")))[1])
    gateway = t.gateway([replica], "--half-close", "tolerate")
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
        c.socket.shutdown(socket.SHUT_WR)
        answer = c.answer()
    assert answer.complete and b"late" in answer.body, answer.raw


def test_while_held(t):
    """What waits at the gateway leaves the queue with its client and never reaches a replica."""
    replica = t.replica(waiting)
    gateway = t.gateway([replica], "--requests-per-replica", "1")
    first = http.Connection(gateway.port)
    first.send(http.request("POST", "/v1/chat/completions", t.chat_body("first")))
    assert eventually(lambda: replica.requests)
    held = [http.Connection(gateway.port) for _ in range(10)]
    for c in held:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body("held")))
    assert eventually(lambda: gateway.metric("llm_d_epp_flow_control_queue_size") == 10)
    for c in held:
        c.close()
    assert eventually(lambda: gateway.metric("llm_d_epp_flow_control_queue_size") == 0, 2)
    first.close()
    time.sleep(0.3)
    assert len(replica.requests) == 1


def test_while_sending_its_body(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    body = http.request("POST", "/v1/chat/completions", t.chat_body("word " * 10000))
    for share in (0.01, 0.5, 0.99):
        c = http.Connection(gateway.port)
        c.send(body[: int(len(body) * share)])
        time.sleep(0.05)
        c.close()
    time.sleep(0.3)
    assert not replica.requests
    assert t.chat(gateway).status == 200


def test_while_the_replica_does_not_accept(t):
    blocked = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    for _ in range(3):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(blocked.getsockname())
        fillers.append(s)

    class Full:
        url = f"http://127.0.0.1:{blocked.getsockname()[1]}"

    gateway = t.gateway([Full], "--connect-timeout", "5s", wait=False)
    assert eventually(lambda: gateway.running() and is_listening(gateway.port))
    c = http.Connection(gateway.port)
    c.send(http.request("POST", "/v1/chat/completions", t.chat_body()))
    assert eventually(lambda: gateway.metric("penstock_exchanges") == 1)
    c.close()
    assert eventually(lambda: gateway.metric("penstock_exchanges") == 0, 0.5)
    assert gateway.metric("penstock_aborts_total") == 1


def is_listening(port):
    try:
        http.Connection(port, 1).close()
        return True
    except OSError:
        return False


def test_on_abort_drain_lets_the_engine_finish(t):
    def slow(peer):
        peer.send(chunked(chat_event("a"), end=False))
        time.sleep(0.8)
        piece = chat_event("b").encode()
        peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece))
        peer.request.finished = True

    replica = t.replica(slow)
    gateway = t.gateway([replica], "--on-abort", "drain")
    c = http.Connection(gateway.port)
    c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
    c.take_until(b'"content"')
    c.close()
    assert eventually(lambda: getattr(replica.requests[0], "finished", False), 3)


def test_two_hundred_at_once(t):
    replica = t.replica(streaming)
    gateway = t.gateway([replica])
    clients = [http.Connection(gateway.port) for _ in range(200)]
    for c in clients:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
    for c in clients:
        c.take_until(b'"content"')
    for c in clients:
        c.close()
    assert eventually(lambda: sum(bool(r.gone) for r in replica.requests) == 200, 2), sum(bool(r.gone) for r in replica.requests)
    assert eventually(lambda: gateway.metric("penstock_exchanges") == 0, 3)


def test_nothing_is_left_behind(t):
    replica = t.replica(streaming)
    gateway = t.gateway([replica], workers=1)
    before = gateway.descriptors()
    for _ in range(30):
        c = http.Connection(gateway.port)
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
        c.take_until(b'"content"')
        c.close()
    assert eventually(lambda: gateway.descriptors() <= before + 2, 3), (before, gateway.descriptors())
    assert gateway.metric("penstock_replica_in_flight") == 0
