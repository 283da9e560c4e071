"""Somebody who calls the API over HTTP."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from oscar.core.loading import get_model

Source = get_model("payment", "Source")

V1 = "/api/cybersource/v1/"


class Caller:
    """Signed in with a session, or not at all."""

    def __init__(self, user: Any = None, **client: Any) -> None:
        self.client = Client(raise_request_exception=False, **client)
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        self.keys = 0

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path if path.startswith(("/", "http")) else V1 + path, query)

    def post(self, path: str, body: Any = None, *, key: str | None = "", **headers: str) -> Any:
        """Under a new key, under the one given, or under none."""
        if key == "":
            self.keys += 1
            key = f"key-{self.keys}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.client.post(V1 + path, json.dumps(body or {}), content_type="application/json", headers=headers)


def pk(order: Any) -> int:
    """Of the order's only payment."""
    return Source.objects.get(order=order).pk


def lengthen(order: Any, count: int) -> None:
    """Give the order so many lines in all, each like its first."""
    line = order.lines.first()
    for _ in range(count - order.lines.count()):
        line.pk = None
        line.save()


def code(response: Any) -> tuple[int, str]:
    """Status and code of an error, which has the one shape."""
    told = response.json()
    assert set(told) == {"code", "message", "details"} and told["message"], told
    assert all(set(detail) == {"code", "field", "message"} for detail in told["details"]), told
    return response.status_code, told["code"]


def user_with(*permissions: str, name: str = "sam") -> Any:
    """Somebody who is no staff and may do what is named."""
    user = get_user_model().objects.create_user(name, f"{name}@shop.example", "-")
    found = Permission.objects.filter(content_type__app_label="cybersource", codename__in=permissions)
    assert len(found) == len(permissions)
    user.user_permissions.set(found)
    return user
