"""Writes the generated pages of docs/ (the tour, the site reference) and checks every link."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "models", "edge", "ingest", "alerts", "demo")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def main() -> int:
    """Write the pages; print each broken link; 0 when there is none."""
    (ROOT / "docs" / "tour.md").write_text(tour(), encoding="utf-8")
    (ROOT / "docs" / "reference").mkdir(exist_ok=True)
    (ROOT / "docs" / "reference" / "site.md").write_text(site_reference(), encoding="utf-8")
    broken = broken_links()
    for line in broken:
        print(line)
    print(f"docs: {len(broken)} broken links")
    return 1 if broken else 0


def tour() -> str:
    """One line per module, taken from the module's own first line."""
    lines = [
        "# A tour of the code",
        "",
        "One line per module, from the module's own first line (`make docs` writes this page).",
        "Imports go downwards only: demo → alerts → edge | ingest → models → config.",
    ]
    for package in PACKAGES:
        lines += ["", f"## {package}/ — {_first_line(ROOT / package / '__init__.py')}", ""]
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py" and path.stat().st_size:
                lines.append(f"- `{path.relative_to(ROOT)}` — {_first_line(path)}")
    lines += ["", "## The command line", "", f"- `menshen.py` — {_first_line(ROOT / 'menshen.py')}"]
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = docstring.split("\n\n", maxsplit=1)[0].replace("\n", " ").strip()
    if not line:
        raise SystemExit(f"{path.relative_to(ROOT)}: has no first line that says its one job")
    return line


def site_reference() -> str:
    """Every key of a site description, from the schema that the program itself uses."""
    from config.site import Site

    definitions = Site.model_json_schema()["$defs"]
    lines = [
        "# Keys of a site description",
        "",
        "Written by `make docs` from the schema that `menshen config check` uses.",
    ]
    for name, definition in definitions.items():
        about = (definition.get("description") or "").split("\n\n")[0].replace("\n", " ")
        lines += ["", f"## {name}", "", about, ""]
        required = set(definition.get("required", ()))
        for key, value in definition.get("properties", {}).items():
            need = "required" if key in required else f"default `{value.get('default')}`"
            lines.append(f"- `{key}` ({_type(value)}, {need})")
        if values := definition.get("enum"):
            lines.append("One of: " + ", ".join(f"`{item}`" for item in values))
    return "\n".join(lines) + "\n"


def _type(value: dict[str, object]) -> str:
    if "$ref" in value:
        return str(value["$ref"]).rsplit("/", 1)[-1]
    options = value.get("anyOf")
    if isinstance(options, list):
        return " or ".join(_type(option) for option in options)
    if value.get("type") == "array" and isinstance(value.get("items"), dict):
        return f"list of {_type(value['items'])}"  # type: ignore[arg-type]
    return str(value.get("type") or value.get("const") or "value")


def broken_links() -> list[str]:
    """``file: target`` for every relative link in a Markdown file that leads nowhere."""
    broken: list[str] = []
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            path = target.split("#")[0]
            outside = "://" in target or not path or path.startswith("mailto:")
            if not outside and not (page.parent / path).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    return broken


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
