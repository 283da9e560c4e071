"""The Business Center: pages on which a person sees payments, decides reviews and turns switches.

Plain forms and no script. Whatever changes something is a POST from a page of our own, never from another site.
"""

from dataclasses import fields as dataclass_fields
from decimal import InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cybersource.simulator import cards
from cybersource.simulator.delivery import Courier
from cybersource.simulator.faults import Fault, Plan, Rule, Step
from cybersource.simulator.fields import money
from cybersource.simulator.gateway import Gateway
from cybersource.simulator.outcomes import AMOUNTS, AVS_CVNS, CVNS, SURNAMES, VERDICTS
from cybersource.simulator.records import Payment
from cybersource.simulator.rest.followon import NotAllowed
from cybersource.simulator.settings import CardMask, MerchantPost, Processor, TokenFormat

center = Blueprint("center", __name__)
center.add_app_template_filter(money)

PAGES = (
    ("center.payments", "Payments"),
    ("center.queue", "Review queue"),
    ("center.switches", "Switches"),
    ("center.cards_page", "Test cards"),
    ("center.refusals", "Refused forms"),
    ("center.devices", "Devices"),
    ("center.webhooks", "Webhooks"),
)

_SELECTS = {
    "merchant_post": ("Merchant POST", MerchantPost),
    "processor": ("Test amounts of processor", Processor),
    "card_mask": ("Card number display", CardMask),
    "token_format": ("Payment tokens", TokenFormat),
}
_TICKS = {
    "verbose": "Verbose data: score_* and decision_* in replies",
    "cvn_required": "CVN required",
    "reverse_on_avs_failure": "Reverse the authorization when the address check fails",
    "reverse_on_cvn_failure": "Reverse the authorization when the CVN check fails",
    "shuffled_signing": "Sign the browser's reply in an arbitrary order",
    "review_token_creation": "A bare token creation may go to review",
    "token_on_pay_path": "create_payment_token is taken on /silent/pay too",
}
_SECONDS = {"late_seconds": "Seconds of a late page", "slow_seconds": "Seconds of a slow merchant POST or page"}
_STEPS = [
    (Step.ANY.value, "any"),
    (Step.PAY.value, "authorization or sale"),
    (Step.TOKEN.value, "bare token creation"),
]
_DONE = {
    "cleared": "Everything is ordinary again.",
    "removed": "Removed.",
    "saved": "Saved.",
    "every": "In force for all payments that no other switch is for.",
    "matching": "In force for all payments that match.",
    "next": "In force for the next one.",
}
_RANGES = [
    ("next", "The next one only"),
    ("matching", "All that match what is filled in below"),
    ("every", "All that no other switch is for"),
]


def _gateway() -> Gateway:
    return current_app.extensions["gateway"]  # type: ignore[no-any-return]


def _courier() -> Courier:
    return current_app.extensions["courier"]  # type: ignore[no-any-return]


@center.before_request
def _own_pages_only() -> None:
    """Refuse a POST that a page of another site caused."""
    if request.method != "POST":
        return
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        abort(403)


@center.after_request
def _closed_pages(response: Response) -> Response:
    """Nothing is loaded from elsewhere, nothing frames us, nothing is cached."""
    if "Cache-Control" not in response.headers:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["Cache-Control"] = "no-store"
    return response


@center.app_context_processor
def _everywhere() -> dict[str, Any]:
    return {"pages": PAGES, "waiting": sum(payment.under_review for payment in _gateway().payments)}


def _found(payment_id: str) -> Payment:
    try:
        return _gateway().payment(payment_id)
    except KeyError:
        abort(404)


# -------------------------------------------------------------------- payments


@center.get("/")
def payments() -> str:
    gateway = _gateway()
    newest, refusals = gateway.payments[::-1], gateway.refusals
    refused = refusals[-1] if refusals and (not newest or refusals[-1].at > newest[0].at) else None
    rules = len(gateway.faults.rules)
    told = [f"{rules} by rule"] if rules else []
    told += [_text(gateway.faults.default)] if gateway.faults.default != Plan() else []
    return render_template(
        "simulator/payments.html", payments=newest, refused=refused, outcome_switched=", ".join(told)
    )


@center.get("/businesscenter/")
def other_name() -> AnyResponse:
    return redirect(url_for("center.payments"))


@center.get("/payments/<payment_id>/")
def payment(payment_id: str) -> str:
    return _payment_page(_found(payment_id), tell="sent" in request.args)


def _payment_page(shown: Payment, *, tell: bool = False, problem: str = "") -> str:
    return render_template(
        "simulator/payment.html",
        payment=shown,
        money=_gateway().business_center.money(shown),
        case=shown.case,
        card_types=cards.CARD_TYPES,
        sent=shown.deliveries[-1] if tell and shown.deliveries else None,
        problem=problem,
    )


@center.post("/payments/<payment_id>/resend/")
def resend(payment_id: str) -> AnyResponse | tuple[str, int]:
    shown = _found(payment_id)
    try:
        _courier().send(_gateway().resend(payment_id))
    except ValueError as problem:
        return _payment_page(shown, problem=str(problem)), 409
    return redirect(url_for("center.payment", payment_id=payment_id, sent=1), 303)


