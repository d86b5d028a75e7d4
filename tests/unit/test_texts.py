"""The words of the page."""

import string
from typing import TypeVar

import pytest

from chat_core import Language, TurnError
from chat_core.errors import (
    ChatError,
    InvalidInput,
    ModelAuthFailed,
    ModelError,
    ModelRateLimited,
    RateLimited,
)
from chat_core.messages import Sampling
from chat_ui.texts import TEXTS, choose_language, error_text, joined

Kind = TypeVar("Kind", bound=ChatError)


def all_errors(error: type[Kind] = ChatError) -> set[type[Kind]]:  # type: ignore[assignment]
    return {error}.union(*(all_errors(kind) for kind in error.__subclasses__()))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_text_is_there_in_both_languages_with_the_same_facts() -> None:
    for key, words in TEXTS.items():
        assert set(words) == {"zh", "en"}, key
        assert all(text.strip() for text in words.values()), key
        assert fields(words["zh"]) == fields(words["en"]), key


def test_every_error_that_reaches_a_person_has_words() -> None:
    codes = {error.code for error in all_errors()} - {"config"}
    assert {key.removeprefix("error.") for key in TEXTS if key.startswith("error.")} == codes


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("fr, zh-TW;q=0.5, en;q=0.3", "zh"),
        ("zh;q=nonsense, en;q=0.1", "en"),
        ("ZH", "zh"),
    ],
)
def test_the_language_is_the_one_the_browser_prefers(accept_language: str, language: str) -> None:
    assert choose_language(accept_language) == language


def test_an_error_is_error_texted_with_its_facts_and_the_providers_reason() -> None:
    assert error_text("en", RateLimited(12.4)) == "That was too fast. Please try again in 13 seconds."
    told = TurnError.of(ModelRateLimited("Slow down!", retry_after=30))
    assert error_text("zh", told) == "模型服务商请求放慢速度。请在 30 秒后再试。原因：Slow down!"
    told = TurnError.of(ModelRateLimited("Slow down!", retry_after=0))
    assert error_text("en", told).startswith(
        "The model's provider asks to slow down. Please try again later."
    )


def test_a_setting_beside_the_message_is_called_what_the_page_calls_it() -> None:
    for name, words, value in (("temperature", "温度不正确", 9), ("max_tokens", "最大长度不正确", 0)):
        with pytest.raises(InvalidInput) as caught:
            Sampling.of(**{name: value})
        assert error_text("zh", caught.value).startswith(words)
    told = TurnError.of(InvalidInput("place", "a number"))
    assert error_text("zh", told) == "参数 place 不正确：应为 a number。"


def test_only_the_operator_is_told_what_only_the_operator_can_do() -> None:
    error = ModelAuthFailed()
    refused = "The model's provider did not accept the API key."
    assert error_text("en", error, is_operator=True) == f"{refused} Check OPENAI_API_KEY."
    assert error_text("en", error) == f"{refused} The operator of this app has to look at it."
    remedies = {error.code: error.remedy for error in all_errors(ModelError) if error.remedy}
    assert {key: words["en"] for key, words in TEXTS.items() if key.startswith("remedy.")} == {
        f"remedy.{code}": remedy for code, remedy in remedies.items()
    }


def test_a_reason_with_braces_is_not_taken_for_a_format() -> None:
    assert error_text("en", ModelRateLimited("{oops}")).endswith("Reason: {oops}")


@pytest.mark.parametrize(
    ("language", "sentences", "expected"),
    [
        ("en", ["Wait.", "Reason: 3 a minute", "Reference: a."], "Wait. Reason: 3 a minute. Reference: a."),
        ("zh", ["请稍候。", "原因：3 a minute", "编号：a。"], "请稍候。原因：3 a minute。编号：a。"),
        ("en", ["Reason: none"], "Reason: none"),
    ],
)
def test_sentences_stay_apart_also_where_one_lacks_its_stop(
    language: Language, sentences: list[str], expected: str
) -> None:
    assert joined(language, sentences) == expected
