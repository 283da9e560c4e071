"""Known messages: every value is invented, every signature is real for ``SECRET_KEY``.

Each is the list of form fields as it is posted. Shapes follow recorded messages of the real service.
"""

from __future__ import annotations

ACCESS_KEY = "9df3b01c60df20d13843841ff0d4482c"
PROFILE_ID = "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"
#: Throwaway, for tests only.
SECRET_KEY = (
    "739fe4d75707d0d11aadc22c2cc2ffe280278e83cec371cd64bb93a60bc2a0fd"
    "49c4c62b79452814e0c0dbde52d56f1e61efbc718db6c20e79e3a634f1fa0844"
    "12217fe74ad2f0ea4ee2da8e30be6dc3874cb077edac22524b21704f258099c4"
    "0022cbcae233a706a56c019919efdb363c4e2a4c033f8bb30ca2c5478ff7ee5e"
)

#: Request, `authorization,create_payment_token` to `/silent/pay`
P0 = [
    ("access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"),
    ("signed_date_time", "2026-03-04T09:14:40Z"),
    ("locale", "en-us"),
    ("payment_method", "card"),
    ("transaction_type", "authorization,create_payment_token"),
    ("reference_number", "100018"),
    ("amount", "64.50"),
    ("currency", "USD"),
    ("bill_to_forename", "Maya"),
    ("bill_to_surname", "Okafor"),
    ("bill_to_email", "maya.okafor@example.com"),
    ("bill_to_phone", "14155550123"),
    ("bill_to_address_line1", "12 Harbour Street"),
    ("bill_to_address_line2", ""),
    ("bill_to_address_city", "Oakland"),
    ("bill_to_address_state", "CA"),
    ("bill_to_address_country", "US"),
    ("bill_to_address_postal_code", "94607"),
    ("override_custom_receipt_page", "https://shop.example/checkout/cybersource/reply/"),
    ("override_backoffice_post_url", "https://shop.example/checkout/cybersource/notify/"),
    ("merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    (
        "signed_field_names",
        (
            "access_key,profile_id,transaction_uuid,signed_date_time,locale,payment_method,transaction_type,"
            "reference_number,amount,currency,bill_to_forename,bill_to_surname,bill_to_email,bill_to_phone,"
            "bill_to_address_line1,bill_to_address_line2,bill_to_address_city,bill_to_address_state,"
            "bill_to_address_country,bill_to_address_postal_code,override_custom_receipt_page,"
            "override_backoffice_post_url,merchant_secure_data4,signed_field_names,unsigned_field_names"
        ),
    ),
    ("unsigned_field_names", "card_type,card_number,card_expiry_date,card_cvn"),
    ("signature", "E4e4XguV6G+IiBuMiWgEf71bx9SOr8TAs1DAd8mJAE8="),
]

