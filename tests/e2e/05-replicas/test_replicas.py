"""Replicas that die, stop, come, go and lie."""
import random
import signal
import time

from harness import http
from harness.load import Load
from harness.replica import METRICS, chat_answer, whole
from harness.world import eventually


def test_kill_9_under_load_is_not_noticed_before_the_first_byte(t):
    """Whole answers: the client has no byte before the replica is done, so no client may notice."""
    mocks = t.mocks(3, "--model", "tiny")
    gateway = t.gateway(mocks)
    load = Load(gateway, lambda name: t.chat_body(name, max_tokens=8), count=6)
    time.sleep(1)
    for _ in range(3):
        victim = random.choice([m for m in mocks if m.running()])
        victim.kill()
        time.sleep(0.7)
        mocks.remove(victim)
        mocks.append(t.mock("--model", "tiny", port=victim.port, name=f"again-{time.monotonic_ns()}"))
        time.sleep(0.5)
    bad = load.stop()
    t.check("no failure", not bad, f"{len(bad)} of {len(load.outcomes)}: {bad[:5]}")
    t.check("there was load", len(load.outcomes) > 50, len(load.outcomes))


def test_a_cut_stream_ends_visibly_unfinished(t):
    mock = t.mock("--model", "tiny")
    gateway = t.gateway([mock])
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(max_tokens=2000, stream=True)))
        assert c.head()[0] == 200
        c.take_until(b'"content":"')
        mock.kill()
        try:
            c.take_until(b"\r\n0\r\n\r\n")
            ended = True
        except http.Ended:
            ended = False
    t.check("an error event", b'"error"' in c.raw, c.raw[-300:])
    t.check("no [DONE]", b"[DONE]" not in c.raw, c.raw[-300:])
    t.check("no last chunk", not ended, c.raw[-300:])


def test_a_stopped_replica_loses_traffic_within_two_seconds(t):
    mocks = t.mocks(3, "--model", "tiny")
    gateway = t.gateway(mocks)
    assert t.chat(gateway, max_tokens=1).status == 200
    mocks[0].signal(signal.SIGSTOP)
    time.sleep(2.2)
    start = time.monotonic()
    for i in range(12):
        answer = t.chat(gateway, f"after {i} " * 30, max_tokens=1, timeout=3)
        t.check(f"chat {i}", answer.status == 200, answer.raw[:200])
    t.check("quickly", time.monotonic() - start < 4, time.monotonic() - start)
    mocks[0].signal(signal.SIGCONT)


def test_a_replica_comes_back(t):
    mock = t.mock("--model", "tiny")
    gateway = t.gateway([mock])
    assert t.chat(gateway, max_tokens=1).status == 200
    mock.kill()
    assert eventually(lambda: t.chat(gateway, max_tokens=1).status in (502, 503), 5)
    t.mock("--model", "tiny", port=mock.port, name="again")
    assert eventually(lambda: t.chat(gateway, max_tokens=1).status == 200, 8, 0.2)


def test_no_replica_at_all_is_an_error_in_words(t):
    mock = t.mock("--model", "tiny")
    gateway = t.gateway([mock])
    mock.kill()
    for i in range(8):
        answer = t.chat(gateway, max_tokens=1)
        known = {502: "upstream_connect_failed", 503: "no_replica"}
        t.check(f"chat {i}", answer.error_code() == known.get(answer.status), answer.raw)
        time.sleep(0.2)


def test_429_and_503_of_a_replica_go_to_another(t):
    for status in ("429 Too Many Requests", "503 Service Unavailable"):
        full = t.replica(lambda peer, status=status: peer.send(whole('{"error":{"message":"full"}}', status, fields="retry-after: 1\r\n")))
        well = t.replica()
        gateway = t.gateway([full, well], name=f"gateway-{status[:3]}")
        got = [t.chat(gateway, f"{i} {status}").status for i in range(10)]  # as many as the retry budget has at least
        t.check(status, got == [200] * 10, got)
        t.check(status + " was tried", len(full.requests) > 0)


