"""Keys change while the shop is trading: nobody is refused, and what is no longer readable is found."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from oscar.core.loading import get_model

from cybersource import encryption
from cybersource.management.commands import cybersource_rotate_encryption as rotation
from cybersource.models import AttemptState, RefusedPost, SecureAcceptanceProfile
from cybersource.simulator import Answer, Gateway
from tests.support.shop import Shopper, card, cybersource, post_reply

Order = get_model("order", "Order")

OLD, NEW = Fernet.generate_key().decode(), "newest: any text will do, this one is a test's own"
SECRET = "throwaway-secret-of-nobody"
NEW_KEY = {"access_key": "b" * 32, "secret_key": "throwaway-secret-of-the-new-key"}


def profile(access_key: str = "a" * 32, **columns) -> SecureAcceptanceProfile:
    given = {"hostname": "testserver", "profile_id": "P", "secret_key": SECRET, **columns}
    return SecureAcceptanceProfile.objects.create(access_key=access_key, **given)


def stored() -> dict[str, str]:
    """What the column really holds, by access key."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_key, secret_key FROM cybersource_secureacceptanceprofile")
        return dict(cursor.fetchall())


def rotate(**options) -> str:
    out = StringIO()
    call_command("cybersource_rotate_encryption", stdout=out, **options)
    return out.getvalue()


def remove_unreadable(**options) -> tuple[str, str, bool]:
    """What the command says, on both channels, and whether it ends well."""
    out, err = StringIO(), StringIO()
    try:
        call_command("remove_unreadable_cybersource_profiles", stdout=out, stderr=err, **options)
    except CommandError as problem:
        return out.getvalue(), f"{err.getvalue()}{problem}", False
    return out.getvalue(), err.getvalue(), True


# -- the keys that encrypt --------------------------------------------------------------------------------------------


@pytest.fixture
def encrypted_with_the_old_key(committed_db, settings):
    settings.CYBERSOURCE_FERNET_KEYS = [OLD]
    profile()
    settings.CYBERSOURCE_FERNET_KEYS = [NEW, OLD]


#: One secret as it is stored, made by hand (SHA-256, AES-128-CBC and HMAC-SHA256 of other tools): of any text as a key,
#: and of a key that is a Fernet key. The derivation cannot change without taking every shop's secrets along.
STORED = {
    "a shop's own SECRET_KEY": (
        "gAAAAABlU_EAAAECAwQFBgcICQoLDA0ODwGzLWybDSP0u0iuofC0JijRk8NDYH_AabvEXXLSAO2xFaW8-u3Orp28JHUEY6ZnThbH7VyJcwPmx2"
        "yo7MhjDGE="
    ),
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=": (
        "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD7gA6IZC2pzo9_3qZgNpYdOQM-tg7uQhX7LwNg2KUG2MK6UJE0ovPVKAA2WWbzYaDzB1JwK7JfhDPw"
        "2fOCuuT6I="
    ),
}


@pytest.mark.parametrize("key", STORED)
@pytest.mark.parametrize("where", ["CYBERSOURCE_FERNET_KEYS", "SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_what_was_stored_with_a_key_stays_readable_in_every_release(settings, key, where):
    settings.CYBERSOURCE_FERNET_KEYS = None
    settings.SECRET_KEY = "another"
    setattr(settings, where, key if where == "SECRET_KEY" else [key])
    assert encryption.decrypt(STORED[key]) == "throwaway-secret"
    settings.CYBERSOURCE_FERNET_KEYS = ["another"]
    assert encryption.decrypt(STORED[key]) == ""


@pytest.mark.quick
def test_after_the_rotation_the_old_encryption_key_can_go(encrypted_with_the_old_key, settings):
    assert "SecureAcceptanceProfile.secret_key: 1 encrypted anew, 0 up to date, 0 unreadable" in rotate()
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]
    assert SecureAcceptanceProfile.objects.get().secret_key == SECRET
    assert SECRET not in str(stored())


def test_rotating_again_writes_nothing(encrypted_with_the_old_key):
    rotate()
    before = stored()
    with CaptureQueriesContext(connection) as ran:
        assert "0 encrypted anew, 1 up to date" in rotate()
    assert stored() == before
    assert not [query for query in ran if query["sql"].startswith("UPDATE")]


def test_a_dry_run_counts_locks_nothing_and_writes_nothing(encrypted_with_the_old_key):
    before = stored()
    with CaptureQueriesContext(connection) as ran:
        assert "1 to encrypt anew" in rotate(dry_run=True)
    assert stored() == before
    assert not [query for query in ran if "UPDATE" in query["sql"]]


def test_secrets_follow_a_changed_secret_key_of_django(committed_db, settings):
    settings.CYBERSOURCE_FERNET_KEYS = None
    profile()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another throwaway key of Django"
    rotate()
    settings.SECRET_KEY_FALLBACKS = []
    assert SecureAcceptanceProfile.objects.get().secret_key == SECRET


def test_secrets_can_leave_the_secret_key_of_django_for_keys_of_their_own(committed_db, settings):
    settings.CYBERSOURCE_FERNET_KEYS = None
    profile()
    settings.CYBERSOURCE_FERNET_KEYS = [NEW, settings.SECRET_KEY]
    rotate()
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]
    assert SecureAcceptanceProfile.objects.get().secret_key == SECRET