@center.post("/payments/<payment_id>/replay/")
def replay(payment_id: str) -> Response | tuple[str, int]:
    shown = _found(payment_id)
    try:
        page = _gateway().replay(payment_id)
    except ValueError as problem:
        return _payment_page(shown, problem=str(problem)), 409
    return Response(page.html, status=page.status, headers=list(page.headers))


@center.post("/payments/<payment_id>/money/")
def move_money(payment_id: str) -> AnyResponse | tuple[str, int]:
    """What staff do here the shop is not asked about, and not told by any reply."""
    shown, staff = _found(payment_id), _gateway().business_center
    id, amount = request.form.get("id", ""), request.form.get("amount", "").strip() or None
    if id not in {each.id for each, _, _ in staff.money(shown)}:
        abort(404)
    try:
        match request.form.get("action"):
            case "capture":
                staff.capture(id, amount)
            case "refund":
                staff.refund(id, amount)
            case "reverse":
                staff.reverse(id, amount)
            case "void":
                staff.void(id)
            case _:
                abort(400)
    except NotAllowed as problem:
        return _payment_page(shown, problem=f"{problem.reason}: {problem}"), 409
    return redirect(url_for("center.payment", payment_id=payment_id, _anchor="money"), 303)


# -------------------------------------------------------------------- review


@center.get("/review/")
def queue() -> str:
    cases = _gateway().cases
    return render_template(
        "simulator/queue.html",
        open=[each for each in cases if each.under_review],
        decided=[each for each in cases[::-1] if not each.under_review],
        review_card=next(card.spaced for card in cards.TEST_CARDS if card.tag == "review"),
    )


@center.post("/payments/<payment_id>/review/")
def review(payment_id: str) -> AnyResponse | tuple[str, int]:
    shown, gateway = _found(payment_id), _gateway()
    action = request.form.get("action", "")
    reviewer = request.form.get("reviewer", "").strip() or "reviewer"
    note = request.form.get("note", "").replace("\r\n", "\n").strip()
    try:
        if action == "own":
            notification = gateway.take_ownership(payment_id, reviewer)
        elif action == "note":
            if not note:
                raise ValueError("Write a note first")
            notification = gateway.add_note(payment_id, reviewer, note)
        else:
            notification = gateway.decide(
                payment_id,
                action.upper(),
                reviewer=reviewer,
                comments=request.form.get("comments", "").strip(),
                notes=[note] if note else [],
                settle="settle" in request.form,
                reverse="reverse" in request.form,
            )
    except ValueError as problem:
        return _payment_page(shown, problem=str(problem)), 409
    _courier().notify(notification)
    return redirect(url_for("center.payment", payment_id=payment_id, sent=1), 303)


# -------------------------------------------------------------------- switches


@center.route("/switches/", methods=["GET", "POST"])
def switches() -> str | AnyResponse | tuple[str, int]:
    if request.method == "GET":
        return _switches_page(done=_DONE.get(request.args.get("done", ""), ""))
    try:
        return redirect(url_for("center.switches", done=_switch()), 303)
    except (ValueError, InvalidOperation) as problem:
        return _switches_page(problem=str(problem)), 400


def _switch() -> str:
    """Do what the posted form asks and return which of ``_DONE`` that was, or raise ValueError."""
    gateway, form = _gateway(), request.form
    faults, action = gateway.faults, form.get("action")
    if action == "clear":
        faults.clear()
        return "cleared"
    if action == "remove":
        faults.remove(int(form["rule"]))
        return "removed"
    if action == "configure":
        gateway.configure(
            **{name: kind(form[name]) for name, (_, kind) in _SELECTS.items()},
            **{name: name in form for name in _TICKS},
            **{name: _seconds(form[name]) for name in _SECONDS},
        )
        return "saved"
    given: dict[str, Any] = {
        "merchant_post": form.get("merchant_post") or None,
        "outcome": form.get("outcome", ""),
    }
    words = form.getlist("fault")
    if not (words or given["outcome"] or given["merchant_post"]):
        raise ValueError("Choose an outcome or a fault first.")
    if form.get("range") == "every":
        faults.set_default(*words, **given)
        return "every"
    given["step"] = form.get("step") or Step.ANY
    if action == "add" and form.get("range") == "matching":
        conditions: dict[str, Any] = {
            name: form.get(name, "").strip() for name in ("card", "amount", "surname", "reference")
        }
        faults.add(*words, **given, **conditions, nth=int(form.get("nth") or 1))
        return "matching"
    faults.next(*words, **given)
    return "next"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 600:
        raise ValueError("Seconds are between 0 and 600")
    return seconds


