"""Sockets that carry HTTP, which is what Python's HTTP clients have in common.

http.client, urllib.request, requests (urllib3) and httpx (httpcore) write a request to a socket and
read the response from it. The socket here collects the request, asks the broker for it, and gives back
the response as HTTP/1.1. It carries nothing else: what is not a request is refused in words.
"""

import errno
import io
import os
import socket as _sockets

from . import files
from .fetch import NOT_OURS, OF_CONNECTION, PIECE, Body, fetch

#: The longest head of a request: the broker takes 64 KiB of headers (http_client.rs).
MAX_HEAD = 128 << 10

#: What a socket says to everything that is not HTTP.
ONLY_HTTP = (
    "Sockets carry HTTP only here. Use urllib.request, requests or httpx, as far as --allow-net "
    "grants the host"
)


class Request:
    """A request as it is written to a socket."""

    def __init__(self) -> None:
        self.method, self.target, self.headers = "", "", []
        self._data, self._body, self._length, self._has_head = b"", bytearray(), 0, False

    def feed(self, data: bytes) -> bool:
        """Takes what was written; True when the request is complete."""
        self._data += data
        if not self._has_head and not self._take_head():
            return False
        if self._length is None:
            return self._take_chunks()
        self._body += self._data
        self._data = b""
        return len(self._body) >= self._length

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    def _take_head(self) -> bool:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        first = head.split(b"\r\n", 1)[0].split(b" ")
        is_http = len(first) == 3 and first[2].startswith(b"HTTP/1.")
        if len(head) > 16 and not is_http or len(head) > MAX_HEAD:
            raise files.refused(ONLY_HTTP)
        if not end:
            return False
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target = first[0].decode("latin-1"), first[1].decode("latin-1")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self._take_header(name.strip(), value.strip())
        self._data, self._has_head = rest, True
        return True

    def _take_header(self, name: str, value: str) -> None:
        known = name.lower()
        if known == "content-length" and self._length is not None:
            self._length = int(value)
        elif known == "transfer-encoding" and "chunked" in value.lower():
            self._length = None
        if known not in OF_CONNECTION and not known.startswith("proxy-"):
            self.headers.append([name, value])

    def _take_chunks(self) -> bool:
        while True:
            size, end, rest = self._data.partition(b"\r\n")
            if not end:
                return False
            length = int(size.split(b";")[0], 16)
            if len(rest) < length + 2:
                return False
            self._body += rest[:length]
            self._data = rest[length + 2 :]
            if length == 0:
                return True


def _head(response: dict) -> bytes:
    lines = [f"HTTP/1.1 {response['status']} {response['statusText']}"]
    for name, value in response["headers"]:
        if name.lower() not in NOT_OURS:
            lines.append(f"{name}: {value}")
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


_Plain = _sockets.socket


class Socket(_Plain):
    """A socket that carries HTTP requests, each to the broker."""

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        # No socket of the system is behind it.
        self._family, self._type, self._proto = family, type, proto
        self._host, self._port, self._scheme = "", 0, "http"
        self._timeout = _sockets.getdefaulttimeout()
        self._request, self._response, self._error, self._closed = Request(), None, None, False

    family = property(lambda self: self._family if self._family != -1 else _sockets.AF_INET)
    type = property(lambda self: self._type if self._type != -1 else _sockets.SOCK_STREAM)
    proto = property(lambda self: max(self._proto, 0))
    timeout = property(lambda self: self._timeout)

    # ---- Connections

    def connect(self, address) -> None:
        if not isinstance(address, tuple) or self.type & 0xF != _sockets.SOCK_STREAM:
            raise files.refused(ONLY_HTTP)
        self._host, self._port = str(address[0]), int(address[1])
        if self._port == 443:
            self._scheme = "https"

    def connect_ex(self, address) -> int:
        self.connect(address)
        return 0

    def begin_tls(self, server_hostname: str | None) -> None:
        """From here on the requests are for https."""
        self._scheme = "https"
        if server_hostname:
            self._host = server_hostname

    def _url(self, target: str) -> str:
        if target.startswith(("http://", "https://")):  # as to a proxy
            return target
        host = f"[{self._host}]" if ":" in self._host else self._host
        default = 443 if self._scheme == "https" else 80
        port = "" if self._port == default else f":{self._port}"
        return f"{self._scheme}://{host}{port}{target}"

    # ---- Sending

    def sendall(self, data, flags: int = 0) -> None:
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if not self._host:
            raise files.refused(ONLY_HTTP)
        if self._request.feed(bytes(data)):
            request, self._request = self._request, Request()
            self._answer(request)

    def send(self, data, flags: int = 0) -> int:
        self.sendall(data)
        return len(data)

    def sendfile(self, file, offset: int = 0, count: int | None = None) -> int:
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def _answer(self, request: Request) -> None:
        if request.method == "CONNECT":
            host, _, port = request.target.rpartition(":")
            self._host, self._port = host.strip("[]"), int(port)
            self._response = Body(self, b"HTTP/1.1 200 Connection established\r\n\r\n", None)
            return
        url = self._url(request.target)
        try:
            response = fetch(request.method, url, request.headers, request.body, self._timeout)
        except OSError as error:
            self._error = error
            if not isinstance(error, TimeoutError):  # which is one of reading
                raise
            return
        self._response = Body(self, _head(response), response["handle"])

    # ---- Receiving

    def _received(self) -> Body:
        if self._error is not None:
            raise self._error
        if self._response is None:
            raise files.refused(ONLY_HTTP)
        return self._response

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        data = self._received().take(bufsize)
        if flags & getattr(_sockets, "MSG_PEEK", 2):
            self._response.head = data + self._response.head
        return data

    def recv_into(self, buffer, nbytes: int = 0, flags: int = 0) -> int:
        data = self.recv(nbytes or len(buffer), flags)
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    read, write = recv, send

    def makefile(self, mode="r", buffering=None, *, encoding=None, errors=None, newline=None):
        if "w" in mode:
            raise files.refused("A socket is written to with sendall() here")
        stream = io.BufferedReader(_Late(self), buffering if buffering and buffering > 0 else PIECE)
        return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)

    # ---- What there is no more to

    def settimeout(self, value) -> None:
        self._timeout = None if value is None else float(value)

    def gettimeout(self):
        return self._timeout

    def setblocking(self, flag) -> None:
        self._timeout = None

    def getblocking(self) -> bool:
        return True

    def setsockopt(self, *args) -> None:
        pass

    def getsockopt(self, *args) -> int:
        return 0

    def getpeername(self) -> tuple[str, int]:
        return self._host, self._port

    def getsockname(self) -> tuple[str, int]:
        return "0.0.0.0", 0

    def fileno(self) -> int:
        return -1

    def shutdown(self, how) -> None:
        pass

    def close(self) -> None:
        # What reads the response goes on: http.client closes the socket first.
        self._closed = True

    def detach(self) -> int:
        self.close()
        return -1

    def unwrap(self) -> "Socket":
        return self

    def version(self) -> None:
        """What TLS there is, the server knows."""

    selected_alpn_protocol = cipher = version

    def pending(self) -> int:
        return 0

    def getpeercert(self, binary_form: bool = False):
        return b"" if binary_form else {}

    def do_handshake(self, *args) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def __del__(self) -> None:
        pass

    def __repr__(self) -> str:
        return f"<socket for HTTP to {self._host}:{self._port}>"


