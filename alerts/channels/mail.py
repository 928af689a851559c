"""E-mail: one message per notice by SMTP (RFC 5321), over TLS unless the server is this machine."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from alerts.channels.answers import TIMEOUT_S
from alerts.channels.base import Attempt, Notification
from alerts.channels.budget import Budget
from alerts.channels.words import words_of
from config.channel_secrets import SmtpSecret
from config.channel_site import EMAIL
from config.clock import Clock
from config.errors import UserError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class MailChannel:
    """Hands messages to the mail server of the secrets file.

    ``Message-ID`` is the same at every attempt, so that a repetition can be told from a second
    message.

    Raises:
        UserError: the server is elsewhere and its connection would not be encrypted, or its
            certificates cannot be read.
    """

    name = EMAIL

    def __init__(
        self,
        server: SmtpSecret,
        addresses: Mapping[str, str],
        zone: ZoneInfo,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if server.security == "none" and server.host not in _LOCAL:
            raise UserError(
                where="secrets file",
                field="smtp.security",
                problem="mail would leave this machine unencrypted",
                remedy='set it to "starttls" or "tls"',
            )
        self._server = server
        self._addresses = addresses
        self._zone = zone
        self._clock = clock
        self._timeout_s = timeout_s
        try:
            self._trust = ssl.create_default_context(cafile=server.ca_file)
        except OSError as error:
            raise UserError(
                where="secrets file",
                field="smtp.ca_file",
                problem=f"cannot be used ({type(error).__name__})",
                remedy="give the path of certificates in PEM",
            ) from None

    def budget(self, target: str) -> Budget | None:  # noqa: ARG002 - one server for all
        """What the secrets file allows."""
        return Budget.steady(EMAIL, self._server.per_minute)

    def send(self, notification: Notification) -> Attempt:
        address = self._addresses.get(notification.target)
        if address is None:
            return Attempt("refused", "no mail address in the secrets file")
        try:
            with self._connect() as server:
                server.send_message(self._message(notification, address))
        except smtplib.SMTPRecipientsRefused as error:
            return _read(next(iter(error.recipients.values()))[0])
        except smtplib.SMTPAuthenticationError as error:
            return Attempt("retry", f"the mail server refuses our login ({error.smtp_code})")
        except smtplib.SMTPResponseException as error:
            return _read(error.smtp_code)
        except ssl.SSLError:
            return Attempt("retry", "the mail server's certificate is not trusted")
        except (smtplib.SMTPException, OSError) as error:
            return Attempt("retry", f"mail server not reachable ({type(error).__name__})")
        return Attempt("accepted")

    def close(self) -> None:
        """Nothing is kept open."""

    def _connect(self) -> smtplib.SMTP:
        host, port, wait = self._server.host, self._server.port, self._timeout_s
        if self._server.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=wait, context=self._trust)
        else:
            server = smtplib.SMTP(host, port, timeout=wait)
        try:
            if self._server.security == "starttls":
                server.starttls(context=self._trust)
            if self._server.user is not None and self._server.password is not None:
                server.login(self._server.user, self._server.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, note: Notification, address: str) -> EmailMessage:
        words = words_of(note, self._zone)
        message = EmailMessage(policy=SMTP)
        message["Subject"] = words.title
        message["From"] = self._server.sender
        message["To"] = address
        message["Date"] = format_datetime(note.changed_at.astimezone(self._zone))
        digest = hashlib.sha256(note.key.encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@{self._server.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(words.body)
        return message


def _read(code: int) -> Attempt:
    """4yz may succeed later, 5yz never (RFC 5321, section 4.2.1)."""
    return Attempt("refused" if code >= 500 else "retry", f"the mail server answered {code}")
