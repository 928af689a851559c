"""The page of a home's people: whose it is, what it refuses, and that no photo touches a disk."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from typing import get_args

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select

from alerts.store.schema import audit
from alerts.web.home import household_pictures
from alerts.web.home.household_pictures import PictureDesk, picture_door
from alerts.web.home.household_state import members_of
from alerts.web.home.household_words import CONSENT, CONSENT_VERSION, REFUSALS
from config.event import EventKind, FaceShot
from config.household import CONSENT_DAYS, PICTURE_PATH, EnrolCode, HouseholdReport
from ingest.engine import reading
from ingest.households import Households
from ingest.schema import face_consents
from tests.alerts.web.conftest import become, post
from tests.alerts.web.county import County, make_jpeg

HOME, NODE, PAGE = "home-li-qiang", "node-lixiang", "/home/household"


def store(county: County) -> Households:
    return Households(county.engine, county.site, county.clock)


def enrolled(county: County, label: str = "爸爸", owner: str = "li-qiang") -> str:
    """Somebody whom the node of that home has learnt."""
    camera = f"home-{owner}"
    made, _ = store(county).ask(
        owner=owner, label=label, cameras=[camera], guardian=None, consent_version=CONSENT_VERSION
    )
    assert store(county).enrolled(made.id)
    return made.id


def heeded(county: County, *held: str) -> None:
    """The node says whom it holds, after the newest list."""
    revision = store(county).nodes()[NODE].revision
    report = HouseholdReport(node=NODE, revision=revision, held=held, at=county.clock.now())
    store(county).record(report)


def form(**other: str) -> dict[str, str]:
    return {"label": "爸爸", "camera": HOME, "consent": "yes", **other}


class Linked:
    """Every node is linked, as far as the page can tell."""

    def is_online(self, node: str) -> bool:
        return True


@pytest.mark.parametrize("person", ["sun-mei", "police-desk", "installer", "admin-gao"])
def test_nobody_but_home_owners_has_the_page(client: TestClient, person: str) -> None:
    become(client, person)
    assert client.get(PAGE).status_code == 403
    assert post(client, PAGE, photo=make_jpeg("x"), **form()).status_code == 403


def test_a_family_member_shares_the_home_and_not_this_page(
    client: TestClient, county: County
) -> None:
    become(client, "li-qiang")
    assert "家人识别" in client.get("/home").text
    web = client.app.state.web  # type: ignore[attr-defined]
    son = web.homes.add("li-qiang", "儿子").person.id
    member = enrolled(county)
    web.accounts.set_password(son, "a long password of the son")
    become(client, son, "a long password of the son")
    assert "家人识别" not in client.get("/home").text
    assert client.get(PAGE).status_code == 404
    for move in ("delete", "renew"):
        assert post(client, f"{PAGE}/{member}/{move}", consent="yes").status_code == 404


def test_a_home_never_touches_another_homes_people(client: TestClient, county: County) -> None:
    member = enrolled(county, "大伯")
    become(client, "zhou-min")
    assert "大伯" not in client.get(PAGE).text
    for move in ("delete", "renew"):
        assert post(client, f"{PAGE}/{member}/{move}", consent="yes").status_code == 404
    assert store(county).consents("li-qiang")[0].deleted_at is None


def test_a_change_that_our_page_did_not_send_is_refused(client: TestClient, county: County) -> None:
    member = enrolled(county)
    become(client, "li-qiang")
    assert client.post(f"{PAGE}/{member}/delete").status_code == 403
    files = {"photo": ("p.jpg", make_jpeg("x"), "image/jpeg")}
    assert client.post(PAGE, data=form(), files=files).status_code == 403


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": ""}, "no_label"),
        ({"label": "长" * 21}, "no_label"),
        ({"camera": "home-zhou-min"}, "no_camera"),
        ({"consent": ""}, "no_consent"),
        ({"minor": "yes"}, "no_guardian"),
        ({}, "offline"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_recorded(
    client: TestClient, county: County, change: dict[str, str], why: str
) -> None:
    become(client, "li-qiang")
    answer = post(client, PAGE, photo=make_jpeg("x"), **form(**change))
    assert answer.status_code == 422
    assert REFUSALS[why].zh in answer.text
    with reading(county.engine) as connection:
        assert connection.execute(select(face_consents)).all() == []


def test_a_photo_never_lies_in_a_file_not_even_for_a_moment(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    roll = tempfile.SpooledTemporaryFile.rollover

    def noted(file: tempfile.SpooledTemporaryFile[bytes]) -> None:
        written.append(1)
        roll(file)

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", noted)
    become(client, "li-qiang")
    large = make_jpeg("x", (4000, 3000)) + bytes(3_000_000)
    assert post(client, PAGE, photo=large, **form()).status_code == 422
    assert written == []


def test_a_bomb_and_what_is_no_photo_are_refused(client: TestClient) -> None:
    become(client, "li-qiang")
    assert post(client, PAGE, photo=b"GIF89a no photo", **form()).status_code == 415
    assert post(client, PAGE, photo=bytes(13_500_000), **form()).status_code == 413


def test_withdrawing_and_renewing_are_audited_and_name_nobody(
    client: TestClient, county: County
) -> None:
    member = enrolled(county)
    become(client, "li-qiang")
    assert post(client, f"{PAGE}/{member}/renew").status_code == 404, "without the consent"
    assert post(client, f"{PAGE}/{member}/renew", consent="yes").status_code == 303
    assert post(client, f"{PAGE}/{member}/delete").status_code == 303
    assert post(client, f"{PAGE}/{member}/delete").status_code == 404
    with reading(county.engine) as connection:
        lines = connection.execute(
            select(audit.c.action, audit.c.detail).where(audit.c.action.like("household-%"))
        ).all()
    assert [line.action for line in lines] == ["household-renewed", "household-withdrawn"]
    assert all(member in line.detail and "爸爸" not in line.detail for line in lines)
    (consent,) = store(county).consents("li-qiang")
    assert consent.deleted_at == county.clock.now()


def test_the_page_says_where_each_face_is(county: County) -> None:
    member = enrolled(county)

    def where() -> list[str]:
        consents, nodes = store(county).consents("li-qiang"), store(county).nodes()
        lines = members_of(consents, nodes, county.site, Linked(), county.clock.now())
        return [place.where for line in lines for place in line.places]

    assert where() == ["waiting"]
    heeded(county, member)
    assert where() == ["held"]
    heeded(county)
    assert where() == ["missing"]
    heeded(county, member)
    store(county).withdraw("li-qiang", member)
    assert where() == ["erasing"]
    heeded(county)
    assert where() == ["erased"]
    county.clock.advance(31 * 86_400)  # type: ignore[attr-defined]
    assert where() == []


def test_somebody_of_the_house_raises_no_alarm_and_a_stranger_does(
    client: TestClient, county: County
) -> None:
    member = enrolled(county)

    def shot(member: str | None) -> dict[str, object]:
        face = FaceShot(quality=0.9, height_px=120, member=member)
        return {"kind": EventKind.FACE, "face": face, "thumbnail": make_jpeg("face")}

    assert county.see(HOME, **shot(None)), "a stranger"
    with pytest.raises(AssertionError, match="raised no alert"):
        county.see(HOME, **shot(member))
    assert county.see("home-zhou-min", **shot(member)), "at another home a stranger like any"
    become(client, "li-qiang")
    assert "家人：爸爸" in client.get("/home").text
    store(county).withdraw("li-qiang", member)
    assert county.see(HOME, **shot(member)), "who has withdrawn is a stranger again"
    other = enrolled(county, "妈妈")
    county.clock.advance(CONSENT_DAYS * 86_400)  # type: ignore[attr-defined]
    assert county.see(HOME, **shot(other)), "and so is whose consent has ended"


def test_every_answer_of_a_node_has_words() -> None:
    assert set(get_args(EnrolCode)) - {"ok"} <= set(REFUSALS)


def test_another_text_of_consent_is_another_version() -> None:
    text = "\n".join(f"{line.zh}\n{line.en}" for line in CONSENT)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    pinned = ("2026-11", "80ac40427f1ccb4d")
    assert (CONSENT_VERSION, digest) == pinned, "raise CONSENT_VERSION with the text"


TOKENS = {NODE: SecretStr("token"), "other": SecretStr("other")}


def headers(node: str = NODE, token: str = "token") -> dict[str, str]:
    return {"X-Menshen-Node": node, "Authorization": f"Bearer {token}"}


def test_a_picture_is_for_its_node_and_once() -> None:
    async def story() -> str:
        desk, app = PictureDesk(), FastAPI()
        app.include_router(picture_door(desk, TOKENS))
        tickets: list[str] = []
        asked = asyncio.create_task(
            desk.show(NODE, b"a picture", lambda ticket: not tickets.append(ticket))  # type: ignore[func-returns-value]
        )
        while not tickets:
            await asyncio.sleep(0)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as node:
            path = PICTURE_PATH + tickets[0]
            assert (await node.get(path)).status_code == 401
            assert (await node.get(path, headers=headers(token="x"))).status_code == 401
            assert (await node.get(path, headers=headers("other", "other"))).status_code == 404
            assert (await node.get(PICTURE_PATH + "0" * 32, headers=headers())).status_code == 404
            got = await node.get(path, headers=headers())
            assert (got.content, got.headers["cache-control"]) == (b"a picture", "no-store")
            assert (await node.get(path, headers=headers())).status_code == 404, "only once"
            body = {"code": "ok"}
            wrong = await node.post(path, headers=headers("other", "other"), json=body)
            assert wrong.status_code == 404
            bad = await node.post(path, headers=headers(), json={"code": "?"})
            assert bad.status_code == 422
            assert (await node.post(path, headers=headers(), json=body)).status_code == 204
            outcome = await asked
            assert (await node.post(path, headers=headers(), json=body)).status_code == 404
        return outcome

    assert asyncio.run(story()) == "ok"


def test_a_node_that_is_away_or_silent_has_learnt_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(household_pictures, "PATIENCE_S", 0.01)

    def away(_ticket: str) -> bool:
        return False

    def linked(_ticket: str) -> bool:
        return True

    async def story() -> list[str]:
        desk = PictureDesk()
        found = [await desk.show(NODE, b"", order) for order in (away, linked)]
        assert not desk._waiting
        return found

    assert asyncio.run(story()) == ["offline", "silent"]
