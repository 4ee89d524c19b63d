"""The stage starts processes, notices when one dies, and stops all of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bandit_platform.errors import UnavailableError
from bandit_platform.simulation.stage import Stage, stage_settings

PROGRAM = """
import http.server, os, sys, time
name = sys.argv[1]
(lambda p: p.write_text(str(os.getpid())))(__import__("pathlib").Path(FOLDER) / (name + ".pid"))
if name == "work":
    print("about to fail" if DIES else "working", file=sys.stderr, flush=True)
    sys.exit(3) if DIES else time.sleep(600)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def do_POST(self):
        self.send_response(422); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
port = os.environ["BANDIT_PLATFORM_PORT" if name == "serve" else "BANDIT_PLATFORM_CONSOLE_PORT"]
http.server.HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


def stage(folder: Path, *, dies: bool = False) -> Stage:
    program = folder / "program.py"
    program.write_text(f"FOLDER = {str(folder)!r}\nDIES = {dies}\n{PROGRAM}")
    return Stage(stage_settings(folder), folder, command=(sys.executable, str(program)))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("*.pid")]


def watch(running: Stage) -> None:
    while True:
        running.check()
        time.sleep(0.05)


def test_processes_run_inside_and_are_gone_outside(tmp_path: Path) -> None:
    with stage(tmp_path) as running:
        running.wait_until_ready()
        running.wait_until_decides("anything")
        running.check()
        started = pids(tmp_path)
        assert all(map(alive, started))
    assert not any(map(alive, started))


def test_what_a_dead_process_said_is_shown(tmp_path: Path) -> None:
    message = r"(?s)work ended with status 3\. Its last words:.*about to fail"
    with pytest.raises(UnavailableError, match=message), stage(tmp_path, dies=True) as running:
        watch(running)
    assert not any(map(alive, pids(tmp_path)))


def test_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    silent = Stage(
        stage_settings(tmp_path),
        tmp_path,
        command=(sys.executable, "-c", "import time; time.sleep(60)"),
    )
    with pytest.raises(UnavailableError, match="serve is not ready"), silent as running:
        running.wait_until_ready(seconds=0.3)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_everything(tmp_path: Path, sent: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"FOLDER = {str(tmp_path)!r}\nDIES = False\n{PROGRAM}")
    script = f"""
import sys, time
from pathlib import Path
from bandit_platform.simulation.stage import Stage, stage_settings, stopped_by_signals
folder = Path({str(tmp_path)!r})
command = (sys.executable, {str(program)!r})
with stopped_by_signals(), Stage(stage_settings(folder), folder, command=command) as running:
    running.wait_until_ready()
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        started = pids(tmp_path)
        process.send_signal(sent)
        process.wait(20)
    assert len(started) >= 2
    assert not any(map(alive, started))
