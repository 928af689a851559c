"""The ground holds: our names are ours, the tour is true, files are short, links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.testing import CliRunner

import menshen
from config.errors import UserError
from config.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
OURS = ("alerts", "config", "demo", "edge", "ingest", "models", "menshen")

_spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
assert _spec is not None
assert _spec.loader is not None
docs_build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(docs_build)


def sources() -> list[Path]:
    folders = [ROOT / name for name in OURS if (ROOT / name).is_dir()]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("name", OURS)
def test_no_other_installed_distribution_owns_our_names(name: str) -> None:
    owners = set(packages_distributions().get(name, [])) - {"menshen"}
    assert not owners


def test_the_tour_is_what_the_tree_says() -> None:
    assert (ROOT / "docs" / "tour.md").read_text(encoding="utf-8") == docs_build.tour(), (
        "docs/tour.md is out of date: run make docs"
    )


def test_the_site_reference_is_what_the_schema_says() -> None:
    page = (ROOT / "docs" / "reference" / "site.md").read_text(encoding="utf-8")
    assert page == docs_build.site_reference(), "run make docs"


def test_every_link_in_the_documents_leads_somewhere() -> None:
    assert docs_build.broken_links() == []


def test_every_module_says_its_one_job_and_stays_short() -> None:
    for path in sources():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, f"{path} is over 400 lines"
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say its job"


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, menshen; menshen.build(None);"
        "heavy = {'numpy', 'cv2', 'av', 'onnxruntime', 'sqlalchemy', 'fastapi'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("command", menshen.COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(menshen.build(command), [command, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_what_is_run_without_a_sub_command_shows_examples(command: str) -> None:
    result = CliRunner().invoke(menshen.build(command), [command, "--help"])
    assert f"menshen {command} --" in result.output
    listed = CliRunner().invoke(menshen.build(None), ["--help"])
    assert menshen.COMMANDS[command][1][:30] in listed.output


def test_the_version_is_told_without_a_command() -> None:
    result = CliRunner().invoke(menshen.build(None), ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("menshen 0.")


def test_a_missing_package_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(menshen.COMMANDS, "edge", ("no_such_package_at_all:app", ""))
    with pytest.raises(UserError, match=r"pip install 'menshen\[edge\]'"):
        menshen.build("edge")


@pytest.mark.parametrize("words", ["menshen[edge]", "[nodes]", "[/var/log]"])
def test_an_error_is_printed_with_its_brackets(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_asked: str | None) -> None:
        raise UserError(where="here", problem="is wrong", remedy=f"add it below {words}")

    monkeypatch.setattr(menshen, "build", fail)
    with pytest.raises(SystemExit) as ended:
        menshen.main()
    assert ended.value.code == 2
    assert f"add it below {words}" in capsys.readouterr().err


def test_cleaning_up_leaves_outboxes_evidence_and_the_database() -> None:
    says = subprocess.run(
        ["make", "-n", "clean"], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    kept = str(Settings.model_fields["data_dir"].default)
    assert ".venv" in says.split()
    assert kept not in says.split()
