"""Keys that everybody can read: the simulator and the sandbox are born with them, and they come with this package."""

from __future__ import annotations

import hashlib
from typing import Any

#: SHA-256 of each in lower case, so that a search for secrets finds none here: the Secure Acceptance profile (profile
#: id, access key, secret key), the REST key (id, shared secret), the webhook key (id, secret), the review
#: notification's key, the sandbox's SECRET_KEY, and what stands in the place of such a key in docs and hints.
DIGESTS = frozenset(
    {
        "4b88214fefb1df704659eca54564d90edb19a35d1b4689183ffe6075d369f5dd",
        "4953dca34a520f43ab9fb9a777320ea7a1766fe403d8cf028b183b65a129bcc4",
        "8bd19969079561e24d835e89cf37534bedfe5cfb8804f5e9cc87d7b10762a3b5",
        "2b4a3abd0c27468584637d97c247080419227bc89e697a5368ab8e49ec7a2312",
        "89e19f4bb1175316b01bd5c462b7c7a75a00403eeddf6ad319da32688a0e4e9e",
        "60d94416dedcd5464136bf0ec6f4542aa0cdee1aa208ccf0002a1b8b087b042b",
        "b75bcf2995e46eed820b47778d89308c8d320bb7fe57e19c517bfe8a13ad6b92",
        "ac509588d20fdfa9c4519ada9d1bd0acd8ea128ee5c663894da2dfb27413b3d8",
        "b1e3d257f102ea548800e3ec2c2f83efdb3f63c52c366f2729dd53a94d6b9c9c",
        "a9f3626e0de74471fa60746f27633c7fc3e20e5e0a25a581f58056a892b479e2",
        "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",
    }
)


def is_published(value: Any) -> bool:
    """Tell whether a credential, or the id of one, is published, however it is cased and with blanks around it."""
    text = str(value or "").strip().lower()
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() in DIGESTS
