"""How tests start Chromium: without a sandbox, which containers lack, and without calls to anywhere."""

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
