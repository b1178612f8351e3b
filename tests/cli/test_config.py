"""`chatgptes config`: the file of named sites, shown and changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from chatgptes.cli import command
from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]

BY_HAND = """\
# My sites.
[sites.two]  # at work
bot = 6            # the second
site = "https://example.org/two/"

# The first one.
[sites.mine]
site = "https://example.org/chat/"   # the page
timeout = 20
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "config.toml"


@pytest.fixture
def run(file: Path) -> Run:
    def run(
        *arguments: str, program: tuple[str, ...] = ("-m", "chatgptes"), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CHATGPTES_")},
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/support")]),
            "PYTHONIOENCODING": "utf-8",
            "CHATGPTES_DATA": "",
            "CHATGPTES_CONFIG": str(file),
            **variables,
        }
        return subprocess.run(
            [sys.executable, *program, *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            env=environment,
        )

    return run


def written(file: Path) -> dict[str, dict[str, object]]:
    sites: dict[str, dict[str, object]] = tomllib.loads(file.read_text("utf-8"))["sites"]
    return sites


def test_a_first_site(run: Run, file: Path, site: Site) -> None:
    """From nothing to a turn; the file and its folder are its owner's."""
    early = run("config", "set", "mine", "bot", "6")
    assert early.returncode == 2
    assert "`chatgptes config set mine site URL` sets it" in early.stderr
    assert not file.parent.exists()
    address = site.page("aipkit-two").removeprefix("http://")
    for option, value in (
        ("site", address), ("bot", "6"), ("system", "-5 is cold."), ("timeout", "20"),
        ("transport", "requests"),
    ):  # fmt: skip
        done = run("config", "set", "mine", option, value)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert written(file) == {
        "mine": {
            "site": address,
            "bot": "6",
            "system": "-5 is cold.",
            "timeout": 20,
            "transport": "requests",
        }
    }
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert run("config").stdout.startswith(f"{file}\n")
    assert "  bot = 6\n" in run("config").stdout
    named = json.loads(run("--site", "mine", "--json", "Hi").stdout)
    assert (named["site"], named["bot"]) == (site.page("aipkit-two"), "6")
    assert site.messages[-1][-1]["content"] == "-5 is cold.\n\nHi"


def test_consent(run: Run, file: Path, site: Site) -> None:
    assert run("config", "set", "mine", "site", site.page("consent")).returncode == 0
    for bad in ("yes", "1"):
        done = run("config", "set", "mine", "consent", bad)
        assert done.returncode == 2
        assert "consent must be true or false" in done.stderr
    assert run("config", "set", "mine", "consent", "false").returncode == 0
    refused = run("--site", "mine", "Hi")
    assert refused.returncode == 2
    assert "kept by this site" in refused.stderr
    assert "Hi" in run("--site", "mine", "--consent", "Hi").stdout
    assert run("config", "set", "mine", "consent", "True").returncode == 0
    assert written(file)["mine"]["consent"] is True
    assert "  consent = true\n" in run("config").stdout
    for words in (["Hi"], ["doctor", "--ask"]):
        assert run(*words, "--site", "mine").returncode == 0
    for bad in ('"true"', "1"):
        file.write_text(f'[sites.mine]\nsite = "https://example.org/"\nconsent = {bad}\n')
        assert "consent must be true or false" in run("config").stderr


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_written_by_hand_stays(run: Run, file: Path, newline: str) -> None:
    file.parent.mkdir()
    file.write_bytes(BY_HAND.replace("\n", newline).encode())
    assert run("config", "set", "two", "bot", "5").returncode == 0
    assert run("config", "set", "mine", "proxy", "http://127.0.0.1:8080").returncode == 0
    assert run("config", "unset", "mine", "timeout").returncode == 0
    assert run("config", "set", "third", "site", "example.org").returncode == 0
    expected = BY_HAND.replace("bot = 6 ", 'bot = "5" ').replace(
        "timeout = 20\n",
        'proxy = "http://127.0.0.1:8080"\n\n[sites.third]\nsite = "example.org"\n',
    )
    assert file.read_bytes().decode().split() == expected.split()
    for line in ("# My sites.", "[sites.two]  # at work", "# The first one."):
        assert line in file.read_text("utf-8").splitlines()
    assert run("config", "unset", "two").returncode == 0
    assert list(written(file)) == ["mine", "third"]
    for name in ("mine", "third"):
        assert run("config", "unset", name).returncode == 0
    assert tomllib.loads(file.read_text("utf-8")).get("sites", {}) == {}
    assert run("config", "set", "new", "site", "example.org").returncode == 0
    assert written(file) == {"new": {"site": "example.org"}}


@pytest.mark.parametrize(
    "by_hand",
    [
        'sites = { a = { site = "x.org" } }\n',
        'sites.a.site = "x.org"\n',
        '[sites]\na.site = "x.org"\n',
        '[sites]\na = { site = "x.org", bot = 1 }\n',
        '[sites.a]\nsite = "x.org"\n[sites.b]\nsite = "y.org"',
    ],
)
def test_every_way_to_write_a_table(run: Run, file: Path, by_hand: str) -> None:
    file.parent.mkdir()
    file.write_text(by_hand)
    before = written(file)
    less = before | {"a": {"site": "x.org"}}
    more = less | {"c": {"site": "z.org"}}
    for words, after in (
        (["set", "a", "bot", "5"], before | {"a": before["a"] | {"bot": "5"}}),
        (["unset", "a", "bot"], less),
        (["set", "c", "site", "z.org"], more),
        (["unset", "c"], less),
        (["set", "c", "site", "z.org"], more),
        (["set", "d", "site", "w.org"], more | {"d": {"site": "w.org"}}),
    ):
        done = run("config", *words)
        assert done.returncode == 0, done.stderr
        assert written(file) == after


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["set", "mine", "bott", "5"], "'bott' is not one of 'site', 'bot'"),
        (
            ["set", "mine", "timeout", "soon"],
            "a positive number of seconds or None, not 'soon'",
        ),
        (["set", "mine", "timeout", "-5"], "timeout: total must be a positive number"),
        (["set", "mine", "timeout", "nan"], "timeout: total must be a positive number"),
        (["set", "mine", "transport", "tcp"], "must be one of auto, requests, curl_cffi"),
        (["set", "mine", "proxy", "ftp://127.0.0.1"], "the scheme 'ftp' is none of"),
        (["set", "mine", "site", "no address"], "site"),
        (["set", "mine", "bot", ""], "bot must be a bot's id"),
        (["set", "my.site", "site", "example.org"], "a name has letters"),
        (
            ["set", "mine", "api_key", "secret"],
            "only where it is: env:VARIABLE, file:PATH or keyring:",
        ),
        (["set", "mine", "api_key", "env:"], "only where it is: env:VARIABLE"),
        (["set", "mine", "api_key", "keyring:secret"], "only where it is: env:VARIABLE"),
        (["set", "mine", "site", "https://ada:secret@example.org"], "env:VARIABLE"),
        (["set", "mine", "proxy", "http://ada:secret@127.0.0.1"], "env:VARIABLE"),
        (["set", "mine", "proxy", "ada:secret@127.0.0.1"], "env:VARIABLE"),
        (["unset", "mine", "site"], "it needs an address"),
        (["unset", "mine", "bot"], "has no bot"),
        (["unset", "other"], "There is no site 'other'"),
        (["sets"], "No such command 'sets'"),
    ],
)
def test_what_is_refused_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, file: Path, words: list[str], complaint: str
) -> None:
    monkeypatch.setenv("CHATGPTES_CONFIG", str(file))
    file.parent.mkdir()
    file.write_text(BY_HAND)
    refused = CliRunner().invoke(command, ["config", *words])
    assert refused.exit_code == 2
    assert complaint in refused.output
    assert "secret" not in refused.output.replace("keyring:secret", "")
    assert file.read_text() == BY_HAND


