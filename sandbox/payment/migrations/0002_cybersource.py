import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cybersource", "0001_initial"),
        ("payment", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="transaction",
            name="log",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="transactions",
                to="cybersource.cybersourcereply",
                verbose_name="CyberSource reply",
            ),
        ),
        migrations.AddField(
            model_name="transaction",
            name="processed_datetime",
            field=models.DateTimeField(blank=True, null=True, verbose_name="Processed"),
        ),
        migrations.AddField(
            model_name="transaction",
            name="request_token",
            field=models.CharField(blank=True, default="", max_length=256, verbose_name="Request token"),
        ),
        migrations.AddField(
            model_name="transaction",
            name="token",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="transactions",
                to="cybersource.paymenttoken",
                verbose_name="Payment token",
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["reference"], name="cybersource_txn_reference"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["status"], name="cybersource_txn_status"),
        ),
    ]
