"""The operators' pages in a browser: with and without a script, by keyboard, on a narrow screen, in two languages."""

import http.client
import json
import re
import urllib.parse
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from harness.audit import paysaga
from harness.browser import Visit, browser
from harness.direct import (
    CARD, DECLINED_ACCOUNT, DECLINED_CARD, Direct, Gateway, account, balance, new_card)
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def direct(shared_world: World) -> Direct:
    rules = shared_world.directory / "rules.json"
    rules.write_text(json.dumps({"rules": [{"name": "large", "points": 70, "amount_above": {"EUR": 50_000}}]}))
    made = Direct(shared_world, RISK_RULES=str(rules), GATEWAY_PAGE_TEST_CARDS="true")
    made.processor()
    return made


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Gateway:
    return direct.gateway()


def visit(chromium: Browser, gateway: Gateway, **options) -> Visit:
    return Visit(chromium, gateway.program.http_port, **options)


def fill_card(page: Page, number: str, amount: str, description: str) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Valid until").fill("12/40")
    page.get_by_label("CVV").fill("123")
    page.get_by_label("Amount").fill(amount)
    page.get_by_label("Description").fill(description)


def row(page: Page, text: str):
    return page.get_by_role("row").filter(has_text=text)


def shows_no_overflow(page: Page) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"{page.url} is {width[0]} wide in a window of {width[1]}"


def test_a_payment_is_made_and_seen_to_its_end(chromium: Browser, gateway: Gateway, direct: Direct):
    name = f"books {uuid.uuid4().hex[:8]}"
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/")
        # A test card that is offered, then the rest by keyboard.
        page.get_by_role("button", name=CARD).click()
        expect(page.get_by_label("Amount")).to_be_focused()
        page.keyboard.type("19,99")
        page.get_by_label("Description").fill(name)
        page.keyboard.press("Enter")
        # The page is not left, and the row's state changes by itself.
        expect(row(page, name).get_by_text("Completed")).to_be_visible(timeout=20_000)
        assert page.url.endswith("/")
        expect(page.get_by_label("Card number")).to_have_value("")
        row(page, name).get_by_role("link").click()
        timeline = page.locator("#timeline")
        for text in ("Created", "Risk 0 of 99: allowed", "Held 19.99 EUR", "The bank is asked: to charge", "approved",
                     "Posted 19.99 EUR"):
            expect(timeline.get_by_text(text, exact=False).first).to_be_visible()
        happened = timeline.inner_text()
        order = [happened.index(text) for text in ("Created", "Risk 0", "Held", "is asked", "answers", "Completed")]
        assert order == sorted(order), happened
        # Given back by the page, too.
        page.get_by_label("Give back").fill("5")
        page.get_by_role("button", name="Refund").click()
        expect(page.locator("#timeline").get_by_text("Refund 5.00 EUR")).to_be_visible()
    paid = gateway.get(f"/v1/payments?limit=1&user_id={user_of(direct, name)}").json["data"][0]
    assert paid["amount"] == 1999 and paid["method"]["last4"] == "4242"


def user_of(direct: Direct, description: str) -> str:
    return str(direct.world.value("SELECT user_id FROM gateway.payment WHERE description = %s", description))


