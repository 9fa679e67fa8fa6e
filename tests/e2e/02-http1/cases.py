"""Byte sequences: what must be refused because two parsers could read it in two ways (RFC 9112), and what must be served.

Written for this project from the grammar of RFC 9110 and RFC 9112. Each is complete as it stands: a server that waits for more has
not refused. BODY is a chat whose length is the Content-Length used.
"""
BODY = b'{"model":"tiny","messages":[{"role":"user","content":"hi"}]}'
SIZE = len(BODY)
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % SIZE
END = b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%s\r\n" % (SIZE, BODY)


def with_line(line):
    return line + HOST + JSON + LENGTH + END + BODY


def with_field(field):
    return LINE + HOST + JSON + field + LENGTH + END + BODY


def with_framing(fields, body=BODY):
    return LINE + HOST + JSON + fields + END + body


def with_chunks(body, fields=b""):
    return LINE + HOST + JSON + fields + CHUNKED + END + body


def with_host(host):
    return LINE + host + JSON + LENGTH + END + BODY


def first_lines():
    path = b"/v1/chat/completions"
    yield "no version", b"POST " + path + b"\r\n"
    for version in (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/01.1", b"HTTP/1.1x", b"HTTP/1.10",
                    b"HTTP/+1.1", b"HTTPS/1.1", b"HTTP 1.1", b"ICY/1.1"):  # fmt: skip
        yield f"version {version.decode()}", b"POST " + path + b" " + version + b"\r\n"
    yield "two spaces before the target", b"POST  " + path + b" HTTP/1.1\r\n"
    yield "two spaces before the version", b"POST " + path + b"  HTTP/1.1\r\n"
    yield "tab before the target", b"POST\t" + path + b" HTTP/1.1\r\n"
    yield "tab before the version", b"POST " + path + b"\tHTTP/1.1\r\n"
    yield "leading space", b" POST " + path + b" HTTP/1.1\r\n"
    yield "trailing space", b"POST " + path + b" HTTP/1.1 \r\n"
    yield "no target", b"POST HTTP/1.1\r\n"
    yield "target without a slash", b"POST v1/chat/completions HTTP/1.1\r\n"
    yield "space in the target", b"POST /v1/chat completions HTTP/1.1\r\n"
    yield "fragment in the target", b"POST " + path + b"#top HTTP/1.1\r\n"
    yield "NUL in the target", b"POST " + path + b"\0 HTTP/1.1\r\n"
    yield "control byte in the target", b"POST " + path + b"\x01 HTTP/1.1\r\n"
    yield "DEL in the target", b"POST " + path + b"\x7f HTTP/1.1\r\n"
    yield "byte over 127 in the target", b"POST " + path + b"\xc3\xa9 HTTP/1.1\r\n"
    yield "absolute target without a host", b"POST http:///v1/chat/completions HTTP/1.1\r\n"
    yield "absolute target with user information", b"POST http://a@localhost/v1/chat/completions HTTP/1.1\r\n"
    yield "asterisk for POST", b"POST * HTTP/1.1\r\n"
    yield "bare CR in the line", b"POST " + path + b"\r HTTP/1.1\r\n"
    yield "bare LF ends the line", b"POST " + path + b" HTTP/1.1\n"
    yield "empty method", b" /v1/chat/completions HTTP/1.1\r\n"
    for method in (b"PO(ST", b"PO:ST", b"PO\0ST", b"PO\x7fST", b"P\xc3\xb6ST", b'"POST"', b"PO/ST", b"PO,ST"):
        yield f"method {method!r}", method + b" " + path + b" HTTP/1.1\r\n"


def fields():
    for byte in [b for b in range(0x20) if b not in (0x09, 0x0A, 0x0D)] + [0x7F]:
        yield f"byte {byte:#04x} in a value", b"X-A: b%cc\r\n" % byte
    for char in b'(),/;<=>?@[\\]{}" \t':
        yield f"{chr(char)!r} in a name", b"X%cA: b\r\n" % char
    for byte in (0x00, 0x01, 0x1F, 0x7F, 0x80, 0xFF):
        yield f"byte {byte:#04x} in a name", b"X%cA: b\r\n" % byte
    yield "space before the colon", b"X-A : b\r\n"
    yield "tab before the colon", b"X-A\t: b\r\n"
    yield "empty name", b": b\r\n"
    yield "no colon", b"X-A\r\n"
    yield "folded with a space", b"X-A: b\r\n c\r\n"
    yield "folded with a tab", b"X-A: b\r\n\tc\r\n"
    yield "folded and empty", b"X-A: b\r\n \r\n"
    yield "bare LF ends a field", b"X-A: b\n"
    yield "bare CR in a value", b"X-A: b\rc\r\n"
    yield "bare CR ends a field", b"X-A: b\rX-B: c\r\n"
    yield "two CRs", b"X-A: b\r\r\n"
    yield "LF before CR", b"X-A: b\n\r\n"


