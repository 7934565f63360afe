"""Python's HTTP clients over the sockets of the broker's fetch."""

import asyncio
import importlib.util
import sys

from . import door, loop, sockets, tls
from .fetch import MAX_AT_ONCE, NOT_OURS, OF_CONNECTION, PIECE, close, failed, fetch, in_turn


def _refusal_in(error: BaseException | None) -> PermissionError | None:
    """The refusal that an error of a client comes from."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, PermissionError):
            return error
        seen.append(error)
        for inner in (getattr(error, "reason", None), *error.args):
            if isinstance(inner, PermissionError):
                return inner
        error = error.__cause__ or error.__context__
    return None


def _refusing(function, base: type):
    """`function`, whose errors of the kind `base` are PermissionErrors too if they are refusals."""

    class Refused(base, PermissionError):
        def __init__(self, message: str) -> None:
            Exception.__init__(self, message)
            self.reason = self.message = message

        def __str__(self) -> str:
            return self.message

    Refused.__name__ = Refused.__qualname__ = "PermissionError"
    Refused.__module__ = "builtins"

    def refusing(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except base as error:
            refusal = _refusal_in(error)
            if refusal is None:
                raise
        raise Refused(str(refusal))

    refusing.__name__, refusing.__doc__ = function.__name__, function.__doc__
    return refusing


def _patch_urllib() -> None:
    import urllib.error
    import urllib.request

    handler = urllib.request.AbstractHTTPHandler
    handler.do_open = _refusing(handler.do_open, urllib.error.URLError)
    _patch_redirects(urllib.request.HTTPRedirectHandler)


#: Headers that are for one origin, as `urllib.request.Request` writes their names.
_FOR_ONE_ORIGIN = ("Authorization", "Cookie", "Proxy-authorization")


def _patch_redirects(handler: type) -> None:
    """What is secret is not sent to another origin, as in the Fetch standard: urllib would."""
    from urllib.parse import urlsplit

    def origin(url: str) -> tuple:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)

    redirect = handler.redirect_request

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        new = redirect(self, req, fp, code, msg, headers, newurl)
        if new is not None and origin(new.full_url) != origin(req.full_url):
            for name in _FOR_ONE_ORIGIN:
                new.headers.pop(name, None)
                new.unredirected_hdrs.pop(name, None)
        return new

    handler.redirect_request = redirect_request


def _patch_requests(module) -> None:
    module.HTTPAdapter.send = _refusing(module.HTTPAdapter.send, module.ConnectionError)


def _patch_httpx(module) -> None:
    from httpx._exceptions import TransportError

    transport = module.HTTPTransport
    transport.handle_request = _refusing(transport.handle_request, TransportError)
    # For asyncio its transports are the loop's, which has none.
    module.AsyncHTTPTransport.handle_async_request = _handle_async_request


#: What is changed in modules that programs may import.
_PATCHES = {"requests.adapters": _patch_requests, "httpx._transports.default": _patch_httpx}


class _Finder:
    """Changes a module when it is imported."""

    @classmethod
    def find_spec(cls, name: str, path=None, target=None):
        patch = _PATCHES.pop(name, None)
        if patch is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is not None:
            spec.loader = _Loader(spec.loader, patch)
        return spec


class _Loader:
    """A loader that does something once the module is there."""

    def __init__(self, loader, patch) -> None:
        self._loader, self._patch = loader, patch

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module) -> None:
        self._loader.exec_module(module)
        self._patch(module)

    def __getattr__(self, name: str):
        return getattr(self.__dict__["_loader"], name)


def _patch_clients() -> None:
    _patch_urllib()
    for name in list(_PATCHES):
        if name in sys.modules:
            _PATCHES.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, _Finder)


async def _handle_async_request(transport, request):
    """Replaces httpx.AsyncHTTPTransport.handle_async_request."""
    import httpx

    body = b"".join([piece async for piece in request.stream])
    headers = [[n.decode("latin-1"), v.decode("latin-1")] for n, v in request.headers.raw
               if n.lower().decode("latin-1") not in OF_CONNECTION]
    timeout = (request.extensions.get("timeout") or {}).get("read")
    try:
        response = await asyncio.wait_for(_begin(request.method, str(request.url), headers, body), timeout)
    except TimeoutError:
        raise httpx.ReadTimeout("timed out", request=request) from None
    except door.Failure as failure:
        error = failed(failure)
        if isinstance(error, PermissionError):
            raise error from None
        raise httpx.ConnectError(str(error), request=request) from None
    kept = [(n, v) for n, v in response["headers"] if n.lower() not in NOT_OURS]

    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self):
            while data := (await loop.start(in_turn(response["handle"], {"read": {"max": PIECE}})))[1]:
                yield data

        async def aclose(self) -> None:
            close(response["handle"])

    return httpx.Response(response["status"], headers=kept, stream=Stream())


async def _begin(method: str, url: str, headers: list, body: bytes) -> dict:
    request = {"method": method, "url": url, "headers": headers, "body": "bytes" if body else "none"}
    if len(body) > MAX_AT_ONCE:
        return fetch(method, url, headers, body, None)
    answer, _ = await loop.start({"network": {"fetch": request}}, body)
    return answer["Response"]


def install() -> None:
    if "ssl" not in sys.modules:
        tls.install()
    sockets.install()
    _patch_clients()


def enter(program: dict) -> None:
    pass
