"""Looking, moving money and deciding reviews are three permissions. A view names the one that each verb asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

LOOK = "cybersource.view_paymentoperation"
MOVE_MONEY = "cybersource.move_money"
DECIDE_REVIEW = "cybersource.decide_review"
TEST_CONNECTION = "cybersource.view_attentionitem"


def require(user: Any, names: Iterable[str]) -> None:
    """Refuse a user who lacks a permission that the effect asks for, besides the one that the verb does."""
    if not all(user.has_perm(f"cybersource.{name}") for name in names):
        raise PermissionDenied


class PermissionByVerb(BasePermission):
    """Allow users with the permission that the view's ``asks`` names for the method. Being staff alone is not enough.

    Nor is it needed: a service may have an account that opens no page of the dashboard.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        permission = view.asks.get("GET" if request.method == "HEAD" else request.method)
        return permission is None or request.user.has_perm(permission)  # None: no such method, which is told next
