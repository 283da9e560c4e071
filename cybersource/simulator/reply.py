"""Verdict -> the signed fields that go back to the shop.

Source: Secure Acceptance Checkout API guide, "Reply fields"; order, echo and mask as in recorded replies of the real
service: accepted, non-blank request fields come back as ``req_…``, the CVN and the envelope never do.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random

from cybersource.simulator import cards, signing
from cybersource.simulator.outcomes import Verdict
from cybersource.simulator.settings import CardMask

Pairs = list[tuple[str, str]]

_FIRST = (
    "access_key",
    "profile_id",
    "transaction_uuid",
    "transaction_type",
    "reference_number",
    "amount",
    "currency",
    "line_item_count",
    "locale",
    "payment_method",
    "payment_token",
    "override_custom_receipt_page",
    "override_backoffice_post_url",
)
_ITEM = ("name", "sku", "code", "quantity", "unit_price", "tax_amount")
_PERSON = (
    "forename",
    "surname",
    "company_name",
    "email",
    "phone",
    "address_line1",
    "address_line2",
    "address_city",
    "address_state",
    "address_country",
    "address_postal_code",
)
_LAST = (
    "shipping_method",
    "card_number",
    "card_type",
    "card_expiry_date",
    "customer_ip_address",
    "device_fingerprint_id",
)
_ORDER = {
    name: place
    for place, name in enumerate(
        [
            *_FIRST,
            "item",
            *(f"bill_to_{name}" for name in _PERSON),
            *(f"ship_to_{name}" for name in _PERSON),
            *_LAST,
            "merchant_defined_data",
            "merchant_secure_data",
        ]
    )
}
_NUMBERED = re.compile(r"(item|merchant_defined_data|merchant_secure_data)_?(\d+)_?(\w*)", re.ASCII)

NEVER_ECHOED = frozenset({"card_cvn", "signature", "signed_date_time", "signed_field_names", "unsigned_field_names"})


def _place(name: str) -> tuple[int, int, int, str]:
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        family, number, part = numbered.groups()
        return _ORDER[family], int(number), _ITEM.index(part) if part in _ITEM else len(_ITEM), name
    return _ORDER.get(name, len(_ORDER)), 0, 0, name


def masked(number: str, style: CardMask) -> str:
    """Return a card number as the profile shows it."""
    return cards.mask(
        number,
        show_bin=style in {CardMask.BIN, CardMask.BIN_AND_LAST_FOUR},
        show_last_four=style is not CardMask.BIN,
    )


def echo(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the ``req_…`` fields of a request, in the order in which the real service names them.

    The card number among ``fields`` is masked already.
    """
    names = sorted((name for name in fields if name not in NEVER_ECHOED and fields[name]), key=_place)
    return {f"req_{name}": fields[name] for name in names}


def authorization(verdict: Verdict, *, amount: str, transaction_id: str, now: datetime) -> dict[str, str]:
    """Return the ``auth_…`` fields of a verdict. Note ``auth_time``: no colons in it."""
    fields: dict[str, str] = {}
    if verdict.avs:
        fields |= {"auth_avs_code": verdict.avs, "auth_avs_code_raw": "I1" if verdict.avs == "X" else verdict.avs}
    if verdict.auth_response:
        fields["auth_response"] = verdict.auth_response
    if verdict.authorized:
        fields |= {"auth_amount": amount, "auth_code": "888888"}
    if verdict.cvn:
        fields |= {"auth_cv_result": verdict.cvn, "auth_cv_result_raw": verdict.cvn}
    if verdict.authorized:
        fields |= {"auth_trans_ref_no": transaction_id, "auth_time": f"{now:%Y-%m-%dT%H%M%SZ}"}
    return fields


def payer_authentication(verdict: Verdict) -> dict[str, str]:
    """Return what a failed 3-D Secure leaves in a reply."""
    if verdict.reason_code not in {"475", "476"}:
        return {}
    return {
        "payer_authentication_reason_code": verdict.reason_code,
        "payer_authentication_enroll_veres_enrolled": "Y",
        "payer_authentication_specification_version": "2.2.0",
        "payer_authentication_transaction_id": "kT3vQx0aWcR8pLmZ1nD0",
        "payer_authentication_xid": "a1QzdlF4MGFXY1I4cExtWjFuRDA=",
    }


def scores(verdict: Verdict, *, device: bool, ip_address: str, now: datetime) -> dict[str, str]:
    """Return Decision Manager's verbose fields; the device's only when its profiling was seen."""
    flag, code, return_code = {
        "480": ("DREVIEW", "480", "1322001"),
        "481": ("DREJECT", "481", "1322002"),
    }.get(verdict.reason_code, ("SOK", "100", "1320000"))
    fields = {
        "score_score_result": "37" if flag != "SOK" else "5",
        "score_factors": "B^H",
        "score_model_used": "default",
        "score_host_severity": "1",
        "score_time_local": f"{now:%H:%M:%S}",
        "score_rcode": "1",
        "score_rflag": "SOK",
        "score_rmsg": "score service was successful",
        "score_reason_code": "100",
        "score_return_code": "1070000",
    }
    if device:
        fields |= {
            "score_device_fingerprint_hash": "9be5efa645df094afcfda8896b7f95f3",
            "score_device_fingerprint_smart_id": "01a73e0bbcfd92d425bf42bf7e7348b1",
            "score_device_fingerprint_smart_id_confidence_level": "100.00",
            **({"score_device_fingerprint_true_ipaddress": ip_address} if ip_address else {}),
            "score_device_fingerprint_cookies_enabled": "true",
            "score_device_fingerprint_javascript_enabled": "true",
            "score_device_fingerprint_flash_enabled": "false",
            "score_device_fingerprint_images_enabled": "true",
        }
    fields |= {
        "decision_rcode": "1" if flag == "SOK" else "0",
        "decision_rflag": flag,
        "decision_rmsg": "Service processed successfully" if flag == "SOK" else verdict.message,
        "decision_reason_code": code,
        "decision_return_code": return_code,
        "decision_early_rcode": "1",
        "decision_early_reason_code": "100",
        "decision_early_return_code": "9999999",
    }
    if flag == "DREVIEW":
        fields["decision_case_priority"] = "3"
    return fields


def sign(
    fields: Mapping[str, str],
    *,
    secret_key: str,
    now: datetime,
    names: Sequence[str] | None = None,
    shuffled_by: str | None = None,
) -> Pairs:
    """Return ``fields`` with the three that sign them.

    The list ends with itself and the date, and both are covered. ``shuffled_by`` (any text) gives an arbitrary order
    of the rest, always the same for the same text. A list, date or order that ``fields`` or ``names`` bring is kept.
    """
    complete = dict(fields)
    order = list(names if names is not None else complete)
    if shuffled_by is not None:
        Random(shuffled_by).shuffle(order)
    if names is None:
        order = [name for name in order if name not in {"signed_field_names", "signed_date_time"}]
        order += ["signed_field_names", "signed_date_time"]
    complete.setdefault("signed_field_names", ",".join(order))
    complete.setdefault("signed_date_time", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    listed = complete["signed_field_names"].split(",")
    complete["signature"] = signing.signature(complete, listed, secret_key)
    place = {name: at for at, name in enumerate(order)}
    return sorted(complete.items(), key=lambda pair: place.get(pair[0], len(place)))
