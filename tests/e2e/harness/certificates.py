"""Certificates for the time of a test, made by the openssl command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass
class Identity:
    """A certificate and its key."""

    certificate: Path
    key: Path

    def replace(self, other: "Identity") -> None:
        """Puts the other's files in the place of these."""
        shutil.copyfile(other.certificate, self.certificate)
        shutil.copyfile(other.key, self.key)


class Authority:
    """One that signs certificates with keys on P-256, good for two days."""

    def __init__(self, directory: Path, name: str):
        self._directory = directory / name
        self._directory.mkdir(parents=True)
        self.file = self._directory / "ca.pem"
        self._key = self._directory / "ca.key"
        self._make("ca", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def server(self, name: str = "server") -> Identity:
        """For 127.0.0.1 and localhost."""
        return self._signed(name, "subjectAltName=IP:127.0.0.1,DNS:localhost")

    def client(self, name: str = "client") -> Identity:
        return self._signed(name, f"subjectAltName=DNS:{name}.example")

    def credentials(self, identity: Identity | None = None) -> grpc.ChannelCredentials:
        """For a channel that trusts this authority and, with an identity, shows who it is."""
        return grpc.ssl_channel_credentials(
            self.file.read_bytes(), identity.key.read_bytes() if identity else None,
            identity.certificate.read_bytes() if identity else None)

    def revocations(self, *revoked: Identity) -> Path:
        """A list of these certificates, good for two days."""
        command = self._command()
        made = self._directory / "revocations.pem"
        for arguments in [*(["-revoke", str(each.certificate)] for each in revoked), ["-gencrl", "-out", str(made)]]:
            subprocess.run([*command, *arguments], check=True, capture_output=True, timeout=30)
        return made

    def ended(self, name: str = "ended") -> Identity:
        """A server's whose certificate has ended."""
        made = self.server(name)
        request = made.certificate.with_suffix(".csr")
        for command in [
            ["openssl", "req", "-new", "-key", str(made.key), "-subj", f"/CN={name}", "-out", str(request)],
            [*self._command(), "-batch", "-notext", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
             "-in", str(request), "-out", str(made.certificate)],
        ]:
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        return made

    def _command(self) -> list[str]:
        """`openssl ca` with an empty database."""
        database, configuration = self._directory / "index", self._directory / "ca.cnf"
        database.write_text("")
        configuration.write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={database}\nnew_certs_dir={self._directory}\nrand_serial=yes\n"
            "default_md=sha256\ndefault_crl_days=2\npolicy=any\n[any]\ncommonName=supplied\n")
        return ["openssl", "ca", "-config", str(configuration), "-keyfile", str(self._key), "-cert", str(self.file)]

    def _signed(self, name: str, extension: str) -> Identity:
        return self._make(name, f"/CN={name}", "-CA", str(self.file), "-CAkey", str(self._key), "-addext", extension)

    def _make(self, name: str, subject: str, *more: str) -> Identity:
        made = Identity(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", subject, "-keyout", str(made.key), "-out", str(made.certificate), *more],
            check=True, capture_output=True, timeout=30)
        return made
