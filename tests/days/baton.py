"""Simulated time for synchronous actors: one at a time runs, and time moves when all of them wait.

Each actor is a thread that holds the baton while it works and hands it on when it waits. The next
is the one that is due first, by name among equals, so a day is the same at every run.
"""

import threading
from collections.abc import Callable
from datetime import datetime


class Killed(BaseException):
    """Raised in an actor that was killed: nothing that it had in hand is finished."""


class _Actor:
    def __init__(self, name: str, due: datetime, work: Callable[[], None]) -> None:
        self.name, self.due, self.work = name, due, work
        self.turn = threading.Semaphore(0)
        self.killed = self.stopped = self.ended = False
        self.thread: threading.Thread | None = None
        self.failure: BaseException | None = None


class Baton:
    """Time and its actors. Everything but `run` and `now` is called by the actor at work."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._actors: dict[str, _Actor] = {}
        self._back = threading.Semaphore(0)

    def now(self) -> datetime:
        """The instant; an actor's work takes none of it."""
        return self._now

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Have `work` begin now, as `name`; whoever had that name must have ended."""
        assert not self.alive(name), f"{name} is at work"
        self._actors[name] = _Actor(name, self._now, work)

    def alive(self, name: str) -> bool:
        """Started, neither ended nor killed."""
        actor = self._actors.get(name)
        return actor is not None and not actor.ended and not actor.killed

    def runs(self, name: str) -> bool:
        """Alive and not stopped."""
        return self.alive(name) and not self._actors[name].stopped

    def kill(self, name: str) -> None:
        """End an actor where it waits; no effect on one that is not there."""
        if actor := self._actors.get(name):
            actor.killed, actor.stopped = True, False
            actor.due = self._now

    def stop(self, name: str, on: bool = True) -> None:
        """Stop an actor where it waits, or let it go on; its alarms ring late then."""
        if actor := self._actors.get(name):
            actor.stopped = on

    def rouse(self, name: str) -> None:
        """End the wait of `name` now."""
        if actor := self._actors.get(name):
            actor.due = min(actor.due, self._now)

    def wait(self, until: datetime) -> None:
        """Let time pass until then, or until roused. Raises Killed. For the actor at work."""
        actor = self._current()
        actor.due = max(until, self._now)
        self._back.release()
        actor.turn.acquire()
        if actor.killed:
            raise Killed

    def run(self, until: datetime) -> None:
        """Let everything happen that is due up to `until`, inclusive; then kill who is left."""
        while (actor := self._next()) and actor.due <= until:
            self._pass_to(actor)
        self._now = max(self._now, until)
        for name in list(self._actors):
            self.kill(name)
        while actor := self._next():
            self._pass_to(actor)

    def _next(self) -> _Actor | None:
        ready = [one for one in self._actors.values() if not one.ended and not one.stopped]
        return min(ready, key=lambda one: (one.due, one.name), default=None)

    def _pass_to(self, actor: _Actor) -> None:
        self._now = max(self._now, actor.due)
        if actor.thread is None:
            if actor.killed:
                actor.ended = True
                return
            actor.thread = threading.Thread(target=self._work, args=(actor,), name=actor.name)
            actor.thread.start()
        else:
            actor.turn.release()
        self._back.acquire()
        if actor.ended and actor.thread:
            actor.thread.join()
        if actor.failure:
            raise actor.failure

    def _work(self, actor: _Actor) -> None:
        try:
            actor.work()
        except Killed:
            pass
        except BaseException as failure:  # noqa: BLE001, handed to whoever runs the day
            actor.failure = failure
        finally:
            actor.ended = True
            self._back.release()

    def _current(self) -> _Actor:
        thread = threading.current_thread()
        return next(one for one in self._actors.values() if one.thread is thread)
