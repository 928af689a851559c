"""Uploads: reads a form with a photo or a list, after one knows who sends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartParser

from alerts.web.base import photos
from alerts.web.base.errors import Refusal
from alerts.web.base.limits import UPLOAD_LIMIT_BYTES
from ingest.media import MediaStore

NOTE_LIMIT = 2000
MultiPartParser.spool_max_size = UPLOAD_LIMIT_BYTES
"""What people send stays in memory: a photo of a face must not lie in a temporary file, not even
for a moment. The largest body that is let in bounds it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A form whose files can be read until the block is left."""

    form: FormData

    def text(self, name: str, *, limit: int = NOTE_LIMIT) -> str:
        """A text field without surrounding blanks; empty when absent.

        Raises:
            Refusal: 422 when it is longer than ``limit`` characters.
        """
        value = self.form.get(name, "")
        text = value.strip() if isinstance(value, str) else ""
        if len(text) > limit:
            raise Refusal(422, "too_long", zh="文字太长", en=f"At most {limit} characters")
        return text

    def texts(self, name: str) -> list[str]:
        """Every value of a field that may come more than once; blanks are left out."""
        values = [v.strip() for v in self.form.getlist(name) if isinstance(v, str)]
        return [value for value in values if value]

    async def file(self, name: str) -> bytes | None:
        """The bytes of a file; None when none was chosen."""
        value = self.form.get(name)
        if not isinstance(value, UploadFile) or not value.filename:
            return None
        return await value.read()

    async def photo(self, media: MediaStore, name: str = "photo") -> str | None:
        """Clean and store a photo; its sha256, or None when none was chosen.

        Raises:
            Refusal: see :func:`alerts.web.base.photos.clean`.
        """
        data = await self.file(name)
        if not data:
            return None
        jpeg = await run_in_threadpool(photos.clean, data)
        return await run_in_threadpool(photos.keep, media, jpeg)


@asynccontextmanager
async def sent(request: Request) -> AsyncIterator[Sent]:
    """The form of a request whose sender is known already."""
    async with request.form() as form:
        yield Sent(form)