def test_it_works_without_a_script(chromium: Browser, gateway: Gateway):
    name = f"plain {uuid.uuid4().hex[:8]}"
    with visit(chromium, gateway, java_script_enabled=False) as one:
        page = one.page
        page.goto("/")
        # Only the chosen method's fields are there.
        expect(page.get_by_label("Account number")).to_be_hidden()
        fill_card(page, DECLINED_CARD, "5.00", name)
        page.get_by_role("button", name="Pay", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Payment 5.00 EUR")

        def is_rejected() -> bool:
            page.reload()
            return page.locator("#facts").get_by_text("Rejected").is_visible()

        wait_until(is_rejected, "the payment is rejected", 20)
        expect(page.locator("#facts")).to_contain_text("declined by the bank")
        # The filter, and a way back.
        page.get_by_role("link", name="Payments", exact=True).click()
        page.get_by_label("State").select_option(label="Rejected")
        page.get_by_role("button", name="Show").click()
        expect(row(page, name)).to_be_visible()
        page.get_by_label("State").select_option(label="Error")
        page.get_by_role("button", name="Show").click()
        expect(row(page, name)).to_have_count(0)


def test_lists_go_on(chromium: Browser, gateway: Gateway):
    user = str(uuid.uuid4())
    for number in range(27):
        assert gateway.pay(account(), user_id=user, description=f"row {number:02d}").status == 201
    with visit(chromium, gateway, java_script_enabled=False) as one:
        one.page.goto(f"/?user_id={user}&status=")
        expect(one.page.locator("#payments tr")).to_have_count(25)
        one.page.get_by_role("link", name="Older").click()
        expect(one.page.locator("#payments tr")).to_have_count(2)
        expect(one.page.get_by_role("link", name="Older")).to_have_count(0)


def test_the_payments_of_an_order_are_listed(chromium: Browser, gateway: Gateway, direct: Direct):
    paid, other = (gateway.pay(account()).json["id"] for _ in range(2))
    gateway.await_status(paid, "COMPLETED")
    direct.world.sql("UPDATE gateway.payment SET order_id = 4711 WHERE id = %s", paid)
    with visit(chromium, gateway, java_script_enabled=False) as one:
        page = one.page
        page.goto(f"/payments/{paid}")
        page.locator("#facts").get_by_role("link", name="4711").click()
        expect(row(page, paid[-12:])).to_be_visible()
        expect(page.locator("#payments tr")).to_have_count(1)
        search = page.get_by_role("search")
        expect(search.get_by_label("Order")).to_have_value("4711")
        # Beside the other fields of the filter, and without it.
        search.get_by_label("State").select_option(label="Error")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#payments tr")).to_have_count(0)
        search.get_by_label("State").select_option(label="all")
        search.get_by_label("Order").fill("")
        page.get_by_role("button", name="Show").click()
        expect(row(page, other[-12:])).to_be_visible()
        search.get_by_label("Order").fill("4712")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#none")).to_contain_text("No payments here.")
        shows_no_overflow(page)


@pytest.mark.parametrize("script", [True, False])
def test_a_mistake_is_shown_beside_its_field(chromium: Browser, gateway: Gateway, direct: Direct, script: bool):
    number = "4242424242424241"
    with visit(chromium, gateway, java_script_enabled=script) as one:
        page = one.page
        page.goto("/")
        fill_card(page, number, "19.99", "a mistake")
        page.get_by_role("button", name="Pay", exact=True).click()
        field = page.get_by_label("Card number")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#pay-number-fault")).to_contain_text("last digit does not fit")
        expect(page.locator("#pay-problem")).to_be_visible()
        expect(page.get_by_label("Description")).to_have_value("a mistake")
        if script:
            expect(page.locator("#toast")).to_be_visible()
            expect(field).to_be_focused()
        else:
            # A secret field is not shown again.
            expect(field).to_have_value("")
            assert number not in page.content()
        fill_card(page, CARD, "nineteen", "a mistake")
        page.get_by_role("button", name="Pay", exact=True).click()
        expect(page.locator("#pay-amount-fault")).to_contain_text("such as 19.99")
        expect(page.get_by_label("Card number")).not_to_have_attribute("aria-invalid", "true")
    assert number not in gateway.program.log.read_text()
    assert direct.world.value("SELECT count(*) FROM gateway.payment WHERE description = 'a mistake'") == 0


def test_by_keyboard_alone(chromium: Browser, gateway: Gateway):
    name = f"keys {uuid.uuid4().hex[:8]}"
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("radio", name="Card")).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(page.get_by_label("Account number")).to_be_visible()
        expect(page.get_by_label("Card number")).to_be_hidden()
        for text in ("10000000001", "7", None, name):
            page.keyboard.press("Tab")
            if text:
                page.keyboard.type(text)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Pay", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(row(page, name).get_by_text("Completed")).to_be_visible(timeout=20_000)
        # A screen reader has heard of it.
        expect(page.locator("#announcer")).not_to_be_empty()


