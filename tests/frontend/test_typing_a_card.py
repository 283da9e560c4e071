"""Typing, pasting and autofilling a card: the form helps and never fights the shopper."""

import pytest

from .conftest import CVN, VISA, render

pytestmark = pytest.mark.browser


def brand(checkout):
    return checkout.page.locator("[data-cybersource-brand]")


def paste(field, text):
    """Paste as a browser does: one input event that says so."""
    field.focus()
    field.evaluate(
        """(input, text) => {
            input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
            input.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertFromPaste", data: text }));
        }""",
        text,
    )


def caret(field):
    return field.evaluate(
        "(input) => input.value.slice(0, input.selectionStart) + '|' + input.value.slice(input.selectionEnd)"
    )


@pytest.mark.parametrize(
    ("typed", "shown", "name"),
    [
        ("4111111111111111", "4111 1111 1111 1111", "Visa"),
        ("378282246310005", "3782 822463 10005", "American Express"),
        ("5555555555554444", "5555 5555 5555 4444", "Mastercard"),
        ("4111-1111 1111x1111", "4111 1111 1111 1111", "Visa"),
        ("6759560045005727054", "6759 5600 4500 5727 054", "Maestro (UK)"),
    ],
)
def test_a_card_number_groups_itself_and_shows_its_brand_as_it_is_typed(checkout, typed, shown, name):
    checkout.open().number.press_sequentially(typed)
    assert checkout.number.input_value() == shown
    assert brand(checkout).inner_text() == name


def test_the_brand_is_told_from_the_first_digit_and_taken_back_with_it(checkout):
    checkout.open().number.press_sequentially("4")
    assert brand(checkout).inner_text() == "Visa"
    checkout.number.press("Backspace")
    assert not brand(checkout).is_visible()


def test_half_a_number_is_not_called_wrong_while_it_is_typed(checkout):
    checkout.open().number.press_sequentially("4111 1111 111")
    assert not checkout.error("number").is_visible()
    assert checkout.number.get_attribute("aria-invalid") is None


def test_leaving_half_a_number_says_so_and_finishing_it_takes_that_back(checkout):
    checkout.open().number.press_sequentially("4111 1111")
    checkout.number.press("Tab")
    assert checkout.error("number").inner_text() == "This card number is too short. Please check it."
    checkout.number.press("End")
    checkout.number.press_sequentially("11111111")
    assert not checkout.error("number").is_visible()


def test_leaving_an_empty_field_is_no_mistake_yet(checkout, page):
    checkout.open().number.focus()
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.locator("[aria-invalid]").count() == 0


def test_a_finished_card_is_marked_right_field_by_field(checkout, page):
    checkout.open().fill()
    assert page.locator(".cybersource-valid").count() == 3
    assert "cybersource-brand-complete" in brand(checkout).get_attribute("class")
    checkout.number.press("End")
    checkout.number.press("Backspace")
    assert page.locator(".cybersource-valid").count() == 2
    assert "cybersource-brand-complete" not in brand(checkout).get_attribute("class")


def test_the_caret_stays_where_the_shopper_corrects_a_digit(checkout):
    field = checkout.open().number
    field.press_sequentially("411111111111")
    field.evaluate("(input) => input.setSelectionRange(6, 6)")
    field.press_sequentially("9")
    assert caret(field) == "4111 19|11 1111 1"
    field.press("Backspace")
    assert caret(field) == "4111 1|111 1111"


def test_backspace_and_delete_pass_through_the_gaps(checkout):
    field = checkout.open().number
    field.press_sequentially("41112222")
    field.evaluate("(input) => input.setSelectionRange(5, 5)")
    field.press("Backspace")
    assert caret(field) == "411|2 222"
    field.press("Delete")
    assert caret(field) == "411|2 22"
    field.press_sequentially("1")
    assert caret(field) == "4111| 222" or caret(field) == "4111 |222"
    field.evaluate("(input) => input.setSelectionRange(4, 4)")
    field.press("Delete")
    assert caret(field).replace("|", "") == "4111 22"


def test_a_selection_is_replaced_as_anywhere_else(checkout):
    field = checkout.open().number
    field.press_sequentially(VISA)
    field.press("ControlOrMeta+a")
    field.press_sequentially("37")
    assert caret(field) == "37|"
    field.press("ControlOrMeta+a")
    field.press("Backspace")
    assert field.input_value() == ""


@pytest.mark.parametrize(
    "pasted",
    ["4111-1111-1111-1111", " 4111 1111 1111 1111 ", "4111\t1111\t1111\t1111", "４１１１１１１１１１１１１１１１"],
)
def test_a_pasted_number_is_taken_whatever_it_is_written_with(checkout, pasted):
    paste(checkout.open().number, pasted)
    assert checkout.number.input_value() == "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("0927", "09 / 27"),
        ("927", "09 / 27"),
        ("1", "1"),
        ("12", "12 / "),
        ("1/27", "01 / 27"),
        ("09/27", "09 / 27"),
        ("9 27", "09 / 27"),
    ],
)
def test_an_expiry_date_writes_its_own_slash(checkout, typed, shown):
    checkout.open().expiry.press_sequentially(typed)
    assert checkout.expiry.input_value() == shown


def test_a_year_typed_in_full_is_shortened_on_leaving(checkout):
    checkout.open().expiry.press_sequentially("09/2031")
    assert checkout.expiry.input_value() == "09 / 2031"
    checkout.expiry.press("Tab")
    assert checkout.expiry.input_value() == "09 / 31"
    assert not checkout.error("expiry").is_visible()


