"""Real clients, unchanged, with nothing but a base URL."""
import json
import os
import subprocess

from harness.process import ROOT
from harness.replica import chat_answer, chunked, whole

HERE = os.path.dirname(os.path.abspath(__file__))
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Reykjavík"}'}}


def delta(**fields):
    choice = {"index": 0, "delta": fields, "finish_reason": None}
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'tools', 'choices': [choice]})}\n\n"


def tool_caller(peer):
    """Answers with a call of a tool, in pieces when streamed."""
    if peer.request.json().get("stream"):
        parts = [CALL["function"]["arguments"][i : i + 5] for i in range(0, 20, 5)]
        first = delta(role="assistant", tool_calls=[{"index": 0, **CALL, "function": {"name": "weather", "arguments": ""}}])
        rest = [delta(tool_calls=[{"index": 0, "function": {"arguments": part}}]) for part in parts]
        peer.send(chunked(first, *rest, "data: [DONE]\n\n"))
    else:
        answer = json.loads(chat_answer())
        answer["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
        peer.send(whole(json.dumps(answer)))


def busy_twice():
    """429 for the first two attempts, whoever makes them, then an answer."""
    left = [2]

    def script(peer):
        if left[0] > 0:
            left[0] -= 1
            error = {"error": {"message": "busy", "type": "rate_limit_error", "code": 429, "param": None}}
            peer.send(whole(json.dumps(error), "429 Too Many Requests", fields="retry-after: 0\r\n"))
        else:
            peer.send(whole(chat_answer("at last")))

    return script


def models(name):
    return {"object": "list", "data": [{"id": name, "object": "model", "created": 1, "owned_by": "x", "parent": None}]}


def run_client(t, command):
    """Runs a client in front of one mock and two scripted replicas of one pool, told apart by their model lists."""
    busy = busy_twice()
    replicas = [
        t.mock("--model", "tiny"),
        t.replica(tool_caller, models=models("tools")),
        t.replica(busy, models=models("busy")),
    ]
    gateway = t.gateway(replicas)
    environment = {**os.environ, "BASE_URL": f"http://127.0.0.1:{gateway.port}", "NPM_DIRECTORY": os.path.join(ROOT, "build/npm")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    for line in done.stdout.strip().split("\n"):
        verdict, _, name = line.partition(" ")
        t.check(name, verdict == "ok", line)
    t.check("client ran to its end", done.returncode == 0 and done.stdout.count("ok ") > 0, done.stdout + done.stderr)


def test_pypi_openai(t):
    run_client(t, [os.path.join(ROOT, "build/venv/bin/python"), os.path.join(HERE, "openai_client.py")])


def test_pypi_anthropic(t):
    run_client(t, [os.path.join(ROOT, "build/venv/bin/python"), os.path.join(HERE, "anthropic_client.py")])


def test_npm_openai(t):
    run_client(t, ["node", os.path.join(HERE, "openai_client.mjs")])
