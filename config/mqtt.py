"""Keeps one MQTT connection alive: address, protocol version, back-off. Only here is paho used."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger
from config.tls import TlsFiles, client_context

log = get_logger(__name__)

KEEPALIVE_S = 30
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
_ANSWER_TIMEOUT_S = 5.0
_RECEIVE_MAXIMUM = 400
"""Messages that may come before we acknowledge the first: those of one commit, and some more."""
_NO_SUBSCRIBERS = 0x10
_NOT_AUTHORIZED = 0x87
_CHECK_CERTIFICATE = "check that our certificate is from the broker's authority and has not ended"
_UNANSWERED_TLS = f"it ends the connection without an answer: {_CHECK_CERTIFICATE}"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and how to log in; printing it shows no password."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: SecretStr | None = None
    is_mqtt3: bool = False
    """Known to speak 3.1.1 only; otherwise that is found out."""

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """``mqtt://[user:password@]host[:port]``, or ``mqtts`` for TLS; ports 1883 and 8883.

        ``?version=3.1.1`` at the end spares an old broker the question for MQTT 5.

        Raises:
            UserError: the address cannot be used; it is not quoted, since it may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise UserError(
                where="broker address",
                problem="cannot be understood",
                remedy="use mqtt://host:1883, or mqtts://user:password@host:8883 for TLS",
            )
        is_tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=port or (8883 if is_tls else 1883),
            tls=is_tls,
            user=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password)) if parts.password else None,
            is_mqtt3=parts.query == "version=3.1.1",
        )

    def with_login(self, credentials: tuple[str, str] | None) -> BrokerAddress:
        """The same place with another user and password; unchanged for None."""
        if credentials is None:
            return self
        return replace(self, user=credentials[0], password=SecretStr(credentials[1]))


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when this connection dies without a goodbye."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody was given a message that the broker has answered (OASIS MQTT 5.0, 3.4.2.1)."""

    code: int
    reason: str

    @property
    def is_denied(self) -> bool:
        """The broker's access list does not let us publish there."""
        return self.code == _NOT_AUTHORIZED

    @property
    def is_unheard(self) -> bool:
        """Nobody has subscribed to the topic."""
        return self.code == _NO_SUBSCRIBERS


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that came in; hand it to :meth:`MqttLink.acknowledge` when it is safe."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    connection: int


