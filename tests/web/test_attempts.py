from __future__ import annotations

from bandit_platform.web.attempts import (
    MOST_PER_ADDRESS,
    MOST_PER_NAME,
    WINDOW_SECONDS,
    Attempts,
)


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_name_waits_after_five_failures_until_the_oldest_is_over() -> None:
    clock = Seconds()
    attempts = Attempts(clock)
    for _ in range(MOST_PER_NAME):
        assert attempts.begin("anna", "192.0.2.1") == 0.0
        clock.now += 10
    assert attempts.begin("anna", "192.0.2.1") == WINDOW_SECONDS - 50
    assert attempts.begin("ben", "192.0.2.1") == 0.0
    assert attempts.begin("anna", "192.0.2.2") == 0.0
    clock.now += WINDOW_SECONDS - 50
    assert attempts.begin("anna", "192.0.2.1") == 0.0
    assert attempts.begin("anna", "192.0.2.1") > 0.0


def test_success_forgets_the_failures_of_the_name() -> None:
    attempts = Attempts(Seconds())
    for _ in range(3 * MOST_PER_ADDRESS):
        assert attempts.begin("anna", "192.0.2.1") == 0.0
        attempts.succeeded("anna", "192.0.2.1")


def test_an_address_waits_however_many_names_it_tries() -> None:
    attempts = Attempts(Seconds())
    tried = [attempts.begin(f"name-{number}", "192.0.2.1") for number in range(100)]
    assert tried.count(0.0) == MOST_PER_ADDRESS
    assert attempts.begin("name", "192.0.2.2") == 0.0


def test_memory_is_bounded() -> None:
    attempts = Attempts(Seconds())
    for number in range(15_000):
        attempts.begin("anna", f"address-{number}")
    assert len(attempts._failed) <= 10_000
