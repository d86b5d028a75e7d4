"""Links to conversations: made and ended by callers, read by whoever has one."""

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx2
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from chat_core import ChatMessage
from chat_core.exchange import ConversationExport
from tests.app.clients import start
from tests.running import RunningApp

HOSTILE = """<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png)
**bold** [site](https://site.example/) <img src=x onerror=alert(1)>

```html
<b>code</b>
```"""


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(headers={"accept-language": "en"}) as http:
        yield http


class Elements(HTMLParser):
    """The elements of a page: their names, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def import_hostile(client: Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A conversation in which everything that may be hostile is."""
    said = [
        ChatMessage(id="1", role="user", content=HOSTILE, timestamp=1),
        ChatMessage(id="2", role="assistant", content=HOSTILE, reasoning=HOSTILE, timestamp=2, model="<i>m"),
        ChatMessage(id="3", role="user", content="[" * 1500, timestamp=3),
        ChatMessage(id="4", role="assistant", content="[" * 150_000, timestamp=4),
    ]
    exported = ConversationExport.of(said, title='"><script>alert(2)</script>', role="", model="")
    file = tmp_path_factory.mktemp("hostile") / "chat.json"
    file.write_text(exported.to_json(), encoding="utf-8")
    conversation = start(client)
    found = client.predict(
        user_id=conversation["user_id"], file=handle_file(str(file)), api_name="/import_session"
    )
    return {**conversation, "session_id": found["session_id"]}


def test_a_conversation_is_shared_listed_read_copied_and_shared_no_more(
    client: Client, app: RunningApp, http: httpx2.Client
) -> None:
    conversation = start(client, role="teacher")
    user = {"user_id": conversation["user_id"]}
    client.predict(**conversation, message="Why is the **sky** blue?", api_name="/chat")
    client.predict(**conversation, message="Is $a<b$?", api_name="/chat")
    link = client.predict(**conversation, api_name="/share")
    assert link["url"] == f"{app.url}/?s={link['token']}"
    (listed,) = client.predict(**user, api_name="/shares")["shares"]
    assert listed.items() >= {**link, "session_id": conversation["session_id"]}.items()
    assert listed["expires_at"] - listed["created_at"] == 30 * 24 * 3600

    answer = http.get(link["url"])
    page = answer.text
    assert answer.status_code == 200
    assert "Why is the **sky** blue?" in page
    assert "You said: Why is the <strong>sky</strong> blue?" in page
    assert "</i>Teacher</h2>" in page
    assert "Is $a&lt;b$?" in page  # the question is as it was written
    assert "You said: Is <math><mi>a</mi><mo>&lt;</mo><mi>b</mi></math>?" in page
    titles = [meta["content"] for meta in Elements(page).all("meta") if meta.get("property") == "og:title"]
    assert titles == ["Why is the **sky** blue?"]
    assert conversation["user_id"] not in page
    assert conversation["session_id"] not in page
    assert '<html lang="zh-CN">' in http.get(link["url"], headers={"accept-language": "zh"}).text

    theirs = client.predict(user_id="u_shared-with", token=link["token"], api_name="/import_share")
    assert theirs["title"] == "Why is the **sky** blue?"
    copy = {"user_id": "u_shared-with", "session_id": theirs["session_id"]}
    assert len(client.predict(**copy, api_name="/history")["messages"]) == 4

    with pytest.raises(AppError, match="not there, or no longer"):
        client.predict(user_id="u_shared-with", token=link["token"], api_name="/unshare")
    ended = client.predict(**user, token=link["token"], api_name="/unshare")
    assert ended == {"token": link["token"], "unshared": True}
    assert client.predict(**user, api_name="/shares") == {"shares": []}
    gone = http.get(link["url"])
    assert gone.status_code == 404
    assert "Ask whoever shared it for a new one" in gone.text
    with pytest.raises(AppError, match="not there, or no longer"):
        client.predict(user_id="u_shared-with", token=link["token"], api_name="/import_share")


@pytest.mark.parametrize("token", ["", "unknown", "../../etc", "%00", "a&s=b", "x" * 5000])
def test_what_is_no_link_leads_nowhere(app: RunningApp, http: httpx2.Client, token: str) -> None:
    assert http.get(f"{app.url}/?s={token}").status_code == 404


def test_hostile_text_is_shown_as_text_and_nothing_else(
    client: Client, http: httpx2.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    conversation = import_hostile(client, tmp_path_factory)
    answer = http.get(client.predict(**conversation, days=1, api_name="/share")["url"])
    page = Elements(answer.text)
    names = {name for name, _ in page.found}
    assert names.isdisjoint({"script", "img", "iframe", "form", "object", "base"})
    attributes = {name for _, attributes in page.found for name in attributes}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "src")}
    links = {link["href"]: link.get("rel") for link in page.all("a")}
    assert not [href for href in links if href and "javascript" in href]
    assert links["https://site.example/"] == "nofollow noopener noreferrer"
    assert "<strong>bold</strong>" in answer.text
    assert "&lt;b&gt;code&lt;/b&gt;" in answer.text


def test_browsers_are_held_to_text_and_nobody_keeps_or_finds_the_page(
    app: RunningApp, http: httpx2.Client
) -> None:
    headers = http.get(f"{app.url}/?s=none").headers
    general, own = headers.get_list("content-security-policy")[::-1]
    assert "frame-ancestors 'self'" in general
    assert own.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:;")
    assert (headers["cache-control"], headers["x-robots-tag"]) == ("no-store", "noindex")
    assert headers["referrer-policy"] == "same-origin"
