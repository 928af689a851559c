"""Somebody stands in: entered while the centre runs, told over their phone, over by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.channels.receipts import Fate, note_receipt
from alerts.rosters.duty import Swap, on_duty
from alerts.rosters.notes import notes_about
from alerts.rosters.overrides import DutyOverride, DutyOverrides
from alerts.rosters.schema import duty_notes
from alerts.store.schema import audit
from alerts.web.grid.swaps import Swaps
from config.errors import UserError
from config.site import Site
from tests.alerts.county import sqlite_url
from tests.alerts.web.conftest import become, post
from tests.providers import Say
from tests.stories.village import Village, village_at


@pytest.fixture
def village(tmp_path: Path, example_site: Site) -> Iterator[Village]:
    with village_at(sqlite_url(tmp_path), example_site, tmp_path) as made:
        yield made


def book(village: Village) -> DutyOverrides:
    return DutyOverrides(village.county.engine, village.county.site, village.clock)


def stand_in(village: Village, *people: str, hours: float = 8, delay: float = 0) -> DutyOverride:
    """The head of the east gate has these people stand there."""
    start = village.clock.now() + timedelta(hours=delay)
    head = village.county.person("wang-fang")
    return book(village).add(
        head, grid="east-gate", start=start, end=start + timedelta(hours=hours), people=people,
        reason="家里有急事",
    )  # fmt: skip


def texts(village: Village, person: str) -> list[str]:
    """What that person's phone got."""
    got = [item.json() for item in village.sms.got]
    return [item["text"] for item in got if village.people[item["to"]] == person]


def newest(village: Village, made: DutyOverride) -> tuple[str, str | None]:
    told = notes_about(village.county.engine, [made.about])[0]
    return told.state, told.channel


def test_who_stands_in_is_told_until_when_and_gets_the_very_next_alert(village: Village) -> None:
    county = village.county
    before = county.see(county.plate("冀A00001"))[0]
    assert county.told(before.id) != ["sun-mei"]
    stand_in(village, "sun-mei")
    village.deliver()
    (text,) = texts(village, "sun-mei")
    assert "请您顶班：东门网格，2026-03-02 10:00 – 2026-03-02 18:00 UTC+08:00" in text
    assert "You stand in" in text
    assert text.endswith("https://menshen.example/duty")
    assert "急事" not in text, "the reason is nobody else's"

    event = county.plate("冀A00002")
    county.see(event)
    told = county.service.explain(event.id)
    assert {line.person_id for line in told.told} == {"sun-mei"}, "no restart, no reload"
    assert any("另有人顶班" in reason.reason_zh for reason in told.decisions)
    county.clock.advance(8 * 3600)
    after = county.plate("冀A00003")
    county.see(after)
    assert "sun-mei" not in [line.person_id for line in county.service.explain(after.id).told]


def test_called_off_they_are_told_that_too_and_the_roster_holds_again(village: Village) -> None:
    made = stand_in(village, "sun-mei", delay=2)
    village.deliver()
    book(village).end(village.county.person("town-chengguan"), made.id)
    village.deliver()
    assert "不必再顶班" in texts(village, "sun-mei")[-1]
    village.clock.advance(2.5 * 3600)
    event = village.county.plate()
    village.county.see(event)
    told = village.county.service.explain(event.id).told
    assert "sun-mei" not in [line.person_id for line in told]
    with pytest.raises(UserError, match="not planned or in force"):
        book(village).end(village.county.person("wang-fang"), made.id)


def test_a_message_without_a_receipt_becomes_a_call_after_half_a_minute(village: Village) -> None:
    made = stand_in(village, "sun-mei")
    village.deliver()
    assert newest(village, made) == ("accepted", "sms")
    assert village.rang(village.voice) == []
    village.clock.advance(30)
    village.deliver()
    assert village.rang(village.voice) == ["sun-mei"]
    assert "门神值班通知" in village.voice.got[0].json()["text"]
    village.clock.advance(600)
    village.deliver()
    assert len(village.sms.got) + len(village.voice.got) == 2, "and nobody is called for ever"


def test_both_people_of_a_swap_have_it_in_writing(village: Village) -> None:
    county = village.county
    swaps = Swaps(county.engine, county.site, county.clock)
    turn = on_duty(county.site, "east-gate", county.clock.now())
    assert turn is not None
    giver = turn.people[0]
    offer = swaps.ask(Swap("east-gate", turn.start, turn.end, giver, "wang-fang"))
    swaps.ask(Swap("east-gate", turn.start, turn.end, giver, "wang-fang"))
    village.deliver()
    assert texts(village, giver) == [], "they asked themselves"
    (asked,) = texts(village, "wang-fang")
    assert "想把班换给您：东门网格，" in asked
    assert not swaps.decide(offer.id, giver, "accepted")
    assert swaps.decide(offer.id, "wang-fang", "accepted")
    village.deliver()
    assert "换班已定，由您当班：东门网格" in texts(village, "wang-fang")[-1]
    assert "换班已定，由王芳替您当班：东门网格" in texts(village, giver)[-1]
    assert len(village.sms.got) == 3


