"""Redis and nginx, as Debian packages them, while a test runs.  It skips without them."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["Redis", "free_port", "nginx", "redis_server"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def _start(command: list[str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return process
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"{command[0]} ended with {process.returncode}")


class Redis:
    """A Redis server.

    Attributes:
        url: how clients reach it, with its password.
        password: the password.
    """

    def __init__(self, folder: Path) -> None:
        self.password = "the-password-of-redis"
        self.port = free_port()
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        self._file = folder / "redis.conf"
        self._file.write_text(
            f'port {self.port}\nbind 127.0.0.1\nsave ""\ndir {folder}\n'
            f"requirepass {self.password}\n"
        )
        self.start()

    def start(self) -> None:
        """Start it, with nothing stored."""
        self._process = _start([_program("redis-server"), str(self._file)], self.port)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def hang(self) -> None:
        """Let it take connections and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """Run Redis for the block."""
    _program("redis-server")
    server = Redis(folder)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def nginx(folder: Path, template: Path, variables: Mapping[str, str], port: int) -> Iterator[None]:
    """Run nginx for the block.

    Args:
        template: a file for its `http` part, in which `${NAME}` stands for one of `variables`.
    """
    program = _program("nginx")
    site = re.sub(r"\$\{(\w+)\}", lambda found: variables[found[1]], template.read_text())
    (folder / "site.conf").write_text(site)
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = f"user {pwd.getpwuid(0).pw_name};" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off;\n{user}\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    process = _start([program, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"], port)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
