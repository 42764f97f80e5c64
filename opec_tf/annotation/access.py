"""Who may ask the server: pages that it served, at an address that is its own, with its token where it has one."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import urllib.parse

from werkzeug.datastructures import Headers

from opec_tf.common.errors import UserError

NEW_TOKEN = "new"
_SHORTEST = 12  # characters of a token
_BEARER = "Bearer "

# For every answer. Scripts and styles are files of the page; pictures come by fetch, which can send the token.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """The rules of one server.

    Args:
      host: the address it listens on.
      token: what requests must carry; "": nothing, on loopback alone; NEW_TOKEN: one that is made up here.

    Attributes:
      token: the token; "" where there is none.

    Raises:
      UserError: the address is reached from other machines and there is no token, or a short one.
    """

    def __init__(self, host: str, token: str) -> None:
        if not token and not is_loopback(host):
            raise UserError(
                f"--host={host}: other machines reach it; give --token={NEW_TOKEN} (one is made up and printed) or a "
                f"secret of {_SHORTEST} characters or more"
            )
        if token and token != NEW_TOKEN and len(token) < _SHORTEST:
            raise UserError(f"--token: has {len(token)} characters; give {_SHORTEST} or more, or --token={NEW_TOKEN}")
        self.token = secrets.token_urlsafe(24) if token == NEW_TOKEN else token
        self._names = {"localhost", host.lower()}
        if not is_loopback(host):
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def refusal(self, headers: Headers, needs_token: bool) -> tuple[int, str] | None:
        """Why a request is refused, as (status, one line); None where it is not.

        Args:
          headers: the request's.
          needs_token: False for the page's own files, which a browser asks for by itself.
        """
        host = headers.get("Host", "")
        if not self._is_own(host):
            return 403, f"the address {host!r} is not this server's; open the one that the command printed"
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "same-origin")
        if origin is not None and urllib.parse.urlsplit(origin).netloc.lower() != host.lower():
            return 403, f"a page of {origin!r} may not ask this server"
        if needs_token and site not in ("same-origin", "none"):
            return 403, "a page of another server may not ask this one"
        if needs_token and self.token and not self._has_token(headers.get("Authorization", "")):
            return 401, "the token is missing or wrong; open the address that the command printed, with its token"
        return None

    def _is_own(self, host: str) -> bool:
        """Whether a Host header is a number, which no name server can turn to another machine, or one of our names."""
        name = _without_port(host)
        return name in self._names or _as_number(name) is not None

    def _has_token(self, authorization: str) -> bool:
        given = authorization[len(_BEARER) :] if authorization.startswith(_BEARER) else ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode("utf-8", "replace"))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    number = _as_number(host)
    return host.lower() == "localhost" or number is not None and number.is_loopback


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser. The token is behind a #, which a browser does not send and the page takes out."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    secret = f"#token={urllib.parse.quote(token, safe='')}" if token else ""
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/{secret}"


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _as_number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
