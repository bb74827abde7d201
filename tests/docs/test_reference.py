"""The reference pages say what the code says. `make reference` rewrites them."""

import re

import pytest

from scripts.reference import DIRECTORY, PAGES
from tests.support.instance import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / DIRECTORY / name).read_text() == PAGES[name](), "run `make reference`"


def test_every_link_of_the_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []
