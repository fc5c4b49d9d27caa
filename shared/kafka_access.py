"""How is Kafka reached, and how does a client prove who it is? The same answer for every client of a process."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shared.errors import OperatorError

if TYPE_CHECKING:
    from faststream.security import BaseSecurity

__all__ = ["KafkaAccess", "Mechanism", "Protocol"]

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, repr=False)
class KafkaAccess:
    """Has no representation: it holds a password."""

    url: str
    """`host:port[,host:port]`."""
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: Path | None = None
    """Certificates to trust; the system's when there is none."""
    cert_file: Path | None = None
    """The client's own certificate, for brokers that ask for one."""
    key_file: Path | None = None

    def client(self) -> dict[str, Any]:
        """What each of aiokafka's clients is made with. Reads the certificates; raises OperatorError."""
        options: dict[str, Any] = {"bootstrap_servers": self.url, "security_protocol": self.protocol}
        if context := self._tls():
            options["ssl_context"] = context
        if self._with_password:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    @property
    def servers(self) -> list[str]:
        """One by one: FastStream takes a text with commas for a single name."""
        return [server.strip() for server in self.url.split(",")]

    def security(self) -> "BaseSecurity | None":
        """The same for FastStream's broker."""
        from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

        context = self._tls()
        if not self._with_password:
            return BaseSecurity(ssl_context=context) if context else None
        kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
        return kinds[self.mechanism](self.username, self.password, ssl_context=context, use_ssl=context is not None)

    @property
    def _with_password(self) -> bool:
        return self.protocol.startswith("SASL_")

    def _tls(self) -> ssl.SSLContext | None:
        if not self.protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # SSLError is one
            named = ", ".join(str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file)
            raise OperatorError(f"The certificates for Kafka ({named}) cannot be used: {error}") from error
        return context
