"""``path("api/cybersource/", include("cybersource.urls"))``"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import include, path

from . import views
from .dashboard import attention, connection, lists, log, money


def door(route: str, view: Callable[..., Any], name: str) -> list[Any]:
    """The URL with and without its last slash: a redirect to the other spelling would lose what was posted.

    The one that ``reverse`` gives is the last.
    """
    return [path(route.removesuffix("/"), view, name=name), path(route, view, name=name)]


urlpatterns = [
    *door("cybersource-reply/", views.reply, name="cybersource-reply"),
    *door("merchant-post/", views.merchant_post, name="cybersource-merchant-post"),
    path("return/<uuid:handle>/", views.return_to_shop, name="cybersource-return"),
    path("pending/<uuid:handle>/", views.pending, name="cybersource-pending"),
    path("finish/", views.finish_newest, name="cybersource-finish-newest"),
    path("finish/<uuid:handle>/", views.finish, name="cybersource-finish"),
    path("state/<uuid:handle>/", views.state, name="cybersource-state"),
    path("placed/", views.placed, name="cybersource-placed"),
    path("authorize/<uuid:handle>/", views.authorize, name="cybersource-authorize"),
    *door("decision-manager-review-notification/", views.review_notification, name="cybersource-review-notification"),
    *door("webhooks/", views.webhook, name="cybersource-webhooks"),
    *door("webhooks/health/", views.webhook_health, name="cybersource-webhooks-health"),
    path("payments/", lists.payment_list, name="cybersource-payments"),
    path("payments/<int:pk>/<slug:act>/", money.ask, name="cybersource-ask"),
    path("reviews/", lists.review_list, name="cybersource-reviews"),
    path("operations/", lists.operation_list, name="cybersource-operations"),
    path("operations/<int:pk>/", money.operation, name="cybersource-operation"),
    path("operations/<int:pk>/outcome/", money.outcome, name="cybersource-outcome"),
    path("log/<int:pk>/", log.entry, name="cybersource-log"),
    path("attention/", attention.attention_list, name="cybersource-attention"),
    path("attention/<int:pk>/", attention.attention_item, name="cybersource-attention-item"),
    path("connection-test/", connection.connection_test, name="cybersource-connection-test"),
    path("fingerprint/<str:url_type>/", views.fingerprint_redirect, name="cybersource-fingerprint-redirect"),
    path("v1/", include("cybersource.api.urls")),
]
