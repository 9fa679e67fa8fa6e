"""A live vLLM behind the gateway (scripts/test --long): recognised, scraped, served, aborted."""
import os
import subprocess
import time

from harness import http
from harness.process import ROOT, free_port
from harness.world import eventually, stream_text

STARTING = 240  # seconds; 35 to 90 were seen


class Vllm:
    """vllm serve with the tiny model. Ended by close()."""

    def __init__(self, t):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(t.directory, "vllm.log"), "wb")
        command = [
            os.path.join(ROOT, "build/venv-vllm/bin/vllm"), "serve", os.path.join(ROOT, "build/vllm-model"), "--served-model-name", "tiny",
            "--host", "127.0.0.1", "--port", str(self.port), "--dtype", "bfloat16", "--max-model-len", "2048", "--max-num-seqs", "16",
            "--block-size", "32", "--enforce-eager", "--enable-prefix-caching", "--enable-prompt-tokens-details",
        ]  # fmt: skip
        environment = {
            **os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1",
            "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
        }  # fmt: skip
        self.child = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment, start_new_session=True)

    def healthy(self):
        try:
            return http.ask(self.port, "GET", "/health", timeout=2).status == 200
        except (OSError, http.Ended):
            return False

    def close(self):
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
        self.log.close()


def test_a_live_vllm(t):
    engine = Vllm(t)
    t.replicas.append(engine)
    assert eventually(lambda: engine.healthy() or engine.child.poll() is not None, STARTING, 0.5) and engine.healthy()
    gateway = t.gateway([engine])
    t.check("recognised", eventually(lambda: "engine=vllm" in gateway.output(), 5), gateway.output()[-500:])

    whole = t.chat(gateway, max_tokens=8, ignore_eos=True)
    t.check("whole", whole.status == 200 and whole.json()["usage"]["completion_tokens"] == 8, whole.raw)
    streamed = t.chat(gateway, max_tokens=8, stream=True, ignore_eos=True, temperature=0, timeout=60)
    t.check("streamed", streamed.complete and streamed.events()[-1] == "[DONE]" and stream_text(streamed), streamed.raw[-300:])
    t.check("no usage", b'"usage"' not in streamed.body, streamed.body[-300:])

    long = "the gateway routes a request to the replica with the warmest prefix cache " * 10
    for _ in range(2):
        t.chat(gateway, long, max_tokens=2)
    t.check("its prefix cache is seen", eventually(lambda: gateway.metric("penstock_tokens_total", type="cached") > 0, 3))
    t.check("errors come through", t.chat(gateway, max_tokens=-5).status == 400)

    with http.Connection(gateway.port) as c:
        c.send(http.request("POST", "/v1/chat/completions", t.chat_body(max_tokens=1500, stream=True, ignore_eos=True)))
        c.take_until(b"data: ")
        t.check("running", eventually(lambda: running(engine) == 1, 5), running(engine))
    t.check("aborted", eventually(lambda: running(engine) == 0, 3), running(engine))


def running(engine):
    """What vLLM says it is working on."""
    time.sleep(0.1)
    page = http.ask(engine.port, "GET", "/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.split("\n") if line.startswith("vllm:num_requests_running"))