def test_an_unreadable_secret_is_reported_and_left_as_it_is_and_keeps_no_other_waiting(
    encrypted_with_the_old_key, settings
):
    settings.CYBERSOURCE_FERNET_KEYS = ["a key that was lost"]
    lost = profile("c" * 32)
    settings.CYBERSOURCE_FERNET_KEYS = [NEW, OLD]
    before = stored()
    with pytest.raises(CommandError, match=f"SecureAcceptanceProfile {lost.pk}. Nothing was changed there") as ended:
        rotate()
    assert ended.value.returncode != 0
    after = stored()
    assert after["c" * 32] == before["c" * 32]
    assert after["a" * 32] != before["a" * 32]
    settings.CYBERSOURCE_FERNET_KEYS = [NEW, "a key that was lost"]
    assert {row.secret_key for row in SecureAcceptanceProfile.objects.all()} == {SECRET}
    rotate()


def test_many_secrets_are_rotated_a_batch_at_a_time_and_each_once(committed_db, settings):
    settings.CYBERSOURCE_FERNET_KEYS = [OLD]
    made = [profile(f"{number:032d}").pk for number in range(7)]
    settings.CYBERSOURCE_FERNET_KEYS = [NEW, OLD]
    with CaptureQueriesContext(connection) as ran:
        done = list(rotation.rotated(SecureAcceptanceProfile, "secret_key", database="default", dry_run=False, batch=3))
    assert [pk for pk, _standing in done] == made
    assert len([query for query in ran if "FOR NO KEY UPDATE" in query["sql"]]) == 3
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]
    assert {row.secret_key for row in SecureAcceptanceProfile.objects.all()} == {SECRET}


def test_several_machines_may_rotate_at_once_while_staff_enter_a_secret(encrypted_with_the_old_key, settings):
    """The secret that staff enter while the machines wait for the row is the one that stands afterwards."""
    said: list[str] = []
    errors: list[BaseException] = []

    def machine() -> None:
        try:
            said.append(rotate())
        except BaseException as problem:
            errors.append(problem)
        finally:
            connection.close()

    machines = [threading.Thread(target=machine) for _ in range(4)]
    with transaction.atomic():
        row = SecureAcceptanceProfile.objects.select_for_update().get()
        for thread in machines:
            thread.start()
        wait_for_waiting(4)
        row.secret_key = "entered-meanwhile"
        row.save()
    for thread in machines:
        thread.join(30)
    assert not errors
    assert len(said) == 4
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]
    assert SecureAcceptanceProfile.objects.get().secret_key == "entered-meanwhile"


def wait_for_waiting(count: int) -> None:
    """Return when so many sessions of this database wait for a lock."""
    pause = threading.Event()
    for _look in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the same statistics all along
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0] >= count:
                return
        pause.wait(0.05)
    raise AssertionError("nobody waits for the row")


