"""Which pool and which name: models, adapters, rewrites, HTTP routes, from manifests."""
import json
import subprocess

from harness import http
from harness.process import PENSTOCK
from harness.replica import chat_answer, whole
from harness.world import eventually

GATEWAY = """apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: penstock
  addresses: [{type: IPAddress, value: 127.0.0.1}]
  listeners: [{name: http, port: @PORT@, protocol: HTTP}]
"""


def pool(name, replica):
    return f"""---
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  targetPorts: [{{number: {replica.port}}}]
  endpointPickerRef: {{name: penstock, port: {{number: 9002}}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{app: {name}}}}}
addressType: IPv4
ports: [{{port: {replica.port}}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
"""


def route(name, rules, extra=""):
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: front}}]
{extra}  rules:
{rules}
"""


def to(pool_name, weight=1):
    return f"{{group: inference.networking.k8s.io, kind: InferencePool, name: {pool_name}, weight: {weight}}}"


def naming(label, models=("tiny",)):
    """A script and a model list for a replica that says who it is and what it was asked for."""

    def script(peer):
        try:
            asked = peer.request.json().get("model")
        except ValueError:
            asked = None
        peer.send(whole(chat_answer(f"{label}:{asked}"), fields="x-engine: secret\r\n"))

    data = [{"id": m, "object": "model", "created": 1, "owned_by": "x", "parent": None} for m in models]
    return {"script": script, "models": {"object": "list", "data": data}}


def said(t, gateway, path="/v1/chat/completions", fields=(), host="localhost", **more):
    with http.Connection(gateway.port) as c:
        answer = c.send(http.request("POST", path, t.chat_body(**more), fields, host)).answer()
    return answer.json()["choices"][0]["message"]["content"] if answer.status == 200 else answer.status


def two_pools(t, rules, extra="", objects="", left=("tiny",), right=("tiny",)):
    a, b = t.replica(**naming("left", left)), t.replica(**naming("right", right))
    return t.gateway_of(GATEWAY + pool("left", a) + pool("right", b) + route("all", rules, extra) + objects)


def test_by_path(t):
    gateway = two_pools(t, f"""  - matches: [{{path: {{type: PathPrefix, value: /right}}}}]
    backendRefs: [{to("right")}]
  - matches: [{{path: {{type: Exact, value: /exact/v1/chat/completions}}}}]
    backendRefs: [{to("right")}]
  - backendRefs: [{to("left")}]""")  # fmt: skip
    for path, wanted in (
        ("/v1/chat/completions", "left:tiny"),
        ("/right/v1/chat/completions", "right:tiny"),
        ("/rightly/v1/chat/completions", "left:tiny"),
        ("/exact/v1/chat/completions", "right:tiny"),
        ("/exact/v1/chat/completions/", "left:tiny"),
    ):
        got = said(t, gateway, path)
        t.check(path, got == wanted, got)


def test_by_host_header_query_and_method(t):
    gateway = two_pools(
        t,
        f"""  - matches:
    - headers: [{{name: X-Side, value: right}}]
    - queryParams: [{{name: side, value: right}}]
    - method: PUT
    backendRefs: [{to("right")}]
  - backendRefs: [{to("left")}]""",
        "  hostnames: [models.example, '*.wild.example']\n",
    )
    path = "/v1/chat/completions"
    for name, wanted, more in (
        ("plain", "left:tiny", {}),
        ("header", "right:tiny", {"fields": [("x-side", "right")]}),
        ("other header value", "left:tiny", {"fields": [("x-side", "wrong")]}),
        ("query", "right:tiny", {"path": path + "?side=right"}),
    ):
        got = said(t, gateway, host="models.example", **{"path": path, **more})
        t.check(name, got == wanted, got)
    for host, wanted in (("models.example:80", "left:tiny"), ("a.wild.example", "left:tiny"), ("wild.example", 404), ("other", 404)):
        got = said(t, gateway, host=host)
        t.check(host, got == wanted, got)


def test_by_weight(t):
    gateway = two_pools(t, f"""  - backendRefs: [{to("left", 3)}, {to("right", 1)}]""")
    got = [said(t, gateway) for _ in range(200)]
    left = got.count("left:tiny")
    assert left + got.count("right:tiny") == 200
    assert 115 <= left <= 180, f"{left} of 200 for weights 3 and 1"


def test_by_model(t):
    rules = f"""  - matches: [{{headers: [{{name: X-Gateway-Model-Name, value: big}}]}}]
    backendRefs: [{to("right")}]
  - backendRefs: [{to("left")}]"""
    gateway = two_pools(t, rules, left=("tiny",), right=("big",))
    t.check("big", said(t, gateway, model="big") == "right:big")
    t.check("tiny", said(t, gateway, model="tiny") == "left:tiny")
    t.check("a client's own header does not count", said(t, gateway, model="tiny", fields=[("X-Gateway-Model-Name", "big")]) == "left:tiny")


REWRITE = """---
apiVersion: inference.networking.x-k8s.io/v1alpha2
kind: InferenceModelRewrite
metadata: {name: canary}
spec:
  poolRef: {name: left}
  rules:
  - matches: [{model: {type: Exact, value: food}}]
    targets: [{modelRewrite: food-v1, weight: 3}, {modelRewrite: food-v2, weight: 1}]