def _switches_page(*, done: str = "", problem: str = "") -> str:
    gateway = _gateway()
    settings = gateway.settings
    by_default = [("", "as card, amount and name say")]
    return render_template(
        "simulator/switches.html",
        done=done,
        problem=problem,
        rules=[
            {
                "number": rule.number,
                "condition": _condition(rule),
                "text": _text(rule.plan),
                "often": _often(rule),
            }
            for rule in gateway.faults.rules
        ],
        default_text=_text(gateway.faults.default) if gateway.faults.default != Plan() else "",
        outcomes=by_default
        + [
            (name, f"{verdict.decision} {verdict.reason_code} – {verdict.message}")
            for name, verdict in sorted(VERDICTS.items())
        ],
        steps=_STEPS,
        faults=list(Fault),
        orders=[("", "as usual")] + [(each.value, each.value) for each in MerchantPost],
        ranges=_RANGES,
        selects=[
            (name, text, [(each.value, each.value) for each in kind], getattr(settings, name).value)
            for name, (text, kind) in _SELECTS.items()
        ],
        seconds=[(name, text, f"{getattr(settings, name):g}") for name, text in _SECONDS.items()],
        ticks=[(name, text, getattr(settings, name)) for name, text in _TICKS.items()],
    )


def _condition(rule: Rule) -> str:
    told = [
        f"{field.name.replace('reference', 'reference number')} {getattr(rule, field.name)}"
        for field in dataclass_fields(rule)
        if field.name in {"card", "amount", "surname", "reference"} and getattr(rule, field.name) not in {"", None}
    ]
    if rule.step is not Step.ANY:
        told.append(dict(_STEPS)[rule.step.value])
    return ", ".join(told) or "any payment"


def _often(rule: Rule) -> str:
    often = "always" if rule.left is None else f"{rule.left} more" if rule.left > 1 else "once"
    return f"{often}, after {rule.skip} more that match" if rule.skip else often


def _text(plan: Plan) -> str:
    told = [f"outcome {plan.outcome}"] if plan.outcome else []
    told += sorted(fault.value.replace("-", " ") for fault in plan.faults)
    told += [f"merchant POST {plan.merchant_post.value}"] if plan.merchant_post else []
    return ", ".join(told)


# -------------------------------------------------------------------- webhooks


@center.route("/webhooks/", methods=["GET", "POST"])
def webhooks() -> str | AnyResponse | tuple[str, int]:
    hub = _gateway().webhooks
    if request.method == "GET":
        return _webhooks_page()
    acts = {
        "approve": hub.approve,
        "block": hub.block,
        "activate": lambda id: hub.set_status(id, "ACTIVE"),
        "deactivate": lambda id: hub.set_status(id, "INACTIVE"),
        "test": hub.test,
    }
    act = acts.get(request.form.get("action", ""))
    if act is None:
        abort(400)
    try:
        act(request.form.get("id", ""))
    except KeyError:
        abort(404)
    except ValueError as problem:
        return _webhooks_page(problem=str(problem)), 409
    return redirect(url_for("center.webhooks"), 303)


def _webhooks_page(problem: str = "") -> str:
    gateway = _gateway()
    sent = [each for each in gateway.deliveries[::-1] if each.kind in {"webhook", "health check"}]
    return render_template(
        "simulator/webhooks.html",
        subscriptions=gateway.webhooks.subscriptions,
        key=gateway.webhooks.key,
        sent=sent[:100],
        problem=problem,
    )


# -------------------------------------------------------------------- the rest


@center.get("/cards/")
def cards_page() -> str:
    settings = _gateway().settings
    by_code: dict[str, list[str]] = {}
    for amount, name in AMOUNTS[settings.processor].items():
        by_code.setdefault(name, []).append(f"{amount}.00")
    outcomes = dict(VERDICTS)
    outcomes["230"] = VERDICTS["230-reversed" if settings.reverse_on_cvn_failure else "230"]
    outcomes["200"] = VERDICTS["200-reversed" if settings.reverse_on_avs_failure else "200"]
    triggers = [(f"Surname {surname}", f"{VERDICTS[name].decision} {name}") for surname, name in SURNAMES.items()]
    triggers += [
        (f"Amount {' or '.join(amounts)}", f"{VERDICTS[name].decision} {VERDICTS[name].reason_code}")
        for name, amounts in by_code.items()
    ]
    failing = f"{outcomes['230'].decision} 230"
    triggers += [
        (f"CVN {cvn}", f"CVN result {code}" + (f": {failing}" if code == "N" else "")) for cvn, code in CVNS.items()
    ]
    triggers += [(f"CVN {cvn}", f"Address check {code}") for cvn, code in AVS_CVNS.items()]
    triggers += [
        ("Expiry date in the past", "DECLINE 202"),
        ("Card type that does not fit the number", f"DECLINE {settings.brand_mismatch_code}"),
        ("Number that fails Luhn, or another field that is wrong", "ERROR 102 with invalid_fields"),
        ("The same transaction_uuid again within 15 minutes", "ERROR 104"),
    ]
    return render_template("simulator/cards.html", cards=cards.TEST_CARDS, outcomes=outcomes, triggers=triggers)


@center.get("/refused/")
def refusals() -> str:
    return render_template("simulator/refusals.html", refusals=_gateway().refusals[::-1])


@center.get("/devices/")
def devices() -> str:
    return render_template("simulator/devices.html", profilings=_gateway().profilings[:-201:-1])
