"""A form that somebody posts to us, read within bounds of our own.

Django's limits are the shop's to set: too low, and no reply comes through; none, and a stranger's post fills the
memory. So what comes from outside is not read through ``request.POST``.
"""

from __future__ import annotations

from io import BytesIO

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.views.decorators.debug import sensitive_variables

from ..protocol import MalformedPost
from ..protocol.urlencoding import decoded

#: Bytes of a posted form. A genuine reply has about six thousand; one that echoes 120 order lines a hundred thousand.
#: To read a form takes forty times its size in memory where every byte of it is an escape.
MAX_BYTES = 1024 * 1024

#: Fields of a posted form, those that are not signed included.
MAX_FIELDS = 1000

MULTIPART = "multipart/form-data"


class NoFiles(FileUploadHandler):
    """Nothing that comes from CyberSource has a file in it."""

    def new_file(self, *args: object, **kwargs: object) -> None:
        super().new_file(*args, **kwargs)
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None


def beginning(request: HttpRequest, *, size: int) -> bytes:
    """Return the first ``size`` bytes of the body, whatever length it claims to have.

    Raises :class:`~cybersource.protocol.MalformedPost` when the sender broke off.
    """
    try:
        return request.read(size)  # type: ignore[no-any-return]
    except OSError:
        raise MalformedPost("unreadable", "The post broke off.") from None


@sensitive_variables()
def pairs(request: HttpRequest) -> list[tuple[str, str]]:
    """Return every posted field, also those that were posted twice.

    Raises :class:`~cybersource.protocol.MalformedPost`.
    """
    content = beginning(request, size=MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise MalformedPost("too-large", "The post is larger than any reply.")
    if content.count(b"\n--" if request.content_type == MULTIPART else b"&") >= MAX_FIELDS:
        raise MalformedPost("too-many-fields", "The post has more fields than any reply.")
    try:
        return multipart(request, content) if request.content_type == MULTIPART else urlencoded(content)
    except (MultiPartParserError, BadRequest, SuspiciousOperation, LookupError):
        pass  # raised again outside, since that exception could carry parts of the post along
    raise MalformedPost("unreadable", "The post is no form.")


def urlencoded(content: bytes) -> list[tuple[str, str]]:
    """Every field in its order, blank ones too, as ``urllib.parse.parse_qsl`` has it, in less memory."""
    fields = [field.partition(b"=") for field in content.split(b"&") if field]
    return [(text(name), text(value)) for name, _, value in fields]


def text(encoded: bytes) -> str:
    """Bytes that are no UTF-8 become lone surrogates, which no signed text may hold."""
    return decoded(encoded).decode("utf-8", "surrogateescape")


def multipart(request: HttpRequest, content: bytes) -> list[tuple[str, str]]:
    """Browsers post replies url-encoded; this is for tests written with Django's client."""
    meta = {**request.META, "CONTENT_LENGTH": str(len(content))}
    fields, _files = MultiPartParser(meta, BytesIO(content), [NoFiles(request)], "utf-8").parse()
    return [(name, value) for name, values in fields.lists() for value in values]
