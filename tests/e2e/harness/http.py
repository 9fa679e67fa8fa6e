"""An HTTP/1.1 client that sends exactly the bytes it is given and shows exactly those it got."""
import json
import socket
import time


class Answer:
    """Status, fields (lower-case names, repeated ones joined by ", "), decoded body, and every byte as it came."""

    def __init__(self, status, fields, body, raw, complete):
        self.status, self.fields, self.body, self.raw, self.complete = status, fields, body, raw, complete

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The data of each server-sent event."""
        return [block[6:].decode() for block in self.body.split(b"\n\n") if block.startswith(b"data: ")]

    def error_code(self):
        try:
            return self.json()["error"].get("code")
        except (ValueError, KeyError, TypeError):
            return None


class Ended(Exception):
    """The peer closed before what was awaited had come; `.raw` is what came."""

    def __init__(self, raw=b""):
        super().__init__(f"closed after {raw[:200]!r}")
        self.raw = raw


class Connection:
    def __init__(self, port, timeout=10.0, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.raw = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def more(self):
        """Receives something; False at the peer's end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.pending += data
        self.raw += data
        return bool(data)

    def take_until(self, mark):
        while mark not in self.pending:
            if not self.more():
                raise Ended(self.raw)
        found, self.pending = self.pending.split(mark, 1)
        return found

    def take(self, count):
        while len(self.pending) < count:
            if not self.more():
                raise Ended(self.raw)
        found, self.pending = self.pending[:count], self.pending[count:]
        return found

    def head(self):
        """(status, fields) of the next answer; interim ones are passed over."""
        while True:
            first, *rest = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status >= 200:
                break
        fields = {}
        for line in rest:
            name, value = line.split(":", 1)
            name = name.lower()
            fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
        return status, fields

    def chunks(self):
        """The chunks of a chunked body, as they come."""
        while True:
            size = int(self.take_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.take_until(b"\r\n"):
                    pass
                return
            yield self.take(size)
            self.take(2)

    def answer(self, method="POST"):
        """The next whole answer; .complete is False where it was cut."""
        start = len(self.raw) - len(self.pending)
        status, fields = self.head()
        body, complete = b"", True
        try:
            if method == "HEAD" or status in (204, 304):
                pass
            elif fields.get("transfer-encoding") == "chunked":
                for chunk in self.chunks():
                    body += chunk
            elif "content-length" in fields:
                body = self.take(int(fields["content-length"]))
            else:
                while self.more():
                    pass
                body, self.pending = self.pending, b""
        except Ended:
            complete = False
            body = body or self.pending
        return Answer(status, fields, body, self.raw[start : len(self.raw) - len(self.pending)], complete)

    def closed(self, seconds=2.0):
        """True when the peer closes within that time; what it sends meanwhile is kept."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.socket.settimeout(max(end - time.monotonic(), 0.001))
                if not self.more():
                    return True
        except TimeoutError:
            return False
        return False


def request(method, path, body=b"", fields=(), host="localhost"):
    """The bytes of a request; a dict becomes a JSON body."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        fields = [*fields, ("Content-Type", "application/json")]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def ask(port, method, path, body=b"", fields=(), timeout=20.0):
    """One request on a connection of its own."""
    with Connection(port, timeout) as connection:
        return connection.send(request(method, path, body, fields)).answer(method)