def test_a_fixture_of_the_profiles_holds_no_secret_and_can_be_loaded_again(committed_db, settings):
    settings.CYBERSOURCE_FERNET_KEYS = [OLD]
    profile()
    out = StringIO()
    call_command("dumpdata", "cybersource.SecureAcceptanceProfile", stdout=out)
    dumped = out.getvalue()
    assert "a" * 32 in dumped
    assert SECRET not in dumped
    SecureAcceptanceProfile.objects.all().delete()
    for loaded in serializers.deserialize("json", dumped):
        loaded.save()
    assert SecureAcceptanceProfile.objects.get().secret_key == SECRET
    assert SECRET not in str(stored())
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]  # another shop: it learns nothing, and what was stored is not destroyed
    for loaded in serializers.deserialize("json", dumped):
        loaded.save()
    assert not SecureAcceptanceProfile.objects.get().is_readable
    settings.CYBERSOURCE_FERNET_KEYS = [NEW, OLD]
    assert SecureAcceptanceProfile.objects.get().secret_key == SECRET


# -- what no key opens any more ---------------------------------------------------------------------------------------


@pytest.fixture
def unreadable(committed_db, settings) -> SecureAcceptanceProfile:
    """A shop with one profile in the database, none in its settings, and the wrong encryption key."""
    settings.CYBERSOURCE_FERNET_KEYS = [OLD]
    held = profile()
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]
    settings.CYBERSOURCE_PROFILE = settings.CYBERSOURCE_ACCESS = settings.CYBERSOURCE_SECRET = ""
    return held


def test_unreadable_profiles_are_listed_and_removed_without_a_question_if_told_so(unreadable, settings):
    kept = profile("d" * 32, hostname="", is_default=True)
    out, err, well = remove_unreadable(interactive=False)
    assert f"row {unreadable.pk}: profile P, access key {'a' * 32}, host testserver" in out
    assert "Removed: 1." in out
    assert f"Left to sign forms with:\n  row {kept.pk}: profile P, access key {'d' * 32}, host any, default" in out
    assert well and not err
    assert list(SecureAcceptanceProfile.objects.all()) == [kept]
    assert "Every Secure Acceptance profile can be decrypted." in remove_unreadable(interactive=False)[0]


@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("no", 1), ("", 1), (EOFError, 1)])
def test_unreadable_profiles_are_removed_only_after_a_plain_yes(unreadable, monkeypatch, answer, left):
    def asked(question: str) -> str:
        if answer is EOFError:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", asked)
    _out, err, well = remove_unreadable()
    assert SecureAcceptanceProfile.objects.count() == left
    assert well == (left == 0)
    assert "Nothing is left to sign forms with: card payment is not available in this shop." in err


def test_a_dry_run_names_unreadable_profiles_and_ends_with_an_error(unreadable):
    out, err, well = remove_unreadable(dry_run=True)
    assert f"row {unreadable.pk}" in out
    assert "Nothing was removed." in err and not well
    assert SecureAcceptanceProfile.objects.count() == 1


def test_a_profile_of_the_settings_is_named_among_what_is_left(unreadable, settings):
    settings.CYBERSOURCE_PROFILE, settings.CYBERSOURCE_ACCESS, settings.CYBERSOURCE_SECRET = "Q", "e" * 32, SECRET
    out, err, _well = remove_unreadable(interactive=False)
    assert f"profile Q, access key {'e' * 32}, from the settings" in out
    assert SECRET not in out + err


def test_a_secret_that_staff_enter_again_before_the_answer_is_not_removed(unreadable, monkeypatch):
    def answered_late(question: str) -> str:
        row = SecureAcceptanceProfile.objects.get()
        row.secret_key = SECRET
        row.save()
        return "yes"

    monkeypatch.setattr("builtins.input", answered_late)
    remove_unreadable()
    assert SecureAcceptanceProfile.objects.get().secret_key == SECRET


def test_a_shop_with_nothing_but_unreadable_profiles_refuses_card_payment_plainly(unreadable, caplog):
    shopper = Shopper()
    shopper.fill_basket()
    refused = shopper.client.post("/api/checkout/", shopper.payload(), content_type="application/json")
    assert refused.status_code == 406
    assert "Card payment is not available at the moment." in refused.content.decode()
    assert Order.objects.count() == 0
    assert f"profile row {unreadable.pk} cannot be decrypted" in caplog.text


