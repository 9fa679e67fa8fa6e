"""A scripted replica: a server whose every byte a test decides. It keeps what it was sent and when its peers left."""
import json
import select
import socket
import threading
import time

METRICS = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 0.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="tiny"} 0.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.0
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",num_gpu_blocks="4096",engine="0"} 1.0
"""
MODELS = {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 1, "owned_by": "vllm", "parent": None}]}


def whole(body, status="200 OK", content_type="application/json", fields=""):
    """An answer with a Content-Length."""
    body = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n{fields}content-length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces, content_type="text/event-stream", end=True):
    """A chunked answer, one chunk for each piece."""
    out = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    for piece in pieces:
        piece = piece.encode() if isinstance(piece, str) else piece
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + (b"0\r\n\r\n" if end else b"")


def chat_event(text, finish=None):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "tiny", "choices": [choice]}
    return f"data: {json.dumps(event)}\n\n"


def chat_answer(text="hello", **usage):
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "tiny",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, **usage},
    })  # fmt: skip


def says(data, close=False):
    """A script that always answers with these bytes, and then closes or not."""

    def script(peer):
        peer.send(data)
        return not close

    return script


class Request:
    """What reached the replica: head and body as bytes; `gone` is when its peer closed, after it had come whole."""

    def __init__(self, head, body):
        self.head, self.body, self.at = head, body, time.monotonic()
        self.gone = None
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = lines[0].split(" ", 2)
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]

    def field(self, name):
        return next((value for key, value in self.fields if key.lower() == name), None)

    def json(self):
        return json.loads(self.body)


class Peer:
    """The connection a script answers on."""

    def __init__(self, sock, request):
        self.socket, self.request = sock, request

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def wait_gone(self, seconds):
        """Waits for the peer to close; notes when. False: it did not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            readable, _, _ = select.select([self.socket], [], [], 0.005)
            if readable:
                try:
                    data = self.socket.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    self.request.gone = time.monotonic()
                    return True
        return False

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Replica:
    """Answers /metrics, /health and /v1/models by itself and everything else by `script(peer)`; the connection is closed when the
    script returns False, and kept otherwise."""

    def __init__(self, script=None, metrics=METRICS, models=MODELS):
        self.script = script or (lambda peer: peer.send(whole(chat_answer())))
        self.metrics, self.models = metrics, models
        self.requests = []
        self.connections = 0
        self.partial = b""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            with sock:
                reader = sock.makefile("rb")
                while self.serve_one(sock, reader):
                    pass
        except (OSError, ValueError):
            pass

    def serve_one(self, sock, reader):
        request = self.read(reader)
        if request is None:
            return False
        path = request.path.split("?")[0]
        if request.method == "GET" and path in ("/metrics", "/health", "/v1/models"):
            sock.sendall(self.own(path))
            return True
        self.requests.append(request)
        return self.script(Peer(sock, request)) is not False

    def own(self, path):
        if path == "/metrics":
            page = self.metrics() if callable(self.metrics) else self.metrics
            return page if isinstance(page, bytes) else whole(page, content_type="text/plain; version=0.0.4")
        return whole("") if path == "/health" else whole(json.dumps(self.models))

    def read(self, reader):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                self.partial += head
                return None
            head += line
        fields = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in head.decode("latin-1").split("\r\n")[1:])}
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(reader.readline().split(b";")[0], 16)
                if size == 0:
                    while reader.readline().strip():
                        pass
                    break
                body += reader.read(size)
                reader.readline()
        else:
            body = reader.read(int(fields.get("content-length", 0)))
        return Request(head, body)
