"""Who is enrolled stays sealed on the disk, and goes when the consent does."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.clock import FakeClock
from config.errors import UserError
from config.household import Enrol, HouseholdList, HouseholdMember
from config.ids import uuid7
from edge.household import vault as vault_module
from edge.household.book import TemplateBook
from edge.household.vault import Vault

NODE, TOKEN = "node-home", SecretStr("the token of this node")
MODEL = "a-network"


def vault_of(folder: Path, *, node: str = NODE, token: SecretStr = TOKEN) -> Vault:
    return Vault(folder / "household.bin", node=node, token=token)


def vector(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=256)
    return (values / np.linalg.norm(values)).astype(np.float32)


def order(
    clock: FakeClock, *, revision: int = 1, member: str | None = None, camera: str = "door"
) -> Enrol:
    return Enrol(
        ticket="0" * 32,
        member=member or uuid7(clock.now()),
        cameras=(camera,),
        expires_at=clock.now() + timedelta(days=365),
        revision=revision,
    )


def wanted(revision: int, *orders: Enrol) -> HouseholdList:
    members = tuple(
        HouseholdMember(id=one.member, cameras=one.cameras, expires_at=one.expires_at)
        for one in orders
    )
    return HouseholdList(node=NODE, revision=revision, members=members)


def test_who_was_learnt_is_known_after_a_restart_and_only_at_their_cameras(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    father, neighbour = order(clock), order(clock, camera="other-door")
    book.learn(father, vector(1), model=MODEL)
    book.learn(neighbour, vector(2), model=MODEL)
    again = TemplateBook(vault_of(tmp_path), clock)
    assert again.held() == tuple(sorted((father.member, neighbour.member)))
    members, templates = again.templates("door", MODEL)
    assert members == (father.member,)
    np.testing.assert_array_equal(templates, [vector(1)])
    assert again.templates("street", MODEL)[0] == ()
    assert again.templates("door", "another-network")[0] == ()


def test_the_file_is_its_users_alone_and_says_nothing_without_the_token(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    learnt = order(clock)
    book.learn(learnt, vector(1), model=MODEL)
    file = tmp_path / "household.bin"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    data = file.read_bytes()
    assert vector(1).tobytes()[:16] not in data
    assert learnt.member.encode() not in data
    for other in (vault_of(tmp_path, token=SecretStr("x")), vault_of(tmp_path, node="node-b")):
        with pytest.raises(UserError, match="enrol again"):
            other.read()
    assert [path.name for path in tmp_path.iterdir()] == ["household.bin"]


@pytest.mark.parametrize("damage", [b"", b"MSHF1", b"MSHF1" + bytes(40), b"x" * 100])
def test_a_damaged_file_is_erased_and_the_node_goes_on(
    tmp_path: Path, clock: FakeClock, damage: bytes
) -> None:
    (tmp_path / "household.bin").write_bytes(damage)
    book = TemplateBook(vault_of(tmp_path), clock)
    assert book.held() == ()
    assert not (tmp_path / "household.bin").exists()
    book.learn(order(clock), vector(1), model=MODEL)
    assert len(TemplateBook(vault_of(tmp_path), clock).held()) == 1


def test_whoever_is_not_on_the_list_is_erased_from_disk_and_memory(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    father, mother = order(clock, revision=1), order(clock, revision=2)
    book.learn(father, vector(1), model=MODEL)
    book.learn(mother, vector(2), model=MODEL)
    book.templates("door", MODEL)
    book.heed(wanted(3, mother))
    assert book.templates("door", MODEL)[0] == (mother.member,)
    assert TemplateBook(vault_of(tmp_path), clock).held() == (mother.member,)


def test_who_withdraws_before_their_face_was_found_is_not_learnt_after_that(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    father, mother = order(clock, revision=1), order(clock, revision=2)
    book.heed(wanted(3, mother))  # while the father's picture is still being fetched
    assert not book.learn(father, vector(1), model=MODEL)
    assert book.learn(mother, vector(2), model=MODEL)
    assert book.held() == (mother.member,)


def test_a_list_from_before_the_order_erases_nobody(tmp_path: Path, clock: FakeClock) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    book.heed(wanted(4))
    father = order(clock, revision=5)
    book.learn(father, vector(1), model=MODEL)
    book.heed(wanted(4))
    assert book.held() == (father.member,)
    assert book.revision == 5


def test_consent_ends_by_itself_also_without_the_centre(tmp_path: Path, clock: FakeClock) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    father = order(clock)
    book.learn(father, vector(1), model=MODEL)
    clock.advance(364 * 86_400)
    assert book.templates("door", MODEL)[0] == (father.member,)
    clock.advance(86_400)
    assert book.templates("door", MODEL)[0] == ()
    assert TemplateBook(vault_of(tmp_path), clock).held() == ()


def test_a_renewed_consent_reaches_a_template_that_is_here(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    father = order(clock)
    book.learn(father, vector(1), model=MODEL)
    clock.advance(300 * 86_400)
    renewed = father.model_copy(update={"expires_at": clock.now() + timedelta(days=365)})
    book.heed(wanted(2, renewed))
    clock.advance(300 * 86_400)
    assert book.templates("door", MODEL)[0] == (father.member,)


def test_a_disk_that_refuses_is_asked_again_and_nothing_is_claimed_meanwhile(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = TemplateBook(vault_of(tmp_path), clock)
    father = order(clock)
    book.learn(father, vector(1), model=MODEL)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(vault_module.os, "fsync", full)
        book.heed(wanted(2))
        assert book.templates("door", MODEL)[0] == (), "not recognised any more"
        assert book.held() == (father.member,), "but still on the disk, and it is told so"
        assert book.revision == 1
    book.expire()
    assert book.held() == ()
    assert book.revision == 2


@settings(max_examples=25)
@given(moves=st.lists(st.tuples(st.sampled_from(["learn", "heed", "wait"]), st.integers(0, 4))))
def test_nobody_is_ever_known_without_a_consent_that_holds(
    moves: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock, folder = FakeClock(), tmp_path_factory.mktemp("book")
    book = TemplateBook(vault_of(folder), clock)
    revision, agreed = 0, {}
    for move, number in moves:
        if move == "learn":
            revision += 1
            made = order(clock, revision=revision)
            agreed[made.member] = made
            book.learn(made, vector(number), model=MODEL)
        elif move == "heed":
            revision += 1
            for member in list(agreed)[number:]:
                del agreed[member]
            book.heed(wanted(revision, *agreed.values()))
        else:
            clock.advance(number * 100 * 86_400)
        lawful = {name for name, one in agreed.items() if clock.now() < one.expires_at}
        assert set(book.templates("door", MODEL)[0]) == lawful
        assert set(TemplateBook(vault_of(folder), clock).held()) == lawful
