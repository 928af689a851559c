"""QR codes (ISO/IEC 18004) as SVG that our content policy lets a page show."""

from __future__ import annotations

import io

import segno


def qr_svg(text: str, *, label: str) -> str:
    """An inline SVG of the code, dark on white, with a quiet zone of 4 modules.

    Args:
        text: what the code says, usually an address.
        label: what a screen reader says.

    Raises:
        segno.DataOverflowError: the text is too long for a QR code.
    """
    code = segno.make(text, error="m", micro=False)
    out = io.BytesIO()
    code.save(
        out,
        kind="svg",
        border=4,
        light="#ffffff",
        xmldecl=False,
        svgns=True,
        title=label,
        svgclass="qr",
        lineclass=None,
        omitsize=True,
    )
    return out.getvalue().decode()
