"""webraid_webdav over https: certificates that are known, unknown, and of another host."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fakes.nextcloud import Answering, Nextcloud
from tests.unit.webdav.scripted import digest
from webraid.errors import Misconfigured, Unavailable
from webraid_webdav import WebdavBackend, WebdavOptions


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its own authority; good for 127.0.0.1 only.  Key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Nextcloud]:
    cloud = Nextcloud()

    class Listener(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Who does not trust us goes away in the middle."""

    server = Listener(("127.0.0.1", 0), type("Handler", (Answering,), {"cloud": cloud}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cloud.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield cloud
    server.shutdown()
    server.server_close()
    thread.join()


def connect(cloud: Nextcloud, host: str = "127.0.0.1", ca_file: str = "", scheme: str = "https") -> WebdavBackend:
    options = WebdavOptions(f"{scheme}://{host}:{cloud.port}", cloud.user, provider="nextcloud", ca_file=ca_file)
    return WebdavBackend.connect(options, {"password": cloud.password})


def test_a_server_with_an_authority_of_its_own_is_reached(secure: Nextcloud, certificate: Path) -> None:
    with contextlib.closing(connect(secure, ca_file=str(certificate))) as files:
        files.prepare()
        data = bytes(3_000_000)
        assert files.put("a", data, digest=digest(data)).verified
        assert files.get("a") == data


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_whom_nobody_vouches_for_gets_no_password(host: str, secure: Nextcloud, certificate: Path) -> None:
    """Unknown at all, or known under another name."""
    ca_file = str(certificate) if host == "localhost" else ""
    with contextlib.closing(connect(secure, host, ca_file)) as files, pytest.raises(Misconfigured) as caught:
        files.prepare()
    assert "certificate" in str(caught.value)
    assert not secure.seen


def test_https_to_a_server_that_speaks_http_is_told(cloud: Nextcloud) -> None:
    with contextlib.closing(connect(cloud)) as files, pytest.raises(Unavailable):
        files.prepare()


def test_http_to_a_server_that_speaks_https_is_told(secure: Nextcloud) -> None:
    with contextlib.closing(connect(secure, scheme="http")) as files, pytest.raises(Unavailable):
        files.prepare()


def test_a_file_that_is_no_certificate_is_told(secure: Nextcloud, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(Misconfigured, match="certificate authority"):
        connect(secure, ca_file=str(tmp_path / "ca.pem"))
