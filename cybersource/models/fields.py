"""What several models' columns share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models

from ..conf import conf


class AmountField(models.DecimalField):
    """An amount of any currency, read with two decimals where these say all of it. The column is Django's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_digits": 15, "decimal_places": 3, **kwargs})

    def from_db_value(self, value: Decimal | None, expression: Any, connection: Any) -> Decimal | None:
        if value is None or value != (short := value.quantize(Decimal("0.01"))):
            return value
        return short

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DecimalField", args, kwargs


def merchant_now() -> str:
    """Our merchant id: kept with each operation and each message, since it may be another one later."""
    return str(conf.merchant_id)[:64]


def environment_now() -> str:
    return str(conf.environment)[:16]


def endpoint_now() -> str:
    """Where the REST API is reached; empty where the settings do not say."""
    try:
        return str(conf.rest_endpoint).rstrip("/")[:200]
    except ImproperlyConfigured:
        return ""


def clipped(model: type[models.Model], **values: Any) -> dict[str, Any]:
    """Cut each text to its column's length: a longer value must never make a reply a 500."""
    cut: dict[str, Any] = {}
    for name, value in values.items():
        limit = getattr(model._meta.get_field(name), "max_length", None)
        cut[name] = value[:limit] if limit and isinstance(value, str) else value
    return cut
