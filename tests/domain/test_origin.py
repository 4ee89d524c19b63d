"""Origins are stored as browsers send them."""

from __future__ import annotations

import pytest

from bandit_platform.domain.origin import check_origin, own_origins
from bandit_platform.errors import InputError


@pytest.mark.parametrize(
    "origin",
    [
        *("shop.example", "https://shop.example/", "https://*.shop.example", "null", "*", ""),
        *("https://a b", "https://shop.example:443", "http://shop.example:80", "https://"),
        *("https://shop.example:08443", "https://shop.example:0", "https://shop.example:70000"),
        *("https://u@shop.example", "https://shop.example?x", "https://shop..example"),
        *("https://-shop.example", "https://[::1", "https://[::g]", "https://[fe80::1%eth0]"),
        *("https://1.2.3", "https://999.1.1.1", "file://localhost", "data://x", "file:///x"),
        *("capacitor://", "capacitor://LOCAL host", "capacitor://local/x", "1app://localhost"),
        *("https://stra\u00dfe.example", "https://\u200d.example", "https://\ud83d\ude00 x"),
        *("https://" + "\u00e4" * 64 + ".example", "https://shop.example\n", "https://a\\b"),
    ],
)
def test_other_texts_are_no_origins(origin: str) -> None:
    with pytest.raises(InputError):
        check_origin(origin)


@pytest.mark.parametrize(
    ("origin", "stored"),
    [
        ("http://shop.example:443", "http://shop.example:443"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("HTTPS://Shop.Example", "https://shop.example"),
        ("https://127.0.0.1:3000", "https://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://[2001:DB8:0:0:0:0:0:1]", "https://[2001:db8::1]"),
        ("https://[::ffff:1.2.3.4]", "https://[::ffff:102:304]"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("com.example.shop+app://localhost:8100", "com.example.shop+app://localhost:8100"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://B\u00dcCHER.example:8443", "https://xn--bcher-kva.example:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://\u043f\u0440\u0438\u043c\u0435\u0440.example", "https://xn--e1afmkfd.example"),
    ],
)
def test_an_origin_is_stored_as_browsers_send_it(origin: str, stored: str) -> None:
    assert check_origin(origin) == stored
    assert check_origin(stored) == stored


@pytest.mark.parametrize(
    ("address", "origins"),
    [
        ("https://offers.example/shop", {"https://offers.example"}),
        ("https://offers.example:443", {"https://offers.example"}),
        ("http://[2001:db8::1]:8080", {"http://[2001:db8::1]:8080"}),
        ("https://b\u00fccher.example", {"https://xn--bcher-kva.example"}),
        (
            "http://127.0.0.1:8080",
            {"http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"},
        ),
        ("http://offers.example:99999", set()),
    ],
)
def test_pages_of_a_configured_address_have_its_origin(address: str, origins: set[str]) -> None:
    assert own_origins(address) == origins
