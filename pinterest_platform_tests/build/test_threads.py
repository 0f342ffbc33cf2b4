"""What an interrupt and an error do to tables that other threads are making."""

from contextlib import suppress
from threading import Event

from pinterest_platform.build.tables import making_threads

DEADLINE_SECONDS = 60


def test_an_interrupt_does_not_wait_for_the_other_tables() -> None:
    over = Event()
    with suppress(KeyboardInterrupt), making_threads() as threads:
        others = [threads.submit(over.wait, DEADLINE_SECONDS) for _ in range(10)]
        raise KeyboardInterrupt
    ended = [other.done() for other in others]
    over.set()
    assert not any(ended[:4])
    # Those that had not begun never begin.
    assert all(other.cancelled() for other in others[4:])


def test_an_error_waits_for_the_tables_that_are_being_made() -> None:
    with suppress(ValueError), making_threads() as threads:
        other = threads.submit(Event().wait, 0.5)
        raise ValueError
    assert other.done()
