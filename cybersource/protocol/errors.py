"""Every way a message can be wrong.

Each error carries ``rule``, a short slug that is safe to log and to count by. No message ever holds a field's value: a
post that is refused may carry a card number, and a log line must not.
"""

from __future__ import annotations


class ProtocolError(ValueError):
    """A message breaks the rules of the protocol. ``rule`` says which one."""

    rule: str

    def __init__(self, rule: str, explanation: str) -> None:
        super().__init__(rule, explanation)
        self.rule = rule
        self.explanation = explanation

    def __str__(self) -> str:
        return f"{self.explanation} [{self.rule}]"


class MalformedPost(ProtocolError):
    """The post is too large, holds bytes that are not text, or lacks the fields every signed message has."""


class DuplicateField(ProtocolError):
    """A form field is posted twice, so that two readers could see two values."""


class BadFieldList(ProtocolError):
    """``signed_field_names`` is not a list that can be read in exactly one way."""


class AmbiguousMessage(BadFieldList):
    """The signed bytes could be cut into fields in more than one way."""


class UnknownAccessKey(ProtocolError):
    """The message names a key that is not one of ours."""


class SignatureMismatch(ProtocolError):
    """The signature does not match the fields it names."""


class NotAReply(ProtocolError):
    """Nothing decided is signed. Our own form, posted back to us, ends here."""


class FieldNotSigned(ProtocolError):
    """A field we act on is missing from what was signed. ``field`` names it."""

    def __init__(self, rule: str, explanation: str, field: str = "") -> None:
        super().__init__(rule, explanation)
        self.field = field


class AmountNotRepresentable(ProtocolError):
    """An amount cannot be said in its currency without rounding, or is no amount of money at all."""


class InvalidRequest(ProtocolError):
    """What the shop asks for cannot become a form CyberSource accepts. ``field`` names the field to mend."""

    def __init__(self, rule: str, explanation: str, field: str = "") -> None:
        super().__init__(rule, explanation)
        self.field = field


class BadNotification(ProtocolError):
    """A Decision Manager notification cannot be read safely."""