def test_429_of_all_replicas_reaches_the_client(t):
    full = lambda peer: peer.send(whole('{"error":{"message":"full"}}', "429 Too Many Requests", fields="retry-after: 7\r\n"))
    gateway = t.gateway([t.replica(full), t.replica(full)])
    answer = t.chat(gateway)
    assert answer.status == 429 and "retry-after" in answer.fields, answer.raw


LIES = {
    "NaN": METRICS.replace("0.0", "NaN"),
    "infinity": METRICS.replace("0.0", "+Inf"),
    "1e308": METRICS.replace("0.0", "1e308"),
    "negative": METRICS.replace("0.0", "-5"),
    "empty": "",
    "garbage": "\x01\x02 not { a metrics page\n" * 40,
    "duplicates": METRICS * 3,
    "always idle": METRICS,
    "half a line": METRICS[:70],
    "not HTTP": b"garbage\r\n\r\n",
    "500": whole("no", "500 Internal Server Error"),
}


def test_lies_in_metrics_do_not_stop_traffic(t):
    lies = list(LIES.items())
    replicas = [t.replica(metrics=page) for _, page in lies]
    gateway = t.gateway([*replicas, t.replica()], "--scrape-interval", "200ms")
    time.sleep(1)
    got = [t.chat(gateway, f"chat {i} " * 40).status for i in range(60)]
    t.check("all served", got == [200] * 60, got)
    for (name, _), replica in zip(lies, replicas):
        t.check(f"{name}: not starved, not flooded", len(replica.requests) <= 30, len(replica.requests))


def test_slow_metrics_do_not_stop_traffic(t):
    def slow():
        time.sleep(10)
        return METRICS

    gateway = t.gateway([t.replica(metrics=slow), t.replica(metrics=slow)])
    time.sleep(1.5)
    start = time.monotonic()
    assert [t.chat(gateway).status for _ in range(10)] == [200] * 10
    assert time.monotonic() - start < 3


def test_a_replica_that_says_nothing_is_served_all_the_same(t):
    """No metrics, no health path, no model list: 404 everywhere but for the chat."""
    replica = t.replica()
    replica.own = lambda path: whole("", "404 Not Found")
    gateway = t.gateway([replica])
    time.sleep(1.5)
    assert t.chat(gateway).status == 200


def test_holding_at_the_bound(t):
    """One request at a time: the second waits at the gateway, in order, instead of at the replica."""
    replica = t.replica(lambda peer: (time.sleep(0.3), peer.send(whole(chat_answer())))[1])
    gateway = t.gateway([replica], "--requests-per-replica", "1")
    load = Load(gateway, t.chat_body(), count=4, keep_alive=False)
    time.sleep(2)
    bad = load.stop()
    t.check("all served", not bad, bad)
    starts = [r.at for r in replica.requests]
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    t.check("never two at once", all(gap > 0.28 for gap in gaps), gaps)


def test_a_full_queue_is_429_with_retry_after(t):
    replica = t.replica(lambda peer: (time.sleep(1), peer.send(whole(chat_answer())))[1])
    gateway = t.gateway([replica], "--requests-per-replica", "1", "--queue-requests", "2")
    load = Load(gateway, t.chat_body(), count=6, keep_alive=False)
    time.sleep(0.9)
    bad = load.stop()
    t.check("some refused", bad and all(status == 429 for _, status, _ in bad), bad)


def test_a_request_waits_no_longer_than_it_may(t):
    replica = t.replica(lambda peer: (peer.wait_gone(6), False)[1])
    gateway = t.gateway([replica], "--requests-per-replica", "1", "--queue-timeout", "500ms")
    load = Load(gateway, t.chat_body(), count=1, keep_alive=False)
    time.sleep(0.3)
    start = time.monotonic()
    answer = t.chat(gateway)
    took = time.monotonic() - start
    t.check("429", answer.status == 429, answer.raw)
    t.check("in time", 0.4 < took < 2, took)
    replica.close()
    load.ending.set()