def framings():
    yield "length and coding", LENGTH + CHUNKED, CHUNK + b"0\r\n\r\n"
    yield "coding and length", CHUNKED + LENGTH, CHUNK + b"0\r\n\r\n"
    yield "two different lengths", LENGTH + b"Content-Length: 5\r\n", BODY
    yield "the same length twice", LENGTH + LENGTH, BODY
    yield "a list of lengths", b"Content-Length: %d, %d\r\n" % (SIZE, SIZE), BODY
    for text in ("+%d", "-%d", "0x%x", "%d;", "%d.0", "%de0", "%d %d", '"%d"', "%d,", ",%d", "%d\x0b", "1_%d"):
        number = text % ((SIZE,) * text.count("%"))
        yield f"length {number!r}", b"Content-Length: %s\r\n" % number.encode(), BODY
    yield "empty length", b"Content-Length:\r\n", BODY
    yield "length beyond 64 bits", b"Content-Length: 99999999999999999999\r\n", BODY
    yield "length that wraps to a small one", b"Content-Length: 18446744073709551676\r\n", BODY
    for coding in ("gzip", "identity", "xchunked", "chunkedx", "chunked, chunked", "chunked, gzip", "gzip, chunked", "chunked, identity",
                   '"chunked"', "chunked;a=b", "chunked,", ",chunked", "\x0bchunked", "chun ked"):  # fmt: skip
        yield f"coding {coding!r}", b"Transfer-Encoding: %s\r\n" % coding.encode(), CHUNK + b"0\r\n\r\n"
    yield "empty coding", b"Transfer-Encoding:\r\n", CHUNK + b"0\r\n\r\n"
    yield "coding twice", CHUNKED + CHUNKED, CHUNK + b"0\r\n\r\n"


def chunk_bodies():
    rest = b"\r\n" + BODY + b"\r\n0\r\n\r\n"
    size = b"%x" % SIZE
    for text in (b"0x" + size, b"+" + size, b"-" + size, b" " + size, b"\t" + size, size[:1] + b"_" + size[1:], size + b"g", b"g", b"",
                 b"FFFFFFFFFFFFFFFFF", b"10000000000000000" + size, size + b"\0", size + b"\x0b", b"0" * 40 + size):  # fmt: skip
        yield f"chunk size {text!r}", text + rest
    yield "bare LF behind the size", size + b"\n" + BODY + b"\r\n0\r\n\r\n"
    yield "bare CR behind the size", size + b"\r" + BODY + b"\r\n0\r\n\r\n"
    yield "nothing behind the data", size + b"\r\n" + BODY + b"0\r\n\r\n"
    yield "bare LF behind the data", size + b"\r\n" + BODY + b"\n0\r\n\r\n"
    yield "a byte too many in the data", size + b"\r\n" + BODY + b"x\r\n0\r\n\r\n"
    yield "bare LF ends the last chunk", CHUNK + b"0\n\r\n"
    yield "bare LF ends the body", CHUNK + b"0\r\n\n"
    yield "NUL in an extension", size + b";a=\0" + rest
    yield "bare LF in an extension", size + b";a=\nb" + rest
    yield "bare CR in an extension", size + b";a=\rb" + rest
    yield "an extension over its limit", size + b";a=" + b"b" * 300 + rest
    yield "extensions over their limit together", b"".join(b"1;%s\r\n%c\r\n" % (b"e" * 200, c) for c in BODY) + b"0\r\n\r\n"
    yield "trailer with a space before the colon", CHUNK + b"0\r\nX-A : b\r\n\r\n"
    yield "trailer folded", CHUNK + b"0\r\nX-A: b\r\n c\r\n\r\n"
    yield "NUL in a trailer", CHUNK + b"0\r\nX-A: \0\r\n\r\n"
    yield "trailer without a colon", CHUNK + b"0\r\nX-A\r\n\r\n"
    yield "bare LF ends a trailer", CHUNK + b"0\r\nX-A: b\n\r\n"
    yield "trailers over their limit", CHUNK + b"0\r\n" + b"X-A: " + b"b" * 5000 + b"\r\n\r\n"


def hosts():
    yield "no Host", b""
    yield "Host twice", HOST + HOST
    yield "two Hosts", HOST + b"Host: other\r\n"
    for value in (b"a b", b"a,b", b"a/b", b"a@b", b"a?b", b"a#b", b"a\\b", b"[::1", b"::1", b"a:b", b"a:80:90", b"a:-1", b"<a>", b"a\tb", b'"a"',
                  b"a:123456"):  # fmt: skip
        yield f"Host {value!r}", b"Host: " + value + b"\r\n"


