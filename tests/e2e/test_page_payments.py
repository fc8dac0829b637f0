"""The page of the payment API, in its own words."""

import http.client
import re
import urllib.parse
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from harness.browser import Visit, browser
from harness.direct import ACCOUNT, DECLINED_ACCOUNT, Direct
from harness.process import Program
from harness.world import World

HEADS = ["Payment ID", "UUID", "Дата создания", "Дата обработки", "Состояние", "Номер счета", "Сумма",
         "Назначение платежа", "Дополнительные детали"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture(scope="module")
def direct(shared_world: World) -> Direct:
    topics = {f"GATEWAY_{name}_TOPIC": f"{name.lower()}-{shared_world.name}" for name in ("PAYMENT", "RESULT")}
    made = Direct(
        shared_world, GATEWAY_PAGE_ADDR="127.0.0.1:0", GATEWAY_PAYMENTS_ADDR="127.0.0.1:0",
        GATEWAY_DEFAULT_CURRENCY="RUB", **topics)
    made.processor()
    return made


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Program:
    return direct.gateway().program


def visit(chromium: Browser, gateway: Program, **options) -> Visit:
    return Visit(chromium, gateway.surface_port("page"), **{"locale": "ru-RU"} | options)


def test_a_visitor_pays_and_sees_the_result(chromium: Browser, gateway: Program, direct: Direct):
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/")
        assert page.title() == "Payment Pet Project"
        expect(page.get_by_role("heading", level=1)).to_have_text("Привет, пользователь")
        expect(page.get_by_role("heading", level=2)).to_have_text("Результаты платежей")
        expect(page.locator(".uuid")).to_contain_text("Ваш UUID:")
        user = page.locator("#uuid").inner_text()
        assert str(uuid.UUID(user)) == user
        assert {cookie["name"]: cookie["value"] for cookie in one.context.cookies()} == {"uuid": user}
        assert page.get_by_role("columnheader").all_inner_texts() == HEADS

        def send(account: str, amount: str, purpose: str) -> None:
            page.get_by_label("Номер счета (numeric):").fill(account)
            page.get_by_label("Сумма (numeric):").fill(amount)
            page.get_by_label("Назначение платежа (string):").fill(purpose)
            page.get_by_role("button", name="Отправить платеж").click()
            expect(page.get_by_role("row").filter(has_text=purpose)).to_be_visible(timeout=20_000)

        # While it is on its way the button is off and turns; the bank takes its time.
        direct.bank.behave(delay_ms=1_500)
        held = []
        page.route("**/", lambda route: (held.append(route), None)[1] if route.request.method == "POST" else route.continue_())
        page.get_by_label("Номер счета (numeric):").fill(ACCOUNT)
        page.get_by_label("Сумма (numeric):").fill("100.5")
        page.get_by_label("Назначение платежа (string):").fill("книги")
        page.get_by_role("button", name="Отправить платеж").click()
        expect(page.get_by_role("button", name="Отправить платеж")).to_be_disabled()
        expect(page.locator("#pay button .spin")).to_be_visible()
        held[0].continue_()
        page.unroute("**/")
        first = page.get_by_role("row").filter(has_text="книги")
        expect(first.get_by_role("img", name="pending")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("button", name="Отправить платеж")).to_be_enabled()
        # It changes by itself.
        done = first.get_by_role("img", name="completed")
        expect(done).to_be_visible(timeout=20_000)
        assert done.get_attribute("title") == "completed"
        expect(first).to_contain_text("100.50")
        expect(first).to_contain_text(re.compile(r"Payment processed in \d+ seconds"))
        direct.bank.behave(delay_ms=0)
        send(DECLINED_ACCOUNT, "7", "отказ")
        second = page.get_by_role("row").filter(has_text="отказ")
        expect(second.get_by_role("img", name="rejected")).to_be_visible(timeout=20_000)
        expect(second).to_contain_text(DECLINED_ACCOUNT)
        # Newest first, and still there after a reload.
        page.reload()
        assert [("отказ" in text, user in text) for text in page.locator("#payments tr").all_inner_texts()] == [
            (True, True), (False, True)]
        # Another visitor sees nothing of it.
        page.get_by_role("button", name="Создать новый UUID").click()
        expect(page.locator("#uuid")).not_to_have_text(user)
        expect(page.locator("#payments tr")).to_have_count(0)
        assert [each["value"] for each in one.context.cookies()] == [page.locator("#uuid").inner_text()]
    # What is paid here is a payment of the surface.
    id = direct.world.value("SELECT id FROM gateway.payment WHERE description = 'книги'")
    connection = http.client.HTTPConnection("127.0.0.1", gateway.surface_port("payments"), timeout=30)
    connection.request("GET", f"/payments/{id}")
    shown = connection.getresponse().read().decode()
    assert f'"userId":"{user}"' in shown and '"amount":100.5' in shown and f'"accountNumber":"{ACCOUNT}"' in shown
    connection.close()


def test_a_mistake_is_told(chromium: Browser, gateway: Program):
    with visit(chromium, gateway) as one:
        page = one.page
        page.goto("/")
        page.get_by_label("Номер счета (numeric):").fill(ACCOUNT)
        page.get_by_label("Сумма (numeric):").fill("много")
        page.get_by_role("button", name="Отправить платеж").click()
        toast = page.get_by_role("alert").filter(has_text="Ошибка")
        expect(toast).to_be_visible()
        box = toast.bounding_box()
        assert box["x"] + box["width"] > 1200 and box["y"] + box["height"] > 850, box
        expect(page.locator("#pay-amount-fault")).to_contain_text("ожидается сумма")
        # After three seconds it is gone.
        expect(toast).to_be_hidden(timeout=20_000)
        expect(page.locator("#payments tr")).to_have_count(0)


def test_without_a_script_in_english_on_a_phone(chromium: Browser, gateway: Program):
    with visit(chromium, gateway, java_script_enabled=False, locale="en-GB", width=360, color_scheme="dark") as one:
        page = one.page
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Hello, user")
        page.get_by_label("Account number (numeric):").fill(ACCOUNT)
        page.get_by_label("Amount (numeric):").fill("5")
        page.get_by_label("Purpose of the payment (string):").fill("a book")
        page.get_by_role("button", name="Send the payment").click()
        expect(page.get_by_role("row").filter(has_text="a book")).to_be_visible()
        width = page.locator("html").bounding_box()["width"]
        assert width <= 360


def test_no_other_site_pays(gateway: Program, direct: Direct):
    port, user = gateway.surface_port("page"), str(uuid.uuid4())

    def call(method: str, fields: dict | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if fields is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, "/", urllib.parse.urlencode(fields) if fields is not None else None, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def names(of: str) -> dict[str, str]:
        return dict(re.findall(r'name="(csrf|key)" value="([^"]*)"', call("GET", Cookie=f"uuid={of}")[1]))

    fields = {"account": ACCOUNT, "amount": "1", "description": "forged"}
    mine, others = names(user), names(str(uuid.uuid4()))
    for sent, headers in [
        (fields, {"Cookie": f"uuid={user}"}), (fields | mine, {}), (fields | mine | {"csrf": others["csrf"]}, {"Cookie": f"uuid={user}"}),
        (fields | mine, {"Cookie": f"uuid={user}", "Sec_Fetch_Site": "cross-site"}),
    ]:
        assert call("POST", sent, **headers)[0] == 403
    forged = "SELECT count(*) FROM gateway.payment WHERE description = 'forged'"
    assert direct.world.value(forged) == 0
    # The same form twice is one payment.
    assert [call("POST", fields | mine, Cookie=f"uuid={user}")[0] for _ in range(2)] == [303, 303]
    assert direct.world.value(forged) == 1
    assert call("GET", Host="evil.example")[0] == 421