def test_silence_in_prefill_moves_to_another_replica(t):
    silent = t.replica(lambda peer: peer.wait_gone(10) and False)
    gateway = t.gateway([silent, t.replica()], "--first-byte-timeout", "500ms")
    got = [t.chat(gateway, f"chat {i}").status for i in range(6)]
    t.check("all served", got == [200] * 6, got)
    t.check("the silent one was tried and left", silent.requests and all(r.gone for r in silent.requests), len(silent.requests))


def test_kill_9_under_streams_cuts_only_what_had_begun(t):
    """A client that has no byte yet notices nothing; one that has sees an unfinished stream, never a false end."""
    mocks = t.mocks(3, "--model", "tiny")
    gateway = t.gateway(mocks)
    load = Load(gateway, lambda name: t.chat_body(name, max_tokens=60, stream=True), count=8, keep_alive=False)
    time.sleep(0.8)
    mocks[0].kill()
    time.sleep(0.8)
    bad = load.stop()
    begun = [outcome for outcome in bad if outcome[1] == 200]
    t.check("no refusal", len(begun) == len(bad), bad[:5])
    t.check("some were cut", 0 < len(begun) <= 8, len(begun))


def test_held_requests_are_decided_whichever_worker_brings_the_event(t):
    replica = t.replica(lambda peer: (time.sleep(0.02), peer.send(whole(chat_answer())))[1])
    gateway = t.gateway([replica], "--requests-per-replica", "2", workers=4)
    load = Load(gateway, lambda name: t.chat_body(name), count=24, keep_alive=False)
    time.sleep(2)
    bad = load.stop()
    t.check("none lost", not bad, bad[:5])
    t.check("there was load", len(load.outcomes) > 80, len(load.outcomes))
    t.check("nothing is left", eventually(lambda: gateway.metric("penstock_replica_in_flight") == 0, 2))


def test_what_waits_in_a_stopped_replica_moves(t):
    """Streams that wait for their first token on a replica that stops are sent elsewhere after four times what was predicted."""
    mocks = t.mocks(2, "--model", "tiny")
    gateway = t.gateway(mocks, "--health-path", "", "--eject-after", "1000", workers=1)
    for i in range(40):
        assert t.chat(gateway, f"learn {i} " * 20, max_tokens=2, stream=True).status == 200
    assert eventually(lambda: len(gateway.log_lines()) >= 40)
    busy = gateway.log_lines()[-1]["replica"]  # the next request would go there too
    victim = next(m for m in mocks if busy.endswith(f":{m.port}"))
    victim.signal(signal.SIGSTOP)
    start, answers = time.monotonic(), []
    for i in range(6):
        answers.append(t.chat(gateway, f"stopped {i} " * 20, max_tokens=2, stream=True, timeout=20))
    victim.signal(signal.SIGCONT)
    t.check("all served", [a.status for a in answers] == [200] * 6, [a.status for a in answers])
    moved = lambda: any(line.get("tries", "1") != "1" for line in gateway.log_lines())
    t.check("some had to move", eventually(moved, 3))
    t.check("long before the first-byte limit", time.monotonic() - start < 60, time.monotonic() - start)


def test_two_full_replicas_of_three_are_not_noticed(t):
    """Each attempt goes to one that was not tried yet; the third answers."""
    full = lambda peer: peer.send(whole('{"error":{"message":"full"}}', "503 Service Unavailable"))
    for i in range(4):  # fresh gateways: none of them knows who is full
        gateway = t.gateway([t.replica(full), t.replica(full), t.replica()], name=f"gateway-{i}", workers=1)
        got = [t.chat(gateway, f"{i} {j}").status for j in range(3)]
        t.check(f"gateway {i}", got == [200] * 3, got)
        gateway.stop()


def test_with_usage_off_answers_are_not_looked_into(t):
    gateway = t.gateway([t.replica()], "--usage", "off")
    assert t.chat(gateway).status == 200
    assert eventually(lambda: gateway.log_lines())
    assert "prompt_tokens" not in gateway.log_lines()[-1], gateway.log_lines()[-1]