class MqttLink:
    """One connection that comes back by itself, with jitter, for ever.

    It speaks MQTT 5 where the broker does and 3.1.1 where not; a connection that ends before
    the broker has answered is tried with the other version. The session ends with the
    connection: what must survive is kept in an outbox or a database, never in the broker.

    Callbacks run in paho's thread and must be quick: ``on_up()`` after each connection,
    ``on_message(delivery)``, ``on_published(mid, refusal)`` when the broker has acknowledged a
    QoS-1 message: ``refusal`` is None where it was passed on, and always from a broker that
    speaks only 3.1.1, which has no words for it.
    """

    def __init__(
        self,
        *,
        address: BrokerAddress,
        client_id: str,
        clock: Clock,
        on_up: Callable[[], None],
        on_message: Callable[[Delivery], None] = lambda _delivery: None,
        on_published: Callable[[int, Refusal | None], None] = lambda _mid, _refusal: None,
        will: Will | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._clock = clock
        self._on_up, self._on_message, self._on_published = on_up, on_message, on_published
        self._will = will
        self._tls = client_context(tls) if address.tls else None
        self._version = (
            MQTTProtocolVersion.MQTTv311 if address.is_mqtt3 else MQTTProtocolVersion.MQTTv5
        )
        self._client: paho.Client | None = None
        self._connection = 0
        self._answered = False
        self._trouble = ""
        self._up = threading.Event()
        self._down = threading.Event()
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{client_id}")

    @property
    def is_up(self) -> bool:
        """True while the broker answers."""
        return self._up.is_set()

    @property
    def trouble(self) -> str:
        """Why the broker is not reached, in words; empty while it is, or is not yet tried."""
        return self._trouble

    @property
    def speaks_mqtt5(self) -> bool:
        """True when the broker has accepted MQTT 5."""
        return self._version is MQTTProtocolVersion.MQTTv5

    def start(self) -> None:
        """Begin to connect, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and end the threads. The last will is not sent."""
        self._stopping.set()
        self._settled.set()
        self._down.set()
        if self._thread.is_alive():
            self._thread.join()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        """Hand a message to the connection; its mid, or -1 when there is none just now."""
        client = self._client
        if client is None or not self.is_up:
            return -1
        sent = client.publish(topic, payload, qos=qos, retain=retain)
        return sent.mid if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else -1

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe with QoS 1; call it from ``on_up``."""
        client = self._client
        if client is not None and topics:
            client.subscribe([(topic, 1) for topic in topics])

    def acknowledge(self, delivery: Delivery) -> None:
        """Let the broker forget a message; nothing happens when its connection is gone."""
        client = self._client
        if client is not None and delivery.qos and delivery.connection == self._connection:
            client.ack(delivery.mid, delivery.qos)

    # -- the connecting thread -----------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            was_up = self._connect_once()
            failures = 0 if was_up else failures + 1
            if not self._stopping.is_set():
                longest = min(FIRST_WAIT_S * 2.0 ** min(failures, 10), LONGEST_WAIT_S)
                self._clock.wait(self._stopping, random.uniform(longest / 2, longest))

    def _connect_once(self) -> bool:
        """One connection from beginning to end; True when the broker accepted it."""
        client = self._new_client()
        self._down.clear()
        self._settled.clear()
        if self._stopping.is_set():
            return False
        self._answered = False
        self._connection += 1
        self._client = client
        try:
            client.connect(
                self._address.host,
                self._address.port,
                keepalive=KEEPALIVE_S,
                **_session_of(self._version),
            )
        except (OSError, ValueError) as error:
            self._say(_in_words(error))
            return False
        client.loop_start()
        was_up = self._wait_until_down()
        client.disconnect()
        client.loop_stop()
        self._up.clear()
        if not self._answered and not self._stopping.is_set():
            if self._tls is not None:
                self._say(_UNANSWERED_TLS)
            self._try_other_version()
        return was_up

    def _wait_until_down(self) -> bool:
        self._settled.wait(_ANSWER_TIMEOUT_S)
        was_up = self._up.is_set()
        if was_up:
            self._down.wait()
        return was_up

    def _say(self, trouble: str) -> None:
        self._trouble = trouble
        log.warning(
            "broker not reached", host=self._address.host, port=self._address.port, why=trouble
        )

    def _try_other_version(self) -> None:
        other = {
            MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
            MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
        }
        self._version = other[self._version]
        log.info("trying another MQTT version", version=self._version.name)

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._version,
            clean_session=None if self.speaks_mqtt5 else True,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        # Windows are the outbox's and the store's business; paho must not queue behind them.
        client.max_inflight_messages_set(0xFFFF)
        if self._address.user is not None:
            password = self._address.password
            client.username_pw_set(
                self._address.user, password.get_secret_value() if password else None
            )
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        connection = self._connection + 1
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._acknowledged
        client.on_subscribe = _subscribed
        client.on_message = lambda _client, _data, message: self._on_message(
            Delivery(
                message.topic,
                bytes(message.payload),
                message.retain,
                message.mid,
                message.qos,
                connection,
            )
        )
        return client

    # -- paho's callbacks ------------------------------------------------------------------------

    def _connected(
        self, client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        if client is not self._client:
            return
        if code.is_failure:
            self._answered = "protocol version" not in str(code).lower()
            self._say(f"it refuses the connection: {code}")
            self._down.set()
            self._settled.set()
            return
        self._answered = True
        self._trouble = ""
        self._up.set()
        self._settled.set()
        log.info("broker connected", host=self._address.host, version=self._version.name)
        self._on_up()

    def _disconnected(
        self, client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        if client is not self._client:
            return
        if self._up.is_set() and not self._stopping.is_set():
            log.warning("broker connection lost", reason=str(code))
        self._up.clear()
        self._down.set()
        self._settled.set()

    def _acknowledged(
        self, client: paho.Client, _data: Any, mid: int, code: Any, _properties: Any
    ) -> None:
        if client is not self._client:
            return
        is_passed_on = not code.is_failure and code.value != _NO_SUBSCRIBERS
        self._on_published(mid, None if is_passed_on else Refusal(code.value, str(code)))


def _in_words(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({error.verify_message}): check the CA file"
    if isinstance(error, ssl.SSLError):
        return f"{error.reason or error}: {_CHECK_CERTIFICATE}"
    return str(error) or type(error).__name__


def _subscribed(
    _client: paho.Client, _data: Any, _mid: int, codes: list[Any], _properties: Any
) -> None:
    for code in codes:
        if code.is_failure:
            log.error("broker refused a subscription: check its access list", reason=str(code))


def _session_of(version: MQTTProtocolVersion) -> dict[str, Any]:
    if version is not MQTTProtocolVersion.MQTTv5:
        return {}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0
    properties.ReceiveMaximum = _RECEIVE_MAXIMUM
    return {"clean_start": True, "properties": properties}
