"""The URL names that the templates ask for, and nothing behind them."""

from django.http import HttpResponse
from django.urls import path


def nothing(request, **kwargs):
    return HttpResponse()


urlpatterns = [
    path("api/checkout/", nothing, name="api-checkout"),
    path("api/checkout/payment-states/", nothing, name="api-payment"),
    path("api/cybersource/fingerprint/<url_type>/", nothing, name="cybersource-fingerprint-redirect"),
]
