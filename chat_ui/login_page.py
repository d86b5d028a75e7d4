"""The login page: a plain form, which needs no script."""

from html import escape

from chat_core import Language

from .page import LANGUAGES, TITLE
from .texts import t


def login_page(
    language: Language,
    *,
    static: str,
    action: str,
    theme: str = "",
    name: str = "",
    error: str = "",
    provider: str = "",
) -> str:
    """HTML of the page whose form is sent to `action`. `static` is where the style sheet lies, both relative
    to the page; `theme` is "light" or "dark", or "" for that of the system. After a try it has the name that
    was given, and says what was wrong. With a `provider` it has a way to that one in place of a form."""
    told = f'<p role="alert" id="error">{escape(error)}</p>' if error else ""
    described = ' aria-describedby="error"' if error else ""
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    form = f"""<form method="post" action="{escape(action)}">
{told}
<label for="name">{t(language, "login_name")}</label>
<input id="name" name="username" value="{escape(name)}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required{described}{focus_name}>
<label for="password">{t(language, "password")}</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required{described}{focus_password}>
<button type="submit">{t(language, "log_in")}</button>
</form>"""
    if provider:
        words = escape(t(language, "sign_in_with", provider=provider))
        form = f'{told}\n<a href="login/openid">{words}</a>'
    return f"""<!DOCTYPE html>
<html lang="{LANGUAGES[language]}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="{theme or "light dark"}">
<title>{t(language, "log_in")} · {TITLE}</title>
<link rel="icon" href="{static}/pictures/icon.svg">
<link rel="stylesheet" href="{static}/plain/plain.css">
<link rel="stylesheet" href="{static}/login/login.css">
</head>
<body>
<main>
<h1>{TITLE}</h1>
{form}
</main>
</body>
</html>
"""
