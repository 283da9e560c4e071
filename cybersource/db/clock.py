"""Moments are aware, also in a shop with ``USE_TZ = False``: what is signed and compared is a point in time.

Such a shop's database and Oscar's rows speak local time without saying so. Our own columns are read as aware here, and
:func:`aware` does it for Oscar's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone


def now() -> datetime:
    return aware(timezone.now())


def aware(moment: datetime) -> datetime:
    """Return the moment with its time zone: that of the settings where it has none."""
    return timezone.make_aware(moment, timezone.get_default_timezone()) if timezone.is_naive(moment) else moment


def at_or_now(at: datetime | None) -> datetime:
    return aware(at) if at else now()


def local(moment: datetime) -> datetime:
    """Return the moment as people here read it."""
    return timezone.localtime(aware(moment))


class Aware(DeferredAttribute):
    """Whatever moment is assigned to the attribute is aware from then on."""

    def __set__(self, instance: Any, value: Any) -> None:
        naive = isinstance(value, datetime) and value.tzinfo is None
        instance.__dict__[self.field.attname] = aware(value) if naive else value


class MomentField(models.DateTimeField):
    """A date and time that is aware in Python whatever ``USE_TZ`` says. The column is Django's own."""

    descriptor_class = Aware

    def from_db_value(self, value: datetime | None, expression: Any, connection: Any) -> datetime | None:
        return value if value is None or value.tzinfo else aware(value)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs
