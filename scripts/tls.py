"""TLS for the server, with ENMS_TLS=on: the certificate and key that the operator puts in tls/."""

import ssl
import subprocess

from scripts import client
from scripts.console import Failure
from scripts.settings import CHECKOUT

FOLDER = CHECKOUT / "tls"
CERTIFICATE, KEY = FOLDER / "server.crt", FOLDER / "server.key"
# Both in one file, which the server's user owns; the operator's own stay as they are.
PEM = "server.pem"
HBA = CHECKOUT / "scripts" / "hba" / "on.conf"


def pem() -> bytes:
    """Certificate and key as one file for the server; raises Failure if no client could connect with them."""
    for path in CERTIFICATE, KEY:
        if not path.is_file():
            raise Failure(f"ENMS_TLS is on, but {path} is missing: put the server's certificate and its key in tls/, or set ENMS_TLS=off")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        text = CERTIFICATE.read_bytes().rstrip() + b"\n" + KEY.read_bytes()
        context.load_cert_chain(CERTIFICATE, KEY, password=_no_password)
    except PermissionError as error:
        raise Failure(f"{error.filename} can't be read by this user: make it yours, as by chown") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Failure(f"{KEY} is not the key of {CERTIFICATE}: put the two that belong together in tls/") from None
        raise Failure(f"{CERTIFICATE} or {KEY} is no PEM file of a certificate or a key") from None
    if problem := _handshake(context):
        raise Failure(f"{CERTIFICATE} can't be used: {problem}; put a valid one in its place")
    return text


def put(pem: bytes, volume: str, image: str) -> None:
    """Write the file into the container's volume, as the user that the server has in that image may read it."""
    write = f"umask 077 && cat >/tls/{PEM} && chown postgres /tls/{PEM}"
    command = ["docker", "run", "--rm", "-i", "--network=none", "--user=0", "--entrypoint=sh", f"--volume={volume}:/tls", image]
    run = subprocess.run([*command, "-c", write], input=pem, capture_output=True)
    if run.returncode:
        raise Failure(f"the certificate could not be put in the volume {volume}: {client.reason(run.stderr.decode(errors='replace'))}")


def _no_password() -> str:
    raise Failure(f"{KEY} is encrypted, and a server that starts by itself can't ask for its password: openssl pkey -in … -out {KEY}")


def _handshake(context: ssl.SSLContext) -> str | None:
    """Why a client that trusts this very certificate would refuse it, as when it is out of date; None if it would not."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(CERTIFICATE)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up)
    server = context.wrap_bio(up, down, server_side=True)
    for side in client, server, client:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return None
