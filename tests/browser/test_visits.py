"""What a visit loads."""

from playwright.sync_api import Page

from tests.browser.conftest import OpenPage


def loaded(page: Page) -> float:
    """How many kilobytes came over the line to this page, heads included."""
    return float(
        page.evaluate("""() => performance.getEntries()
            .filter((entry) => ["navigation", "resource"].includes(entry.entryType))
            .reduce((sum, entry) => sum + entry.transferSize, 0) / 1000""")
    )


def test_a_first_visit_loads_little_and_the_next_next_to_nothing(open_page: OpenPage) -> None:
    chat = open_page()
    assert 100 < loaded(chat.page) < 500
    assert loaded(chat.another_tab().page) < 40
