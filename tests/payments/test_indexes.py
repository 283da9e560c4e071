"""What is looked up by a key has an index, in our tables and, through the mixin, in the shop's fork."""

from __future__ import annotations

import pytest
from django.db import connection
from oscar.core.loading import get_model

from cybersource.models import AttentionItem, PaymentAttempt

Transaction = get_model("payment", "Transaction")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "column"),
    [
        (Transaction, "reference"),
        (Transaction, "status"),
        (PaymentAttempt, "reference_number"),
        (AttentionItem, "transaction_id"),
    ],
)
def test_a_column_that_rows_are_found_by_begins_an_index(model, column):
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table).values()
    assert any(each["index"] and each["columns"][:1] == [column] for each in constraints)