def test_a_receipt_ends_it(village: Village) -> None:
    made = stand_in(village, "sun-mei")
    village.deliver()
    reference = village.sms.got[0].json()["reference"]
    county = village.county
    assert note_receipt(county.engine, county.clock, channel="sms", reference=reference,
                        fate=Fate.DELIVERED)  # fmt: skip
    village.clock.advance(600)
    village.deliver()
    assert newest(village, made) == ("delivered", "sms")
    assert village.rang(village.voice) == []


def test_a_note_that_reaches_nobody_goes_on_to_the_next_who_answers(village: Village) -> None:
    village.sms.answers = [Say(400, b"no such number")]
    village.voice.answers = [Say(400, b"switched off")]
    made = stand_in(village, "sun-mei")
    village.deliver()
    told = {one.person: one.state for one in notes_about(village.county.engine, [made.about])}
    assert told == {"sun-mei": "failed", "wang-fang": "accepted"}
    (text,) = texts(village, "wang-fang")
    assert "请转告孙梅（没有一个渠道通知到）：请您顶班：东门网格" in text
    village.clock.advance(600)
    village.deliver()
    assert len(notes_about(village.county.engine, [made.about])) == 2, "and to nobody else"


def test_nobody_reached_is_said_on_the_page_and_the_auditor_is_content(village: Village) -> None:
    village.sms.always = Say(400, b"no such number")
    village.voice.always = Say(400, b"switched off")
    made = stand_in(village, "sun-mei")
    village.deliver()
    everybody = notes_about(village.county.engine, [made.about])
    assert {told.state for told in everybody} == {"failed"}
    whom = {told.person for told in everybody}
    assert {"sun-mei", "wang-fang", "police-desk"} <= whom, "from the grid up to the police desk"
    assert len(whom) == len(everybody), "each once"
    with village.pages() as client:
        become(client, "wang-fang")
        assert "孙梅 没有通知到" in client.get("/duty").text
    county = village.county
    assert Auditor(county.engine, county.site, county.clock)._stuck() == []


def test_a_provider_that_is_down_is_tried_again_and_then_passed_over(village: Village) -> None:
    village.sms.always = Say(503)
    made = stand_in(village, "sun-mei")
    for _ in range(40):
        village.deliver()
        village.clock.advance(5)
    assert len(village.sms.got) == 4
    assert newest(village, made) == ("accepted", "voice")


def test_notes_that_nobody_sends_are_found_by_the_auditor(village: Village) -> None:
    stand_in(village, "sun-mei")
    village.clock.advance(120)
    county = village.county
    found = Auditor(county.engine, county.site, county.clock)._stuck()
    assert any("notes about duty" in one.problem for one in found)


def test_a_restart_between_entering_and_telling_loses_and_repeats_nothing(
    tmp_path: Path, example_site: Site
) -> None:
    url = sqlite_url(tmp_path)
    with village_at(url, example_site, tmp_path) as village:
        made = stand_in(village, "sun-mei")
        later = village.clock.now() + timedelta(minutes=3)
    with village_at(url, example_site, tmp_path, later) as village:
        village.deliver()
        village.deliver()
        assert len(texts(village, "sun-mei")) == 1
        event = village.county.plate()
        village.county.see(event)
        told = village.county.service.explain(event.id).told
        assert {line.person_id for line in told} == {"sun-mei"}
        assert book(village).find()[0].id == made.id


def test_the_substitute_of_a_leave_is_told_whom_they_stand_in_for_and_until_when(
    village: Village,
) -> None:
    with village.pages() as client:
        become(client, "liu-yang")
        form = {"start": "2026-03-03T08:00", "end": "2026-03-05T20:00", "substitute": "chen-jie"}
        assert post(client, "/duty/leave", **form, reason="住院").status_code == 303
        village.deliver()
        assert texts(village, "chen-jie") == [], "asked is not yet approved"
        (leave,) = village.leaves.of_person("liu-yang")
        become(client, "wang-fang")
        assert post(client, f"/duty/leave/{leave.id}/approve").status_code == 303
        village.deliver()
        (text,) = texts(village, "chen-jie")
        assert "请您替刘洋值班：2026-03-03 08:00 – 2026-03-05 20:00" in text
        assert "住院" not in text, "why is nobody else's"
        become(client, "liu-yang")
        post(client, f"/duty/leave/{leave.id}/withdraw")
        village.deliver()
        assert "不必再替刘洋值班" in texts(village, "chen-jie")[-1]


