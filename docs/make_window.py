"""Draw docs/sandbox.png anew: a window of the sandbox, in Chromium.

tox exec -e browser -- python docs/make_window.py
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from chatgptes.sandbox import Site

PICTURE = Path(__file__).parent / "sandbox.png"
ANSWER = """\
A nonce is a **number used once**. WordPress puts one into each page:

1. the page's script sends it with every message;
2. a day later the site refuses it, and a *fresh* page has a new one.

```php
wp_verify_nonce( $nonce, 'chat' );
```
"""

with Site(answer=lambda messages: ANSWER) as site, sync_playwright() as playwright:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 640, "height": 620})
    page.goto(site.url)
    page.get_by_role("textbox").fill("What is a nonce?")
    page.get_by_role("textbox").press("Enter")
    page.locator(".cw-log[aria-busy=false]").wait_for()
    page.mouse.click(2, 2)
    page.screenshot(path=PICTURE)
    browser.close()
