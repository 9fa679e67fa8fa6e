"""Bytes of a real vLLM through the gateway: what the client gets is what the engine sent, to the byte."""
import os

from harness import http
from harness.process import ROOT
from harness.replica import whole
from harness.world import eventually

DATA = os.path.join(ROOT, "tests/data/vllm-0.32")
CHAT = "/v1/chat/completions"
PATHS = {"completions": "/v1/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


def recorded():
    """{name: the whole answer}"""
    answers = {}
    for file in sorted(f for f in os.listdir(DATA) if f.endswith(".http")):
        with open(os.path.join(DATA, file), "rb") as f:
            answers[file.removesuffix(".http")] = f.read()
    return answers


def body_of(answer):
    """The payload of a recorded answer, without its framing."""
    head, body = answer.split(b"\r\n\r\n", 1)
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    payload = b""
    while True:
        size, body = body.split(b"\r\n", 1)
        if int(size, 16) == 0:
            return payload
        payload += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


def replay(t, answer):
    """A replica that plays the recording in reads of every size, and the gateway before it."""
    count = [0]

    def script(peer):
        count[0] += 1
        step = (len(answer), 1000, 97)[count[0] % 3]
        for i in range(0, len(answer), step):
            peer.send(answer[i : i + step])
        return False

    replica = t.replica(script)
    return replica, t.gateway([replica], workers=1, name=f"gateway-{len(t.processes)}")


def ask(gateway, name, **more):
    path = PATHS.get(name.split(".")[0], CHAT)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], **more}
    if ".stream" in name:
        body["stream"] = True
    if path == "/v1/completions":
        body["prompt"] = body.pop("messages")[0]["content"]
    if path == "/v1/responses":
        body["input"] = body.pop("messages")[0]["content"]
    return http.ask(gateway.port, "POST", path, body)


def test_every_recording_comes_through_to_the_byte(t):
    for name, answer in recorded().items():
        if name in ("models", "load_lora"):
            continue
        usage = {"stream_options": {"include_usage": True}} if ".usage" in name or name == "completions.stream" else {}
        _, gateway = replay(t, answer)
        for i in range(3):
            got = ask(gateway, name, **usage)
            same = got.status == int(answer[9:12]) and got.body == body_of(answer) and got.complete
            t.check(f"{name} {i}", same, f"{got.raw[:2000]!r} for {answer[:2000]!r}")
        wanted = [line for line in answer.split(b"\r\n") if line.lower().startswith(b"content-type:")]
        t.check(f"{name} content type", not wanted or got.fields.get("content-type") == wanted[0].split(b": ")[1].decode(), got.fields)
        gateway.stop()


def test_usage_nobody_asked_for_leaves_no_trace(t):
    """The gateway asks the engine for usage; a client that did not gets the stream as if nobody had."""
    answers = recorded()
    replica, gateway = replay(t, answers["chat.stream.usage"])
    got = ask(gateway, "chat.stream")
    assert replica.requests[-1].json()["stream_options"] == {"include_usage": True}
    expected = b"".join(e + b"\n\n" for e in body_of(answers["chat.stream.usage"]).split(b"\n\n") if e and b'"choices":[]' not in e)
    assert got.body == expected, got.body[-600:]
    assert gateway.metric("penstock_usage_read_total") == 1


def test_usage_is_read_from_every_dialect(t):
    answers = recorded()
    for name in ("chat", "chat.stream.usage", "completions", "completions.stream", "messages", "messages.stream", "responses", "responses.stream"):
        _, gateway = replay(t, answers[name])
        usage = {"stream_options": {"include_usage": True}} if name in ("chat.stream.usage", "completions.stream") else {}
        ask(gateway, name, **usage)
        t.check(name, eventually(lambda: gateway.metric("penstock_usage_read_total") == 1, 2))
        t.check(name + " tokens", gateway.metric("penstock_tokens_total", type="completion") > 0)
        gateway.stop()


def test_recorded_model_lists_are_read(t):
    replica = t.replica()
    replica.own = lambda path: recorded()["models"] if path == "/v1/models" else whole("")
    gateway = t.gateway([replica])
    def listed():
        return {m["id"] for m in http.ask(gateway.port, "GET", "/v1/models").json()["data"]}

    assert eventually(lambda: listed() == {"tiny", "lora-a", "lora-b"}), listed()