def test_a_file_that_can_not_be_used_is_not_touched(run: Run, file: Path) -> None:
    file.parent.mkdir()
    for text in ("[sites.a\n", 'theme = "dark"\n', "[sites.a]\nbot = 5\n"):
        file.write_text(text)
        for words in (["set", "b", "site", "example.org"], ["unset", "a"]):
            assert run("config", *words).returncode == 2
            assert file.read_text() == text
    device = run("config", "set", "b", "site", "example.org", CHATGPTES_CONFIG=os.devnull)
    assert device.returncode == 2
    assert Path(os.devnull).exists()
    assert not Path(os.devnull).is_file()


def test_a_folder_that_can_not_be_made(run: Run, file: Path) -> None:
    file.parent.write_text("a file")
    refused = run("config", "set", "mine", "site", "example.org")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert str(file.parent) in refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are POSIX's")
def test_a_disk_that_is_full_leaves_the_file_as_it_was(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(BY_HAND)
    full = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "import chatgptes.__main__ as m; m.main()"
    )
    refused = run("config", "set", "mine", "bot", "5", program=("-B", "-c", full))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert file.read_text() == BY_HAND
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_one(run: Run, file: Path, tmp_path: Path) -> None:
    """As of those who keep their configuration in a repository."""
    real = tmp_path / "dotfiles.toml"
    real.write_text(BY_HAND)
    real.chmod(0o644)
    file.parent.mkdir()
    file.symlink_to(real)
    assert run("config", "set", "mine", "bot", "5").returncode == 0
    assert file.is_symlink()
    assert 'bot = "5"' in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600