"""


def test_rewrites_and_canaries(t):
    replica = t.replica(**naming("left", ("food-v1", "food-v2")))
    rules = f"  - backendRefs: [{to('left')}]"
    gateway = t.gateway_of(GATEWAY + pool("left", replica) + route("all", rules) + REWRITE)
    got = [said(t, gateway, model="food") for _ in range(100)]
    t.check("only the two targets", set(got) == {"left:food-v1", "left:food-v2"}, set(got))
    t.check("three to one", 55 <= got.count("left:food-v1") <= 92, got.count("left:food-v1"))
    t.check("the model itself", said(t, gateway, model="food-v2") == "left:food-v2")
    body = b'{"messages":[{"role":"user","content":"\\u0041 \\n"}], "model" : "f\\u006fod" ,"x":1.50}'
    http.ask(gateway.port, "POST", "/v1/chat/completions", body)
    sent = replica.requests[-1].body
    t.check("a splice: all other bytes stay", sent in (body.replace(b'"f\\u006fod"', b'"food-v1"'), body.replace(b'"f\\u006fod"', b'"food-v2"')), sent)
    names = {m["id"] for m in http.ask(gateway.port, "GET", "/v1/models").json()["data"]}
    t.check("rewrites are listed", names == {"food", "food-v1", "food-v2"}, names)


def test_an_unknown_model(t):
    gateway = t.gateway([t.replica(**naming("left", ("tiny",)))])
    assert eventually(lambda: said(t, gateway, model="nobody") == 404)
    answer = t.chat(gateway, model="nobody")
    assert answer.error_code() == "model_not_found", answer.raw


def test_adapters_go_where_they_are_loaded(t):
    mocks = [t.mock("--model", "tiny"), t.mock("--model", "tiny", "--lora", "poet"), t.mock("--model", "tiny")]
    gateway = t.gateway(mocks)
    for i in range(10):
        answer = t.chat(gateway, f"verse {i}", model="poet", max_tokens=1)
        t.check(f"chat {i}", answer.status == 200, answer.raw)
    where = {line.get("replica") for line in gateway.log_lines() if line.get("model") == "poet" and line.get("status") == "200"}
    t.check("one replica", len(where) == 1, where)


def test_header_modifiers(t):
    replica = t.replica(**naming("left"))
    rules = f"""  - backendRefs: [{to("left")}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {{set: [{{name: X-Set, value: new}}], add: [{{name: X-Add, value: b}}], remove: [X-Gone]}}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{set: [{{name: X-Answer, value: yes-sir}}], remove: [X-Engine]}}"""
    gateway = t.gateway_of(GATEWAY + pool("left", replica) + route("all", rules))
    answer = t.chat(gateway, fields=[("X-Set", "old"), ("X-Add", "a"), ("X-Gone", "1")])
    got = replica.requests[0].fields
    t.check("set", [v for n, v in got if n.lower() == "x-set"] == ["new"], got)
    t.check("add", ", ".join(v for n, v in got if n.lower() == "x-add") == "a, b", got)
    t.check("remove", not [v for n, v in got if n.lower() == "x-gone"], got)
    t.check("answer set", answer.fields.get("x-answer") == "yes-sir", answer.fields)
    t.check("answer remove", "x-engine" not in answer.fields, answer.fields)


def test_route_timeouts(t):
    replica = t.replica(lambda peer: peer.wait_gone(5) and False)
    rules = f"""  - backendRefs: [{to("left")}]
    timeouts: {{request: 500ms}}"""
    gateway = t.gateway_of(GATEWAY + pool("left", replica) + route("all", rules))
    answer = t.chat(gateway)
    assert answer.status == 504, answer.raw


def test_no_route_is_404(t):
    gateway = two_pools(t, f"  - matches: [{{path: {{type: PathPrefix, value: /v1}}}}]\n    backendRefs: [{to('left')}]")
    t.check("no route", http.ask(gateway.port, "GET", "/elsewhere").status == 404)
    t.check("found", said(t, gateway) == "left:tiny")


def test_a_reference_to_nothing_is_refused_with_its_place(t):
    path = t.write("wrong.yaml", GATEWAY.replace("@PORT@", "8080") + route("all", f"  - backendRefs: [{to('nowhere')}]"))
    done = subprocess.run([PENSTOCK, "check", path], capture_output=True, text=True, timeout=20)
    said_so = done.stdout + done.stderr
    assert done.returncode == 1 and "nowhere" in said_so and "spec.rules[0].backendRefs[0]" in said_so, said_so


def test_the_model_is_in_the_log(t):
    gateway = t.gateway([t.replica(**naming("left"))])
    t.chat(gateway)
    assert eventually(lambda: any(line.get("model") == "tiny" for line in gateway.log_lines())), gateway.output()


def test_what_only_gateways_may_write_is_taken_out_of_bodies(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    never = {"kv_transfer_params": {"remote_host": "10.0.0.1", "list": [1, {"a": "}"}]}, "bootstrap_room": 7, "bootstrap_host": "evil"}
    for body in ({"model": "tiny", **never, "messages": []}, {**never, "model": "tiny", "messages": [], "stream": True}):
        http.ask(gateway.port, "POST", "/v1/chat/completions", json.dumps(body).encode())
        got = replica.requests[-1].json()
        t.check("gone", all(got[name] is None for name in never), got)
        t.check("the rest stays", got["model"] == "tiny" and got["messages"] == [], got)
