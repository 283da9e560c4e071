"""Decision Manager's messages as the dossier of captured shapes has them, to the byte. Values are invented."""

from urllib.parse import quote

from tests.protocol import review_payloads
from tests.protocol.review_payloads import D1, D2, D3, D4, D5, D6, D7

__all__ = ["D1", "D1_BODY", "D2", "D3", "D4", "D5", "D6", "D7", "body_of"]

D1_BODY = review_payloads.D1_BODY.encode("ascii")


def body_of(xml: str) -> bytes:
    """The form body that carries a document."""
    return f"content={quote(xml, safe='')}&undefined=".encode("ascii")