def test_without_its_packages(run: Run, file: Path) -> None:
    """Without tomlkit the file can be read and used; without platformdirs it needs the variable."""
    hide = (
        "import sys; name = sys.argv.pop(1); sys.modules[name] = None;"
        "import chatgptes.__main__ as m; m.main()"
    )
    file.parent.mkdir()
    file.write_text(BY_HAND)
    program = ("-c", hide, "tomlkit")
    refused = run("config", "set", "mine", "bot", "5", program=program)
    assert refused.returncode == 2
    assert "pip install tomlkit" in refused.stderr
    assert "--site mine" in run("config", program=program).stdout
    program = ("-c", hide, "platformdirs")
    assert run("config", program=program).stdout.startswith(f"{file}\n")
    refused = run("config", "set", "mine", "bot", "5", program=program, CHATGPTES_CONFIG="")
    assert "pip install platformdirs" in refused.stderr


def test_secrets_are_named_not_written(run: Run, file: Path, tmp_path: Path, site: Site) -> None:
    """A key from a variable, a file, and the package `keyring` with a backend of ours."""
    ring = {
        "PYTHON_KEYRING_BACKEND": "file_keyring.Keyring",
        "FILE_KEYRING": str(tmp_path / "ring.json"),
    }
    run("config", "set", "mine", "site", site.url)
    run("config", "set", "mine", "bot", "5")
    references: dict[str, dict[str, str]] = {
        "env:MY_KEY": {"MY_KEY": site.api_key},
        "file:key": {},  # Beside the configuration file.
        "keyring:my/site/ada": ring,
    }
    for reference, variables in references.items():
        assert run("config", "set", "mine", "api_key", reference).returncode == 0
        if "MY_KEY" in reference:
            missing = run("--site", "mine", "Hi")
            assert "The variable MY_KEY, which should hold a secret, is empty" in missing.stderr
        if "file" in reference:
            missing = run("--site", "mine", "Hi")
            assert (missing.returncode, "key: No such file" in missing.stderr) == (1, True)
            (file.parent / "key").write_text(f"{site.api_key}\n")
        if "keyring" in reference:
            locked = run("--site", "mine", "Hi", **ring)
            assert (locked.returncode, locked.stderr.count("\n")) == (2, 1)
            assert "The keyring can't be used: It is locked." in locked.stderr
            store = "import keyring; keyring.set_password('my', 'else', 'x')"
            assert run(program=("-c", store), **ring).returncode == 0
            missing = run("--site", "mine", "Hi", **ring)
            assert "`keyring set my/site ada` stores it." in missing.stderr
            store = f"import keyring; keyring.set_password('my/site', 'ada', {site.api_key!r})"
            assert run(program=("-c", store), **ring).returncode == 0
        asked = run("--site", "mine", "--json", "Hi", **variables)
        assert json.loads(asked.stdout)["dialect"] == "rest", asked.stderr
        assert f"  api_key = {reference}\n" in run("config").stdout
        assert site.api_key not in run("config").stdout + file.read_text()
    count = len(site.requests)
    for backend in ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring"):
        refused = run("--site", "mine", "Hi", PYTHON_KEYRING_BACKEND=backend)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    hide = "import sys; sys.modules['keyring'] = None; import chatgptes.__main__ as m; m.main()"
    refused = run("--site", "mine", "Hi", program=("-c", hide))
    assert "pip install keyring" in refused.stderr
    assert len(site.requests) == count