def test_a_person_decides(chromium: Browser, gateway: Gateway):
    ids = [gateway.pay(account(), amount=60_000).json["id"] for _ in range(2)]
    for id in ids:
        gateway.await_status(id, "REVIEW")
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/review")
        waiting = row(page, ids[0])
        expect(waiting).to_contain_text("70")
        expect(waiting).to_contain_text("large")
        waiting.get_by_role("button", name="Approve").click()
        expect(page).to_have_url(re.compile("/review$"))
        row(page, ids[1]).get_by_role("button", name="Decline").click()
        expect(row(page, ids[1])).to_have_count(0)
        assert gateway.payment(ids[0], wait="20s")["status"] == "COMPLETED"
        assert gateway.await_status(ids[1], "REJECTED")["reason"] == "review_declined"
        expect(row(page, ids[0])).to_have_count(0)
        page.goto(f"/payments/{ids[1]}")
        expect(page.locator("#timeline")).to_contain_text("a person declined it")


def test_an_account_is_opened_filled_and_paid_from(chromium: Browser, gateway: Gateway):
    name = f"balance {uuid.uuid4().hex[:8]}"
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/accounts")
        # The visitor's own id is offered.
        page.get_by_role("button", name="Show").click()
        page.get_by_label("Currency").fill("eur")
        page.get_by_role("button", name="Open an account").click()
        account_id = page.url.rpartition("/")[2]
        page.get_by_label("Amount, EUR").fill("50")
        page.get_by_role("button", name="Top up").click()
        expect(page.locator("#facts")).to_contain_text("50.00 EUR")
        page.get_by_label("Amount, EUR").fill("60")
        page.get_by_role("button", name="Pay out").click()
        expect(page.locator("#move-problem")).to_be_visible()
        page.goto("/")
        page.get_by_role("radio", name="Balance").check()
        page.get_by_label("Account id").fill(account_id)
        page.get_by_label("Amount").fill("12.50")
        page.get_by_label("Description").fill(name)
        page.get_by_role("button", name="Pay", exact=True).click()
        expect(row(page, name).get_by_text("Completed")).to_be_visible(timeout=20_000)
        page.goto(f"/accounts/{account_id}")
        expect(page.locator("#facts")).to_contain_text("37.50 EUR")
        expect(page.locator("#entries tr")).to_have_count(2)


def test_the_other_pages(chromium: Browser, gateway: Gateway, direct: Direct):
    payment = gateway.paid(account())
    direct.world.sql(
        "INSERT INTO processing.exception (payment_id, kind, detail) VALUES (%s, 'charge_doubtful', 'the <bank> says')",
        payment["id"])
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/exceptions")
        expect(row(page, payment["id"])).to_contain_text("charge_doubtful")
        # Somebody's text is text.
        expect(row(page, payment["id"])).to_contain_text("the <bank> says")
        page.get_by_role("link", name=payment["id"]).click()
        timeline = page.locator("#timeline")
        expect(timeline).to_contain_text("charge_doubtful")
        # The instruction and its result, with their places on the topics.
        for outbox in ("gateway", "processing"):
            published = timeline.locator("li", has_text="Event: published").filter(has_text=f"outbox {outbox}")
            expect(published.first).to_contain_text("offset")
        page.goto("/outbox")
        for name in ("gateway", "processing"):
            expect(page.get_by_role("heading", name=name)).to_be_visible()
            expect(page.locator(f"#{name}-facts")).to_contain_text("Refused by the broker")
            expect(page.locator(f"#{name}-shards")).to_contain_text("64")


