"""Each fault of `penstock mock`, through the gateway, beside a replica that is well: what a client may notice, and what not."""
from harness import http
from harness.load import Load

# Before the first byte of an answer: another replica's turn, no client notices.
UNNOTICED = ["refuse", "status=429", "status=503"]
# No valid HTTP: 502, or another replica's turn; never relayed.
NEVER_RELAYED = ["garbage", "badstatus", "cl-te"]
# In the middle of a stream: visibly unfinished, an error event, no [DONE].
CUT = ["cut", "reset", "half-close"]


def with_fault(t, fault, *arguments, well=True):
    faulty = t.mock("--model", "tiny")
    assert http.ask(faulty.port, "PUT", "/mock/faults", {"faults": [fault]}).status == 200
    replicas = [faulty, t.mock("--model", "tiny")] if well else [faulty]
    return t.gateway(replicas, *arguments, name=f"gateway-{fault}")


def test_what_no_client_notices(t):
    for fault in UNNOTICED:
        gateway = with_fault(t, fault)
        got = [t.chat(gateway, f"{fault} {i}", max_tokens=2).status for i in range(10)]
        t.check(fault, got == [200] * 10, got)


def test_what_is_never_relayed(t):
    for fault in NEVER_RELAYED:
        gateway = with_fault(t, fault)
        answers = [t.chat(gateway, f"{fault} {i}", max_tokens=2) for i in range(10)]
        t.check(fault, all(a.status in (200, 502) and a.complete for a in answers), [a.raw[:80] for a in answers])


def test_what_cuts_a_stream(t):
    for fault in CUT:
        gateway = with_fault(t, fault, well=False)
        answer = t.chat(gateway, max_tokens=50, stream=True)
        error = answer.status >= 500 and answer.complete  # before the first content: an error with a status
        visibly = not answer.complete and b'"error"' in answer.raw and b"[DONE]" not in answer.raw
        t.check(fault, error or visibly, answer.raw[-300:])


def test_an_answer_shorter_than_it_says(t):
    gateway = with_fault(t, "short", well=False)
    for stream in (True, False):
        answer = t.chat(gateway, max_tokens=5, stream=stream)
        t.check(f"stream {stream}", answer.status == 502 or not answer.complete, answer.raw[-200:])
        t.check("nothing behind [DONE]", b'"error"' not in answer.raw.split(b"[DONE]")[-1] or b"[DONE]" not in answer.raw, answer.raw[-300:])


def test_an_answer_longer_than_it_says(t):
    gateway = with_fault(t, "long", well=False)
    for i in range(4):
        answer = t.chat(gateway, f"{i}", max_tokens=3)
        t.check(f"chat {i}", answer.status == 200 and answer.json()["usage"]["completion_tokens"] == 3, answer.raw[-200:])


def test_what_takes_too_long(t):
    for fault, arguments in (("hang", ["--first-byte-timeout", "600ms"]), ("stop", ["--between-timeout", "600ms"])):
        gateway = with_fault(t, fault, *arguments, well=False)
        answer = t.chat(gateway, max_tokens=50, stream=True, timeout=5)
        t.check(fault, answer.status == 504 or (not answer.complete and b'"error"' in answer.raw), answer.raw[-300:])


def test_an_answer_byte_by_byte(t):
    gateway = with_fault(t, "drip:count=1", well=False)
    with http.Connection(gateway.port, 5) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(max_tokens=1, stream=True)))
        c.socket.settimeout(1)
        try:
            c.more()
        except TimeoutError:
            pass
    assert t.chat(gateway, max_tokens=1).status == 200


def test_faults_now_and_then_under_load(t):
    """A tenth of the answers of each replica goes wrong before its first byte: nobody notices."""
    replicas = [t.mock("--model", "tiny", "--fault", f"{fault}:p=0.1") for fault in ("refuse", "status=503", "status=429")]
    gateway = t.gateway([*replicas, t.mock("--model", "tiny")], "--tries", "4")
    load = Load(gateway, lambda name: t.chat_body(name, max_tokens=2), count=4)
    load.ending.wait(2)
    bad = load.stop()
    t.check("no failure", not bad, f"{len(bad)} of {len(load.outcomes)}: {bad[:5]}")


def test_lies_do_not_stop_traffic(t):
    for lie in ("nan", "inf", "huge", "negative", "empty", "garbage", "duplicate", "idle"):
        gateway = with_fault(t, f"metrics={lie}")
        got = [t.chat(gateway, f"{lie} {i}", max_tokens=1).status for i in range(6)]
        t.check(lie, got == [200] * 6, got)


def test_faults_change_while_it_runs(t):
    mock = t.mock("--model", "tiny")
    gateway = t.gateway([mock])
    assert t.chat(gateway, max_tokens=1).status == 200
    assert http.ask(mock.port, "PUT", "/mock/faults", {"faults": ["status=500"]}).status == 200
    assert t.chat(gateway, max_tokens=1).status == 500
    assert http.ask(mock.port, "PUT", "/mock/faults", {"faults": []}).status == 200
    assert t.chat(gateway, max_tokens=1).status == 200
