"""``path("api/cybersource/", include("cybersource.urls"))``"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import include, path

from .checkout import views as checkout_views
from .dashboard import attention, connection, lists, log, money
from .inbound import views


def with_and_without_slash(route: str, view: Callable[..., Any], name: str, **arguments: Any) -> list[Any]:
    """The URL with and without its last slash: a redirect to the other spelling would lose what was posted.

    The one that ``reverse`` gives is the last.
    """
    return [path(route.removesuffix("/"), view, arguments, name=name), path(route, view, arguments, name=name)]


urlpatterns = [
    *with_and_without_slash(
        "cybersource-reply/", views.reply, name="cybersource-reply", no_reply=checkout_views.no_reply
    ),
    *with_and_without_slash("merchant-post/", views.merchant_post, name="cybersource-merchant-post"),
    path("return/<uuid:handle>/", checkout_views.return_to_shop, name="cybersource-return"),
    path("pending/<uuid:handle>/", checkout_views.pending, name="cybersource-pending"),
    path("finish/", checkout_views.finish_newest, name="cybersource-finish-newest"),
    path("finish/<uuid:handle>/", checkout_views.finish, name="cybersource-finish"),
    path("state/<uuid:handle>/", checkout_views.state, name="cybersource-state"),
    path("placed/", checkout_views.placed, name="cybersource-placed"),
    path("authorize/<uuid:handle>/", checkout_views.authorize, name="cybersource-authorize"),
    *with_and_without_slash(
        "decision-manager-review-notification/", views.review_notification, name="cybersource-review-notification"
    ),
    *with_and_without_slash("webhooks/", views.webhook, name="cybersource-webhooks"),
    *with_and_without_slash("webhooks/health/", views.webhook_health, name="cybersource-webhooks-health"),
    path("payments/", lists.payment_list, name="cybersource-payments"),
    path("payments/<int:pk>/<slug:act>/", money.request_operation, name="cybersource-ask"),
    path("reviews/", lists.review_list, name="cybersource-reviews"),
    path("operations/", lists.operation_list, name="cybersource-operations"),
    path("operations/<int:pk>/", money.operation, name="cybersource-operation"),
    path("operations/<int:pk>/outcome/", money.outcome, name="cybersource-outcome"),
    path("log/<int:pk>/", log.entry, name="cybersource-log"),
    path("attention/", attention.attention_list, name="cybersource-attention"),
    path("attention/<int:pk>/", attention.attention_item, name="cybersource-attention-item"),
    path("connection-test/", connection.connection_test, name="cybersource-connection-test"),
    path("fingerprint/<str:url_type>/", checkout_views.fingerprint_redirect, name="cybersource-fingerprint-redirect"),
    path("v1/", include("cybersource.api.urls")),
]