def _refuse(name: str):
    def refuse(self, *args, **kwargs):
        raise files.refused(f"socket.{name}: {ONLY_HTTP}")

    refuse.__name__ = name
    return refuse


#: Methods that have nothing to do with requests.
_REFUSED = (
    "accept", "bind", "dup", "listen", "recvfrom", "recvfrom_into", "recvmsg", "sendmsg", "sendto", "share",
)

for _name in _REFUSED:
    setattr(Socket, _name, _refuse(_name))
Socket.__name__ = Socket.__qualname__ = "socket"
Socket.__module__ = "socket"


class _Late(io.RawIOBase):
    """The response of a socket, which may not be there yet."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._socket._received().readinto(buffer)

    def close(self) -> None:
        if not self.closed and self._socket._response is not None:
            self._socket._response.close()
        super().close()


# ---- Names of hosts: the broker looks them up, within its policy


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0) -> list[tuple]:
    """The name itself, which connect() takes."""
    name = os.fsdecode(host) if host is not None else "localhost"
    number = {"http": 80, "https": 443, None: 0}.get(port, port)
    return [(_sockets.AF_INET, _sockets.SOCK_STREAM, 6, "", (name, int(number)))]


def create_connection(address, timeout=..., source_address=None, *, all_errors=False) -> Socket:
    """A socket for requests to a host."""
    made = Socket()
    if timeout is not ... and timeout is not getattr(_sockets, "_GLOBAL_DEFAULT_TIMEOUT", ...):
        made.settimeout(timeout)
    made.connect(address)
    return made


def gethostbyname(host: str) -> str:
    """The address of this program's own host: of others the server knows."""
    if host in ("localhost", "127.0.0.1", ""):
        return "127.0.0.1"
    return _no_lookup()


def _no_lookup(*args, **kwargs):
    raise files.refused(
        "Names of hosts are looked up by the server, for requests: use urllib.request, requests or httpx"
    )


def _no_server(*args, **kwargs):
    raise files.refused("A program cannot listen for connections: it is called, and calls others over HTTP")


def install() -> None:
    _sockets.socket = _sockets.SocketType = Socket
    _sockets.getaddrinfo, _sockets.create_connection = getaddrinfo, create_connection
    _sockets.gethostbyname = gethostbyname
    for name in ("gethostbyname_ex", "gethostbyaddr", "getnameinfo"):
        setattr(_sockets, name, _no_lookup)
    _sockets.gethostname = lambda: "localhost"
    _sockets.getfqdn = lambda name="": name or "localhost"
    _sockets.create_server = _sockets.socketpair = _sockets.fromfd = _no_server
    for name, value in (("AF_UNIX", 1), ("SO_KEEPALIVE", 9), ("SO_REUSEADDR", 2), ("SO_REUSEPORT", 15),
                        ("SO_LINGER", 13), ("SOL_SOCKET", 1), ("SOL_TCP", 6), ("IPPROTO_TCP", 6),
                        ("IPPROTO_IPV6", 41), ("TCP_NODELAY", 1), ("SOMAXCONN", 128), ("SHUT_RD", 0),
                        ("SHUT_WR", 1), ("SHUT_RDWR", 2), ("AI_PASSIVE", 1), ("SO_ERROR", 4),
                        ("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6)):
        if not hasattr(_sockets, name) and name != "AF_UNIX":
            setattr(_sockets, name, value)
