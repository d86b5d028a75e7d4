"""The address that limits count."""

import pytest

from chat_ui.address import address_of


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_an_address_is_one_of_version_4_or_a_network_of_version_6(host: str, address: str) -> None:
    assert address_of((host, 1234)) == address


def test_a_connection_without_an_address_has_none() -> None:
    assert address_of(None) == ""
