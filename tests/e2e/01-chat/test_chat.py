"""A prompt in, an answer out: the most basic thing there is."""
from harness import http
from harness.world import eventually, stream_text


def test_ready_and_healthy(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    assert http.ask(gateway.admin, "GET", "/healthz").status == 200
    assert http.ask(gateway.admin, "GET", "/readyz").status == 200


def test_a_chat_is_answered(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    answer = t.chat(gateway, max_tokens=4)
    assert answer.status == 200, answer.raw
    said = answer.json()
    assert said["object"] == "chat.completion"
    assert said["choices"][0]["message"]["role"] == "assistant"
    assert said["usage"]["completion_tokens"] == 4


def test_a_chat_is_streamed(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    answer = t.chat(gateway, max_tokens=5, stream=True)
    assert answer.status == 200 and answer.complete
    assert answer.fields["content-type"].startswith("text/event-stream")
    assert answer.events()[-1] == "[DONE]"
    assert stream_text(answer)


def test_events_come_as_they_are_made(t):
    """The first event is there long before the last: nothing is collected."""
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(max_tokens=40, stream=True)))
        assert c.head()[0] == 200
        pieces = list(c.chunks())
    assert len(pieces) > 10, f"{len(pieces)} chunks for 40 tokens"


def test_usage_the_client_did_not_ask_for_is_not_seen(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    answer = t.chat(gateway, max_tokens=3, stream=True)
    assert b'"usage":{' not in answer.body.replace(b" ", b""), answer.body
    asked = t.chat(gateway, max_tokens=3, stream=True, stream_options={"include_usage": True})
    assert b'"usage":{' in asked.body.replace(b" ", b""), asked.body


def test_every_api_is_served(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    bodies = {
        "/v1/completions": {"model": "tiny", "prompt": "once", "max_tokens": 3},
        "/v1/embeddings": {"model": "tiny", "input": "once"},
        "/v1/responses": {"model": "tiny", "input": "once", "max_output_tokens": 3},
        "/v1/messages": {"model": "tiny", "max_tokens": 3, "messages": [{"role": "user", "content": "once"}]},
    }
    for path, body in bodies.items():
        answer = http.ask(gateway.port, "POST", path, body)
        t.check(path, answer.status == 200, answer.raw)


def test_models_are_listed(t):
    gateway = t.gateway([t.mock("--model", "tiny", "--lora", "poet"), t.mock("--model", "tiny")])

    def listed():
        return {m["id"] for m in http.ask(gateway.port, "GET", "/v1/models").json()["data"]}

    assert eventually(lambda: listed() == {"tiny", "poet"}), listed()
    assert http.ask(gateway.port, "GET", "/v1/models/poet").json()["id"] == "poet"
    assert http.ask(gateway.port, "GET", "/v1/models/nobody").status == 404


def test_all_replicas_are_used(t):
    mocks = t.mocks(3, "--model", "tiny")
    gateway = t.gateway(mocks)
    for i in range(30):
        assert t.chat(gateway, f"prompt {i} " * 20, max_tokens=1).status == 200
    used = {line.get("replica") for line in gateway.log_lines()}
    assert eventually(lambda: len({line.get("replica") for line in gateway.log_lines()} - {None}) == 3), used


def test_a_shared_prefix_stays_on_one_replica(t):
    gateway = t.gateway(t.mocks(4, "--model", "tiny"))
    system = "You are the keeper of a very long rule book. " * 60
    replicas = set()
    for turn in range(8):
        messages = [{"role": "system", "content": system}, {"role": "user", "content": f"question {turn}"}]
        body = {"model": "tiny", "max_tokens": 1, "messages": messages}
        assert http.ask(gateway.port, "POST", "/v1/chat/completions", body).status == 200
    assert eventually(lambda: len([x for x in gateway.log_lines() if x.get("replica")]) == 8)
    replicas = {line["replica"] for line in gateway.log_lines() if line.get("replica")}
    assert len(replicas) == 1, replicas


def test_unknown_things_are_refused_in_words(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"))
    for name, status, body in (
        ("no model", 400, {"messages": []}),
        ("model is a number", 400, {"model": 7, "messages": []}),
        ("not JSON", 400, b"{nope"),
        ("repeated model", 400, b'{"model":"tiny","messages":[],"model":"other"}'),
        ("too deep", 400, b'{"model":"tiny","messages":' + b"[" * 70 + b"]" * 70 + b"}"),
        ("lone surrogate", 400, b'{"model":"tiny","messages":[{"role":"user","content":"\\ud800"}]}'),
    ):
        answer = http.ask(gateway.port, "POST", "/v1/chat/completions", body)
        t.check(name, answer.status == status and answer.json()["error"]["message"], answer.raw)
    answer = http.ask(gateway.port, "POST", "/v1/messages", {"messages": []})
    t.check("Anthropic's shape", answer.status == 400 and answer.json()["type"] == "error", answer.raw)


def test_eighty_chats_at_once(t):
    from concurrent.futures import ThreadPoolExecutor

    gateway = t.gateway(t.mocks(4, "--model", "tiny"))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: t.chat(gateway, f"number {i}", max_tokens=8, stream=bool(i % 2)), range(80)))
    assert [a.status for a in answers] == [200] * 80
    assert all(a.complete for a in answers)
