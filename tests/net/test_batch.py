"""How many times a socket is asked before the loop gets its turn."""

from __future__ import annotations

from glasnost.net.batch import Batch


def test_who_comes_alone_is_seldom_asked_for_another() -> None:
    batch, in_vain = Batch(64), 0
    for _ in range(100):
        if batch.size > 1:
            in_vain += 1
            batch.ended(1)
        else:
            batch.was_full()
    assert in_vain == 11


def test_many_are_taken_many_at_a_time() -> None:
    batch = Batch(64)
    for _ in range(50):
        batch.was_full()
    assert batch.size == 64
    batch.ended(5)
    assert batch.size == 5
    batch.ended(0)
    assert batch.size == 1