@pytest.mark.parametrize("paid_steps", [0, 1])
def test_a_profile_that_becomes_unreadable_during_a_checkout_is_no_server_error(shopper, settings, caplog, paid_steps):
    """Nothing can be signed meanwhile, so there is no form to show; it is there again with the key."""
    settings.CYBERSOURCE_FERNET_KEYS = [OLD]
    keys = {"profile_id": settings.CYBERSOURCE_PROFILE, "secret_key": settings.CYBERSOURCE_SECRET}
    profile(settings.CYBERSOURCE_ACCESS, **keys)
    settings.CYBERSOURCE_PROFILE = settings.CYBERSOURCE_ACCESS = settings.CYBERSOURCE_SECRET = ""
    shopper.check_out()
    if paid_steps:
        shopper.deliver(shopper.submit())
    settings.CYBERSOURCE_FERNET_KEYS = [NEW]
    state = shopper.state()
    assert (state["status"], state["required_action"]) == ("Pending", None)
    page = shopper.client.get(f"/api/cybersource/pending/{shopper.attempt().transaction_uuid}/")
    assert page.status_code == 200
    assert "No form can be shown" in caplog.text
    settings.CYBERSOURCE_FERNET_KEYS = [OLD]
    shopper.pay()
    assert Order.objects.get().status == "Authorized"


# -- the keys that sign -----------------------------------------------------------------------------------------------


def send(gateway: Gateway, action: dict) -> Answer:
    """Post a form that was read before, however old it is."""
    typed = card()
    pairs = [(f["key"], typed.get(f["key"], f["value"]) if f["editable"] else f["value"]) for f in action["fields"]]
    answer = gateway.submit("/silent/" + action["url"].partition("/silent/")[2], pairs)
    assert not answer.refused, answer.page
    return answer


def signed_with(action: dict) -> str:
    return next(field["value"] for field in action["fields"] if field["key"] == "access_key")


