"""One request, processed: checked, decided, told, and planned to be delivered. Returned as data, nothing is sent here.

Source: Secure Acceptance Checkout API guide, "Reply fields"; recorded replies for what is left out of which.
"""

import base64
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from cybersource.simulator import cards, reply
from cybersource.simulator.faults import Fault, Plan
from cybersource.simulator.fields import decimals, money
from cybersource.simulator.outcomes import VERDICTS, Verdict, decide
from cybersource.simulator.page import lost_page, plain_page, refusal_page, reply_page
from cybersource.simulator.records import Answer, Payment, PlannedPost
from cybersource.simulator.reply import Pairs
from cybersource.simulator.request import Request
from cybersource.simulator.review import Case
from cybersource.simulator.settings import MerchantPost, Settings
from cybersource.simulator.store import Memory
from cybersource.simulator.tokens import StoredCard
from cybersource.simulator.validation import problems

_DIGIT_RUNS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)", re.ASCII)
#: Fields whose long digit runs are names of things, not cards.
_IDENTIFIERS = re.compile(
    r"(req_)?(payment_token|transaction_\w+|profile_id|access_key|device_fingerprint_id|\w*_trans_ref_no|request_token)"
)


class Processing:
    """One well-signed request on its way to an answer. The gateway's lock is held."""

    def __init__(
        self,
        *,
        memory: Memory,
        settings: Settings,
        request: Request,
        stored: StoredCard | None,
        plan: Plan,
        now: datetime,
    ) -> None:
        self.memory = memory
        self.settings = settings
        self.request = request
        self.stored = stored
        self.plan = plan
        self.now = now
        self.card = cards.by_tag(stored.tag if stored else cards.tag_of(request["card_number"]))
        self.remarks: list[str] = []
        if request.unlisted:
            self.remarks.append(f"Posted but in neither list of names: {', '.join(request.unlisted)}")

    def answer(self) -> Answer:
        request = self.request
        invalid, required = problems(request, self.settings)
        if request["payment_token"] and not self.stored and "payment_token" not in invalid:
            invalid = sorted([*invalid, "payment_token"])
        echoed = self._echo()

        if invalid or required:
            verdict = Verdict(decision="ERROR", reason_code="102", message="Request parameters are invalid or missing")
            transaction_id = None
            token = ""
            told = {"decision": "ERROR", **echoed}
            told |= {"invalid_fields": ",".join(invalid)} if invalid else {}
            told |= {"required_fields": ",".join(required)} if required else {}
            told |= {"reason_code": "102", "message": verdict.message}
        else:
            verdict = self._verdict()
            transaction_id = None if verdict.decision == "CANCEL" else self.memory.next_request_id(self.now)
            token = self._token(verdict, transaction_id) if transaction_id else ""
            told = self._told(verdict, echoed, transaction_id, token)
        return self._deliver(verdict, transaction_id, token, told)

    # -------------------------------------------------- what happens

    def _verdict(self) -> Verdict:
        request = self.request
        window = self.settings.duplicate_window
        if self.memory.repeats(request.access_key, request["transaction_uuid"], now=self.now, window=window):
            return VERDICTS["104"]
        stored = self.stored
        return decide(
            request,
            settings=self.settings,
            now=self.now,
            card=self.card,
            surname=request["bill_to_surname"] or (stored.echo.get("bill_to_surname", "") if stored else ""),
            expiry=request["card_expiry_date"] or (stored.expiry if stored else ""),
            override=self.plan.outcome,
        )

    def _token(self, verdict: Verdict, transaction_id: str) -> str:
        """Create or update a token if this verdict does, and return the one created.

        A token comes only with a payment that stands; a bare token creation under review creates none.
        Source: recorded declines carry none; integrators' fixtures for the bare REVIEW.
        """
        request, tokens = self.request, self.memory.tokens
        stands = verdict.decision == "ACCEPT" or (verdict.decision == "REVIEW" and verdict.authorized and request.pays)
        if not stands or not (request.creates_token or request.updates_token):
            return ""
        number, old = request["card_number"], self.stored
        last_four = number[-4:] if number else old.last_four if old else ""
        mark = tokens.mark(number) if number else old.mark if old else ""
        name = request["payment_token"]
        if request.creates_token:
            name = tokens.name(
                self.settings.token_format, transaction_id=transaction_id, mark=mark, last_four=last_four
            )
        given = {name: value for name, value in request.fields.items() if name.startswith("bill_to_")}
        tokens.put(
            StoredCard(
                token=name,
                merchant_id=request.profile.merchant_id,
                mask=reply.masked(number, self.settings.card_mask) if number else old.mask if old else "",
                last_four=last_four,
                card_type=request["card_type"] or (old.card_type if old else ""),
                expiry=request["card_expiry_date"] or (old.expiry if old else ""),
                tag=cards.tag_of(number) if number else old.tag if old else "",
                mark=mark,
                echo={**(old.echo if old else {}), **given},
            )
        )
        return name if request.creates_token else ""

    # -------------------------------------------------- what is told

    def _echo(self) -> dict[str, str]:
        fields = dict(self.request.fields)
        if "card_number" in fields:
            fields["card_number"] = reply.masked(fields["card_number"], self.settings.card_mask)
        if self.stored:
            stored = {
                **self.stored.echo,
                "card_number": self.stored.mask,
                "card_type": self.stored.card_type,
                "card_expiry_date": self.stored.expiry,
            }
            fields = {**stored, **fields}
        return reply.echo(fields)

    def _told(
        self, verdict: Verdict, echoed: Mapping[str, str], transaction_id: str | None, token: str
    ) -> dict[str, str]:
        request = self.request
        if transaction_id is None:
            return {"decision": verdict.decision, **echoed, "message": verdict.message}
        told = {"transaction_id": transaction_id, "decision": verdict.decision, **echoed}
        told |= {"message": verdict.message, "reason_code": verdict.reason_code}
        if request.pays:
            told |= reply.authorization(
                verdict, amount=self._authorized_amount(verdict), transaction_id=transaction_id, now=self.now
            )
        elif verdict.decision != "ACCEPT":
            told |= reply.authorization(
                replace(verdict, authorized=False), amount="", transaction_id=transaction_id, now=self.now
            )
        told["request_token"] = "Ahj" + base64.b64encode(secrets.token_bytes(48)).decode("ascii")
        if request.sale and verdict.decision == "ACCEPT":
            told["bill_trans_ref_no"] = transaction_id
        told |= reply.payer_authentication(verdict)
        if token:
            told["payment_token"] = token
        if self.settings.verbose and verdict.decision != "ERROR" and request["skip_decision_manager"] != "true":
            told |= reply.scores(
                verdict, device=self._device_seen(), ip_address=request["customer_ip_address"], now=self.now
            )
        return told

    def _amount(self) -> Decimal:
        """The amount asked for; the total of the lines when only they were given."""
        request = self.request
        if request["amount"]:
            return Decimal(request["amount"])
        total = Decimal(0)
        for number in range(int(request["line_item_count"] or 0)):
            item = f"item_{number}_"
            total += Decimal(request[item + "unit_price"]) * int(request[item + "quantity"] or 1)
            total += Decimal(request[item + "tax_amount"] or 0)
        return total

    def _authorized_amount(self, verdict: Verdict) -> str:
        amount, currency = self._amount(), self.request["currency"]
        if verdict.reason_code == "110":
            amount = (amount / 2).quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_DOWN)
        return money(amount, currency)

    def _device_seen(self) -> bool:
        session_id = self.request["device_fingerprint_id"]
        return bool(session_id) and self.memory.fingerprints.matches(
            self.request.profile.merchant_id, session_id, now=self.now, life=self.settings.fingerprint_life
        )

    # -------------------------------------------------- how it travels

    def _deliver(self, verdict: Verdict, transaction_id: str | None, token: str, told: dict[str, str]) -> Answer:
        request, settings, faults = self.request, self.settings, set(self.plan.faults)
        if self.card and self.card.late and request.pays:
            faults.add(Fault.LATE)
        if Fault.UNKNOWN_CODE in faults:
            told["reason_code"] = "999"
        if Fault.UNKNOWN_DECISION in faults:
            told["decision"] = "PENDING"
        secret_key = self._signing_key(faults, told)

        uuid = request["transaction_uuid"]
        arbitrary = uuid if settings.shuffled_signing or verdict.decision == "CANCEL" else None
        browser = reply.sign(told, secret_key=secret_key, now=self.now, shuffled_by=arbitrary)
        copied = dict(told)
        if request["card_type"] or self.stored:
            # Told to the server only. Source: Checkout API guide, card_type_name.
            copied["card_type_name"] = cards.CARD_TYPES.get(told.get("req_card_type", ""), "")
        merchant = reply.sign(
            {name: value for name, value in copied.items() if value},
            secret_key=secret_key,
            now=self.now,
            shuffled_by=f"merchant {uuid}",
        )
        if Fault.TAMPERED in faults:
            browser = [(name, "0.01" if name == "req_amount" else value) for name, value in browser]
        if Fault.EXTRA_FIELD in faults:
            extra = ("extra_note", "No signature covers this.")
            browser, merchant = [*browser, extra], [*merchant, extra]
        browser = [("utf8", "✓"), *browser]

        payment = self._payment(verdict, transaction_id, token, told, faults)
        payment.reply, payment.merchant_post = _without_cards(browser), _without_cards(merchant)
        payment.can_resend = payment.reply == browser and payment.merchant_post == merchant
        self.memory.payments.append(payment)

        mode = self.plan.merchant_post or _merchant_post(faults) or settings.merchant_post
        return Answer(
            payment=payment,
            merchant_posts=self._merchant_posts(payment, merchant, mode),
            delay_seconds=(settings.late_seconds if Fault.LATE in faults else 0)
            + (settings.slow_seconds if Fault.SLOW in faults else 0),
            **self._for_browser(payment, browser, mode, faults),
        )

    def _signing_key(self, faults: set[Fault], told: dict[str, str]) -> str:
        profile = self.request.profile
        if Fault.WRONG_SIGNATURE in faults:
            return "this-is-not-the-secret-of-the-shop"
        if Fault.ROTATED_KEY in faults:
            keys = {profile.access_key: profile.secret_key, **profile.other_keys}
            keys.pop(self.request.access_key)
            for access_key, secret_key in keys.items():
                told["req_access_key"] = access_key
                return secret_key
            self.remarks.append("The profile has no other key to sign with")
        return self.request.secret_key

    def _payment(
        self,
        verdict: Verdict,
        transaction_id: str | None,
        token: str,
        told: Mapping[str, str],
        faults: Iterable[Fault],
    ) -> Payment:
        request = self.request
        if request["device_fingerprint_id"]:
            self.remarks += self.memory.fingerprints.remarks(
                request.profile.merchant_id, request["device_fingerprint_id"], reference=request["reference_number"]
            )
        shopper = f"{told.get('req_bill_to_forename', '')} {told.get('req_bill_to_surname', '')}".strip()
        held = verdict.decision == "REVIEW" and verdict.authorized and transaction_id is not None
        return Payment(
            id=self.memory.next_payment_id(),
            at=self.now,
            path=request.path,
            merchant_id=request.profile.merchant_id,
            reference_number=_without_card(request["reference_number"]),
            transaction_uuid=request["transaction_uuid"],
            transaction_type=request["transaction_type"],
            amount=request["amount"],
            currency=request["currency"],
            decision=told["decision"],
            reason_code=told.get("reason_code", ""),
            message=verdict.message,
            transaction_id=transaction_id,
            card_number=told.get("req_card_number", ""),
            card_type=told.get("req_card_type", ""),
            card_tag=self.card.tag if self.card else "",
            shopper=_without_card(shopper),
            payment_token=token,
            receipt_page=request["override_custom_receipt_page"] or request.profile.receipt_page,
            merchant_post_url=request["override_backoffice_post_url"] or request.profile.merchant_post_url,
            invalid_fields=told.get("invalid_fields", ""),
            required_fields=told.get("required_fields", ""),
            faults=frozenset(faults),
            verdict=verdict,
            remarks=self.remarks,
            case=Case(original_decision="REVIEW", opened_at=self.now) if held else None,
        )

    def _merchant_posts(self, payment: Payment, pairs: Pairs, mode: MerchantPost) -> tuple[PlannedPost, ...]:
        url, after = payment.merchant_post_url, self.settings.after_seconds
        if not url or mode is MerchantPost.NEVER:
            return ()
        due = {MerchantPost.TWICE: (after, after * 2), MerchantPost.SLOW: (self.settings.slow_seconds,)}
        return tuple(
            PlannedPost(
                payment_id=payment.id,
                url=url,
                pairs=pairs,
                before_page=mode is MerchantPost.BEFORE,
                after_seconds=0 if mode is MerchantPost.BEFORE else seconds,
            )
            for seconds in due.get(mode, (after,))
        )

    def _for_browser(
        self, payment: Payment, browser: Pairs, mode: MerchantPost, faults: Iterable[Fault]
    ) -> dict[str, Any]:
        """Return the parts of the answer that the browser sees."""
        if Fault.SERVER_ERROR_AFTER in faults:
            return {"page": refusal_page(500, "A switch asked for this, after the payment was processed.")}
        if Fault.DROP_REPLY in faults:
            return {"page": refusal_page(502, "A switch asked for a dropped connection."), "drop": True}
        if Fault.TAB_CLOSED in faults or mode is MerchantPost.ONLY:
            return {"page": lost_page()}
        action = payment.receipt_page
        if not action:
            return {
                "page": plain_page(
                    200,
                    "Receipt",
                    f"{payment.decision}: {payment.message}",
                    "The profile has no customer response page and the form named none, so no reply is posted.",
                )
            }
        if Fault.TRUNCATED in faults:
            return {"page": reply_page(action, browser, truncated=True)}
        return {"page": reply_page(action, browser, twice=Fault.TWICE in faults), "reply": browser, "action": action}


def _merchant_post(faults: Iterable[Fault]) -> MerchantPost | None:
    """Return the order of deliveries that faults bring with them."""
    if Fault.TWICE in faults:
        return MerchantPost.TWICE
    if Fault.LATE in faults or Fault.SWAPPED in faults:
        return MerchantPost.BEFORE
    return None


def _without_card(text: str) -> str:
    """Return ``text`` with whatever could be a card number masked: nothing of the kind is kept."""

    def hide(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match[0])
        return cards.mask(digits) if cards.luhn(digits) else match[0]

    return _DIGIT_RUNS.sub(hide, text)


def _without_cards(pairs: Pairs) -> Pairs:
    return [(name, value if _IDENTIFIERS.fullmatch(name) else _without_card(value)) for name, value in pairs]
