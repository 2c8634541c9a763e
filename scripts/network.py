"""Addresses and ports: whether a server can listen there, and where its clients find it."""

import errno
import socket

from scripts.console import Failure


def port_is_free(address: str, port: int) -> bool:
    """True if a server could listen on the port now; raises Failure if that address can never be used."""
    try:
        family, kind, *_, target = socket.getaddrinfo(
            None if address == "*" else address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            problem = f"cannot listen on {address} port {port}: {error.strerror}"
            raise Failure(f"{problem}; see ENMS_BIND and ENMS_PORT in .env") from None
        return False
    return True


def require_free_port(address: str, port: int) -> None:
    """Raise Failure if another program listens on the port."""
    if not port_is_free(address, port):
        raise Failure(f"port {port} is in use by another program: set another, as in ENMS_PORT={port + 1}, in .env")


def is_local(address: str) -> bool:
    """True if only this machine can connect to a server that listens on the address."""
    return address in ("localhost", "::1") or address.startswith("127.")


def client_host(address: str) -> str:
    """Where a client on this machine finds a server that listens on the address."""
    return "127.0.0.1" if address in ("0.0.0.0", "*") else address
