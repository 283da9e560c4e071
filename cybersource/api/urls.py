"""The addresses under ``v1/``. Every one that is not here is answered in the API's own shape too."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import path, re_path

from . import own, views

urlpatterns = [
    path("payments/", views.PaymentListView.as_view(), name="cybersource-api-payments"),
    path("payments/<int:pk>/", views.PaymentDetailView.as_view(), name="cybersource-api-payment"),
    path("payments/<int:pk>/capture/", views.CaptureView.as_view(), name="cybersource-api-capture"),
    path("payments/<int:pk>/refund/", views.RefundView.as_view(), name="cybersource-api-refund"),
    path("payments/<int:pk>/void/", views.VoidView.as_view(), name="cybersource-api-void"),
    path("payments/<int:pk>/reverse/", views.ReverseView.as_view(), name="cybersource-api-reverse"),
    path("payments/<int:pk>/give-back/", views.CancelOrRefundView.as_view(), name="cybersource-api-give-back"),
    path(
        "payments/<int:pk>/give-back/plan/",
        views.CancelOrRefundPreviewView.as_view(),
        name="cybersource-api-give-back-plan",
    ),
    path("payments/<int:pk>/accept-review/", views.AcceptReviewView.as_view(), name="cybersource-api-accept-review"),
    path("payments/<int:pk>/reject-review/", views.RejectReviewView.as_view(), name="cybersource-api-reject-review"),
    path("payments/<int:pk>/status/", views.StatusView.as_view(), name="cybersource-api-status"),
    path("operations/", views.OperationListView.as_view(), name="cybersource-api-operations"),
    path("operations/<int:pk>/", views.OperationDetailView.as_view(), name="cybersource-api-operation"),
    path("operations/<int:pk>/outcome/", views.OperationOutcome.as_view(), name="cybersource-api-operation-outcome"),
    path("payment-methods/", views.PaymentMethodsView.as_view(), name="cybersource-api-payment-methods"),
    path("connection-test/", views.ConnectionTestView.as_view(), name="cybersource-api-connection-test"),
    path("my/payments/", own.OwnReceiptsView.as_view(), name="cybersource-api-own-payments"),
    path("receipts/<str:number>/", own.ReceiptView.as_view(), name="cybersource-api-receipt"),
]

if find_spec("drf_spectacular"):
    from . import openapi

    urlpatterns.append(path("schema/", openapi.schema_view(), name="cybersource-api-schema"))

urlpatterns.append(re_path("", views.UnknownAddressView.as_view()))
