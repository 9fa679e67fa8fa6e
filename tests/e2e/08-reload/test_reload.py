"""Changing what runs while it runs: SIGHUP reloads, SIGTERM drains, SIGUSR2 hands over. Nobody is refused, nothing is cut."""
import os
import signal
import threading
import time

from harness import http
from harness.load import Load
from harness.replica import chat_answer, chat_event, chunked, whole
from harness.world import eventually

MANIFEST = """apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: penstock
  addresses: [{type: IPAddress, value: 127.0.0.1}]
  listeners: [{name: http, port: @PORT@, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all}
spec:
  parentRefs: [{name: front}]
  rules:
  - backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: pool}]
---
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata: {name: pool}
spec:
  selector: {matchLabels: {app: pool}}
  targetPorts: [{number: 8000}]
  endpointPickerRef: {name: penstock, port: {number: 9002}}
"""


def endpoint(number, port):
    return f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: pool-{number}, labels: {{app: pool}}}}
addressType: IPv4
ports: [{{port: {port}}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
"""


def manifest(gateway_port, *replicas):
    return MANIFEST.replace("@PORT@", str(gateway_port)) + "".join(endpoint(i, r.port) for i, r in enumerate(replicas))


def served_by(t, gateway):
    answer = t.chat(gateway)
    return answer.json()["choices"][0]["message"]["content"] if answer.status == 200 else answer.status


def named(t, name):
    return t.replica(lambda peer: peer.send(whole(chat_answer(name))))


def test_sighup_brings_and_takes_replicas(t):
    a, b = named(t, "a"), named(t, "b")
    gateway = t.gateway_of(MANIFEST + endpoint(0, a.port))
    assert served_by(t, gateway) == "a"
    t.write("config.yaml", manifest(gateway.port, b))
    gateway.signal(signal.SIGHUP)
    assert eventually(lambda: served_by(t, gateway) == "b")


def test_a_changed_file_is_read_without_a_signal(t):
    a, b = named(t, "a"), named(t, "b")
    gateway = t.gateway_of(MANIFEST + endpoint(0, a.port))
    t.write("config.yaml", manifest(gateway.port, b))
    assert eventually(lambda: served_by(t, gateway) == "b", 8)


def test_a_wrong_file_leaves_everything_as_it_is(t):
    a = named(t, "a")
    gateway = t.gateway_of(MANIFEST + endpoint(0, a.port))
    for wrong in ("kind: [", manifest(gateway.port, a).replace("targetPorts", "targetPortz"), ""):
        t.write("config.yaml", wrong)
        gateway.signal(signal.SIGHUP)
        time.sleep(0.4)
        t.check(f"still serves after {wrong[:12]!r}", served_by(t, gateway) == "a")
    t.check("it was said", "targetPortz" in gateway.output(), gateway.output()[-600:])
    t.check("and counted", gateway.metric("penstock_config_reload_total", result="rejected") >= 2, gateway.metrics())


def test_reload_under_load(t):
    replicas = [named(t, str(i)) for i in range(4)]
    gateway = t.gateway_of(MANIFEST + "".join(endpoint(i, r.port) for i, r in enumerate(replicas)))
    keep, fresh = Load(gateway, t.chat_body(), count=4), Load(gateway, t.chat_body(), count=4, keep_alive=False)
    for i in range(9):
        t.write("config.yaml", manifest(gateway.port, *(replicas[: 2 + i % 3])))
        gateway.signal(signal.SIGHUP)
        time.sleep(0.25)
    bad = keep.stop() + fresh.stop()
    t.check("no failure", not bad, f"{len(bad)} of {len(keep.outcomes) + len(fresh.outcomes)}: {bad[:5]}")


def test_a_reload_keeps_streams_whole(t):
    def slow(peer):
        peer.send(chunked(chat_event("a"), end=False))
        for i in range(30):
            time.sleep(0.05)
            piece = chat_event(f"{i} ").encode()
            peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        peer.send(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    first = t.replica(slow)
    gateway = t.gateway_of(MANIFEST + endpoint(0, first.port))
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
        c.take_until(b'"content"')
        t.write("config.yaml", manifest(gateway.port, named(t, "b")))
        gateway.signal(signal.SIGHUP)
        c.take_until(b"[DONE]")
        c.take_until(b"\r\n0\r\n\r\n")


def test_sigterm_drains(t):
    """Readiness goes first; what is under way ends whole; then the process leaves with 0."""
    replica = t.replica(lambda peer: (time.sleep(1.2), peer.send(whole(chat_answer())))[1])
    gateway = t.gateway([replica])
    answers = []
    thread = threading.Thread(target=lambda: answers.append(t.chat(gateway)))
    thread.start()
    assert eventually(lambda: replica.requests)
    gateway.signal(signal.SIGTERM)
    assert eventually(lambda: not gateway.ready(), 0.8)
    thread.join()
    t.check("answered whole", answers and answers[0].status == 200 and answers[0].complete, answers and answers[0].raw)
    t.check("left", eventually(lambda: not gateway.running(), 5))
    t.check("with 0", gateway.child.poll() == 0, gateway.child.poll())


def test_a_drain_has_an_end(t):
    replica = t.replica(lambda peer: peer.wait_gone(30) and False)
    gateway = t.gateway([replica], "--drain-timeout", "1s")
    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body()))
        assert eventually(lambda: replica.requests)
        gateway.signal(signal.SIGTERM)
        assert eventually(lambda: not gateway.running(), 6)


class Streams:
    """Long streams across hand-overs: all must come whole."""

    def __init__(self, t, gateway, count):
        self.whole = 0
        self.connections = [http.Connection(gateway.port, 60) for _ in range(count)]
        for c in self.connections:
            c.send(http.request("POST", "/v1/chat/completions", t.chat_body(stream=True)))
            c.take_until(b'"content"')

    def finish(self):
        for c in self.connections:
            try:
                c.take_until(b"[DONE]")
                c.take_until(b"\r\n0\r\n\r\n")
                self.whole += 1
            except (OSError, http.Ended):
                pass


def generations(gateway):
    """Processes of this gateway: they share its process group."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == gateway.pid and fields[0] != "Z":
                found.append(int(name))
    return sorted(found)


def read_pid(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read())
    except (OSError, ValueError):
        return None


def test_twenty_hand_overs_under_load(t):
    end = threading.Event()

    def either(peer):
        if not peer.request.json().get("stream"):
            peer.send(whole(chat_answer()))
            return True
        peer.send(chunked(chat_event("a"), end=False))
        end.wait(60)
        peer.send(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        return True

    replica = t.replica(either)
    pid_file = os.path.join(t.directory, "pid")
    gateway = t.gateway([replica], "--pid-file", pid_file)
    streams = Streams(t, gateway, 10)
    fresh, kept = Load(gateway, t.chat_body(), count=6, keep_alive=False, pause=0.03), Load(gateway, t.chat_body(), count=3, pause=0.01)
    newest = gateway.pid
    try:
        for i in range(20):
            os.kill(newest, signal.SIGUSR2)
            assert eventually(lambda: read_pid(pid_file) not in (None, newest), 5), f"no successor at hand-over {i}: {gateway.output()[-800:]}"
            newest = read_pid(pid_file)
            assert eventually(gateway.ready, 5), f"not ready after hand-over {i}"
            time.sleep(0.15)
        bad = fresh.stop() + kept.stop()
        t.check("none refused, none cut", not bad, f"{len(bad)} of {len(fresh.outcomes) + len(kept.outcomes)}: {bad[:5]}")
        t.check("there was load", len(fresh.outcomes) > 200, len(fresh.outcomes))
        end.set()
        streams.finish()
        t.check("streams whole", streams.whole == 10, streams.whole)
        t.check("the old ones leave", eventually(lambda: generations(gateway) == [newest], 10), generations(gateway))
    finally:
        end.set()
        for pid in generations(gateway):
            os.kill(pid, signal.SIGTERM)
    t.check("the last one leaves", eventually(lambda: not generations(gateway), 10), generations(gateway))