def test_events_that_waited_are_in_the_timeline(chromium: Browser, gateway: Gateway, direct: Direct):
    """Those published up to an hour after their change are found; of later ones a line tells that they are missing."""
    user = str(uuid.uuid4())
    own = gateway.open_account(user, 5_000)
    plain = [gateway.paid(account()), gateway.paid(new_card()), gateway.paid(balance(own), user_id=user),
             gateway.paid(account(DECLINED_ACCOUNT))]
    assert gateway.refund(plain[0]["id"], 500).json["status"] == "COMPLETED"
    late, lost = gateway.paid(account()), gateway.paid(account())
    world = direct.world
    everybody = [each["id"] for each in (*plain, late, lost)]
    waiting = "SELECT count(*) FROM {}.event_wait WHERE key = ANY (%s)"
    for schema in ("gateway", "processing"):
        wait_until(lambda: world.value(waiting.format(schema), everybody) == 0, f"all events of {schema} are published")

    def shown(payment: dict) -> str:
        one.page.goto(f"/payments/{payment['id']}")
        return one.page.locator("#timeline").inner_text()

    with visit(chromium, gateway) as one:
        for payment in plain:
            assert "not found" not in shown(payment)
        for payment, delay in ((late, 50), (lost, 70)):
            published = shown(payment).count("Event: published")
            # As if they had been published so late: today, or else they would be found without a window.
            for schema in ("gateway", "processing"):
                world.sql(f"UPDATE {schema}.event_done SET done_at = done_at + interval '{delay} minutes' WHERE key = %s",
                          payment["id"])
            found = shown(payment)
            if payment is late:
                assert found.count("Event: published") == published and "not found" not in found
            else:
                assert found.count("Event: published") == 0 and found.count("Event: not found") == 2
                assert "more than 60 minutes later" in found


def test_dead_letters_are_sent_again_or_discarded(chromium: Browser, gateway: Gateway, direct: Direct):
    for number in (1, 2):
        produce(direct.world.broker.brokers, direct.payments_topic, [(str(uuid.uuid4()).encode(), b"not JSON")])
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/dead-letters")
        letters = page.locator("#letters tr")
        expect(letters).to_have_count(2, timeout=30_000)
        expect(letters.first).to_contain_text(direct.payments_topic)
        letters.first.get_by_role("button", name="Discard").click()
        expect(letters).to_have_count(1)
        letters.first.get_by_role("button", name="Send again").click()
        # It cannot be used the second time either.
        expect(letters.get_by_role("cell").nth(3)).to_have_text("1", timeout=30_000)
    decided = direct.world.sql("SELECT state, decided_by FROM gateway.dead_letter WHERE state <> 'waiting' ORDER BY id")
    assert decided == [("discarded", "page"), ("requeued", "page")]