def test_the_head_enters_and_ends_one_on_the_page_and_it_is_in_the_audit_log(
    village: Village,
) -> None:
    form = {"grid": "east-gate", "start": "2026-03-02T09:00", "end": "2026-03-02T20:00",
            "people": ["sun-mei", "chen-jie"], "reason": "会议"}  # fmt: skip
    with village.pages() as client:
        for stranger in ("sun-mei", "police-desk"):
            become(client, stranger)
            assert post(client, "/duty/overrides", **form).status_code == 403, stranger
        become(client, "li-qiang")
        assert post(client, "/duty/overrides", **form).status_code in (403, 404)
        become(client, "wang-fang")
        assert post(client, "/duty/overrides", **form).status_code == 303
        page = client.get("/duty").text
        assert "顶班中" in page
        assert "孙梅、陈杰" in page
        (made,) = book(village).find()
        become(client, "sun-mei")
        assert "孙梅、陈杰" in client.get("/duty").text, "of another grid, and hers to see"
        assert post(client, f"/duty/overrides/{made.id}/end").status_code == 403
        become(client, "town-chengguan")
        assert post(client, f"/duty/overrides/{made.id}/end").status_code == 303
        assert post(client, f"/duty/overrides/{made.id}/end").status_code == 404
    county = village.county
    with county.engine.connect() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action, audit.c.detail)
                                  .where(audit.c.object == made.about)).all()  # fmt: skip
    assert [(row.actor, row.action) for row in rows] == [
        ("wang-fang", "duty-override-made"),
        ("town-chengguan", "duty-override-ended"),
    ]
    assert "sun-mei, chen-jie" in rows[0].detail
    assert AuditLog(county.engine, county.clock).verify() is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"end": timedelta(0)}, "is not after the start"),
        ({"start": timedelta(days=-3), "end": timedelta(days=-2)}, "is past"),
        ({"end": timedelta(days=61)}, "more than 60 days"),
        ({"start": timedelta(days=401), "end": timedelta(days=402)}, "more than 400 days"),
        ({"people": ()}, "are 0"),
        ({"people": ("nobody",)}, "nobody the site lists"),
        ({"people": ("police-desk",)}, "may not stand there"),
        ({"grid": "nowhere"}, "lists no 'nowhere'"),
        ({"by": "sun-mei"}, "not 孙梅's to change"),
        ({"reason": "x" * 201}, "longer than 200"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_and_nobody_is_told(
    village: Village, changes: dict[str, object], problem: str
) -> None:
    fields = {"start": timedelta(0), "end": timedelta(hours=8), "grid": "east-gate",
              "people": ("sun-mei",), "reason": "", "by": "wang-fang", **changes}  # fmt: skip
    now = village.clock.now()
    start, end = fields.pop("start"), fields.pop("end")
    assert isinstance(start, timedelta)
    assert isinstance(end, timedelta)
    by = village.county.person(str(fields.pop("by")))
    with pytest.raises(UserError, match=problem):
        book(village).add(by, start=now + start, end=now + end, **fields)  # type: ignore[arg-type]
    with village.county.engine.connect() as connection:
        assert connection.execute(select(duty_notes)).all() == []
    assert book(village).find() == []


def test_of_two_for_the_same_hours_the_later_one_holds_until_it_is_ended(village: Village) -> None:
    stand_in(village, "sun-mei")
    village.clock.advance(1)
    second = stand_in(village, "chen-jie")

    def first_told(text: str) -> str:
        event = village.county.plate(text)
        village.county.see(event)
        return str(village.county.service.explain(event.id).told[0].person_id)

    assert first_told("冀A00001") == "chen-jie"
    book(village).end(village.county.person("wang-fang"), second.id)
    assert first_told("冀A00002") == "sun-mei"


def test_a_hole_in_the_duty_is_filled_by_a_stand_in(village: Village) -> None:
    county = village.county
    auditor = Auditor(county.engine, county.site, county.clock)
    now: datetime = county.clock.now()
    leave = village.leaves.ask("sun-mei", now, now + timedelta(hours=8),
                               substitute=None, reason="")  # fmt: skip
    village.leaves.decide(leave.id, "approved", by="zhao-lei")
    assert [one.about for one in auditor._empty_duty()] == ["grid lixiang"]
    head = county.person("zhao-lei")
    book(village).add(head, grid="lixiang", start=now, end=now + timedelta(hours=8),
                      people=("zhao-lei",))  # fmt: skip
    assert auditor._empty_duty() == []
