"""``path("api/cybersource/", include("cybersource.urls"))``"""

from __future__ import annotations

from django.urls import path

from . import dashboard, views

urlpatterns = [
    path("cybersource-reply/", views.reply, name="cybersource-reply"),
    path("merchant-post/", views.merchant_post, name="cybersource-merchant-post"),
    path("return/<uuid:handle>/", views.return_to_shop, name="cybersource-return"),
    path("pending/<uuid:handle>/", views.pending, name="cybersource-pending"),
    path("authorize/<uuid:handle>/", views.authorize, name="cybersource-authorize"),
    path("decision-manager-review-notification/", views.review_notification, name="cybersource-review-notification"),
    path("webhooks/", views.webhook, name="cybersource-webhooks"),
    path("webhooks/health/", views.webhook_health, name="cybersource-webhooks-health"),
    path("attention/", dashboard.attention_list, name="cybersource-attention"),
    path("attention/<int:pk>/", dashboard.attention_item, name="cybersource-attention-item"),
    path("connection-test/", dashboard.connection_test, name="cybersource-connection-test"),
    path("fingerprint/<str:url_type>/", views.fingerprint_redirect, name="cybersource-fingerprint-redirect"),
]
