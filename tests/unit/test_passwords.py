"""Hashes of passwords, and the command that makes them."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from chat_core.hash_password import main
from chat_core.passwords import hash_password, is_password_hash, verify_password

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("password", ["secret of ana", "密码密码", "a,$'\"#: b", " x ", "\ud800", "é" * 1000])
def test_a_password_is_known_by_its_hash_and_no_other_one_is(password):
    hashed = hash_password(password)
    assert is_password_hash(hashed)
    assert verify_password(password, hashed)
    assert not verify_password(f"{password}.", hashed)


def test_a_hash_has_nothing_that_means_something_in_a_list_or_an_environment():
    assert not set(hash_password("secret")) & set(",$:'\"#= \\`")


def test_the_same_password_has_another_hash_each_time():
    assert hash_password("secret") != hash_password("secret")


def test_a_character_is_the_same_however_a_keyboard_writes_it():
    assert verify_password("e\u0301", hash_password("\u00e9"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        f"scrypt.14.8.5.{'S' * 21}.{'K' * 43}",
        f"scrypt.99.8.5.{'S' * 22}.{'K' * 43}",
        f"scrypt.14.0.5.{'S' * 22}.{'K' * 43}",
        f"scrypt.14.8.5.{'S' * 22}.{'K' * 43}\n",
    ],
)
def test_what_is_no_hash_is_told_from_one(text):
    assert not is_password_hash(text)
    with pytest.raises(ValueError, match="hash"):
        verify_password("secret", text)


COMMAND = [sys.executable, "-m", "chat_core.hash_password", "ana"]


def test_the_command_makes_what_is_put_into_auth_users_of_what_is_piped_in():
    given = {"input": "secret of ana\n", "cwd": ROOT, "capture_output": True, "text": True}
    done = subprocess.run(COMMAND, check=False, timeout=60, **given)
    name, _, hashed = done.stdout.removesuffix("\n").partition(":")
    assert (done.returncode, done.stderr, name) == (0, "", "ana")
    assert verify_password("secret of ana", hashed)


@pytest.mark.parametrize(
    ("arguments", "piped", "told"),
    [
        ((), "secret of ana", "NAME"),
        (("a:b",), "secret of ana", "NAME"),
        (("ana", "bob"), "secret of ana", "NAME"),
        (("ana",), "short", "at least 8 characters"),
        (("ana",), "", "at least 8 characters"),
    ],
)
def test_the_command_says_what_it_needs(arguments, piped, told, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    with pytest.raises(SystemExit) as said:
        main(list(arguments))
    assert told in said.value.code


@pytest.mark.parametrize(("again", "code"), [("secret of ana", 0), ("secret of bob", 1)])
def test_on_a_terminal_the_password_is_typed_twice_and_not_shown(again, code):
    keyboard, terminal = pty.openpty()
    # A session of its own has no terminal but the one it opens, so what is asked comes by stderr.
    with subprocess.Popen(
        COMMAND, cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        shown = b""
        for prompt, typed in ((b"Password: ", "secret of ana"), (b"Once more: ", again)):
            while not shown.endswith(prompt):
                shown += os.read(keyboard, 1000)
            os.write(keyboard, f"{typed}\n".encode())
        assert process.stdout
        printed = process.stdout.read().decode()
    os.close(keyboard)
    assert process.returncode == code
    assert printed.startswith("ana:scrypt.") == (code == 0)
    assert b"secret" not in shown
