"""The module ssl, where the broker does TLS: contexts can be made and set, and change nothing.

Certificates are checked by the server, with its own roots, whatever a program asks for.
"""

import enum
import sys
import types

#: What a context can be told and asked, with what the server does.
_FIELDS = {
    "check_hostname": True, "hostname_checks_common_name": False, "keylog_filename": None,
    "maximum_version": None, "minimum_version": None, "options": 0, "post_handshake_auth": False,
    "sni_callback": None, "verify_flags": 0, "verify_mode": 2, "session_stats": dict,
}

#: Methods of a context that change nothing.
_METHODS = (
    "load_cert_chain", "load_default_certs", "load_dh_params", "load_verify_locations",
    "set_alpn_protocols", "set_ciphers", "set_default_verify_paths", "set_ecdh_curve",
    "set_npn_protocols", "set_servername_callback",
)


class SSLError(OSError):
    """An error of TLS."""

    library, reason = "SSL", ""


class TLSVersion(enum.IntEnum):
    """Versions of TLS."""

    MINIMUM_SUPPORTED = -2
    SSLv3 = 768
    TLSv1 = 769
    TLSv1_1 = 770
    TLSv1_2 = 771
    TLSv1_3 = 772
    MAXIMUM_SUPPORTED = -1


class VerifyMode(enum.IntEnum):
    """What is asked of the other side's certificate."""

    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2


class Purpose(enum.Enum):
    """What a context is for."""

    SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
    CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


class SSLContext:
    """Settings of TLS, which the server does not take from programs."""

    def __init__(self, protocol: int | None = None, *args) -> None:
        self.protocol = protocol
        self.__dict__.update(_FIELDS)

    def wrap_socket(self, sock, server_side=False, do_handshake_on_connect=True,
                    suppress_ragged_eofs=True, server_hostname=None, session=None):
        """The same socket, which from now on speaks https."""
        sock.begin_tls(server_hostname)
        return sock

    def wrap_bio(self, incoming, outgoing, server_side=False, server_hostname=None, session=None):
        raise SSLError("TLS over memory is not available here: use httpx, requests or urllib.request")

    def cert_store_stats(self) -> dict:
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    def get_ca_certs(self, binary_form: bool = False) -> list:
        return []

    def get_ciphers(self) -> list:
        return []


for _name in _METHODS:
    setattr(SSLContext, _name, lambda self, *args, **kwargs: None)


class SSLSocket:
    """What a wrapped socket is an instance of."""


class SSLObject:
    """TLS over memory, which is not available."""


class MemoryBIO:
    """Memory that TLS is done over, which is not available."""


def create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, capath=None, cadata=None):
    """A context, as any other."""
    return SSLContext()


def get_server_certificate(addr, *args, **kwargs):
    raise SSLError("Certificates of other servers are not shown to programs")


def _subclass(name: str, *bases: type) -> type:
    return type(name, bases, {"__module__": "ssl", "__doc__": f"{name}, which is not raised here."})


_NAMES = {
    **{version.name: version for version in VerifyMode},
    "SSLError": SSLError, "TLSVersion": TLSVersion, "VerifyMode": VerifyMode, "Purpose": Purpose,
    "SSLContext": SSLContext, "SSLSocket": SSLSocket, "SSLObject": SSLObject, "MemoryBIO": MemoryBIO,
    "create_default_context": create_default_context, "get_server_certificate": get_server_certificate,
    "_create_default_https_context": create_default_context,
    "_create_unverified_context": create_default_context,
    "_create_stdlib_context": create_default_context,
    "SSLZeroReturnError": _subclass("SSLZeroReturnError", SSLError),
    "SSLWantReadError": _subclass("SSLWantReadError", SSLError),
    "SSLWantWriteError": _subclass("SSLWantWriteError", SSLError),
    "SSLSyscallError": _subclass("SSLSyscallError", SSLError),
    "SSLEOFError": _subclass("SSLEOFError", SSLError),
    "SSLCertVerificationError": _subclass("SSLCertVerificationError", SSLError, ValueError),
    "CertificateError": _subclass("CertificateError", SSLError, ValueError),
    "OPENSSL_VERSION": "OpenSSL 3.0.0 (TLS is done by the server)",
    "OPENSSL_VERSION_INFO": (3, 0, 0, 0, 0),
    "OPENSSL_VERSION_NUMBER": 0x30000000,
    "PROTOCOL_TLS": 2, "PROTOCOL_SSLv23": 2, "PROTOCOL_TLS_CLIENT": 16, "PROTOCOL_TLS_SERVER": 17,
    "PROTOCOL_TLSv1_2": 5, "HAS_SNI": True, "HAS_ALPN": True, "HAS_TLSv1_3": True,
    "HAS_TLSv1_2": True, "HAS_NEVER_CHECK_COMMON_NAME": True, "HAS_NPN": False, "HAS_ECDH": True,
    "VERIFY_X509_STRICT": 0x20, "VERIFY_X509_PARTIAL_CHAIN": 0x80000,
    "CHANNEL_BINDING_TYPES": [], "SOL_SOCKET": 1, "SO_TYPE": 3,
}


def module() -> types.ModuleType:
    """The module ssl."""
    ssl = types.ModuleType("ssl", "TLS, which the server does for requests of programs.")
    for value in _NAMES.values():
        if isinstance(value, type) or callable(value):
            value.__module__ = "ssl"
    ssl.__dict__.update(_NAMES)

    def __getattr__(name: str):
        if name.startswith(("OP_", "VERIFY_", "ALERT_", "SSL_ERROR_")):
            return 0
        raise AttributeError(f"module 'ssl' has no attribute {name!r}", name=name, obj=ssl)

    ssl.__getattr__ = __getattr__
    return ssl


def install() -> None:
    sys.modules["ssl"] = module()
