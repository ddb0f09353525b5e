"""The import of the price table: waited for while the process runs, given up when it ends."""

from threading import Event

from ael_otel.cost.price_table import Loading


def test_import_that_ended_is_waited_for_once() -> None:
    """Proves that the import runs once, and that its failure is left to the caller to report."""
    calls: list[int] = []

    def load() -> None:
        calls.append(1)
        raise ImportError

    loading = Loading(load)
    assert loading.wait()
    assert loading.wait()
    assert calls == [1]


def test_import_that_lasts_is_given_up_and_used_once_it_ended() -> None:
    """Proves that nobody waits for an import beyond the end of a process, and that a later start waits again."""
    release = Event()
    loading = Loading(release.wait)
    loading.give_up_after(0)
    assert not loading.wait()
    loading.give_up_after(None)
    release.set()
    assert loading.wait()


def test_child_process_imports_the_table_anew() -> None:
    """Proves that a child does not wait for a thread that only its parent has."""
    release = Event()
    loading = Loading(release.wait)
    loading.give_up_after(0)
    assert not loading.wait()
    release.set()
    loading.after_fork()
    loading.give_up_after(None)
    assert loading.wait()
