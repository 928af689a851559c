"""Makes hostile MQTT payloads and upload requests, from a seed: mutated, nested, huge, wrong."""

from __future__ import annotations

import hashlib
import json
import random
from copy import deepcopy
from dataclasses import dataclass, field

from config.ids import uuid7
from tests.events import MOMENT, motion

COUNTY = "demo"
_TOPICS = (
    "menshen/v1/demo/evt/node-1/cam-1",
    "menshen/v1/demo/evt/node-2/cam-1",
    "menshen/v1/demo/evt/NODE/../cam",
    "menshen/v1/demo/presence/node-1",
    "menshen/v1/demo/evt/node-1/cam-1\0",
)
_VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 2**63, 10**400, 1e308, "", "\0", "\ud800", "x" * 70_000),
    *([], {}, [[]] * 50, {"v": 1}, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00"),
)


def batch_document(chance: random.Random) -> dict[str, object]:
    """A good batch as JSON values, to be spoiled."""
    count = chance.randint(1, 4)
    items = [
        {"seq": n + 1, "event": json.loads(motion().model_dump_json(exclude_defaults=True))}
        for n in range(count)
    ]
    return {"v": 1, "node": "node-1", "epoch": uuid7(MOMENT), "oldest": 1, "events": items}


def hostile_message(chance: random.Random) -> tuple[str, bytes]:
    """Topic and payload of one message."""
    ways = (_spoiled, _flipped, _cut, _nested, _noise, _spoiled, _flipped)
    return chance.choice(_TOPICS), chance.choice(ways)(chance)


def _good(chance: random.Random) -> bytes:
    return json.dumps(batch_document(chance)).encode()


def _spoiled(chance: random.Random) -> bytes:
    document = batch_document(chance)
    for _ in range(chance.randint(1, 3)):
        place: object = document
        while isinstance(place, (dict, list)) and place:
            key = chance.choice(list(place)) if isinstance(place, dict) else None
            index = chance.randrange(len(place)) if isinstance(place, list) else 0
            child = place[key] if isinstance(place, dict) else place[index]
            if not isinstance(child, (dict, list)) or not child or chance.random() < 0.4:
                value = deepcopy(chance.choice(_VALUES))
                if isinstance(place, dict):
                    place[str(key)] = value
                else:
                    place[index] = value
                break
            place = child
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _flipped(chance: random.Random) -> bytes:
    data = bytearray(_good(chance))
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _cut(chance: random.Random) -> bytes:
    data = _good(chance)
    return data[: chance.randrange(len(data))] + data[chance.randrange(len(data)) :]


def _nested(chance: random.Random) -> bytes:
    opening = chance.choice((b"[", b'{"a":', b'{"events":['))
    return opening * chance.randint(1, 20_000)


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 10, 1_000, 30_000)))


@dataclass(frozen=True, slots=True)
class Request:
    """One upload request; ``path`` follows ``/v1/media/``."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def hostile_request(chance: random.Random, token: str) -> Request:
    """An upload that is wrong in one way or another, or right now and then."""
    body = chance.choice((b"\xff\xd8\xff", b"\0\0\0\x18ftyp", b"GIF89a", b"")) + chance.randbytes(
        chance.choice((0, 5, 20, 3_000))
    )
    digest = hashlib.sha256(body).hexdigest()
    path = chance.choice(
        (digest, digest, digest.upper(), digest[:63], "0" * 64, "%2e%2e%2fetc%2fpasswd", "é" * 64)
    )
    headers = {
        "Authorization": chance.choice(
            (*[f"Bearer {token}"] * 8, f"bearer {token}", "Bearer", "Basic x")
        ),
        "X-Menshen-Node": chance.choice((*["node-1"] * 8, "nobody", "")),
        "Content-Type": chance.choice(("image/jpeg", "video/mp4", "text/html", "image/jpeg; x=1")),
    }
    if chance.random() < 0.1:
        headers["Content-Length"] = chance.choice(("0", "99999999999", str(len(body))))
    return Request(path, headers, body)