#: `create_payment_token` -> ACCEPT 100
P1 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345678906012304011"),
    ("decision", "ACCEPT"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a01"),
    ("req_transaction_type", "create_payment_token"),
    ("req_reference_number", "100017"),
    ("req_amount", "0.00"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_customer_ip_address", "203.0.113.24"),
    ("req_device_fingerprint_id", "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "Request was processed successfully."),
    ("reason_code", "100"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("payment_token", "7312345678906012304011"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_customer_ip_address,req_device_fingerprint_id,req_merchant_defined_data50,"
            "req_merchant_secure_data4,message,reason_code,request_token,payment_token,signed_field_names,"
            "signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:14:02Z"),
    ("signature", "tpT63+xVcqy+Vh/aUU7C+QwpAyX5ZxsUuEXHfz61seY="),
]

#: `authorization,create_payment_token` -> ACCEPT 100 (with items; Paymentech-style codes)
P2 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345701236012404012"),
    ("decision", "ACCEPT"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100018"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_line_item_count", "2"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_override_custom_receipt_page", "https://shop.example/checkout/cybersource/reply/"),
    ("req_override_backoffice_post_url", "https://shop.example/checkout/cybersource/notify/"),
    ("req_item_0_name", "Enamel kettle"),
    ("req_item_0_sku", "KET-01"),
    ("req_item_0_quantity", "1"),
    ("req_item_0_unit_price", "59.00"),
    ("req_item_1_name", "Standard delivery"),
    ("req_item_1_code", "shipping_only"),
    ("req_item_1_quantity", "1"),
    ("req_item_1_unit_price", "5.50"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_ship_to_forename", "Maya"),
    ("req_ship_to_surname", "Okafor"),
    ("req_ship_to_phone", "14155550123"),
    ("req_ship_to_address_line1", "12 Harbour Street"),
    ("req_ship_to_address_city", "Oakland"),
    ("req_ship_to_address_state", "CA"),
    ("req_ship_to_address_country", "US"),
    ("req_ship_to_address_postal_code", "94607"),
    ("req_shipping_method", "lowcost"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_customer_ip_address", "203.0.113.24"),
    ("req_device_fingerprint_id", "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "Request was processed successfully."),
    ("reason_code", "100"),
    ("auth_avs_code", "X"),
    ("auth_avs_code_raw", "I1"),
    ("auth_response", "100"),
    ("auth_amount", "64.50"),
    ("auth_code", "888888"),
    ("auth_cv_result", "M"),
    ("auth_cv_result_raw", "M"),
    ("auth_trans_ref_no", "73000018QZ4T1XKD"),
    ("auth_time", "2026-03-04T091502Z"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("payment_token", "7312345701236012404012"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_line_item_count,req_locale,req_payment_method,"
            "req_override_custom_receipt_page,req_override_backoffice_post_url,req_item_0_name,"
            "req_item_0_sku,req_item_0_quantity,req_item_0_unit_price,req_item_1_name,req_item_1_code,"
            "req_item_1_quantity,req_item_1_unit_price,req_bill_to_forename,req_bill_to_surname,"
            "req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,req_bill_to_address_city,"
            "req_bill_to_address_state,req_bill_to_address_country,req_bill_to_address_postal_code,"
            "req_ship_to_forename,req_ship_to_surname,req_ship_to_phone,req_ship_to_address_line1,"
            "req_ship_to_address_city,req_ship_to_address_state,req_ship_to_address_country,"
            "req_ship_to_address_postal_code,req_shipping_method,req_card_number,req_card_type,"
            "req_card_expiry_date,req_customer_ip_address,req_device_fingerprint_id,"
            "req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,auth_avs_code,"
            "auth_avs_code_raw,auth_response,auth_amount,auth_code,auth_cv_result,auth_cv_result_raw,"
            "auth_trans_ref_no,auth_time,request_token,payment_token,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:15:02Z"),
    ("signature", "+Jc6PBA6ljDDXtje8dWuHJcIqZyP84oR1VZbdCNIraA="),
]

#: `authorization` with a token -> REVIEW 480 (verbose)
P3 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345812346012504013"),
    ("decision", "REVIEW"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a03"),
    ("req_transaction_type", "authorization"),
    ("req_reference_number", "100019"),
    ("req_amount", "640.00"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_payment_token", "7312345701236012404012"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_customer_ip_address", "203.0.113.24"),
    ("req_device_fingerprint_id", "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "Decision is REVIEW."),
    ("reason_code", "480"),
    ("auth_avs_code", "Y"),
    ("auth_avs_code_raw", "Y"),
    ("auth_response", "100"),
    ("auth_amount", "640.00"),
    ("auth_code", "888888"),
    ("auth_trans_ref_no", "73000019QZ4T1XKE"),
    ("auth_time", "2026-03-04T092110Z"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("score_score_result", "37"),
    ("score_factors", "B^H"),
    ("score_model_used", "default"),
    ("score_host_severity", "1"),
    ("score_time_local", "09:14:02"),
    ("score_rcode", "1"),
    ("score_rflag", "SOK"),
    ("score_rmsg", "score service was successful"),
    ("score_reason_code", "100"),
    ("score_return_code", "1070000"),
    ("score_internet_info", "FREE-EM^MM-IPBC"),
    ("score_ip_city", "oakland"),
    ("score_ip_state", "ca"),
    ("score_ip_country", "us"),
    ("score_ip_routing_method", "fixed"),
    ("score_bin_country", "US"),
    ("score_card_issuer", "EXAMPLE BANK, N.A."),
    ("score_card_scheme", "VISA CREDIT"),
    ("score_device_fingerprint_hash", "9be5efa645df094afcfda8896b7f95f3"),
    ("score_device_fingerprint_smart_id", "01a73e0bbcfd92d425bf42bf7e7348b1"),
    ("score_device_fingerprint_smart_id_confidence_level", "100.00"),
    ("score_device_fingerprint_true_ipaddress", "203.0.113.24"),
    ("score_device_fingerprint_true_ipaddress_country", "US"),
    ("score_device_fingerprint_cookies_enabled", "true"),
    ("score_device_fingerprint_javascript_enabled", "true"),
    ("score_device_fingerprint_flash_enabled", "false"),
    ("score_device_fingerprint_images_enabled", "true"),
    ("decision_rcode", "0"),
    ("decision_rflag", "DREVIEW"),
    ("decision_rmsg", "Decision is REVIEW."),
    ("decision_reason_code", "480"),
    ("decision_return_code", "1322001"),
    ("decision_early_rcode", "1"),
    ("decision_early_reason_code", "100"),
    ("decision_early_return_code", "9999999"),
    ("decision_case_priority", "3"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_payment_token,"
            "req_bill_to_forename,req_bill_to_surname,req_bill_to_email,req_bill_to_phone,"
            "req_bill_to_address_line1,req_bill_to_address_city,req_bill_to_address_state,"
            "req_bill_to_address_country,req_bill_to_address_postal_code,req_card_number,req_card_type,"
            "req_card_expiry_date,req_customer_ip_address,req_device_fingerprint_id,"
            "req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,auth_avs_code,"
            "auth_avs_code_raw,auth_response,auth_amount,auth_code,auth_trans_ref_no,auth_time,request_token,"
            "score_score_result,score_factors,score_model_used,score_host_severity,score_time_local,"
            "score_rcode,score_rflag,score_rmsg,score_reason_code,score_return_code,score_internet_info,"
            "score_ip_city,score_ip_state,score_ip_country,score_ip_routing_method,score_bin_country,"
            "score_card_issuer,score_card_scheme,score_device_fingerprint_hash,"
            "score_device_fingerprint_smart_id,score_device_fingerprint_smart_id_confidence_level,"
            "score_device_fingerprint_true_ipaddress,score_device_fingerprint_true_ipaddress_country,"
            "score_device_fingerprint_cookies_enabled,score_device_fingerprint_javascript_enabled,"
            "score_device_fingerprint_flash_enabled,score_device_fingerprint_images_enabled,decision_rcode,"
            "decision_rflag,decision_rmsg,decision_reason_code,decision_return_code,decision_early_rcode,"
            "decision_early_reason_code,decision_early_return_code,decision_case_priority,signed_field_names,"
            "signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:21:10Z"),
    ("signature", "xfc2i5GuKDuyBJO5FshC/6pwShqpCb4qd80qW1ZtOmo="),
]

#: REVIEW 200 (AVS, auto-reversal off)
P4 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345822346012504113"),
    ("decision", "REVIEW"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a04"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100020"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("message", "The authorization was flagged by the address check (wording invented)"),
    ("reason_code", "200"),
    ("auth_avs_code", "N"),
    ("auth_avs_code_raw", "N"),
    ("auth_response", "100"),
    ("auth_amount", "64.50"),
    ("auth_code", "888888"),
    ("auth_trans_ref_no", "73000020QZ4T1XKF"),
    ("auth_time", "2026-03-04T092345Z"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("payment_token", "7312345822346012504113"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,message,"
            "reason_code,auth_avs_code,auth_avs_code_raw,auth_response,auth_amount,auth_code,"
            "auth_trans_ref_no,auth_time,request_token,payment_token,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:23:45Z"),
    ("signature", "MaJ2M2eXnoisfwX9Tnu3Hsx1lD/k8f3qk8dKT1HqJ4A="),
]

#: DECLINE 203
P5 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345912346012604014"),
    ("decision", "DECLINE"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a05"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100021"),
    ("req_amount", "1500.00"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "We encountered a Paymentech problem: Reason: Processor Decline."),
    ("reason_code", "203"),
    ("auth_avs_code", "X"),
    ("auth_avs_code_raw", "I1"),
    ("auth_response", "303"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,auth_avs_code,"
            "auth_avs_code_raw,auth_response,request_token,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:30:41Z"),
    ("signature", "RLLj2M+fnawKpNGBtFszbZoe0cJX0fjA5GoNGZ2hXRI="),
]

#: DECLINE 202
P6 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345912346012604114"),
    ("decision", "DECLINE"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a06"),
    ("req_transaction_type", "sale"),
    ("req_reference_number", "100022"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "01-2026"),
    ("message", "We encountered a Paymentech problem: Reason: Expired Card. (wording invented)"),
    ("reason_code", "202"),
    ("auth_avs_code", "X"),
    ("auth_avs_code_raw", "I1"),
    ("auth_response", "522"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,message,"
            "reason_code,auth_avs_code,auth_avs_code_raw,auth_response,request_token,signed_field_names,"
            "signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:31:07Z"),
    ("signature", "N3XgcRrtzYnEsH4AWzwWm2YheWV1iC+7HdGN3uneCE4="),
]

#: DECLINE 230 (CVN; authorization existed, auto-reversal on)
P7 = [
    ("utf8", "✓"),
    ("transaction_id", "7312345992346012604015"),
    ("decision", "DECLINE"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a07"),
    ("req_transaction_type", "authorization"),
    ("req_reference_number", "100023"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("message", "The authorization was approved but the card verification check failed (wording invented)"),
    ("reason_code", "230"),
    ("auth_avs_code", "Y"),
    ("auth_avs_code_raw", "Y"),
    ("auth_response", "100"),
    ("auth_amount", "64.50"),
    ("auth_code", "888888"),
    ("auth_cv_result", "N"),
    ("auth_cv_result_raw", "N"),
    ("auth_trans_ref_no", "73000023QZ4T1XKG"),
    ("auth_time", "2026-03-04T093302Z"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,message,"
            "reason_code,auth_avs_code,auth_avs_code_raw,auth_response,auth_amount,auth_code,auth_cv_result,"
            "auth_cv_result_raw,auth_trans_ref_no,auth_time,request_token,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:33:02Z"),
    ("signature", "/JUTQQMvknHdjjkVlsWz/RDW29kmhqJdM98r044p69E="),
]

#: DECLINE 481 (Decision Manager)
P8 = [
    ("utf8", "✓"),
    ("transaction_id", "7312346012346012704016"),
    ("decision", "DECLINE"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a08"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100024"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_customer_ip_address", "203.0.113.24"),
    ("req_device_fingerprint_id", "c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001"),
    ("message", "Decision is REJECT."),
    ("reason_code", "481"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("score_score_result", "37"),
    ("score_factors", "B^H"),
    ("score_model_used", "default"),
    ("score_host_severity", "1"),
    ("score_time_local", "09:14:02"),
    ("score_rcode", "1"),
    ("score_rflag", "SOK"),
    ("score_rmsg", "score service was successful"),
    ("score_reason_code", "100"),
    ("score_return_code", "1070000"),
    ("decision_rcode", "0"),
    ("decision_rflag", "DREJECT"),
    ("decision_rmsg", "Decision is REJECT."),
    ("decision_reason_code", "481"),
    ("decision_return_code", "1322002"),
    ("decision_early_rcode", "1"),
    ("decision_early_reason_code", "100"),
    ("decision_early_return_code", "9999999"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_customer_ip_address,req_device_fingerprint_id,message,reason_code,request_token,"
            "score_score_result,score_factors,score_model_used,score_host_severity,score_time_local,"
            "score_rcode,score_rflag,score_rmsg,score_reason_code,score_return_code,decision_rcode,"
            "decision_rflag,decision_rmsg,decision_reason_code,decision_return_code,decision_early_rcode,"
            "decision_early_reason_code,decision_early_return_code,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:40:18Z"),
    ("signature", "4lkpi/8mFcwQFAaopEW9hjWFyMlU3NO/82l9bVRIu3E="),
]

#: ERROR 104 (duplicate of P2's request)
P9 = [
    ("utf8", "✓"),
    ("transaction_id", "7312346112346012804017"),
    ("decision", "ERROR"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a02"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100018"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "Duplicate of a request sent in the last 15 minutes (wording invented)"),
    ("reason_code", "104"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,request_token,"
            "signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:16:33Z"),
    ("signature", "p87MjeQsXcfn+umS7JZSYf/d0moJyo8B40MTIEU/gP4="),
]

#: ERROR 150
P10 = [
    ("utf8", "✓"),
    ("transaction_id", "7312346212346012904018"),
    ("decision", "ERROR"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a09"),
    ("req_transaction_type", "sale"),
    ("req_reference_number", "100025"),
    ("req_amount", "2000.00"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1111"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "General system failure (wording invented)"),
    ("reason_code", "150"),
    ("auth_response", "000"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,auth_response,"
            "request_token,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:44:59Z"),
    ("signature", "izSy6D+1HzfYn6cOqZZ9oO92kW9PslSXv+DciXYVxy4="),
]

#: ERROR 102, invalid field (Luhn)
P11 = [
    ("utf8", "✓"),
    ("decision", "ERROR"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a10"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100026"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "xxxxxxxxxxxx1112"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("invalid_fields", "card_number"),
    ("reason_code", "102"),
    ("message", "Request parameters are invalid or missing"),
    (
        "signed_field_names",
        (
            "decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_merchant_defined_data50,req_merchant_secure_data4,invalid_fields,reason_code,message,"
            "signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:46:12Z"),
    ("signature", "G4APYvaIeOIGxogjl2xoZEflmuJMg13yvb/b13A6OAw="),
]

#: ERROR 102, missing fields
P12 = [
    ("utf8", "✓"),
    ("decision", "ERROR"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a11"),
    ("req_transaction_type", "authorization,create_payment_token"),
    ("req_reference_number", "100027"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("required_fields", "bill_to_address_line1,card_number"),
    ("reason_code", "102"),
    ("message", "Request parameters are invalid or missing"),
    (
        "signed_field_names",
        (
            "decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_city,"
            "req_bill_to_address_state,req_bill_to_address_country,req_bill_to_address_postal_code,"
            "req_card_type,req_card_expiry_date,req_merchant_defined_data50,req_merchant_secure_data4,"
            "required_fields,reason_code,message,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:47:40Z"),
    ("signature", "4GVLim5vuNcVyu9zo9RRbdmy45CMOTEAvounMtEUE/U="),
]

#: DECLINE 475 (payer authentication, not completed)
P13 = [
    ("utf8", "✓"),
    ("transaction_id", "7312346312346013004019"),
    ("decision", "DECLINE"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a12"),
    ("req_transaction_type", "sale,create_payment_token"),
    ("req_reference_number", "100028"),
    ("req_amount", "64.50"),
    ("req_currency", "USD"),
    ("req_locale", "en-us"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Maya"),
    ("req_bill_to_surname", "Okafor"),
    ("req_bill_to_email", "maya.okafor@example.com"),
    ("req_bill_to_phone", "14155550123"),
    ("req_bill_to_address_line1", "12 Harbour Street"),
    ("req_bill_to_address_city", "Oakland"),
    ("req_bill_to_address_state", "CA"),
    ("req_bill_to_address_country", "US"),
    ("req_bill_to_address_postal_code", "94607"),
    ("req_card_number", "445653xxxxxx1104"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "The cardholder is enrolled in Payer Authentication. (wording invented)"),
    ("reason_code", "475"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("payer_authentication_reason_code", "475"),
    ("payer_authentication_enroll_veres_enrolled", "Y"),
    ("payer_authentication_specification_version", "2.2.0"),
    ("payer_authentication_transaction_id", "kT3vQx0aWcR8pLmZ1nD0"),
    ("payer_authentication_xid", "a1QzdlF4MGFXY1I4cExtWjFuRDA="),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_phone,req_bill_to_address_line1,"
            "req_bill_to_address_city,req_bill_to_address_state,req_bill_to_address_country,"
            "req_bill_to_address_postal_code,req_card_number,req_card_type,req_card_expiry_date,"
            "req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,request_token,"
            "payer_authentication_reason_code,payer_authentication_enroll_veres_enrolled,"
            "payer_authentication_specification_version,payer_authentication_transaction_id,"
            "payer_authentication_xid,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:50:05Z"),
    ("signature", "z2J3n3GbrmTJLwnw88iQzRDhCBYFsmTGcQNkbV7JTRQ="),
]

#: CANCEL (note the other order, no reason_code, no transaction_id)
P14 = [
    ("utf8", "✓"),
    ("req_currency", "USD"),
    ("decision", "CANCEL"),
    ("req_locale", "en-us"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "The consumer cancelled the transaction"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a13"),
    ("req_transaction_type", "sale"),
    ("req_payment_method", "card"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_reference_number", "100029"),
    ("req_amount", "64.50"),
    (
        "signed_field_names",
        (
            "req_currency,decision,req_locale,req_merchant_secure_data4,message,req_transaction_uuid,"
            "req_transaction_type,req_payment_method,req_access_key,req_profile_id,req_reference_number,"
            "req_amount,signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:52:30Z"),
    ("signature", "tg7jfKhgyOPmV/qykVg0TzqFLawJPqhQfP0Rc1jv0/Q="),
]

#: `sale` -> ACCEPT with 3-D Secure 2 (UTF-8 names, comma in a signed value)
P15 = [
    ("utf8", "✓"),
    ("transaction_id", "7312346412346013104020"),
    ("decision", "ACCEPT"),
    ("req_access_key", "9df3b01c60df20d13843841ff0d4482c"),
    ("req_profile_id", "5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1"),
    ("req_transaction_uuid", "6f1c2a4e-7c55-4f4f-9c1e-0b6a3d2e9a14"),
    ("req_transaction_type", "sale"),
    ("req_reference_number", "100030"),
    ("req_amount", "64.50"),
    ("req_currency", "EUR"),
    ("req_locale", "fr-fr"),
    ("req_payment_method", "card"),
    ("req_bill_to_forename", "Zoé"),
    ("req_bill_to_surname", "Lefèvre"),
    ("req_bill_to_email", "zoe@example.org"),
    ("req_bill_to_address_line1", "8 rue de l'Île, bât. 2"),
    ("req_bill_to_address_city", "Nantes"),
    ("req_bill_to_address_country", "FR"),
    ("req_bill_to_address_postal_code", "44000"),
    ("req_card_number", "445653xxxxxx1005"),
    ("req_card_type", "001"),
    ("req_card_expiry_date", "12-2031"),
    ("req_merchant_defined_data50", "cybersource"),
    ("req_merchant_secure_data4", "b2s6c2Vzc2lvbi1oYW5kbGU"),
    ("message", "Request was processed successfully."),
    ("reason_code", "100"),
    ("auth_avs_code", "Y"),
    ("auth_avs_code_raw", "Y"),
    ("auth_response", "00"),
    ("auth_amount", "64.50"),
    ("auth_code", "831000"),
    ("auth_cavv_result", "2"),
    ("auth_cavv_result_raw", "2"),
    ("auth_cv_result", "M"),
    ("auth_cv_result_raw", "M"),
    ("auth_trans_ref_no", "7312346412346013104020"),
    ("auth_time", "2026-03-04T095512Z"),
    ("request_token", "AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA"),
    ("merchant_advice_code", "01"),
    ("bill_trans_ref_no", "7312346412346013104020"),
    ("payer_authentication_enroll_veres_enrolled", "Y"),
    ("payer_authentication_specification_version", "2.2.0"),
    ("payer_authentication_transaction_id", "mN7cQpX2vB4kT9zL0aH0"),
    ("payer_authentication_acs_transaction_id", "2f1c7ab0-6a4a-4d35-9a8e-6a9f6f0b1c22"),
    ("payer_authentication_eci", "05"),
    ("payer_authentication_cavv", "l4vk8eqEuUtIkA7AbimIyRJj154="),
    ("payer_authentication_xid", "DMOTqQIRUfS9FxPQGRF2mjcmeWY="),
    ("payer_authentication_pares_status", "Y"),
    ("payer_authentication_validate_result", "0"),
    ("payer_authentication_reason_code", "100"),
    ("payer_authentication_validate_e_commerce_indicator", "vbv"),
    (
        "signed_field_names",
        (
            "transaction_id,decision,req_access_key,req_profile_id,req_transaction_uuid,req_transaction_type,"
            "req_reference_number,req_amount,req_currency,req_locale,req_payment_method,req_bill_to_forename,"
            "req_bill_to_surname,req_bill_to_email,req_bill_to_address_line1,req_bill_to_address_city,"
            "req_bill_to_address_country,req_bill_to_address_postal_code,req_card_number,req_card_type,"
            "req_card_expiry_date,req_merchant_defined_data50,req_merchant_secure_data4,message,reason_code,"
            "auth_avs_code,auth_avs_code_raw,auth_response,auth_amount,auth_code,auth_cavv_result,"
            "auth_cavv_result_raw,auth_cv_result,auth_cv_result_raw,auth_trans_ref_no,auth_time,"
            "request_token,merchant_advice_code,bill_trans_ref_no,payer_authentication_enroll_veres_enrolled,"
            "payer_authentication_specification_version,payer_authentication_transaction_id,"
            "payer_authentication_acs_transaction_id,payer_authentication_eci,payer_authentication_cavv,"
            "payer_authentication_xid,payer_authentication_pares_status,payer_authentication_validate_result,"
            "payer_authentication_reason_code,payer_authentication_validate_e_commerce_indicator,"
            "signed_field_names,signed_date_time"
        ),
    ),
    ("signed_date_time", "2026-03-04T09:55:12Z"),
    ("signature", "+YohpIqtWuL8BX4ddk0n+nGuQGeY1iXHyF/DRA1eJaI="),
]

#: Merchant POST for P2: raw body (other order, card_type_name, no utf8)
P16_BODY = (
    "req_payment_method=card&req_bill_to_address_city=Oakland&req_override_backoffice_post_url=https%"
    "3A%2F%2Fshop.example%2Fcheckout%2Fcybersource%2Fnotify%2F&req_bill_to_address_postal_code=94607&"
    "request_token=AhjzbwSTexampleRequestToken0nly7Q2mZkT4bVYxN1cWdLr8sPfHjKgUoEaBwDVRgA&payment_toke"
    "n=7312345701236012404012&req_item_0_name=Enamel+kettle&req_ship_to_address_line1=12+Harbour+Stre"
    "et&auth_time=2026-03-04T091502Z&req_card_expiry_date=12-2031&req_bill_to_address_state=CA&req_cu"
    "rrency=USD&req_bill_to_email=maya.okafor%40example.com&req_bill_to_phone=14155550123&req_item_0_"
    "quantity=1&req_override_custom_receipt_page=https%3A%2F%2Fshop.example%2Fcheckout%2Fcybersource%"
    "2Freply%2F&req_bill_to_address_line1=12+Harbour+Street&req_ship_to_phone=14155550123&req_card_nu"
    "mber=xxxxxxxxxxxx1111&auth_amount=64.50&message=Request+was+processed+successfully.&req_amount=6"
    "4.50&req_reference_number=100018&req_ship_to_forename=Maya&req_item_0_unit_price=59.00&auth_resp"
    "onse=100&req_item_1_code=shipping_only&req_locale=en-us&req_ship_to_address_postal_code=94607&re"
    "q_merchant_secure_data4=b2s6c2Vzc2lvbi1oYW5kbGU&req_item_1_unit_price=5.50&auth_code=888888&req_"
    "item_1_name=Standard+delivery&auth_trans_ref_no=73000018QZ4T1XKD&req_customer_ip_address=203.0.1"
    "13.24&auth_avs_code=X&decision=ACCEPT&auth_cv_result_raw=M&req_item_1_quantity=1&req_device_fing"
    "erprint_id=c0ffee10-9d1e-4a77-8f6a-2f1f0a7be001&reason_code=100&req_ship_to_address_city=Oakland"
    "&req_bill_to_surname=Okafor&req_access_key=9df3b01c60df20d13843841ff0d4482c&req_ship_to_address_"
    "state=CA&req_bill_to_forename=Maya&req_profile_id=5B1D7C02-6A4E-4F3B-9C11-0E8A2D94F7A1&req_bill_"
    "to_address_country=US&req_ship_to_surname=Okafor&req_transaction_uuid=6f1c2a4e-7c55-4f4f-9c1e-0b"
    "6a3d2e9a02&req_card_type=001&card_type_name=Visa&auth_avs_code_raw=I1&auth_cv_result=M&req_ship_"
    "to_address_country=US&req_shipping_method=lowcost&req_merchant_defined_data50=cybersource&req_it"
    "em_0_sku=KET-01&req_line_item_count=2&transaction_id=7312345701236012404012&req_transaction_type"
    "=authorization%2Ccreate_payment_token&signed_field_names=req_payment_method%2Creq_bill_to_addres"
    "s_city%2Creq_override_backoffice_post_url%2Creq_bill_to_address_postal_code%2Crequest_token%2Cpa"
    "yment_token%2Creq_item_0_name%2Creq_ship_to_address_line1%2Cauth_time%2Creq_card_expiry_date%2Cr"
    "eq_bill_to_address_state%2Creq_currency%2Creq_bill_to_email%2Creq_bill_to_phone%2Creq_item_0_qua"
    "ntity%2Creq_override_custom_receipt_page%2Creq_bill_to_address_line1%2Creq_ship_to_phone%2Creq_c"
    "ard_number%2Cauth_amount%2Cmessage%2Creq_amount%2Creq_reference_number%2Creq_ship_to_forename%2C"
    "req_item_0_unit_price%2Cauth_response%2Creq_item_1_code%2Creq_locale%2Creq_ship_to_address_posta"
    "l_code%2Creq_merchant_secure_data4%2Creq_item_1_unit_price%2Cauth_code%2Creq_item_1_name%2Cauth_"
    "trans_ref_no%2Creq_customer_ip_address%2Cauth_avs_code%2Cdecision%2Cauth_cv_result_raw%2Creq_ite"
    "m_1_quantity%2Creq_device_fingerprint_id%2Creason_code%2Creq_ship_to_address_city%2Creq_bill_to_"
    "surname%2Creq_access_key%2Creq_ship_to_address_state%2Creq_bill_to_forename%2Creq_profile_id%2Cr"
    "eq_bill_to_address_country%2Creq_ship_to_surname%2Creq_transaction_uuid%2Creq_card_type%2Ccard_t"
    "ype_name%2Cauth_avs_code_raw%2Cauth_cv_result%2Creq_ship_to_address_country%2Creq_shipping_metho"
    "d%2Creq_merchant_defined_data50%2Creq_item_0_sku%2Creq_line_item_count%2Ctransaction_id%2Creq_tr"
    "ansaction_type%2Csigned_field_names%2Csigned_date_time&signed_date_time=2026-03-04T09%3A15%3A03Z"
    "&signature=wgHmhB6aU8A9qbt6DqJzjiLGPiqiB7BAHqcOjgTsCuw%3D"
)
