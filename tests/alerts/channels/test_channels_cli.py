"""``menshen alerts channels``: the list of ways, test messages, and errors in words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.channels.opening import open_channels
from alerts.cli import app
from config.channel_secrets import GatewaySecret
from config.clock import FakeClock
from config.errors import UserError
from config.secrets import Secrets, load_secrets
from config.site import Site, load_site
from ingest.engine import open_engine
from ingest.migrate import upgrade
from tests.providers import Provider, Say, provider_at

ROOT = Path(__file__).resolve().parents[3]
GATEWAY = """
[[gateways]]
id = "sms"
kind = "sms"
url = "{url}"
body = {{ to = "{{phone}}", text = "{{text}}", app = "{{secret.app}}" }}
answer = {{ field = "code", accepted = ["0"] }}
"""
SECRETS = """
[people.wang-fang]
phone = "13800000000"

[gateways.sms]
key = "k"
secret = { app = "app-7" }
"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_at() as server:
        server.always = Say(body=b'{"code":0}')
        yield server


@pytest.fixture
def files(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A site with a gateway and its secrets, and a database, as options of the command."""
    site, secrets = tmp_path / "site.toml", tmp_path / "secrets.toml"
    shutil.copy(ROOT / "config" / "example_county.toml", site)
    with site.open("a", encoding="utf-8") as file:
        file.write(GATEWAY.format(url=provider.url))
    secrets.write_text(SECRETS, encoding="utf-8")
    secrets.chmod(0o600)
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    upgrade(engine)
    engine.dispose()
    monkeypatch.setenv("MENSHEN_DATA_DIR", str(tmp_path))
    return ["--site", str(site), "--secrets", str(secrets)]


def test_a_test_message_says_so_and_the_answer_is_shown(
    files: list[str], provider: Provider
) -> None:
    done = CliRunner().invoke(app, ["channels", "test", *files, "--person", "wang-fang"])
    assert (done.exit_code, "accepted" in done.output) == (0, True), done.output
    body = provider.got[0].json()
    assert "测试 TEST" in body["text"]
    assert (body["to"], body["app"]) == ("13800000000", "app-7")
    assert "13800000000" not in done.output


def test_a_refusal_is_shown_and_the_command_fails(files: list[str], provider: Provider) -> None:
    provider.always = Say(body=b'{"code":42}')
    done = CliRunner().invoke(app, ["channels", "test", *files, "--person", "wang-fang"])
    assert (done.exit_code, "error 42" in done.output) == (1, True)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--person", "nobody"], "there is no 'nobody'"),
        ([], "exactly one of --person and --webhook"),
        (["--person", "wang-fang", "--channel", "pigeon"], "no way 'pigeon'"),
        (["--webhook", "desk"], "there is no 'desk'"),
    ],
)
def test_mistakes_are_told_in_words(files: list[str], options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["channels", "test", *files, *options])
    assert isinstance(done.exception, UserError)
    assert words in str(done.exception)


def test_the_list_names_who_is_told_by_the_pages_alone(files: list[str]) -> None:
    done = CliRunner().invoke(app, ["channels", "list", *files])
    lines = {line.split()[1]: line for line in done.output.splitlines() if "│" in line}
    assert "sms" in lines["王芳"]
    assert "pages only" in lines["孙梅"]


def test_a_gateway_without_its_secrets_is_refused_at_the_start(
    files: list[str], tmp_path: Path
) -> None:
    site = load_site(Path(files[1]))
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    with pytest.raises(UserError, match=r"gateways\.sms"):
        open_channels(engine, site, Secrets(), FakeClock())
    wrong = Secrets(gateways={"sms": GatewaySecret()})
    with pytest.raises(UserError, match=r"secret\.app"):
        open_channels(engine, site, wrong, FakeClock())
    engine.dispose()


@pytest.mark.parametrize(
    "lines, words",
    [
        ('[telling]\norder = ["pigeon"]\n', "there is no 'pigeon'"),
        ('[telling]\norder = ["email", "email"]\n', "stands twice"),
        ('[[gateways]]\nid = "email"\nkind = "sms"\nurl = "https://x"\n', "channel of ours"),
        ('[[gateways]]\nid = "x"\nkind = "fax"\nurl = "https://x"\n', "'sms' or 'voice'"),
    ],
)
def test_a_site_that_names_no_way_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    site = tmp_path / "site.toml"
    shutil.copy(ROOT / "config" / "example_county.toml", site)
    with site.open("a", encoding="utf-8") as file:
        file.write(lines)
    with pytest.raises(UserError, match=words):
        load_site(site)


def test_secrets_of_channels_are_never_printed(files: list[str], example_site: Site) -> None:
    secrets = load_secrets(Path(files[3]))
    assert "app-7" not in repr(secrets)
    assert "1380" not in repr(secrets)
    assert example_site.gateways == ()