def test_a_site_and_a_proxy_may_be_secrets(run: Run, file: Path, site: Site) -> None:
    run("config", "set", "mine", "site", "env:MY_SITE")
    run("config", "set", "mine", "proxy", "env:MY_PROXY")
    address = site.url.replace("http://", "http://ada:open-sesame@")
    given = {"MY_SITE": address, "MY_PROXY": "http://ada:open-sesame@127.0.0.1:9"}
    # A proxy from the command line counts: then the other one is not looked up.
    count = len(site.requests)
    refused = run("--site", "mine", "Hi", MY_SITE=address)
    assert "MY_PROXY" in refused.stderr
    failed = run("--site", "mine", "Hi", **given)
    assert failed.returncode == 1
    assert "open-sesame" not in failed.stderr
    assert len(site.requests) == count
    run("config", "unset", "mine", "proxy")
    answered = run("--site", "mine", "Hi", **given)
    assert answered.returncode == 0, answered.stderr
    assert site.requests[-1].headers["authorization"].startswith("Basic ")


def test_a_name_that_no_site_has(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(BY_HAND)
    for words in (["--site", "mime", "Hi"], ["doctor", "mime"], ["chat", "--site", "mime"]):
        refused = run(*words)
        assert refused.returncode == 2
        assert "No site has the name 'mime'" in refused.stderr
        assert "Did you mean 'mine'?" in refused.stderr
    assert "begins with https://" in run("--site", "something", "Hi").stderr


def test_the_sandbox_uses_no_named_site(run: Run, file: Path) -> None:
    """CHATGPTES_SITE may be a name; its bot and its key are not the sandbox's."""
    file.parent.mkdir()
    file.write_text('[sites.mine]\nsite = "https://example.org"\nbot = 77\napi_key = "env:NONE"\n')
    answered = run("--sandbox", "Hi", CHATGPTES_SITE="mine")
    assert answered.returncode == 0, answered.stderr
    assert "> Hi" in answered.stdout


def test_the_named_key_counts_more_than_the_variable(run: Run, file: Path, site: Site) -> None:
    file.parent.mkdir()
    file.write_text(f'[sites.mine]\nsite = "{site.url}"\nbot = 5\napi_key = "env:MY_KEY"\n')
    given = {"MY_KEY": site.api_key, "CHATGPTES_API_KEY": "another"}
    for home in ({}, {"CHATGPTES_SITE": site.url}):
        asked = run("--site", "mine", "--json", "Hi", **given, **home)
        assert json.loads(asked.stdout)["dialect"] == "rest", asked.stderr