def refused():
    """(name, bytes) of what must get a 4xx or 5xx and a close, with nothing of it reaching a replica."""
    for name, line in first_lines():
        yield "first line: " + name, with_line(line)
    for name, field in fields():
        yield "field: " + name, with_field(field)
    yield "field: white space before the first one", LINE + b" X-A: b\r\n" + HOST + LENGTH + END + BODY
    for name, framing, body in framings():
        yield "framing: " + name, with_framing(framing, body)
    yield "framing: chunked in HTTP/1.0", LINE.replace(b"1.1", b"1.0") + HOST + CHUNKED + END + CHUNK + b"0\r\n\r\n"
    for name, body in chunk_bodies():
        yield "chunks: " + name, with_chunks(body)
    for name, host in hosts():
        yield "host: " + name, with_host(host)
    yield "expectation unknown", with_field(b"Expect: 200-maybe\r\n")
    yield "tunnel asked for", b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n"
    yield "upgrade asked for", with_field(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "TLS hello", b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(range(189))
    yield "SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n"
    yield "random bytes", bytes((i * 167 + 13) % 256 for i in range(600)) + b"\r\n\r\n"
    yield "too many fields", with_field(b"".join(b"X-%d: a\r\n" % i for i in range(101)))
    yield "a value over its limit", with_field(b"X-A: " + b"b" * 20000 + b"\r\n")
    yield "a head over its limit", with_field(b"".join(b"X-%d: %s\r\n" % (i, b"b" * 8000) for i in range(9)))
    yield "a line over its limit", with_line(b"POST /v1/chat/completions?" + b"a" * 9000 + b" HTTP/1.1\r\n")


def served():
    """(name, bytes, answers) of what must be served: as many answers with status 200 as said."""
    plain = with_framing(LENGTH)
    yield "plain", plain, 1
    yield "chunked", with_chunks(CHUNK + b"0\r\n\r\n"), 1
    yield "every byte a chunk", with_chunks(b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"), 1
    yield "chunk size in upper case", with_chunks((b"%X\r\n%s\r\n" % (SIZE, BODY)) + b"0\r\n\r\n"), 1
    yield "chunk size with leading zeros", with_chunks((b"000%x\r\n%s\r\n" % (SIZE, BODY)) + b"0\r\n\r\n"), 1
    yield "last chunk of several zeros", with_chunks(CHUNK + b"000\r\n\r\n"), 1
    yield "chunk extension", with_chunks((b"%x;a=b\r\n%s\r\n" % (SIZE, BODY)) + b"0\r\n\r\n"), 1
    yield "chunk extension quoted", with_chunks((b'%x;a="b c"\r\n%s\r\n' % (SIZE, BODY)) + b"0\r\n\r\n"), 1
    yield "trailer", with_chunks(CHUNK + b"0\r\nX-A: b\r\n\r\n", b"Trailer: X-A\r\n"), 1
    yield "coding in mixed case", with_framing(b"Transfer-Encoding: Chunked\r\n", CHUNK + b"0\r\n\r\n"), 1
    yield "absolute target", with_line(b"POST http://localhost/v1/chat/completions HTTP/1.1\r\n"), 1
    yield "query", with_line(b"POST /v1/chat/completions?a=b&c HTTP/1.1\r\n"), 1
    yield "no space behind the colon", with_field(b"X-A:b\r\n"), 1
    yield "blanks around a value", with_field(b"X-A: \t b \t \r\n"), 1
    yield "empty value", with_field(b"X-A:\r\n"), 1
    yield "bytes over 127 in a value", with_field(b"X-A: \xc3\xa9\xff\r\n"), 1
    yield "tab inside a value", with_field(b"X-A: b\tc\r\n"), 1
    yield "every token character in a name", with_field(b"X!#$%&'*+-.^_`|~09Az: b\r\n"), 1
    yield "names in upper case", b"POST /v1/chat/completions HTTP/1.1\r\nHOST: localhost\r\nCONTENT-LENGTH: %d\r\n\r\n%s" % (SIZE, BODY), 1
    yield "a value of 8 KiB", with_field(b"X-A: " + b"b" * 8192 + b"\r\n"), 1
    yield "ninety fields", with_field(b"".join(b"X-%d: a\r\n" % i for i in range(90))), 1
    yield "Host with a port", with_host(b"Host: localhost:8080\r\n"), 1
    yield "Host is IPv6", with_host(b"Host: [::1]:8080\r\n"), 1
    yield "one empty line before the request", b"\r\n" + plain, 1
    yield "Connection names a field", with_field(b"Connection: X-A\r\nX-A: b\r\n"), 1
    yield "TE: trailers", with_field(b"Connection: TE\r\nTE: trailers\r\n"), 1
    yield "HTTP/1.0", LINE.replace(b"1.1", b"1.0") + HOST + LENGTH + END + BODY, 1
    yield "HTTP/1.0 without Host", LINE.replace(b"1.1", b"1.0") + LENGTH + END + BODY, 1
    yield "expecting 100-continue", with_field(b"Expect: 100-continue\r\n"), 1
    yield "the same field twice", with_field(b"X-A: b\r\nX-A: c\r\n"), 1
    yield "two in one go", plain + plain, 2
    yield "ten in one go", plain * 10, 10
    yield "chunked, then plain", with_chunks(CHUNK + b"0\r\n\r\n") + plain, 2