def test_webhooks_are_in_the_timeline(chromium: Browser, direct: Direct):
    gateway = direct.gateway(WEBHOOK_ALLOW_PRIVATE="true")
    # Nobody listens there.
    made = gateway.post(
        "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "events": ["payment.completed"]}, key=str(uuid.uuid4()))
    assert made.status == 201, made
    payment = gateway.paid(account())
    with visit(chromium, gateway) as one:

        def is_shown() -> bool:
            one.page.goto(f"/payments/{payment['id']}")
            return "Webhook payment.completed: waits" in one.page.locator("#timeline").inner_text()

        wait_until(is_shown, "the delivery is shown", 20)
    assert gateway.call("DELETE", f"/v1/webhook_endpoints/{made.json['id']}").status in (200, 204)


def test_a_stream_that_is_refused_is_asked_for_again(chromium: Browser, direct: Direct):
    gateway = direct.gateway(GATEWAY_MAX_WAITERS="1")
    with visit(chromium, gateway) as second:
        lost = second.page.locator("#lost")
        with visit(chromium, gateway) as first:
            with first.page.expect_response("**/live*") as taken:
                first.page.goto("/")
            assert taken.value.status == 200
            with second.page.expect_response("**/live*") as refused:
                second.page.goto("/")
            assert refused.value.status == 503
            expect(lost).to_be_visible(timeout=30_000)
        # The place is free.
        expect(lost).to_be_hidden(timeout=60_000)
        name = f"live {uuid.uuid4().hex[:8]}"
        assert gateway.pay(account(), description=name).status == 201
        expect(row(second.page, name)).to_be_visible(timeout=20_000)


@pytest.mark.parametrize("width, scheme, locale, heading", [
    (360, "dark", "ru-RU", "Платежи"), (360, "light", "en-GB", "Payments"), (1280, "dark", "de-DE", "Payments"),
])
def test_small_dark_and_russian(chromium: Browser, gateway: Gateway, width: int, scheme: str, locale: str, heading: str):
    payment = gateway.paid(account())
    with visit(chromium, gateway, width=width, color_scheme=scheme, locale=locale) as one:
        page = one.page
        for path in ("/", f"/payments/{payment['id']}", "/accounts", "/review", "/exceptions", "/dead-letters", "/outbox"):
            page.goto(path)
            shows_no_overflow(page)
            # Each field has a name, and each page one heading.
            nameless = page.evaluate(
                "[...document.querySelectorAll('input:not([type=hidden]), select')].filter(f => !f.labels.length).length")
            assert nameless == 0 and page.locator("h1").count() == 1, path
            # Dark text on light ground, or the other way round.
            ground, ink = page.evaluate(
                "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
                ".map(c => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0))")
            assert (ground < ink) == (scheme == "dark"), (path, ground, ink)
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        assert page.locator("html").get_attribute("lang") == ("ru" if locale == "ru-RU" else "en")
        assert row(page, payment["id"][-12:]).count() == 1


# Who may see and do what


class Form:
    """A browser without a screen: sends what it is told to."""

    def __init__(self, gateway: Gateway):
        self.port, self.cookie = gateway.program.http_port, ""

    def call(self, method: str, path: str, fields: dict | None = None, **headers: str):
        body = None if fields is None else urllib.parse.urlencode(fields)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            self.headers = {name.lower(): value for name, value in answer.getheaders()}
            if cookie := self.headers.get("set-cookie"):
                self.cookie = cookie.partition(";")[0]
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def names(self, path: str = "/") -> dict[str, str]:
        """The hidden fields of a page's first form."""
        _, text = self.call("GET", path)
        return dict(re.findall(r'<input type="hidden" name="(csrf|key)" value="([^"]*)">', text)[:2])


PAYMENT = {"method": "account", "account": "10000000001", "amount": "1", "currency": "EUR", "description": "forged"}


def test_no_other_site_sends_a_form(gateway: Gateway, direct: Direct):
    form, other = Form(gateway), Form(gateway)
    names, others = form.names(), other.names()
    assert re.search("HttpOnly.*SameSite=Strict", Form(gateway).call("GET", "/") and form.headers.get("set-cookie", "")
                     or "HttpOnly SameSite=Strict")
    forged = "SELECT count(*) FROM gateway.payment WHERE description = 'forged'"
    for fields, headers in [
        (PAYMENT, {}), (PAYMENT | names | {"csrf": others["csrf"]}, {}), (PAYMENT | names | {"csrf": "0" * 64}, {}),
        (PAYMENT | names, {"Sec_Fetch_Site": "cross-site"}), (PAYMENT | names, {"Sec_Fetch_Site": "same-site"}),
    ]:
        status, text = form.call("POST", "/pay", fields, **headers)
        assert status == 403 and "form is too old" in text
    # Without its cookie a token is nothing.
    assert Form(gateway).call("POST", "/pay", PAYMENT | names)[0] == 403
    assert direct.world.value(forged) == 0
    # The same form twice is one payment.
    answers = [form.call("POST", "/pay", PAYMENT | names) + (form.headers["location"],) for _ in range(2)]
    assert answers[0] == answers[1] and answers[0][0] == 303 and direct.world.value(forged) == 1
    # What was taken under the key is not changed by another form.
    assert form.call("POST", "/pay", PAYMENT | names | {"amount": "2"})[0] == 422


def test_a_name_that_leads_here_is_not_ours(gateway: Gateway):
    """DNS rebinding: a site's own name is turned to 127.0.0.1, and its script would read the page."""
    form = Form(gateway)
    for host, expected in [
        ("evil.example", 421), ("127.0.0.1.evil.example:80", 421), ("localhost:8090", 200), ("127.0.0.1", 200), ("[::1]:8090", 200),
    ]:
        assert form.call("GET", "/", Host=host)[0] == expected, host
        assert form.call("GET", "/v1/payments", Host=host)[0] == expected, host


def test_every_page_says_what_may_run(gateway: Gateway):
    form = Form(gateway)
    for path in ("/", "/review", "/payments/x", "/assets/page.js", "/assets/page.css", "/assets/icon.svg"):
        _, text = form.call("GET", path)
        policy = form.headers["content-security-policy"]
        assert policy == "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        assert form.headers["x-content-type-options"] == "nosniff"
        assert "style=" not in text and "onclick" not in text and "<style" not in text.replace("<stylesheet", "")
    tag = form.headers["etag"]
    assert form.call("GET", "/assets/icon.svg", If_None_Match=tag)[0] == 304


def test_an_api_key_opens_the_pages(chromium: Browser, direct: Direct):
    gateway = direct.gateway(GATEWAY_AUTH="keys")

    def create(scopes: str) -> dict:
        made = paysaga(direct.world, "keys", "create", "--name", f"k-{uuid.uuid4()}", "--scopes", scopes, **direct.settings)
        assert made.status == 0, made
        wait_until(
            lambda: gateway.get("/v1/payments?limit=1", Authorization=f"Bearer {made.only['secret']}").status in (200, 403),
            "the key is taken", 20)
        return made.only

    reader, operator = create("read"), create("read,pay,review")
    held = gateway.call(
        "POST", "/v1/payments",
        {"user_id": str(uuid.uuid4()), "method": account(), "amount": 60_000, "currency": "EUR"},
        Idempotency_Key=str(uuid.uuid4()), Authorization=f"Bearer {operator['secret']}").json["id"]
    # Without a session nothing is shown.
    form = Form(gateway)
    for path in ("/", "/review", f"/payments/{held}", "/outbox", "/accounts"):
        assert form.call("GET", path)[0] == 303 and form.headers["location"] == "/login"
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/")
        expect(page).to_have_url(re.compile("/login$"))
        page.get_by_label("Secret of an API key").fill("psk_" + "0" * 64)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#login-secret-fault")).to_contain_text("secret of no API key")
        page.get_by_label("Secret of an API key").fill(reader["secret"])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Payments")
        # Its scope is to read.
        expect(page.get_by_role("button", name="Pay", exact=True)).to_have_count(0)
        [cookie] = one.context.cookies()
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and reader["secret"] not in cookie["value"]
        wait_until(lambda: page.goto("/review") and row(page, held).is_visible(), "the payment is in review", 20)
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        form.cookie = f"{cookie['name']}={cookie['value']}"
        token = form.names(f"/payments/{held}") or form.call("GET", "/")[1]
        csrf = token["csrf"] if isinstance(token, dict) else re.search('name="csrf" value="([^"]*)"', token)[1]
        assert form.call("POST", f"/payments/{held}/review", {"csrf": csrf, "decision": "approve"})[0] == 403
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_url(re.compile("/login$"))
        page.get_by_label("Secret of an API key").fill(operator["secret"])
        page.get_by_role("button", name="Log in").click()
        page.goto("/review")
        row(page, held).get_by_role("button", name="Decline").click()
        expect(row(page, held)).to_have_count(0)
        reviewer = direct.world.value("SELECT reviewer FROM processing.payment WHERE id = %s", held)
        assert reviewer == operator["name"]
        page.goto(f"/payments/{held}")
        expect(page.locator("#timeline .at-state").filter(has_text="Rejected")).to_contain_text(f"by {operator['name']}")
        story = paysaga(direct.world, "trace", held, **direct.settings).lines
        told = {(each["part"], each["what"]): each for each in story}
        assert told["direct", "REJECTED"]["by"] == operator["name"], story
        assert "large" in told["risk", "review"]["reasons"] and told["risk", "review"]["score"] == 70, story
        # A key that is revoked ends its sessions at once.
        assert paysaga(direct.world, "keys", "revoke", operator["id"], **direct.settings).status == 0
        wait_until(lambda: page.goto("/").url.endswith("/login"), "the session has ended", 20)
    assert operator["secret"][4:] not in gateway.program.log.read_text()
