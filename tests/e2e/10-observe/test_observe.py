"""What an operator sees, and what must be seen nowhere."""
import json
import re
import subprocess

from harness import http
from harness.process import PENSTOCK
from harness.replica import says
from harness.world import CANARY, eventually


def test_metrics_are_valid_and_true(t):
    gateway = t.gateway(t.mocks(2, "--model", "tiny"))
    for i in range(20):
        assert t.chat(gateway, f"chat {i} " * 300, max_tokens=3, stream=bool(i % 2)).status == 200
    page = http.ask(gateway.admin, "GET", "/metrics")
    assert page.fields["content-type"].startswith("text/plain")
    line = re.compile(r'^([a-zA-Z_:][\w:]*(\{([a-z_]\w*="(\\.|[^"\\])*",?)*\})? [-+0-9.eEInfNa]+|# (HELP|TYPE) .*|)$')
    wrong = [x for x in page.body.decode().split("\n") if not line.match(x)]
    t.check("format", not wrong, wrong[:5])

    def counted(name, wanted, **labels):
        t.check(name, eventually(lambda: gateway.metric(name, **labels) == wanted, 2), gateway.metric(name, **labels))

    counted("llm_d_epp_request_total", 20)
    counted("penstock_picks_total", 20)
    counted("penstock_usage_read_total", 20)
    counted("penstock_tokens_total", 60, type="completion")
    counted("penstock_http_requests_total", 20, code="200")
    counted("llm_d_epp_request_running", 0)
    counted("penstock_exchanges", 0)
    counted("llm_d_epp_ready_endpoints", 2)
    t.check("hashed bytes", gateway.metric("penstock_hashed_bytes_total") > 20 * 1800)
    t.check("latency", gateway.metric("llm_d_epp_request_duration_seconds_count") == 20)


def test_the_access_log_says_what_happened_and_why(t):
    gateway = t.gateway(t.mocks(2, "--model", "tiny"))
    answer = t.chat(gateway, max_tokens=5, stream=True)
    assert answer.status == 200
    assert eventually(lambda: gateway.log_lines()), gateway.output()
    line = gateway.log_lines()[0]
    for key in ("model", "replica", "status", "ttft_ms", "why"):
        t.check(key, line.get(key), line)
    t.check("tokens", "5" in (line.get("completion_tokens"), line.get("output_tokens")), line)


def test_the_log_is_json_where_asked(t):
    gateway = t.gateway(t.mocks(1, "--model", "tiny"), "--log-format", "json")
    assert t.chat(gateway, max_tokens=1).status == 200

    def lines():
        return [line for line in gateway.output().split("\n") if '"status"' in line]

    assert eventually(lines)
    assert json.loads(lines()[0])["model"] == "tiny"


def test_traceparent_in_and_out(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    trace = "0af7651916cd43dd8448eb211c80319c"
    t.chat(gateway, fields=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")])
    t.chat(gateway)
    t.chat(gateway, fields=[("traceparent", "rubbish")])
    got = [r.field("traceparent") for r in replica.requests]
    form = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
    t.check("well-formed", all(form.match(x or "") for x in got), got)
    t.check("carried on", got[0].split("-")[1] == trace and got[0].split("-")[2] != "b7ad6b7169203331", got)
    t.check("begun anew", len({x.split("-")[1] for x in got}) == 3, got)


def test_debug_pages(t):
    gateway = t.gateway(t.mocks(2, "--model", "tiny"))
    t.chat(gateway, max_tokens=1)
    for path in ("/debug/pools", "/debug/config"):
        answer = http.ask(gateway.admin, "GET", path)
        t.check(path, answer.status == 200 and answer.json(), answer.raw[:300])
    t.check("replicas stand in it", str(t.processes[0].port) in http.ask(gateway.admin, "GET", "/debug/pools").body.decode())
    t.check("unknown", http.ask(gateway.admin, "GET", "/nothing").status == 404)


def test_no_prompt_anywhere(t):
    """The canary stands in every prompt; it must stand in no log, metric or admin page, whatever went wrong."""
    broken = t.replica(says(b"garbage", close=True))
    gateway = t.gateway([t.mock("--model", "tiny"), broken], "--log-level", "debug")
    for i in range(10):
        t.chat(gateway, f"{i}", max_tokens=2, stream=bool(i % 2))
    http.ask(gateway.port, "POST", "/v1/chat/completions", b'{"model":"tiny","messages":[{"role":"user","content":"' + CANARY.encode() + b'\x01"}]}')
    http.ask(gateway.port, "POST", "/v1/chat/completions", b'{"model":"tiny","messages":"' + CANARY.encode() + b'",,}')
    for path in ("/metrics", "/debug/pools", "/debug/config"):
        t.check(path, CANARY.encode() not in http.ask(gateway.admin, "GET", path).body)
    t.check("log", eventually(lambda: len(gateway.log_lines()) >= 10) and CANARY not in gateway.output())


def test_every_request_has_one_line(t):
    gateway = t.gateway([t.replica()])
    for i in range(50):
        http.ask(gateway.port, "GET" if i % 5 == 0 else "POST", f"/v1/chat/completions?{i}" if i % 7 else "/other", t.chat_body() if i % 5 else b"")
    assert eventually(lambda: len(gateway.log_lines()) == 50, 3), len(gateway.log_lines())
    assert len({line["id"] for line in gateway.log_lines()}) == 50


def test_a_request_id_is_taken_over_and_given_back(t):
    replica = t.replica()
    gateway = t.gateway([replica])
    answer = t.chat(gateway, fields=[("X-Request-Id", "mine-1")])
    t.check("client", answer.fields.get("x-request-id") == "mine-1", answer.fields)
    t.check("replica", replica.requests[0].field("x-request-id") == "mine-1", replica.requests[0].fields)
    t.check("log", eventually(lambda: any(line.get("id") == "mine-1" for line in gateway.log_lines())))


def test_the_binary_explains_a_body(t):
    def facts(*arguments, body):
        return subprocess.run([PENSTOCK, "facts", *arguments], input=body, capture_output=True, timeout=20)

    good = facts(body=json.dumps(t.chat_body(stream=True, max_tokens=9)).encode())
    t.check("facts", good.returncode == 0 and json.loads(good.stdout)["model"] == "tiny", good)
    t.check("refused", facts(body=b'{"model":1}').returncode == 1)
    t.check("syntax yes", facts("--syntax", body=b'{"a":[1,2,{"b":null}]}').returncode == 0)
    t.check("syntax no", facts("--syntax", body=b"[1,]").returncode == 1)


def test_check_names_file_line_column_and_path(t):
    path = t.write("wrong.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  gatewayClassNam: x\n")
    done = subprocess.run([PENSTOCK, "check", path], capture_output=True, text=True, timeout=20)
    t.check("1", done.returncode == 1, done)
    t.check("where", re.search(r"wrong\.yaml:5:3: .*gatewayClassNam", done.stdout + done.stderr), done)
    t.check("nearest", "gatewayClassName" in done.stdout + done.stderr, done)