def test_keys_rotate_while_shoppers_pay_and_nobody_is_refused(committed_db, settings):
    """Shoppers check out and pay without a pause; staff add the new key in the admin, and later retire the old one.

    Two shoppers dawdle: their forms, signed with the old key, are out until the new key has taken over.
    """
    old = {
        "hostname": "testserver",
        "profile_id": settings.CYBERSOURCE_PROFILE,
        "access_key": settings.CYBERSOURCE_ACCESS,
        "secret_key": settings.CYBERSOURCE_SECRET,
        "active": "on",
    }
    settings.CYBERSOURCE_PROFILE = settings.CYBERSOURCE_ACCESS = settings.CYBERSOURCE_SECRET = ""
    gateway = cybersource(other_keys={NEW_KEY["access_key"]: NEW_KEY["secret_key"]})
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("boss", "boss@shop.example", "-"))
    admin = "/admin/cybersource/secureacceptanceprofile/"
    assert staff.post(f"{admin}add/", old).status_code == 302
    held = SecureAcceptanceProfile.objects.get()
    begun = Shopper(gateway=gateway)
    begun.check_out("12.00")  # makes the country and the kind of product that all shoppers share
    begun.pay()

    form_is_out, old_forms_are_done = threading.Semaphore(0), threading.Semaphore(0)
    new_key_signs, closing = threading.Event(), threading.Event()
    paid: list[tuple[str, bool]] = []  # the key that signed the first form, and whether the new key had come since
    troubles: list[BaseException] = []

    def shop(dawdles: bool) -> None:
        told = False
        try:
            while not (told and closing.is_set()):
                shopper = Shopper(gateway=gateway)
                order = shopper.check_out("12.00")
                form = shopper.state()["required_action"]
                if not told and dawdles:
                    form_is_out.release()
                    assert new_key_signs.wait(60)
                late = new_key_signs.is_set()
                shopper.deliver(send(gateway, form))
                shopper.pay()
                assert Order.objects.get(pk=order.pk).status == "Authorized"
                paid.append((signed_with(form), late))
                if late and not told:  # whatever is signed from here on is signed with the new key
                    told = True
                    old_forms_are_done.release()
        except BaseException as trouble:
            troubles.append(trouble)
            form_is_out.release()
            old_forms_are_done.release()
        finally:
            connection.close()

    threads = [threading.Thread(target=shop, args=(number < 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _dawdler in range(2):
            assert form_is_out.acquire(timeout=60)
        assert staff.post(f"{admin}add/", {**old, **NEW_KEY}).status_code == 302
        new_key_signs.set()
        for _shopper in threads:
            assert old_forms_are_done.acquire(timeout=60)
        retired = {**old, "secret_key": ""}
        del retired["active"]
        assert staff.post(f"{admin}{held.pk}/change/", retired).status_code == 302
        last = Shopper(gateway=gateway)
        last.check_out("12.00")
        assert signed_with(last.state()["required_action"]) == NEW_KEY["access_key"]
        last.pay()
    finally:
        new_key_signs.set()
        closing.set()
        for thread in threads:
            thread.join(60)
    assert not troubles, troubles
    assert paid.count((old["access_key"], True)) >= 2
    assert (NEW_KEY["access_key"], True) in paid
    assert gateway.refusals == ()
    assert RefusedPost.objects.count() == 0
    assert set(Order.objects.values_list("status", flat=True)) == {"Authorized"}
    assert Order.objects.count() == len(paid) + 2


def test_the_key_of_the_settings_rotates_by_way_of_a_row(committed_db, settings):
    """The README's steps: a default row signs at once, the settings' key still verifies, then the settings follow."""
    shopper = Shopper(gateway=cybersource(other_keys={NEW_KEY["access_key"]: NEW_KEY["secret_key"]}))
    old_key = settings.CYBERSOURCE_ACCESS
    first = shopper.check_out("12.00")
    old_form = shopper.state()["required_action"]
    assert signed_with(old_form) == old_key
    row = profile(hostname="", is_default=True, **{"profile_id": settings.CYBERSOURCE_PROFILE, **NEW_KEY})
    assert signed_with(shopper.state()["required_action"]) == NEW_KEY["access_key"]
    shopper.deliver(send(shopper.gateway, old_form))  # the form that was out all the time
    step_two = shopper.state()["required_action"]
    assert signed_with(step_two) == NEW_KEY["access_key"]
    settings.CYBERSOURCE_ACCESS, settings.CYBERSOURCE_SECRET = NEW_KEY["access_key"], NEW_KEY["secret_key"]
    row.active = False
    row.save()
    shopper.deliver(send(shopper.gateway, step_two))
    first.refresh_from_db()
    assert first.status == "Authorized"


def test_a_row_without_host_and_default_verifies_and_signs_nothing_new(committed_db, settings):
    """So the replaced key can be kept alive beside a new one in the settings."""
    shopper = Shopper(gateway=cybersource(other_keys={NEW_KEY["access_key"]: NEW_KEY["secret_key"]}))
    order = shopper.check_out("12.00")
    old_form = shopper.state()["required_action"]
    old_key = signed_with(old_form)
    profile(old_key, hostname="", profile_id=settings.CYBERSOURCE_PROFILE, secret_key=settings.CYBERSOURCE_SECRET)
    settings.CYBERSOURCE_ACCESS, settings.CYBERSOURCE_SECRET = NEW_KEY["access_key"], NEW_KEY["secret_key"]
    assert signed_with(shopper.state()["required_action"]) == NEW_KEY["access_key"]
    shopper.deliver(send(shopper.gateway, old_form))
    assert signed_with(shopper.state()["required_action"]) == NEW_KEY["access_key"]
    shopper.pay()
    order.refresh_from_db()
    assert order.status == "Authorized"


def test_a_reply_to_a_form_of_a_retired_key_is_kept_as_evidence_and_settles_once_the_key_is_back(shopper, settings):
    row = profile(hostname="testserver", profile_id=settings.CYBERSOURCE_PROFILE, **NEW_KEY)
    shopper.gateway = cybersource(**NEW_KEY)
    settings.CYBERSOURCE_FLOW = "one-step"
    order = shopper.check_out("12.00")
    answer = shopper.submit()
    row.active = False
    row.save()
    assert post_reply(answer.reply).status_code == 400
    (evidence,) = RefusedPost.objects.all()
    assert evidence.rule == "unknown-access-key"
    assert evidence.summary["values"]["req_reference_number"] == order.number
    assert shopper.attempt().state == AttemptState.OPEN
    row.active = True
    row.save()
    assert shopper.deliver(answer).status_code == 302
    order.refresh_from_db()
    assert order.status == "Authorized"