def test_backspace_takes_an_expiry_date_back_digit_by_digit(checkout):
    field = checkout.open().expiry
    field.press_sequentially("0927")
    left = []
    while field.input_value() and len(left) < 10:
        field.press("Backspace")
        left.append(field.input_value())
    assert left == ["09 / 2", "09 / ", "09", "0", ""] or left == ["09 / 2", "09", "0", ""]
    field.press_sequentially("1")
    assert field.input_value() == "1"


@pytest.mark.parametrize("given", ["0931", "09/31", "9/2031", "2031-09", "09/2031", "09-31"])
def test_a_pasted_or_autofilled_expiry_date_is_understood(checkout, given):
    paste(checkout.open().expiry, given)
    assert checkout.expiry.input_value() == "09 / 31"
    checkout.expiry.fill("")
    checkout.expiry.fill(given)
    assert checkout.expiry.input_value() == "09 / 31"
    checkout.number.fill(VISA)
    checkout.cvn.fill(CVN)
    assert dict(checkout.pay().posted())["card_expiry_date"] == "09-2031"


def test_the_security_code_takes_as_many_digits_as_the_brand_prints(checkout):
    checkout.open().number.fill(VISA)
    checkout.cvn.press_sequentially("12x345")
    assert checkout.cvn.input_value() == "123"
    assert checkout.page.get_by_text("3 digits on the back").is_visible()
    checkout.number.fill("378282246310005")
    assert checkout.page.get_by_text("4 digits on the front").is_visible()
    checkout.cvn.fill("")
    checkout.cvn.press_sequentially("12345")
    assert checkout.cvn.input_value() == "1234"


def test_a_brand_that_cannot_be_told_is_asked_for_and_never_guessed(checkout, gateway):
    checkout.open().fill(number="9792030394440796")
    types = checkout.field("Card type")
    assert types.is_visible()
    assert types.input_value() == ""
    checkout.pay()
    assert checkout.error("type").inner_text() == "Choose the type of your card."
    assert gateway.requests == []
    types.select_option(label="Maestro")
    assert not checkout.error("type").is_visible()
    posted = dict(checkout.pay().posted())
    assert (posted["card_type"], posted["card_number"]) == ("042", "9792030394440796")


def test_the_question_for_the_brand_offers_only_what_the_shop_takes_and_goes_when_the_number_tells(checkout):
    checkout.open("card_types='001,042,055'").fill(number="9792030394440796")
    types = checkout.field("Card type")
    assert types.locator("option").all_inner_texts() == ["Choose…", "Visa", "Maestro", "Private label"]
    checkout.number.fill(VISA)
    assert not types.is_visible()


def test_a_card_of_two_brands_shows_both_and_sends_the_shoppers_choice(checkout):
    checkout.open("card_types='001,002,036'").fill()
    types = checkout.field("Card type")
    assert types.locator("option").all_inner_texts() == ["Choose…", "Visa", "Cartes Bancaires"]
    assert types.input_value() == "001"
    types.select_option("036")
    assert dict(checkout.pay().posted())["card_type"] == "036"


def test_an_error_that_appears_does_not_move_the_button_from_under_the_pointer(checkout):
    checkout.open().fill(number="4111 1111")
    checkout.number.focus()
    checkout.pay()
    assert checkout.summary.is_visible()


def test_the_whole_payment_works_by_keyboard_alone(checkout, page):
    checkout.open("phone=True")
    keys = page.keyboard
    page.locator("a").first.focus()
    keys.press("Tab")
    keys.type(VISA)
    keys.press("Tab")
    keys.type("0931")
    keys.press("Tab")
    keys.type("73")
    keys.press("Tab")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.innerText.trim()") == "Pay by card"
    keys.press("Enter")
    assert page.evaluate("document.activeElement.hasAttribute('data-cybersource-summary')")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Enter the 3 digits on the back of your card."
    keys.press("Enter")
    keys.press("End")
    keys.type("7")
    keys.press("Enter")
    posted = dict(checkout.posted())
    assert (posted["card_number"], posted["card_expiry_date"], posted["card_cvn"]) == (VISA, "09-2031", CVN)


def test_two_card_forms_on_one_page_keep_to_themselves(checkout, page, shop):
    source = (
        "{% load cybersource_tags %}<!DOCTYPE html><title>Two</title>{% cybersource_card_form %}"
        "{% cybersource_card_form prefix='other' label='Pay the other way' %}"
    )
    shop.page("/two/", render(source))
    page.goto(f"{shop.url}/two/")
    page.wait_for_selector("form[data-cybersource-ready] >> nth=1")
    page.get_by_role("button", name="Pay the other way").click()
    assert page.locator("[aria-invalid]").count() == 3
    assert page.locator("#other-card-number[aria-invalid]").count() == 1
    ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), (element) => element.id)")
    assert len(ids) == len(set(ids))


def test_a_form_added_to_the_page_later_is_taken_charge_of_when_asked(page, shop):
    markup = render("{% load cybersource_tags %}{% cybersource_card_form assets=False %}")
    shop.page("/late/", "<!DOCTYPE html><title>Late</title><main></main>")
    page.goto(f"{shop.url}/late/")
    page.evaluate(
        """async (markup) => {
            document.querySelector("main").innerHTML = markup;
            const { bind } = await import("/static/cybersource/js/checkout.js");
            bind();
            bind();
        }""",
        markup,
    )
    page.get_by_role("button", name="Pay by card").click()
    assert page.locator("[data-cybersource-summary] li").count() == 3
