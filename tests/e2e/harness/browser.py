"""A browser, driven by playwright: Debian's chromium-headless-shell."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

PROGRAM = "chromium-headless-shell"

# A result may wait for a consumer group that another gateway has just joined.
expect.set_options(timeout=20_000)


@contextmanager
def browser() -> Iterator[Browser]:
    path = shutil.which(PROGRAM)
    assert path, f"{PROGRAM} is not installed: internal/stack/stack.sh deps installs it"
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the pages are ours.
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield made
        finally:
            made.close()


class Visit:
    """A window of its own, with its cookies; what goes wrong in it fails the test."""

    def __init__(self, browser: Browser, port: int, width: int = 1280, height: int = 900, **options):
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, base_url=f"http://127.0.0.1:{port}",
            **{"locale": "en-GB", "timezone_id": "Europe/Berlin"} | options)
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message) -> None:
        # A form that is refused answers 4xx, which the browser says by itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def close(self) -> None:
        self.context.close()
        assert not self.complaints, self.complaints

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.close()
        else:
            self.context.close()
