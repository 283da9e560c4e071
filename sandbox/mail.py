"""Each mail as a file of its own in ``.sandbox/mail``, so that a confirmation is one click away."""

import re
from pathlib import Path

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone


class EmailBackend(BaseEmailBackend):
    """Write ``<time>-<subject>.eml``: Django's own file backend puts no subject in the name and appends to one file."""

    def send_messages(self, email_messages):
        folder = Path(settings.MAIL_FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            subject = re.sub(r"[^A-Za-z0-9]+", "-", str(message.subject)).strip("-")[:60]
            name = f"{timezone.now():%Y%m%d-%H%M%S-%f}-{subject}.eml"
            (folder / name).write_bytes(message.message().as_bytes())
        return len(email_messages)
