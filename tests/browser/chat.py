"""The page as a person uses it: what they do, and where they look."""

import re

from playwright.sync_api import Locator, Page, expect

_ADDRESS = re.compile(r"[?&]c=(\w+)")


class ChatPage:
    """One tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def goto(self) -> None:
        self.page.goto(self.url)
        self.wait_until_loaded()

    def reload(self) -> None:
        self.page.reload()
        self.wait_until_loaded()

    def wait_until_loaded(self) -> None:
        """The server has said which conversation is shown."""
        expect(self.page.locator("#sessions").locator("nav, .no-sessions")).to_be_attached()

    def another_tab(self, url: str = "") -> "ChatPage":
        tab = ChatPage(self.page.context.new_page(), url or self.url)
        tab.goto()
        return tab

    @property
    def box(self) -> Locator:
        return self.page.locator("#box textarea")

    @property
    def send_button(self) -> Locator:
        return self.page.locator("#box .submit-button")

    @property
    def stop_button(self) -> Locator:
        return self.page.locator("#box .stop-button")

    @property
    def questions(self) -> Locator:
        return self.page.locator("#chatbot .message.user")

    @property
    def replies(self) -> Locator:
        return self.page.locator("#chatbot .message.bot")

    @property
    def sessions(self) -> Locator:
        return self.page.locator("#sessions [data-action=open]")

    def session(self, title: str) -> Locator:
        """The entry of that conversation in the sidebar, with its buttons."""
        return self.page.locator("#sessions .session", has_text=title)

    @property
    def role(self) -> Locator:
        """The name of the chosen role, in the header."""
        return self.page.locator("#role-button > span")

    @property
    def speakers(self) -> Locator:
        """The faces of the roles at their replies, with the name above the first of a run."""
        return self.page.locator("#chatbot .speaker")

    @property
    def waiting(self) -> Locator:
        """The message that is sent when the reply ends."""
        return self.page.locator("#waiting [role=group]")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".toast-body")

    def send(self, text: str) -> None:
        """With the key that sends, which is another one under a finger."""
        self.box.fill(text)
        sends = self.box.get_attribute("enterkeyhint") == "send"
        self.box.press("Enter" if sends else "Control+Enter")

    def say(self, text: str) -> None:
        """Sends a message and waits for the end of the reply."""
        asked, replied = self.questions.count(), self.replies.count()
        self.send(text)
        expect(self.questions).to_have_count(asked + 1)
        expect(self.replies).to_have_count(replied + 1)
        ended = self.page.locator(".note", has_text="·").or_(self.page.locator(".failure"))
        expect(self.replies.last.locator(ended).last).to_be_visible()
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        expect(self.send_button).to_be_visible()

    @property
    def dialog(self) -> Locator:
        """What lies over the page and waits for an answer."""
        return self.page.locator("dialog.question")

    def answer(self, question: str, button: str, text: str = "") -> None:
        """Presses this button of what the page asks, after writing the text if there is one."""
        expect(self.dialog).to_contain_text(question)
        if text:
            self.dialog.get_by_role("textbox").fill(text)
        self.dialog.get_by_role("button", name=button, exact=True).click()
        expect(self.dialog).to_have_count(0)

    def act_on(self, title: str, action: str) -> None:
        """Chooses something of the menu of that conversation in the sidebar."""
        entry = self.session(title)
        entry.hover()
        entry.locator("[data-action=menu]").click()
        self.page.get_by_role("menuitem", name=action).click()

    def open_drawer(self) -> None:
        """The settings, on the right."""
        self.page.locator("#open-drawer").click()
        expect(self.page.locator("#close-drawer")).to_be_in_viewport()

    def wait_until_still(self) -> None:
        """Whatever changes its place or its colour has done so."""
        self.page.wait_for_function(
            "!document.getAnimations().some((running) => running instanceof CSSTransition)"
        )

    def session_id(self) -> str:
        """The id of the open conversation, which the address shows."""
        expect(self.page).to_have_url(_ADDRESS)
        found = _ADDRESS.search(self.page.url)
        assert found
        return found[1]

    def choose_role(self, name: str) -> None:
        self.page.locator("#role-button").click()
        self.page.locator("#roles [data-action=choose]", has_text=name).first.click()
        expect(self.role).to_have_text(name)
