"""A shop's past: as many log rows as wanted, and the orders, attempts, charges, reviews and refusals that go with them.

Written by SQL, since a million rows through the ORM would take an hour. Four log rows an order: browser and merchant
POST, each twice.
"""

from __future__ import annotations

from django.db import connection

#: Far from the keys that the sequences give to what is bought meanwhile.
FIRST = 1_000_000
LOG_ROWS_AN_ORDER = 4

#: Every table, with what makes rows ``n`` of it; ``%(low)s < n <= %(high)s``.
ROWS = {
    "order_order": """
        (id, number, currency, total_incl_tax, total_excl_tax, shipping_incl_tax, shipping_excl_tax, shipping_method,
         shipping_code, status, guest_email, date_placed, analytics_tracked)
        SELECT n, 'H' || n, 'USD', 69.50, 69.50, 5, 5, 'Standard', 'standard', 'Authorized', 'x@example.com',
               now() - interval '1 year' + n * interval '1 second', false""",
    "cybersource_paymentattempt": """
        (id, transaction_uuid, channel, order_id, method_key, flow, transaction_type, reference_number, amount,
         currency, profile_id, access_key, hostname, session_hash, is_limited, device_fingerprint_id, extra_fields,
         next_extra_fields, state, attention, date_created, date_signed)
        SELECT n, md5(n::text)::uuid, 'secure-acceptance', n, 'cybersource', 'one-step',
               'authorization,create_payment_token', 'H' || n, 69.50, 'USD', '', '', 'shop.example', md5(n::text),
               true, '', '{}', '{}',
               (ARRAY['authorized', 'authorized', 'authorized', 'declined', 'replaced'])[1 + n %% 5],
               CASE WHEN n %% 5000 = 0 THEN 'extra-charge' ELSE '' END,
               now() - interval '1 year' + n * interval '1 second', now()""",
    "cybersource_cybersourcereply": """
        (id, reply_type, order_id, attempt_id, data, decision, reason_code, message, transaction_id, transaction_type,
         transaction_uuid, reference_number, amount, auth_amount, currency, auth_code, auth_avs_code, auth_cv_result,
         request_token, card_number, card_type, card_expiry_date, signed_date_time, result, refused_because,
         date_created, date_processed, outcome, rest_status, rest_reason, correlation_id)
        SELECT %(first)s + (n - %(first)s) * 4 + k, (ARRAY['browser', 'merchant-post'])[1 + k %% 2], n, n,
               hstore(ARRAY['decision', 'ACCEPT', 'reason_code', '100', 'req_reference_number', 'H' || n, 'req_amount',
                            '69.50', 'req_bill_to_forename', 'Maya', 'req_bill_to_surname', 'Okafor', 'message',
                            repeat('Request was processed successfully. ', 5)]),
               'ACCEPT', 100, 'Request was processed successfully.', '73' || lpad(n::text, 20, '0'),
               'authorization,create_payment_token', md5(n::text)::uuid, 'H' || n, 69.50, 69.50, 'USD', '888888', 'Y',
               'M', repeat('R', 100), 'xxxxxxxxxxxx1111', '001', '12-2031', now(),
               CASE WHEN k = 0 THEN 'settled' WHEN (n + k) %% 50000 = 0 THEN 'refused' ELSE 'repeated' END, '',
               now() - interval '1 year' + n * interval '1 second', now(), '', '', '', ''""",
    "cybersource_paymenttoken": """
        (id, log_id, token, kind, masked_card_number, card_type, card_expiry_date, date_created)
        SELECT n, %(first)s + (n - %(first)s) * 4, '99' || n, '', 'xxxxxxxxxxxx1111', '001', '12-2031', now()""",
    "payment_source": """
        (id, order_id, source_type_id, currency, amount_allocated, amount_debited, amount_refunded, reference, label)
        SELECT n, n, (SELECT min(id) FROM payment_sourcetype), 'USD', 69.50, 0, 0, '73' || lpad(n::text, 20, '0'),
               ''""",
    "payment_transaction": """
        (id, source_id, txn_type, amount, reference, status, date_created, log_id, token_id, request_token)
        SELECT n, n, 'Authorise', 69.50, '73' || lpad(n::text, 20, '0'), 'ACCEPT', now(),
               %(first)s + (n - %(first)s) * 4, n, ''""",
    "cybersource_orderconfirmation": """
        (order_id, date_created, date_claimed, date_sent) SELECT n, now(), now(), now()""",
    "cybersource_reviewnotification": """
        (id, content, merchant_id, state, problem, date_created)
        SELECT n, repeat('<Update/>', 20), 'acme_shop', 'handled', '',
               now() - interval '1 year' + n * interval '1 second'""",
    "cybersource_reviewnotificationupdate": """
        (id, notification_id, position, reference_number, request_id, decision, reviewer, payload, state)
        SELECT n, n, 0, 'H' || n, '73' || lpad(n::text, 20, '0'), 'ACCEPT', 'lena', '{}', 'recorded'""",
    "cybersource_refusedpost": """
        (id, reply_type, rule, summary, date_created)
        SELECT n, 'browser', 'signature', '{"names": ["a", "b"], "values": {}}',
               now() - interval '1 year' + n * interval '1 second'""",
}


def fill(log_rows: int) -> None:
    """Make the log at least so long. What is there already stays."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM cybersource_paymentattempt WHERE id > %s", [FIRST])
        low, high = FIRST + cursor.fetchone()[0], FIRST + log_rows // LOG_ROWS_AN_ORDER
        if low >= high:
            return
        # Foreign keys are right by construction; looking each of them up would take longer than all the rest.
        cursor.execute("SET session_replication_role = replica")
        for table, rows in ROWS.items():
            series = " FROM generate_series(%(low)s + 1, %(high)s) AS n"
            if table == "cybersource_cybersourcereply":
                series += ", generate_series(0, 3) AS k"
            cursor.execute(f"INSERT INTO {table} {rows} {series}", {"low": low, "high": high, "first": FIRST})
        cursor.execute("SET session_replication_role = DEFAULT")
        for table in ROWS:
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608
            )
        cursor.execute("VACUUM ANALYZE")  # as autovacuum would have done by now
