"""Alerts get out, one of a kind in five minutes, and delay nothing."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tools import notifications
from tools.core.alerts import AlertKind, alert
from tools.core.errors import ConfigError
from tools.notifications import QUIET_SECONDS, Alerts, deliver, fault_in
from tools.settings import load

PATIENCE_SECONDS = 20.0


class Post(BaseHTTPRequestHandler):
    """Keeps what is posted; answers with the statuses it is told to, then 204."""

    posts: list[dict[str, Any]]
    statuses: list[int]
    hanging: threading.Event | None

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hanging:
            self.hanging.wait(PATIENCE_SECONDS)
        self.posts.append(json.loads(text))
        self.send_response(self.statuses.pop(0) if self.statuses else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def endpoint(hanging: threading.Event | None = None) -> Iterator[tuple[str, type[Post]]]:
    handler = type("One", (Post,), {"posts": [], "statuses": [], "hanging": hanging})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret-path", handler
    finally:
        if hanging:
            hanging.set()
        server.shutdown()
        thread.join()
        server.server_close()


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what() and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert what()


def say(alerts: Alerts, text: str, kind: AlertKind | None = AlertKind.NOT_FLAT) -> None:
    record = logging.LogRecord("desk", logging.CRITICAL, "", 0, text, (), None)
    if kind:
        record.__dict__ |= alert(kind)
    alerts.handle(record)


def test_an_alert_is_posted_and_what_is_none_is_not() -> None:
    with endpoint() as (url, post):
        alerts = Alerts(webhook=url)
        say(alerts, "all is well", None)
        say(alerts, "NOT FLAT:\n  AAPL\x1b[31m")
        alerts.close()
    (told,) = post.posts
    assert told["kind"] == "not_flat"
    assert told["text"] == "NOT FLAT: AAPL [31m"
    assert told["left_out"] == 0
    assert told["time"].endswith("+00:00")
    assert told["host"]


def test_one_of_a_kind_in_five_minutes_and_the_next_one_counts_the_others() -> None:
    seconds = [0.0]
    with endpoint() as (url, post):
        alerts = Alerts(webhook=url, clock=lambda: seconds[0])
        for _ in range(4):
            say(alerts, "NOT FLAT")
        say(alerts, "no answer", AlertKind.BROKER_DOWN)
        seconds[0] = QUIET_SECONDS
        say(alerts, "still NOT FLAT")
        alerts.close()
    told = [(one["kind"], one["left_out"]) for one in post.posts]
    assert told == [("not_flat", 0), ("broker_down", 0), ("not_flat", 3)]


def test_an_endpoint_that_hangs_delays_neither_the_log_nor_the_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifications, "EXIT_SECONDS", 0.1)
    with endpoint(threading.Event()) as (url, _):
        alerts = Alerts(webhook=url)
        began = time.monotonic()
        for number in range(notifications.MOST_WAITING * 3):
            record = logging.LogRecord("x", logging.ERROR, "", 0, "t", (), None)
            record.alert = f"kind {number}"
            alerts.handle(record)
        alerts.close()
        assert time.monotonic() - began < 2


def test_a_delivery_that_fails_is_tried_again_and_says_nothing_secret(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "PAUSES_SECONDS", (0.0, 0.0))
    with endpoint() as (url, post):
        post.statuses += [500, 503]
        alerts = Alerts(webhook=url)
        say(alerts, "NOT FLAT")
        until(lambda: len(post.posts) == 3)
        alerts.close()
    assert caplog.messages == ["an alert did not get out by webhook: HTTPError"] * 2
    assert not any(hasattr(record, "alert") for record in caplog.records)


def test_what_did_not_get_out_does_not_hold_the_next_one_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifications, "PAUSES_SECONDS", (0.0, 0.0))
    with endpoint() as (url, post):
        post.statuses += [500, 500, 500]
        alerts = Alerts(webhook=url)
        say(alerts, "first")
        until(lambda: alerts._told_at == {} and len(post.posts) == 3)
        say(alerts, "second")
        alerts.close()
    assert post.posts[-1]["text"] == "second"


def test_a_command_is_run_without_a_shell_and_without_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPACA_SECRET_KEY", "canary")
    script, out = tmp_path / "page me", tmp_path / "out"
    script.write_text(f"#!/bin/sh\ncat >'{out}.new'\nenv >>'{out}.new'\necho \"$1\" >>'{out}.new'\n"
                      f"mv '{out}.new' '{out}'\n", encoding="utf-8")  # fmt: skip
    script.chmod(0o755)
    alerts = Alerts(command=f"'{script}' '$(id)'")
    say(alerts, "kill switch; rm -rf $HOME", AlertKind.KILL_SWITCH)
    until(out.exists)
    alerts.close()
    text = out.read_text(encoding="utf-8")
    assert text.startswith("kill switch; rm -rf $HOME\n")
    assert "ALERT_KIND=kill_switch" in text
    assert "ALERT_TEXT=kill switch; rm -rf $HOME" in text
    assert text.endswith("$(id)\n")
    assert "canary" not in text


@pytest.mark.parametrize(
    ("webhook", "command", "name"),
    [
        ("file:///etc/passwd", "", "ALERT_WEBHOOK"),
        ("hooks.example/secret", "", "ALERT_WEBHOOK"),
        ("https://[secret", "", "ALERT_WEBHOOK"),
        ("", "page 'secret", "ALERT_COMMAND"),
    ],
)
def test_what_cannot_work_is_named_but_not_repeated(webhook: str, command: str, name: str) -> None:
    fault = fault_in(webhook, command)
    assert fault.startswith(name)
    assert "secret" not in fault
    with pytest.raises(ValueError, match=name):
        Alerts(webhook=webhook, command=command)


def test_with_neither_there_is_no_handler() -> None:
    before = list(logging.getLogger().handlers)
    deliver(webhook="", command="")
    assert logging.getLogger().handlers == before
    assert fault_in("", "") == ""


def test_two_who_ask_for_delivery_do_not_deliver_twice() -> None:
    before = list(logging.getLogger().handlers)
    try:
        deliver(webhook="", command="page")
        deliver(webhook="", command="page")
        assert len(logging.getLogger().handlers) == len(before) + 1
    finally:
        logging.getLogger().handlers[:] = before


def test_an_alert_just_before_the_end_of_the_process_gets_out_by_the_standard_library() -> None:
    code = (
        "import logging, sys\n"
        "from tools.core.alerts import AlertKind, alert\n"
        "from tools.notifications import deliver\n"
        "deliver(webhook=sys.argv[1], command='')\n"
        "logging.critical('NOT FLAT: %s', 'AAPL', extra=alert(AlertKind.NOT_FLAT))\n"
    )
    with endpoint() as (url, post):
        bare = [sys.executable, "-S", "-c", code, url]
        subprocess.run(bare, cwd=ROOT, check=True, capture_output=True, env=dict(os.environ))
    assert [one["text"] for one in post.posts] == ["NOT FLAT: AAPL"]


def test_the_settings_take_both_and_refuse_what_cannot_work(tmp_path: Path) -> None:
    home = {"ACTIVE_TRADER_HOME": str(tmp_path)}
    settings = load(home | {"ALERT_WEBHOOK": "https://hooks.example/T0", "ALERT_COMMAND": "page"})
    assert settings.alert_webhook.get_secret_value() == "https://hooks.example/T0"
    assert settings.alert_command.get_secret_value() == "page"
    assert "hooks.example" not in repr(settings)
    with pytest.raises(ConfigError, match="ALERT_WEBHOOK"):
        load(home | {"ALERT_WEBHOOK": "hooks.example"})
