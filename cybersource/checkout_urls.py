"""``path("api/", include("cybersource.checkout_urls"))``, before api-checkout's own and at the same path."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.cache import never_cache

from .api.checkout import CheckoutView, CompleteDeferredPaymentView

urlpatterns = [
    path(
        "checkout/complete-deferred-payment/",
        never_cache(CompleteDeferredPaymentView.as_view()),
        name="api-complete-deferred-payment",
    ),
    path("checkout/", never_cache(CheckoutView.as_view()), name="api-checkout"),
]
