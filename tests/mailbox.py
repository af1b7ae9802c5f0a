"""A real SMTP server on this machine, which keeps what it is sent."""

from __future__ import annotations

import email.policy
import json
import socket
import time
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

SENDER = "airflow@example.com"


class Mailbox:
    """An SMTP server, as a context manager."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.messages: list[EmailMessage] = []
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Mailbox:
        """Start the server."""
        self._controller.start()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop it."""
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a message."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message: Any = email.message_from_bytes(content, policy=email.policy.default)
        self.messages.append(message)
        return "250 OK"

    @property
    def connection(self) -> str:
        """Airflow's connection to the server."""
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": SENDER, "retry_limit": 1, "timeout": 5}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra})

    def subjects(self, receiver: str) -> list[str]:
        """Return the subjects of what somebody was sent, in order."""
        return [message["Subject"] for message in self.messages if receiver in message["To"]]

    def wait_for(self, receiver: str, words: str, seconds: float) -> EmailMessage:
        """Wait for a message to somebody with these words in its subject."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in self.messages:
                if receiver in message["To"] and words in message["Subject"]:
                    return message
            time.sleep(0.5)
        raise AssertionError(f"No message to {receiver} with {words!r}; there are {[m['Subject'] for m in self.messages]}")


def body_of(message: EmailMessage) -> str:
    """Return the text of a message."""
    part = message.get_body(("html", "plain"))
    assert part is not None
    return str(part.get_content())
