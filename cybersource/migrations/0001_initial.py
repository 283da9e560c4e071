import django.contrib.postgres.fields.hstore
import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.operations import HStoreExtension
from django.db import migrations, models

import cybersource.encryption
import cybersource.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("order", "0001_initial"),
        ("payment", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        HStoreExtension(),
        migrations.CreateModel(
            name="SecureAcceptanceProfile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "hostname",
                    models.CharField(
                        blank=True,
                        help_text=(
                            "Forms shown on this host are signed with this key. Leave blank for a key that any host "
                            "may use."
                        ),
                        max_length=100,
                        verbose_name="Hostname",
                    ),
                ),
                ("profile_id", models.CharField(max_length=50, verbose_name="Profile ID")),
                ("access_key", models.CharField(max_length=50, unique=True, verbose_name="Access key")),
                (
                    "secret_key",
                    cybersource.encryption.EncryptedTextField(
                        help_text="Stored encrypted and never shown again.", verbose_name="Secret key"
                    ),
                ),
                (
                    "is_default",
                    models.BooleanField(
                        default=False,
                        help_text="Used for hosts that have no profile of their own.",
                        verbose_name="Default",
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True,
                        help_text=(
                            "An inactive key neither signs forms nor verifies replies. Keep a replaced key active "
                            "for a day."
                        ),
                        verbose_name="Active",
                    ),
                ),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Created")),
            ],
            options={
                "verbose_name": "Secure Acceptance profile",
                "verbose_name_plural": "Secure Acceptance profiles",
                "ordering": ["-date_created", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="CyberSourceReply",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "reply_type",
                    models.CharField(
                        choices=[("browser", "Browser"), ("merchant-post", "Merchant POST"), ("rest", "REST API")],
                        max_length=16,
                        verbose_name="Came by",
                    ),
                ),
                ("data", django.contrib.postgres.fields.hstore.HStoreField(verbose_name="Signed fields")),
                ("decision", models.CharField(blank=True, max_length=16, verbose_name="Decision")),
                ("reason_code", models.PositiveIntegerField(blank=True, null=True, verbose_name="Reason code")),
                ("message", models.CharField(blank=True, max_length=255, verbose_name="Message")),
                ("transaction_id", models.CharField(blank=True, max_length=64, verbose_name="Transaction ID")),
                ("transaction_type", models.CharField(blank=True, max_length=60, verbose_name="Transaction type")),
                ("transaction_uuid", models.CharField(blank=True, max_length=50, verbose_name="Transaction UUID")),
                ("reference_number", models.CharField(blank=True, max_length=50, verbose_name="Reference number")),
                (
                    "amount",
                    models.DecimalField(
                        blank=True, decimal_places=3, max_digits=15, null=True, verbose_name="Requested amount"
                    ),
                ),
                (
                    "auth_amount",
                    models.DecimalField(
                        blank=True, decimal_places=3, max_digits=15, null=True, verbose_name="Amount approved"
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=3, verbose_name="Currency")),
                ("auth_code", models.CharField(blank=True, max_length=16, verbose_name="Authorization code")),
                ("auth_avs_code", models.CharField(blank=True, max_length=8, verbose_name="AVS")),
                ("auth_cv_result", models.CharField(blank=True, max_length=8, verbose_name="CVN")),
                ("request_token", models.CharField(blank=True, max_length=256, verbose_name="Request token")),
                ("card_number", models.CharField(blank=True, max_length=20, verbose_name="Card")),
                ("card_type", models.CharField(blank=True, max_length=3, verbose_name="Card type")),
                ("card_expiry_date", models.CharField(blank=True, max_length=7, verbose_name="Card expiry")),
                ("signed_date_time", models.DateTimeField(blank=True, null=True, verbose_name="Signed")),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("processed", "Processed"),
                            ("refused", "Refused: nothing was done"),
                            ("unknown", "Unknown: it may have taken effect"),
                            ("not-sent", "Not sent"),
                        ],
                        max_length=16,
                        verbose_name="Outcome",
                    ),
                ),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="HTTP status")),
                ("rest_status", models.CharField(blank=True, max_length=64, verbose_name="Status")),
                ("rest_reason", models.CharField(blank=True, max_length=64, verbose_name="Reason")),
                ("correlation_id", models.CharField(blank=True, max_length=64, verbose_name="Correlation ID")),
                (
                    "merchant_id",
                    models.CharField(
                        blank=True,
                        default=cybersource.models.merchant_now,
                        max_length=64,
                        verbose_name="Merchant ID",
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        blank=True,
                        default=cybersource.models.environment_now,
                        max_length=16,
                        verbose_name="Environment",
                    ),
                ),
                (
                    "endpoint",
                    models.CharField(
                        blank=True, default=cybersource.models.endpoint_now, max_length=200, verbose_name="Endpoint"
                    ),
                ),
                ("milliseconds", models.PositiveIntegerField(blank=True, null=True, verbose_name="Milliseconds")),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("received", "Received, not yet acted on"),
                            ("settled", "Took effect"),
                            ("repeated", "Duplicate, no effect"),
                            ("superseded", "Too late to change anything"),
                            ("refused", "Fits no attempt of ours"),
                            ("sent", "Sent over REST"),
                            ("not-ours", "Looked up, of no payment of ours"),
                        ],
                        default="received",
                        max_length=16,
                        verbose_name="Result",
                    ),
                ),
                ("refused_because", models.CharField(blank=True, max_length=64, verbose_name="Refused because")),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Received")),
                ("date_processed", models.DateTimeField(blank=True, null=True, verbose_name="Acted on")),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_replies",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_replies",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="User",
                    ),
                ),
            ],
            options={
                "verbose_name": "CyberSource reply",
                "verbose_name_plural": "CyberSource replies",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="PaymentAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "transaction_uuid",
                    models.CharField(
                        default=cybersource.models.new_transaction_uuid,
                        editable=False,
                        max_length=50,
                        unique=True,
                        verbose_name="Transaction UUID",
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("secure-acceptance", "Secure Acceptance"), ("rest", "REST API")],
                        default="secure-acceptance",
                        max_length=24,
                        verbose_name="Channel",
                    ),
                ),
                ("method_key", models.CharField(max_length=64, verbose_name="Payment method key")),
                ("flow", models.CharField(max_length=24, verbose_name="Flow")),
                ("transaction_type", models.CharField(max_length=60, verbose_name="Transaction type")),
                ("reference_number", models.CharField(max_length=50, verbose_name="Reference number")),
                ("amount", models.DecimalField(decimal_places=3, max_digits=15, verbose_name="Amount")),
                ("currency", models.CharField(max_length=3, verbose_name="Currency")),
                ("profile_id", models.CharField(blank=True, max_length=50, verbose_name="Profile ID")),
                ("access_key", models.CharField(blank=True, max_length=50, verbose_name="Access key")),
                ("hostname", models.CharField(blank=True, max_length=100, verbose_name="Hostname")),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        help_text="In which the shopper checked out and reads about the payment.",
                        max_length=16,
                        verbose_name="Language",
                    ),
                ),
                (
                    "session_hash",
                    models.CharField(
                        blank=True,
                        help_text="Hash of a random value in the shopper's session.",
                        max_length=64,
                        verbose_name="Session hash",
                    ),
                ),
                (
                    "customer_ip_address",
                    models.GenericIPAddressField(blank=True, null=True, verbose_name="Shopper's address"),
                ),
                (
                    "is_limited",
                    models.BooleanField(
                        default=True,
                        help_text="Counts for limits: was not begun by a member of staff.",
                        verbose_name="Limited",
                    ),
                ),
                (
                    "device_fingerprint_id",
                    models.CharField(blank=True, max_length=88, verbose_name="Device fingerprint"),
                ),
                ("extra_fields", models.JSONField(blank=True, default=dict, verbose_name="Extra fields")),
                (
                    "next_extra_fields",
                    models.JSONField(blank=True, default=dict, verbose_name="Extra fields of the next step"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waiting for the shopper"),
                            ("unknown", "Outcome unknown"),
                            ("tokenized", "Card stored, authorization next"),
                            ("review", "Under review"),
                            ("authorized", "Authorized"),
                            ("partial", "Partially approved"),
                            ("declined", "Declined"),
                            ("failed", "Not processed"),
                            ("replaced", "Replaced by another attempt"),
                            ("expired", "No answer came"),
                            ("reversed", "Authorization released"),
                        ],
                        default="open",
                        max_length=16,
                        verbose_name="State",
                    ),
                ),
                (
                    "attention",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Nothing"),
                            ("extra-charge", "A second charge on an order that was already paid"),
                            ("excess-charge", "With this charge, more is charged than the order costs"),
                            ("replaced-charge", "A charge for an attempt that had been replaced"),
                            ("kept-authorization", "A payment that the shopper's last checkout does not use"),
                            ("partial", "Only part of the amount was approved"),
                            ("after-decline", "A charge for an attempt that had been declined"),
                            ("closed-order", "A charge on an order that no longer waits for payment"),
                            ("late-charge", "A charge for an attempt that had ended without an answer"),
                            ("orphan", "A charge that answers no payment of this shop"),
                            ("misfit", "A charge that differs from what the shop requested"),
                            ("no-answer", "No clear answer came, and the card may have been charged"),
                            ("unpaid-rest", "Part of the order is paid or may be, and the rest was never paid"),
                            ("unrecorded", "An answer came and could not be recorded"),
                            (
                                "hold-left",
                                "A payment was rejected after the bank had approved it, so its hold may remain",
                            ),
                            ("unknown-operation", "It could not be determined whether money was moved"),
                            ("waiting-operation", "An operation is waiting: it could not be sent yet"),
                            ("given-back-in-part", "Only part of what was to be cancelled or refunded was"),
                            ("drift", "CyberSource's books and the shop's differ"),
                            ("short", "Taken up again after a decline, and others have got what it had released"),
                        ],
                        default="",
                        max_length=24,
                        verbose_name="Needs attention",
                    ),
                ),
                (
                    "date_created",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="Created"),
                ),
                ("date_signed", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Signed")),
                (
                    "date_shown",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the form first left the shop; empty if it never did.",
                        null=True,
                        verbose_name="Shown",
                    ),
                ),
                ("date_settled", models.DateTimeField(blank=True, null=True, verbose_name="Settled")),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cybersource_attempts",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
                (
                    "previous",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="next",
                        to="cybersource.paymentattempt",
                        verbose_name="Previous step",
                    ),
                ),
                (
                    "settling_reply",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="cybersource.cybersourcereply",
                        verbose_name="Settled by",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_attempts",
                        to="payment.source",
                        verbose_name="Source",
                    ),
                ),
            ],
            options={
                "verbose_name": "Payment attempt",
                "verbose_name_plural": "Payment attempts",
                "ordering": ["-date_created", "-pk"],
            },
        ),
        migrations.AddField(
            model_name="cybersourcereply",
            name="attempt",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replies",
                to="cybersource.paymentattempt",
                verbose_name="Attempt",
            ),
        ),
        migrations.CreateModel(
            name="PaymentOperation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("authorize", "Authorize"),
                            ("capture", "Capture"),
                            ("refund", "Refund"),
                            ("void", "Void"),
                            ("reverse", "Release authorization"),
                            ("accept-review", "Accept the review"),
                            ("reject-review", "Reject the review"),
                        ],
                        max_length=16,
                        verbose_name="Operation",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting to be sent"),
                            ("sent", "Under way"),
                            ("unknown", "Outcome unknown"),
                            ("done", "Done"),
                            ("lapsing", "Not released by CyberSource: left to lapse at the bank"),
                            ("declined", "Declined"),
                            ("refused", "Refused: nothing was done"),
                            ("not-sent", "Not sent"),
                            ("undone", "Undone, since its outcome could not be determined"),
                            ("dropped", "Dropped"),
                        ],
                        default="sent",
                        max_length=16,
                        verbose_name="State",
                    ),
                ),
                (
                    "order_number",
                    models.CharField(blank=True, db_index=True, max_length=128, verbose_name="Order number"),
                ),
                (
                    "payment_id",
                    models.CharField(
                        blank=True,
                        help_text="CyberSource's id of what is acted on.",
                        max_length=64,
                        verbose_name="Acts on request ID",
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=3, max_digits=15, verbose_name="Amount")),
                ("currency", models.CharField(max_length=3, verbose_name="Currency")),
                (
                    "lines",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Quantities by the id of the order's line; empty: by amount.",
                        verbose_name="Lines",
                    ),
                ),
                ("is_last", models.BooleanField(default=True, verbose_name="Last capture")),
                (
                    "is_sale",
                    models.BooleanField(
                        default=False,
                        help_text="An authorization that captures the money at once.",
                        verbose_name="Sale",
                    ),
                ),
                (
                    "plan",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The same for all steps by which money goes back together.",
                        max_length=24,
                        verbose_name="Plan",
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0, verbose_name="Step of the plan")),
                (
                    "is_automatic",
                    models.BooleanField(
                        default=False,
                        help_text="Requested automatically: CYBERSOURCE_AUTO_REVERSE.",
                        verbose_name="By the shop itself",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=255, verbose_name="Reason")),
                ("reference", models.CharField(blank=True, max_length=64, verbose_name="Shop's reference")),
                ("user_name", models.CharField(blank=True, max_length=150, verbose_name="Requested by (name)")),
                (
                    "key",
                    models.CharField(
                        blank=True,
                        help_text=(
                            "A request that repeats the key is answered with this operation, and nothing is sent."
                        ),
                        max_length=64,
                        null=True,
                        unique=True,
                        verbose_name="Idempotency key",
                    ),
                ),
                (
                    "asked",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="The same key must come with the same request.",
                        verbose_name="What was requested",
                    ),
                ),
                (
                    "merchant_id",
                    models.CharField(
                        blank=True,
                        default=cybersource.models.merchant_now,
                        max_length=64,
                        verbose_name="Merchant ID",
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        blank=True,
                        default=cybersource.models.environment_now,
                        max_length=16,
                        verbose_name="Environment",
                    ),
                ),
                (
                    "endpoint",
                    models.CharField(
                        blank=True, default=cybersource.models.endpoint_now, max_length=200, verbose_name="Endpoint"
                    ),
                ),
                ("reference_number", models.CharField(max_length=50, unique=True, verbose_name="Reference number")),
                (
                    "idempotency_id",
                    models.CharField(
                        default=cybersource.models.new_idempotency_id,
                        editable=False,
                        max_length=30,
                        unique=True,
                        verbose_name="Idempotency ID",
                    ),
                ),
                ("request_id", models.CharField(blank=True, db_index=True, max_length=64, verbose_name="Request ID")),
                ("rest_status", models.CharField(blank=True, max_length=64, verbose_name="Status")),
                ("rest_reason", models.CharField(blank=True, max_length=64, verbose_name="Reason given")),
                ("message", models.CharField(blank=True, max_length=255, verbose_name="Message")),
                (
                    "date_created",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="Requested"),
                ),
                ("date_sent", models.DateTimeField(blank=True, null=True, verbose_name="Sent")),
                ("look_ups", models.PositiveSmallIntegerField(default=0, verbose_name="Times looked up")),
                ("date_looked_up", models.DateTimeField(blank=True, null=True, verbose_name="Last looked up")),
                (
                    "is_being_looked_up",
                    models.BooleanField(default=False, editable=False, verbose_name="Being looked up"),
                ),
                ("date_settled", models.DateTimeField(blank=True, null=True, verbose_name="Ended")),
                (
                    "resolved_by_name",
                    models.CharField(blank=True, max_length=150, verbose_name="Outcome recorded by (name)"),
                ),
                (
                    "resolution",
                    models.CharField(
                        blank=True,
                        help_text="By staff, in the CyberSource Business Center.",
                        max_length=255,
                        verbose_name="What was found",
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="operations",
                        to="cybersource.paymentattempt",
                        verbose_name="Attempt",
                    ),
                ),
                (
                    "log",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="cybersource.cybersourcereply",
                        verbose_name="Settled by",
                    ),
                ),
                (
                    "made",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="payment.transaction",
                        verbose_name="Recorded as",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_operations",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_operations",
                        to="payment.source",
                        verbose_name="Source",
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_operations",
                        to="payment.transaction",
                        verbose_name="Acts on",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="Requested by",
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="Outcome recorded by",
                    ),
                ),
            ],
            options={
                "verbose_name": "Payment operation",
                "verbose_name_plural": "Payment operations",
                "ordering": ["-pk"],
                "permissions": [
                    ("move_money", "Can capture, refund, void and reverse card payments"),
                    ("decide_review", "Can accept and reject card payments under review"),
                ],
                "default_permissions": ("view",),
            },
        ),
        migrations.AddField(
            model_name="cybersourcereply",
            name="operation",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="calls",
                to="cybersource.paymentoperation",
                verbose_name="Operation",
            ),
        ),
        migrations.CreateModel(
            name="AttentionItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("", "Nothing"),
                            ("extra-charge", "A second charge on an order that was already paid"),
                            ("excess-charge", "With this charge, more is charged than the order costs"),
                            ("replaced-charge", "A charge for an attempt that had been replaced"),
                            ("kept-authorization", "A payment that the shopper's last checkout does not use"),
                            ("partial", "Only part of the amount was approved"),
                            ("after-decline", "A charge for an attempt that had been declined"),
                            ("closed-order", "A charge on an order that no longer waits for payment"),
                            ("late-charge", "A charge for an attempt that had ended without an answer"),
                            ("orphan", "A charge that answers no payment of this shop"),
                            ("misfit", "A charge that differs from what the shop requested"),
                            ("no-answer", "No clear answer came, and the card may have been charged"),
                            ("unpaid-rest", "Part of the order is paid or may be, and the rest was never paid"),
                            ("unrecorded", "An answer came and could not be recorded"),
                            (
                                "hold-left",
                                "A payment was rejected after the bank had approved it, so its hold may remain",
                            ),
                            ("unknown-operation", "It could not be determined whether money was moved"),
                            ("waiting-operation", "An operation is waiting: it could not be sent yet"),
                            ("given-back-in-part", "Only part of what was to be cancelled or refunded was"),
                            ("drift", "CyberSource's books and the shop's differ"),
                            ("short", "Taken up again after a decline, and others have got what it had released"),
                        ],
                        max_length=24,
                        verbose_name="What happened",
                    ),
                ),
                ("reference_number", models.CharField(blank=True, max_length=50, verbose_name="Reference number")),
                ("transaction_uuid", models.CharField(blank=True, max_length=50, verbose_name="Transaction UUID")),
                ("transaction_id", models.CharField(blank=True, max_length=64, verbose_name="Transaction ID")),
                (
                    "amount",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=15, null=True, verbose_name="Amount"),
                ),
                ("currency", models.CharField(blank=True, max_length=3, verbose_name="Currency")),
                ("card_last4", models.CharField(blank=True, max_length=4, verbose_name="Card's last four digits")),
                (
                    "detail",
                    models.CharField(
                        blank=True, help_text="The rule that a reply broke.", max_length=64, verbose_name="Detail"
                    ),
                ),
                (
                    "evidence",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What each side says, where their books differ.",
                        verbose_name="Evidence",
                    ),
                ),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Found")),
                ("date_cleared", models.DateTimeField(blank=True, null=True, verbose_name="Cleared")),
                ("cleared_by_name", models.CharField(blank=True, max_length=150, verbose_name="Cleared by (name)")),
                ("reason", models.CharField(blank=True, max_length=255, verbose_name="Reason")),
                (
                    "cleared_by_operation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="cybersource.paymentoperation",
                        verbose_name="Cleared by operation",
                    ),
                ),
                (
                    "cleared_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="Cleared by",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_attention",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
                (
                    "reply",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="cybersource.cybersourcereply",
                        verbose_name="Reply",
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="attention_items",
                        to="cybersource.paymentattempt",
                        verbose_name="Attempt",
                    ),
                ),
                (
                    "operation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="cybersource.paymentoperation",
                        verbose_name="Operation",
                    ),
                ),
            ],
            options={
                "verbose_name": "Item that needs attention",
                "verbose_name_plural": "Items that need attention",
                "ordering": ["-pk"],
                "permissions": [("clear_attentionitem", "Can clear items that need attention and give orders up")],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="PaymentToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.CharField(max_length=64, unique=True, verbose_name="Token")),
                (
                    "kind",
                    models.CharField(
                        blank=True,
                        choices=[("customer", "Customer"), ("legacyToken", "Legacy token")],
                        default="",
                        help_text="Empty until the token was first used over REST: its form does not show it.",
                        max_length=24,
                        verbose_name="Kind",
                    ),
                ),
                ("masked_card_number", models.CharField(blank=True, max_length=25, verbose_name="Card")),
                ("card_type", models.CharField(blank=True, max_length=10, verbose_name="Card type")),
                ("card_expiry_date", models.CharField(blank=True, max_length=7, verbose_name="Card expiry")),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Created")),
                (
                    "date_gone",
                    models.DateTimeField(
                        blank=True,
                        help_text="When CyberSource was found not to keep the card any more.",
                        null=True,
                        verbose_name="Gone",
                    ),
                ),
                (
                    "log",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="tokens",
                        to="cybersource.cybersourcereply",
                        verbose_name="Log",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_tokens",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="Owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "Payment token",
                "verbose_name_plural": "Payment tokens",
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="paymentattempt",
            name="token",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cybersource.paymenttoken",
                verbose_name="Token",
            ),
        ),
        migrations.CreateModel(
            name="RefusedPost",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "reply_type",
                    models.CharField(
                        choices=[("browser", "Browser"), ("merchant-post", "Merchant POST"), ("rest", "REST API")],
                        max_length=16,
                        verbose_name="Came by",
                    ),
                ),
                ("rule", models.CharField(max_length=64, verbose_name="Rule broken")),
                ("remote_address", models.GenericIPAddressField(blank=True, null=True, verbose_name="Sender")),
                ("summary", models.JSONField(blank=True, default=dict, verbose_name="Summary")),
                (
                    "date_created",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="Received"),
                ),
            ],
            options={
                "verbose_name": "Refused post",
                "verbose_name_plural": "Refused posts",
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["reply_type", "id"], name="cybersource_refused_door")],
            },
        ),
        migrations.CreateModel(
            name="ReviewNotification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "content",
                    models.TextField(
                        help_text="The XML; values that look like card numbers are masked.", verbose_name="Content"
                    ),
                ),
                ("merchant_id", models.CharField(blank=True, max_length=64, verbose_name="Merchant ID")),
                ("remote_address", models.GenericIPAddressField(blank=True, null=True, verbose_name="Sender")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("received", "Received, not yet acted on"),
                            ("handled", "Handled"),
                            ("unreadable", "Not readable"),
                        ],
                        default="received",
                        max_length=16,
                        verbose_name="State",
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=64, verbose_name="Problem")),
                (
                    "date_created",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="Received"),
                ),
            ],
            options={
                "verbose_name": "Review notification",
                "verbose_name_plural": "Review notifications",
                "ordering": ["-pk"],
                "indexes": [models.Index(fields=["state", "id"], name="cybersource_notified_state")],
            },
        ),
        migrations.CreateModel(
            name="ReviewNotificationUpdate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField(verbose_name="Position")),
                ("reference_number", models.CharField(blank=True, max_length=50, verbose_name="Reference number")),
                ("request_id", models.CharField(blank=True, db_index=True, max_length=64, verbose_name="Request ID")),
                ("decision", models.CharField(blank=True, max_length=64, verbose_name="Decision")),
                ("reviewer", models.CharField(blank=True, max_length=255, verbose_name="Reviewer")),
                (
                    "payload",
                    models.JSONField(
                        default=dict, help_text="The update as it was understood.", verbose_name="What it reported"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for its transaction"),
                            ("recorded", "Took effect"),
                            ("repeated", "Duplicate, no effect"),
                            ("noted", "Stored, changes nothing"),
                            ("conflicting", "Against what was decided before: noted, nothing changed"),
                            ("foreign", "Belongs to another merchant"),
                            ("failed", "Failed, to be tried again"),
                        ],
                        default="waiting",
                        max_length=16,
                        verbose_name="State",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("notification", "Notification"),
                            ("conversion-report", "Conversion Details"),
                            ("operation", "Operation"),
                        ],
                        default="notification",
                        max_length=20,
                        verbose_name="Source",
                    ),
                ),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Received")),
                ("date_handled", models.DateTimeField(blank=True, null=True, verbose_name="Handled")),
                (
                    "notification",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="updates",
                        to="cybersource.reviewnotification",
                        verbose_name="Notification",
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="payment.transaction",
                        verbose_name="Transaction",
                    ),
                ),
            ],
            options={
                "verbose_name": "Review update",
                "verbose_name_plural": "Review updates",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="FollowonResult",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("application", models.CharField(blank=True, max_length=64, verbose_name="Application")),
                ("status", models.CharField(blank=True, max_length=32, verbose_name="Status")),
                ("request_id", models.CharField(max_length=64, verbose_name="Request ID")),
                ("decision", models.CharField(blank=True, max_length=32, verbose_name="Decision")),
                ("reason_code", models.CharField(blank=True, max_length=16, verbose_name="Reason code")),
                ("message", models.CharField(blank=True, max_length=255, verbose_name="Message")),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Recorded")),
                (
                    "transaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="payment.transaction",
                        verbose_name="Reviewed transaction",
                    ),
                ),
                (
                    "update",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="cybersource.reviewnotificationupdate",
                        verbose_name="Review update",
                    ),
                ),
            ],
            options={
                "verbose_name": "Follow-on result",
                "verbose_name_plural": "Follow-on results",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_type", models.CharField(blank=True, max_length=100, verbose_name="Event")),
                ("product_id", models.CharField(blank=True, max_length=64, verbose_name="Product")),
                ("webhook_id", models.CharField(blank=True, max_length=64, verbose_name="Webhook ID")),
                ("trace_id", models.CharField(blank=True, max_length=64, verbose_name="Trace ID")),
                ("organization_id", models.CharField(blank=True, max_length=64, verbose_name="Organization ID")),
                ("key_id", models.CharField(blank=True, max_length=64, verbose_name="Key ID")),
                ("request_id", models.CharField(blank=True, max_length=64, verbose_name="Request ID")),
                ("reference_number", models.CharField(blank=True, max_length=50, verbose_name="Reference number")),
                ("status", models.CharField(blank=True, max_length=64, verbose_name="Status")),
                ("is_retry", models.BooleanField(default=False, verbose_name="Delivered again")),
                (
                    "fingerprint",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="Of the signed message: the very same one is stored once, however often it is sent.",
                        max_length=64,
                        null=True,
                        unique=True,
                        verbose_name="Fingerprint",
                    ),
                ),
                (
                    "payload",
                    models.JSONField(
                        blank=True, default=dict, help_text="Listed parts of it only.", verbose_name="Payload"
                    ),
                ),
                ("remote_address", models.GenericIPAddressField(blank=True, null=True, verbose_name="Sender")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("received", "Received, not yet looked up"),
                            ("handled", "Looked up"),
                            ("repeated", "Duplicate, no effect"),
                            ("noted", "Stored, changes nothing"),
                            ("failed", "Could not be looked up yet"),
                            ("refused", "Not authentic"),
                        ],
                        default="received",
                        max_length=16,
                        verbose_name="State",
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=64, verbose_name="Problem")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="Times tried")),
                (
                    "date_created",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="Received"),
                ),
                ("date_handled", models.DateTimeField(blank=True, null=True, verbose_name="Handled")),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cybersource_webhooks",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
            ],
            options={
                "verbose_name": "Webhook delivery",
                "verbose_name_plural": "Webhook deliveries",
                "ordering": ["-pk"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="OrderConfirmation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date_created", models.DateTimeField(default=django.utils.timezone.now, verbose_name="Authorized")),
                ("date_claimed", models.DateTimeField(blank=True, null=True, verbose_name="Claimed")),
                ("date_sent", models.DateTimeField(blank=True, null=True, verbose_name="Sent")),
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cybersource_confirmation",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
            ],
            options={
                "verbose_name": "Order confirmation",
                "verbose_name_plural": "Order confirmations",
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(condition=models.Q(("date_sent", None)), fields=["order"], name="cybersource_unsent")
                ],
            },
        ),
        migrations.CreateModel(
            name="ReleasedAllocation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "lines",
                    models.JSONField(
                        default=dict,
                        help_text="Quantities that were allocated, by the id of each of the order's lines.",
                        verbose_name="Lines",
                    ),
                ),
                (
                    "deleted",
                    models.JSONField(
                        default=list,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        help_text="Discounts, prices of lines and uses of vouchers that were deleted with the decline.",
                        verbose_name="Deleted",
                    ),
                ),
                (
                    "for_retry",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Quantities allocated for a retry to cancel, by the id of each stock record.",
                        verbose_name="For a retry",
                    ),
                ),
                (
                    "date_created",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="Released"),
                ),
                ("date_retried", models.DateTimeField(blank=True, null=True, verbose_name="Retry began")),
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cybersource_released",
                        to="order.order",
                        verbose_name="Order",
                    ),
                ),
            ],
            options={
                "verbose_name": "Released allocation",
                "verbose_name_plural": "Released allocations",
                "ordering": ["-pk"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("date_retried__isnull", False)),
                        fields=["date_retried"],
                        name="cybersource_released_retry",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="paymentoperation",
            index=models.Index(fields=["transaction", "state"], name="cybersource_operation_on"),
        ),
        migrations.AddIndex(
            model_name="paymentoperation",
            index=models.Index(
                condition=models.Q(("plan", ""), _negated=True),
                fields=["plan", "position"],
                name="cybersource_operation_plan",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentoperation",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "sent", "unknown"])),
                fields=["id"],
                name="cybersource_operation_open",
            ),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(fields=["transaction_id"], name="cybersource_reply_transaction"),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(fields=["transaction_uuid"], name="cybersource_reply_uuid"),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(fields=["reference_number"], name="cybersource_reply_reference"),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(fields=["decision", "id"], name="cybersource_reply_decision"),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(fields=["result", "id"], name="cybersource_reply_result"),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(fields=["reply_type", "id"], name="cybersource_reply_door"),
        ),
        migrations.AddIndex(
            model_name="cybersourcereply",
            index=models.Index(
                condition=models.Q(("result", "refused")), fields=["date_created"], name="cybersource_reply_refused"
            ),
        ),
        migrations.AddIndex(
            model_name="attentionitem",
            index=models.Index(
                condition=models.Q(("date_cleared", None)), fields=["id"], name="cybersource_attention_open"
            ),
        ),
        migrations.AddIndex(
            model_name="attentionitem",
            index=models.Index(
                condition=models.Q(("date_cleared", None)), fields=["kind", "id"], name="cybersource_attention_kind"
            ),
        ),
        migrations.AddIndex(
            model_name="attentionitem",
            index=models.Index(
                condition=models.Q(("date_cleared__isnull", False)),
                fields=["kind", "id"],
                name="cybersource_attention_done",
            ),
        ),
        migrations.AddConstraint(
            model_name="attentionitem",
            constraint=models.UniqueConstraint(
                fields=("transaction_uuid", "transaction_id", "kind"), name="cybersource_attention_once"
            ),
        ),
        migrations.AddIndex(
            model_name="attentionitem",
            index=models.Index(fields=["transaction_id"], name="cybersource_attention_charge"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(fields=["order", "method_key"], name="cybersource_attempt_method"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(fields=["reference_number"], name="cybersource_attempt_reference"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(fields=["state", "-date_created", "-id"], name="cybersource_attempt_state"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(fields=["session_hash", "-id"], name="cybersource_attempt_session"),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(
                condition=models.Q(("attention", ""), _negated=True),
                fields=["-date_created"],
                name="cybersource_needs_attention",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentattempt",
            index=models.Index(
                condition=models.Q(("state__in", ["open", "unknown"])),
                fields=["order"],
                name="cybersource_attempt_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewnotificationupdate",
            index=models.Index(fields=["state", "id"], name="cybersource_update_state"),
        ),
        migrations.AddIndex(
            model_name="reviewnotificationupdate",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "failed"])),
                fields=["id"],
                name="cybersource_update_pending",
            ),
        ),
        migrations.CreateModel(
            name="PaymentNote",
            fields=[
                (
                    "note",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="cybersource_note",
                        serialize=False,
                        to="order.ordernote",
                        verbose_name="Order note",
                    ),
                ),
            ],
            options={
                "verbose_name": "Payment note",
                "verbose_name_plural": "Payment notes",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ExactAmount",
            fields=[
                (
                    "transaction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="cybersource_exact",
                        serialize=False,
                        to="payment.transaction",
                        verbose_name="Transaction",
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=3, max_digits=15, verbose_name="Amount"),
                ),
            ],
            options={
                "verbose_name": "Exact amount",
                "verbose_name_plural": "Exact amounts",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ExactSource",
            fields=[
                (
                    "source",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="cybersource_exact",
                        serialize=False,
                        to="payment.source",
                        verbose_name="Source",
                    ),
                ),
                (
                    "amount_allocated",
                    models.DecimalField(decimal_places=3, default=0, max_digits=15, verbose_name="Amount allocated"),
                ),
                (
                    "amount_debited",
                    models.DecimalField(decimal_places=3, default=0, max_digits=15, verbose_name="Amount debited"),
                ),
                (
                    "amount_refunded",
                    models.DecimalField(decimal_places=3, default=0, max_digits=15, verbose_name="Amount refunded"),
                ),
            ],
            options={
                "verbose_name": "Exact sums",
                "verbose_name_plural": "Exact sums",
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="followonresult",
            constraint=models.UniqueConstraint(fields=("transaction", "request_id"), name="cybersource_followon_once"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["request_id"], name="cybersource_webhook_request"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("state__in", ["received", "failed"])),
                fields=["id"],
                name="cybersource_webhook_open",
            ),
        ),
    ]
