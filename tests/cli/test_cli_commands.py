"""The command line's other commands, as processes of their own."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CHATGPTES_")},
    "PYTHONPATH": str(ROOT),
    "PYTHONIOENCODING": "utf-8",
    "CHATGPTES_DATA": "",
    "CHATGPTES_CONFIG": os.devnull,
}


def chatgptes(
    *arguments: str, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatgptes", *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env=ENVIRONMENT | variables,
    )


def test_first_words(site: Site) -> None:
    """What is no command is a prompt; options may stand on either side of both."""
    for words in (
        ["diagnosis"],
        ["ask", "doctor"],
        ["--", "bots"],
        ["--bot", "5", "word"],
        ["--timeout=20", "two words"],
    ):
        result = chatgptes(*words[:-1], words[-1], CHATGPTES_SITE=site.url)
        assert f"> {words[-1]}" in result.stdout, result.stderr
    result = chatgptes("--site", site.url, "--timeout", "20", "chat", stdin="Hello\n")
    assert "> Hello" in result.stdout
    assert "chat" not in [messages[-1]["content"] for messages in site.messages]
    several = chatgptes("What", "is", "a", "nonce?")
    assert several.returncode == 2
    assert "goes in quotes" in several.stderr
    assert "there is no command 'What'" in " ".join(several.stderr.split())
    assert "Commands:" in chatgptes("-h").stdout
    assert "--no-stream" in chatgptes("ask", "--help").stdout
    assert re.fullmatch(r"chatgptes, version \S+\n", chatgptes("--version").stdout)


def test_a_word_close_to_a_command(site: Site) -> None:
    """It is not sent: the user is asked which of the two is meant."""
    for words in (["docter", site.url], ["doctr"], ["--site", site.url, "doctors"]):
        refused = chatgptes(*words)
        assert refused.returncode == 2
        assert "Did you mean `doctor`? To ask it: `chatgptes ask doct" in refused.stderr
    assert site.messages == []
    for words in (["ask", "doctr"], ["--", "doctr"], ["Doctr"], ["doctr?"]):
        asked = chatgptes(*words, CHATGPTES_SITE=site.url)
        assert f"> {words[-1]}" in asked.stdout, asked.stderr


def test_a_prompt_that_begins_with_a_dash(site: Site) -> None:
    for words in (["-5 + 3 = ?"], ["-5"], ["- one\n- two"], ["ask", "-5 + 3"]):
        asked = chatgptes(*words, "--timeout", "20", CHATGPTES_SITE=site.url)
        assert asked.returncode == 0, asked.stderr
        assert site.messages[-1][-1]["content"] == words[-1]
    chatgptes("Hi", "--system", "- Be brief.", CHATGPTES_SITE=site.url)
    assert site.messages[-1][-1]["content"] == "- Be brief.\n\nHi"
    typo = chatgptes("--sytem=be brief", "Hi", CHATGPTES_SITE=site.url)
    assert typo.returncode == 2
    assert "--system" in typo.stderr


def test_a_pipe_and_a_prompt(site: Site, tmp_path: Path) -> None:
    """Both are sent, the pipe first."""
    chatgptes("--site", site.url, "Summarize", stdin="one\ntwo\n")
    chatgptes("--site", site.url, "Summarize", stdin="")
    file = tmp_path / "file"
    file.write_text("three\n")
    command = [sys.executable, "-m", "chatgptes", "--site", site.url, "Summarize"]
    with file.open() as stdin:
        subprocess.run(command, stdin=stdin, env=ENVIRONMENT, capture_output=True, timeout=60)
    subprocess.run(
        command, stdin=subprocess.DEVNULL, env=ENVIRONMENT, capture_output=True, timeout=60
    )
    asked = [messages[-1]["content"] for messages in site.messages]
    assert asked == ["one\ntwo\n\nSummarize", "Summarize", "three\n\nSummarize", "Summarize"]


def test_a_site_without_a_scheme(site: Site) -> None:
    local = chatgptes("--site", site.url.removeprefix("http://"), "--json", "Hi")
    assert json.loads(local.stdout)["site"] == site.url
    # Another site's port 443 is asked: nothing listens there.
    secure = chatgptes("--site", "www.example.invalid/chat", "--json", "Hi")
    assert json.loads(secure.stdout)["url"].startswith("https://www.example.invalid/chat")


def test_a_failed_turn_names_the_doctor(site: Site) -> None:
    site.next("model-500")
    failed = chatgptes("--site", site.url, "Hi").stderr
    assert failed.endswith("`chatgptes doctor URL` tells more.\n")
    site.next("quota")
    assert "doctor" not in chatgptes("--site", site.url, "Hi").stderr


def test_several_bots(site: Site) -> None:
    page = site.page("aipkit-two")
    first = chatgptes("--site", page, "Hi")
    assert first.returncode == 0
    assert first.stderr == (
        "chatgptes: The page shows 2 bots; 6 (Second) answered. Also: --bot 5 (Sandbox)\n"
    )
    assert chatgptes("--site", page, "--bot", "5", "Hi").stderr == ""
    assert chatgptes("--site", page, "--json", "Hi").stderr == ""


def test_the_last_conversation(site: Site, tmp_path: Path) -> None:
    kept = {"CHATGPTES_DATA": str(tmp_path / "data")}
    none = chatgptes("-c", "Hi", **kept)
    assert none.returncode == 2
    assert "no last conversation" in none.stderr
    page = site.page("aipkit-two")
    assert "message 1 of" in chatgptes("--site", page, "--bot", "5", "One", **kept).stdout
    assert "message 2 of" in chatgptes("-c", "Two", **kept).stdout
    went_on = json.loads(chatgptes("-c", "--json", "Three", **kept).stdout)
    assert "message 3 of" in went_on["text"]
    assert (went_on["site"], went_on["bot"]) == (page, "5")
    talked = chatgptes("chat", "-c", stdin="Four\n", **kept)
    assert "Loaded 6 messages." in talked.stdout
    assert "message 4 of" in talked.stdout
    assert "message 5 of" in chatgptes("--continue", "Five", **kept).stdout
    elsewhere = chatgptes("-c", "--site", site.url, "Hi", **kept)
    assert elsewhere.returncode == 2
    assert page in elsewhere.stderr.replace("\n", "")
    assert chatgptes("-c", "--sandbox", "Hi", **kept).returncode == 2
    # One that failed, and one with the sandbox, change nothing.
    site.next("quota")
    chatgptes("-c", "Six", **kept)
    chatgptes("--sandbox", "Hi", **kept)
    assert "message 6 of" in chatgptes("-c", "Six", **kept).stdout
    if sys.platform != "win32":
        assert {path.stat().st_mode & 0o77 for path in (tmp_path / "data").iterdir()} == {0}
    nothing = chatgptes("-c", "Hi", CHATGPTES_DATA="")
    assert nothing.returncode == 2


def test_named_sites(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    given = {"CHATGPTES_CONFIG": str(file)}
    assert "not there yet" in chatgptes("config", **given).stdout
    page = site.page("aipkit-two")
    file.write_text(
        f'[sites.two]\nsite = "{page}"\nbot = 5\nsystem = "Be brief."\n'
        f'[sites.mine]\nsite = "{site.url}"\nbot = "5"\napi_key = "env:MY_KEY"\n'
    )
    shown = chatgptes("config", **given).stdout
    assert "--site two" in shown
    named = json.loads(
        chatgptes("--site", "two", "--json", "Hi", CHATGPTES_BOT="77", **given).stdout
    )
    assert (named["site"], named["bot"]) == (page, "5")
    assert site.messages[-1][-1]["content"] == "Be brief.\n\nHi"
    other = chatgptes("--site", "two", "--bot", "6", "--system", "", "--json", "Hi", **given)
    assert json.loads(other.stdout)["bot"] == "6"
    assert site.messages[-1][-1]["content"] == "Hi"
    keyed = chatgptes("--site", "mine", "--json", "Hi", MY_KEY=site.api_key, **given)
    assert json.loads(keyed.stdout)["dialect"] == "rest"
    count = len(site.requests)
    unset = chatgptes("--site", "mine", "Hi", **given)
    assert unset.returncode == 2
    assert "MY_KEY" in unset.stderr
    assert chatgptes("--site", "nobody", "Hi", **given).returncode == 2
    assert len(site.requests) == count
    assert "Second" in chatgptes("bots", "two", **given).stdout
    kept = given | {"CHATGPTES_DATA": str(tmp_path / "data")}
    chatgptes("--site", "two", "One", **kept)
    assert "message 2 of" in chatgptes("-c", "--site", "two", "Two", **kept).stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[sites.a\n", "is no TOML"),
        ("[sites.a]\nbot = 5\n", "needs an address"),
        ('[sites.a]\nsite = "x"\napi_key = "secret"\n', "env:VARIABLE"),
        ('[sites.a]\nsite = "x"\napi_key = "env:1"\n', "env:VARIABLE"),
        ('[sites.a]\nsite = "https://u:secret@example.org"\n', "is never written here"),
        ('[sites.a]\nsite = "u:secret@example.org"\n', "is never written here"),
        ('[sites.a]\nsite = "x.org"\nproxy = "secret@example.org"\n', "is never written here"),
        ('[sites.a]\nsite = "x"\nbots = 5\n', "no option 'bots'"),
        ('[sites.a]\nsite = "x.org"\ntransport = "tcp"\n', "transport must be"),
        ('[sites.a]\nsite = "x.org"\ntimeout = "5"\n', "timeout: total must be a positive number"),
        ('[sites.a]\nsite = "x.org"\nproxy = 5\n', "proxy must be a URL"),
        ('[sites.a]\nsite = "x.org"\napi_key = 5\n', "env:VARIABLE"),
        ('[site.a]\nsite = "x"\n', "no setting 'site'"),
        ('[sites."a.b"]\nsite = "x"\n', "a name has letters"),
    ],
)
def test_configurations_that_can_not_be(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    for words in (["config"], ["--site", "a", "Hi"]):
        refused = chatgptes(*words, CHATGPTES_CONFIG=str(file))
        assert refused.returncode == 2
        assert complaint in refused.stderr
        assert "secret" not in refused.stderr
        assert refused.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell's script")
def test_completion(tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = chatgptes("completion", shell)
        assert script.returncode == 0, script.stderr
        assert "_CHATGPTES_COMPLETE" in script.stdout
    for words, found in {
        "do": "doctor",
        "chat --lo": "--load",
        "--sandbox chat --lo": "--load",
        "--sandbox ch": "chat",
        "--site x ": "chat",
        "ask --transport ": "curl_cffi",
        "--transport ": "curl_cffi",
        "--js": "--json",
        "--sandbox --js": "--json",
        "config ": "set",
        "config set mine ap": "api_key",
    }.items():
        asked = {"COMP_WORDS": f"chatgptes {words}", "_CHATGPTES_COMPLETE": "bash_complete"}
        count = len(words.split()) + (words.endswith(" "))
        answer = chatgptes(COMP_CWORD=str(count), **asked)
        assert f"plain,{found}" in answer.stdout.splitlines(), (words, answer)


def test_variables(site: Site) -> None:
    page = site.page("aipkit-two")
    result = chatgptes(
        "--json", "Hello",
        CHATGPTES_SITE=page, CHATGPTES_BOT="5", CHATGPTES_SYSTEM="Be brief.",
        CHATGPTES_TRANSPORT="curl_cffi", CHATGPTES_TIMEOUT="20",
    )  # fmt: skip
    reply = json.loads(result.stdout)
    assert (reply["site"], reply["bot"]) == (page, "5")
    assert site.messages[-1][-1]["content"] == "Be brief.\n\nHello"
    assert "Mozilla" in site.requests[-1].headers["user-agent"]
    # What is given wins.
    chatgptes("--system", "", "--bot", "6", "Hi", CHATGPTES_SITE=page, CHATGPTES_SYSTEM="Not me")
    assert site.messages[-1][-1]["content"] == "Hi"
    wrong = chatgptes("Hi", CHATGPTES_SITE=site.url, CHATGPTES_TIMEOUT="soon")
    assert wrong.returncode == 2
    proxied = chatgptes("Hi", CHATGPTES_SITE=site.url, CHATGPTES_PROXY="http://127.0.0.1:9")
    assert "ProxyError" in proxied.stderr
    # The sandbox is another site: what belongs to the user's own is left out.
    alone = chatgptes(
        "--sandbox", "Hi", CHATGPTES_SITE=site.url, CHATGPTES_BOT="77", CHATGPTES_API_KEY="k" * 9,
        CHATGPTES_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="",
    )  # fmt: skip
    assert "> Hi" in alone.stdout, alone.stderr


def test_keys(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(site.api_key + "\n")
    options = ["--site", site.url, "--bot", "5", "--json", "Hello"]
    by_file = chatgptes("--api-key-file", str(file), *options)
    assert json.loads(by_file.stdout)["dialect"] == "rest", by_file.stderr
    home = {"CHATGPTES_API_KEY": site.api_key, "CHATGPTES_SITE": site.url}
    for words in (options, ["--bot", "5", "--json", "Hello"]):
        assert json.loads(chatgptes(*words, **home).stdout)["dialect"] == "rest"
    # The key of one site never goes to another, and no key to one that nothing names as its own.
    home["CHATGPTES_SITE"] = "https://example.org/"
    elsewhere = chatgptes("-v", *options, **home)
    assert json.loads(elsewhere.stdout)["dialect"] == "aipkit"
    assert "CHATGPTES_API_KEY is not used" in elsewhere.stderr
    assert "authorization" not in site.requests[-1].headers
    asked = len(site.requests)
    for home["CHATGPTES_SITE"] in ("", " "):
        for words in (options, ["hi"], ["bots", site.url], ["doctor", site.url]):
            homeless = chatgptes(*words, **home)
            assert homeless.returncode == 2
            assert "is set without CHATGPTES_SITE" in homeless.stderr
            assert homeless.stderr.count("\n") == 1
            assert site.api_key not in homeless.stdout + homeless.stderr
    assert len(site.requests) == asked
    assert chatgptes("--api-key-file", str(file), *options, **home).returncode == 0
    file.write_text("\n")
    for wrong in (["--api-key-file", str(file), "--site", site.url, "x"],
                  ["--api-key-file", str(file), "x"],
                  ["--api-key-file", str(file), "--sandbox", "x"]):  # fmt: skip
        assert chatgptes(*wrong).returncode == 2
    missing = chatgptes("--api-key-file", str(tmp_path / "no"), "--site", site.url, "x")
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1
    assert "--api-key " not in chatgptes("ask", "--help").stdout


def test_images_and_search(site: Site, tmp_path: Path) -> None:
    picture = tmp_path / "dot.gif"
    picture.write_bytes(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
    asked = chatgptes("--site", site.page("classic"), "--image", str(picture), "What is it?")
    assert "1 image: image/gif, 14 bytes" in asked.stdout
    found = chatgptes("--site", site.page("aipkit-state"), "--web-search", "--json", "News?")
    assert len(json.loads(found.stdout)["citations"]) == 2
    for wrong in (["--web-search"], ["--image", str(picture)]):
        refused = chatgptes("--site", site.url, *wrong, "Hi")
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
    assert chatgptes("--site", site.url, "--image", str(tmp_path / "no"), "Hi").returncode == 2


@pytest.mark.skipif(version("click").startswith("8.1."), reason="names the option only")
def test_where_a_bad_value_came_from_is_named() -> None:
    for name, value in {"CHATGPTES_TIMEOUT": "soon", "CHATGPTES_TRANSPORT": "pigeon"}.items():
        refused = chatgptes("--sandbox", "Hi", **{name: value})
        assert refused.returncode == 2
        assert name in refused.stderr
    assert "'--timeout'" in chatgptes("--sandbox", "--timeout", "soon", "Hi").stderr


def test_the_site_may_be_an_option_everywhere(site: Site) -> None:
    assert chatgptes("--site", site.url, "bots").stdout
    assert chatgptes("doctor", "--site", site.url).returncode == 0


@pytest.mark.parametrize(
    "options",
    [["--port", "99999"], ["--port", "-1"], ["--quota", "-3"], ["--chunk-delay", "-1"],
     ["--tls-cert", "no/such/file.pem"]],
)  # fmt: skip
def test_the_stand_in_says_what_it_can_not_do(options: list[str]) -> None:
    refused = chatgptes("sandbox", *options)
    assert refused.returncode in (1, 2)
    assert options[1] in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_log(site: Site) -> None:
    result = chatgptes("-v", "--site", site.url, "Hello")
    assert "GET" in result.stderr
    assert "200" in result.stderr
    assert site.nonces.current("aipkit") not in result.stderr
    assert "GET" not in result.stdout


def test_advice_names_options(site: Site) -> None:
    """The library's errors name its arguments; here they are options."""
    closed = ["--proxy", "http://127.0.0.1:9"]
    default = chatgptes("Hi", *closed).stderr
    assert "Use --site URL to talk to another site" in default
    site.next("stall")
    slow = chatgptes("--site", site.url, "--timeout", "0.5", "Hi").stderr
    assert "Use --timeout to allow more." in slow
    gate = chatgptes("--site", site.page("challenge"), "Hi").stderr
    assert "Use --api-key-file to go by" in gate
    asked = json.loads(chatgptes("--json", "Hi", *closed).stdout)
    assert "Use site= to talk" in asked["message"]  # For programs it is what it is in a program.


def test_bots(site: Site) -> None:
    lines = chatgptes("bots", site.page("aipkit-two")).stdout.splitlines()
    assert lines[0].split("\t")[:2] == ["ID", "NAME"]
    assert [line.split("\t")[:3] for line in lines[1:]] == [
        ["6", "Second", "aipkit"],
        ["5", "Sandbox", "aipkit"],
    ]
    bots = json.loads(chatgptes("bots", "--json", site.page("aipkit-images")).stdout)
    assert bots[0]["images"] is True
    assert "5\tSandbox" in chatgptes("bots", CHATGPTES_SITE=site.url).stdout
    none = chatgptes("bots", site.page("nobot"))
    assert none.returncode == 1
    assert none.stderr.startswith("chatgptes: BotNotFoundError")
    assert json.loads(chatgptes("bots", "--json", site.page("nobot")).stdout)["error"]


def test_doctor(site: Site) -> None:
    good = chatgptes("doctor", site.url)
    assert good.returncode == 0
    assert "nonce      ok" in good.stdout
    assert site.messages == []
    asked = json.loads(chatgptes("doctor", "--ask", "--json", site.url).stdout)
    assert asked["ok"] is True
    assert asked["steps"][-1]["ok"] is True
    bad = chatgptes("doctor", site.page("challenge"))
    assert bad.returncode == 1
    assert "gate       FAILED" in bad.stdout
    assert chatgptes("doctor", "--json", site.page("challenge")).returncode == 1
    wrong = chatgptes("doctor", "nonsense")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_batch(site: Site, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": "a", "prompt": "one"}\n{"id": "b", "prompt": "two"}\n')
    site.next("model-500")
    command = ["batch", str(source), "-o", str(out), "--site", site.url, "--jobs", "1"]
    first = chatgptes(*command)
    assert first.returncode == 1
    assert "1 answered, 1 failed (1 UpstreamError)" in first.stderr
    assert "--retry-failed" in first.stderr
    assert first.stdout == ""
    again = chatgptes(*command)
    # What failed before is no success, though it is not asked again.
    assert (again.returncode, again.stderr) == (
        1,
        "chatgptes: 0 answered, 1 failed before, 1 answered before.\n"
        "chatgptes: --retry-failed asks those again that failed.\n",
    )
    retried = chatgptes(*command, "--retry-failed")
    assert retried.returncode == 0
    assert "1 answered, 1 answered before." in retried.stderr
    assert len(site.messages) == 3
    ok = {line["id"]: line["ok"] for line in map(json.loads, out.read_text().splitlines())}
    assert ok == {"a": True, "b": True}
    whole = chatgptes(*command)
    assert (whole.returncode, whole.stderr) == (0, "chatgptes: 0 answered, 2 answered before.\n")
    printed = chatgptes("batch", "-", "--site", site.url, stdin="x\ny\n")
    assert {json.loads(line)["id"] for line in printed.stdout.splitlines()} == {0, 1}


def test_tables_of_prompts(site: Site, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text(
        '\ufefflang,prompt,id\nde,"Hallo,\nWelt",a\n\nfr,"Say ""oui""",b\n', encoding="utf-8"
    )
    command = ["batch", str(source), "--site", site.url, "--jobs", "1"]
    site.next("model-500")
    failed = chatgptes(*command, "-o", str(out), "--to", "csv")
    assert failed.returncode == 1
    rows = list(csv.DictReader(io.StringIO(failed.stdout)))
    assert list(rows[0]) == ["id", "prompt", "lang", "text", "error", "message"]
    assert [(row["id"], row["lang"], row["error"]) for row in rows] == [
        ("a", "de", "UpstreamError"),
        ("b", "fr", ""),
    ]
    # The option of version 1.0 stays.
    whole = chatgptes(*command, "-o", str(out), "--to", "csv", "--resume-failed")
    rows = list(csv.DictReader(io.StringIO(whole.stdout)))
    assert [row["error"] for row in rows] == ["", ""]
    assert (rows[0]["prompt"], rows[1]["prompt"]) == ("Hallo,\nWelt", 'Say "oui"')
    assert "> Say" in rows[1]["text"]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[1]["prompt"] == 'Say "oui"'
    assert lines[1]["columns"] == {"lang": "fr"}
    tsv = tmp_path / "in.tsv"
    tsv.write_text("prompt\tlang\none\tde\n")
    printed = chatgptes("batch", str(tsv), "--site", site.url, "--to", "csv")
    assert [row["lang"] for row in csv.DictReader(io.StringIO(printed.stdout))] == ["de"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("question,lang\none,de\n", 'must have a column "prompt"'),
        ("prompt,lang\none\n", "line 2: the header has 2 columns, and this row 1."),
        ("prompt,a,a\none,1,2\n", "no name twice; it has 'prompt', 'a', 'a'"),
        ('prompt,a\n"one,1\n', "unexpected end of data. A value that begins with a double quote"),
        ("id;prompt\n1;one\n", "'id;prompt'. Commas separate the columns of .csv"),
        ("id,prompt\na,one\na,two\n", "line 3: an earlier prompt has the id"),
    ],
)
def test_tables_that_can_not_be(site: Site, tmp_path: Path, table: str, complaint: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(table)
    refused = chatgptes("batch", str(source), "--site", site.url)
    assert refused.returncode == 2
    assert complaint in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert site.messages == []


def test_a_file_of_replies_is_no_table(site: Site, tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("one\n")
    command = ["batch", str(source), "--site", site.url, "-o"]
    refused = chatgptes(*command, str(out))
    assert refused.returncode == 2
    assert "--to csv" in refused.stderr
    assert not out.exists()
    assert chatgptes(*command, str(tmp_path / "out.jsonl")).returncode == 0
    # Version 1.0 took any name: such a file is continued.
    (tmp_path / "out.jsonl").rename(out)
    assert "1 answered before" in chatgptes(*command, str(out)).stderr
    assert len(site.messages) == 1


def test_batch_with_failures_and_more_to_ask(site: Site, tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("one\ntwo\n")
    command = ["batch", str(source), "-o", str(out), "--site", site.url, "--jobs", "1"]
    site.next("model-500", 2)
    assert chatgptes(*command).returncode == 1
    source.write_text("one\ntwo\nthree\nfour\n")
    # It stops early: what is left and what failed are both told.
    site.next("challenge")
    stopped = chatgptes(*command)
    assert stopped.returncode == 1
    assert "0 answered, 2 failed before, 2 left." in stopped.stderr
    assert "--retry-failed asks those again that failed." in stopped.stderr
    assert "ChallengeError" in stopped.stderr
    site.next("model-500")
    alone = chatgptes(*command, "--retry-failed")
    assert alone.returncode == 1
    assert "1 answered, 1 failed (1 UpstreamError), 2 left." in alone.stderr
    alone = chatgptes(*command, "--retry-failed")
    assert (alone.returncode, alone.stderr) == (
        0,
        "chatgptes: 1 answered, 1 answered before, 2 left.\n",
    )
    site.next("model-500")
    assert chatgptes(*command).returncode == 1
    source.write_text("one\ntwo\nthree\nfour\nfive\n")
    assert chatgptes(*command).returncode == 1  # One is still failed.
    assert chatgptes(*command, "--retry-failed").returncode == 0
    whole = chatgptes(*command)
    assert (whole.returncode, whole.stderr) == (0, "chatgptes: 0 answered, 5 answered before.\n")


def test_batch_that_can_not_be(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    options = ["--site", site.url]
    assert "No such file" in chatgptes("batch", str(source), *options).stderr
    for data in (b"", b"\xff\xfe\n", b'{"prompt": "a"}\n{"prompt": 3}\n'):
        source.write_bytes(data)
        result = chatgptes("batch", str(source), *options)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
    assert site.messages == []
    source.write_text("a\nb\nc\n")
    (tmp_path / "link.txt").hardlink_to(source)
    onto_itself = ["-o", str(tmp_path / "link.txt"), *options]
    result = chatgptes("batch", str(source), *onto_itself)
    assert (result.returncode, "is the file of prompts" in result.stderr) == (2, True)
    with source.open("rb") as file:
        piped = subprocess.run(
            [sys.executable, "-m", "chatgptes", "batch", "-", *onto_itself],
            stdin=file, capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=60,
        )  # fmt: skip
    assert (piped.returncode, "is the file of prompts" in piped.stderr) == (2, True)
    assert source.read_text() == "a\nb\nc\n"
    assert site.messages == []
    stopped = chatgptes("batch", str(source), "--site", site.page("challenge"))
    assert stopped.returncode == 1
    assert "ChallengeError" in stopped.stderr
    assert "3 left" in stopped.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_batch_interrupted(tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("a\nb\nc\n")
    with Site() as site:
        site.next("stall", 3)
        process = subprocess.Popen(
            [sys.executable, "-m", "chatgptes", "-v", "batch", str(source), "-o", str(out),
             "--site", site.url],
            stderr=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT,
        )  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "GET" in line and "…" in line:  # The answer of a turn.
                break
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "The same command continues from here." in stderr
        assert "Traceback" not in stderr
        assert out.read_bytes() == b""
    with Site() as site:
        assert chatgptes("batch", str(source), "-o", str(out), "--site", site.url).returncode == 0


def test_sandbox() -> None:
    usage = chatgptes("sandbox", "--help").stdout
    assert usage.startswith("Usage: chatgptes sandbox [OPTIONS]\n\n  Serve ")
    assert usage.endswith("  -h, --help             Show this message and exit.\n")
    assert "--chunk-delay" in usage
    wrong = chatgptes("sandbox", "--port", "x")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[:2] == [
        "Usage: chatgptes sandbox [OPTIONS]",
        "Try 'chatgptes sandbox --help' for help.",
    ]
    assert wrong.stderr.splitlines()[-1].startswith("Error: Argument --port: ")
    process = subprocess.Popen(
        [sys.executable, "-m", "chatgptes", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if "http://" in line)
        assert "> Hello" in chatgptes("--site", url, "Hello").stdout
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_conversation_in_a_pipe(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    said = [
        "My name is Ada",
        "one\\",
        "two",
        '"""',
        "/three",
        "",
        'four"""',
        f"/save {file}",
        f"/save {file}",
        "//etc is a folder",
        "/new",
        "Who am I?",
        f"/load {file}",
        "/load",
        "/load /nowhere/at/all",
        "/nonsense",
        "/help",
        "And now?",
        "/exit now",
        "not said",
    ]
    result = chatgptes("chat", "--site", site.url, stdin="\n".join(said) + "\n")
    assert result.returncode == 1, "some of its lines failed"
    prompts = [messages[-1]["content"] for messages in site.messages]
    assert prompts == [
        "My name is Ada", "one\ntwo", "/three\n\nfour", "/etc is a folder", "Who am I?", "And now?",
    ]  # fmt: skip
    assert len(site.messages[3]) == 7
    assert len(site.messages[4]) == 1
    # The site remembers it under the saved conversation's id, with what came after the saving.
    assert "My name is Ada" in site.messages[5][0]["content"]
    assert "Saved 6 messages" in result.stdout
    assert "Loaded 6 messages" in result.stdout
    assert "> /new" not in result.stdout
    errors = result.stderr.splitlines()
    assert len(errors) == 3
    assert "Which file?" in errors[0]
    assert "No such file" in errors[1]
    assert "no command /nonsense" in errors[2]


def test_a_conversation_goes_on_after_an_error(site: Site, tmp_path: Path) -> None:
    site.next("quota")
    result = chatgptes("chat", "--site", site.url, stdin="one\ntwo\n")
    assert result.returncode == 1
    assert result.stderr.startswith("chatgptes: QuotaError: ")
    assert result.stderr.count("\n") == 1
    assert "> two" in result.stdout
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    kept = chatgptes("chat", "--site", site.url, stdin=f"hi\n/save {file}\n/load {file}\n")
    assert "exists already" in kept.stderr
    assert "no saved conversation" in kept.stderr
    assert file.read_text() == "mine"
    saved = tmp_path / "talk.json"
    chatgptes("chat", "--site", site.url, stdin=f"hi\n/save {saved}\n")
    loaded = chatgptes("chat", "--load", str(saved), "--site", site.url, stdin=f"/save {saved}\n")
    assert "Loaded 2 messages" in loaded.stdout
    assert "Saved 2 messages" in loaded.stdout


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("last", "last"),
        ("one\\", "one"),
        ("one\\\ntwo\\", "one\ntwo"),
        ('"""one', "one"),
        ('"""\n/one\n\ntwo', "/one\n\ntwo"),
    ],
)
def test_the_end_of_the_input_ends_a_message(site: Site, typed: str, said: str, end: str) -> None:
    result = chatgptes("chat", "--site", site.url, stdin=f"first\n{typed}{end}")
    assert (result.returncode, result.stderr) == (0, "")
    assert [messages[-1]["content"] for messages in site.messages] == ["first", said]


def test_a_conversation_that_can_not_be_loaded(site: Site, tmp_path: Path) -> None:
    """The command ends before anything is said to a bot that knows nothing of it."""
    damaged = tmp_path / "notes.txt"
    damaged.write_text("mine")
    for file, status in ((tmp_path / "none", 1), (tmp_path, 1), (damaged, 2)):
        result = chatgptes("chat", "--load", str(file), "--site", site.url, stdin="hi\n")
        assert result.returncode == status
        assert result.stdout == ""
        assert str(file) in result.stderr
        assert result.stderr.count("\n") == 1
    assert site.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_ctrl_c_ends_a_conversation_in_a_pipe(site: Site) -> None:
    site.next("stall")
    process = subprocess.Popen(
        [sys.executable, "-m", "chatgptes", "chat", "--site", site.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    assert process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == b""
    assert len(site.messages) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
@pytest.mark.parametrize("module", ["commands", "chat"])
def test_ctrl_c_while_it_loads(site: Site, module: str) -> None:
    program = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "chatgptes.cli.{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
import chatgptes.__main__ as m; m.main()
"""
    result = subprocess.run(
        [sys.executable, "-c", program, "chat", "--site", site.url],
        capture_output=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT, timeout=60,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (130, b"")


def test_without_rich(site: Site) -> None:
    """It is needed on a terminal only; the message is the same."""
    program = (
        "import sys; sys.modules['rich'] = None; sys.stdout.isatty = lambda: True;"
        "import chatgptes.__main__ as m; m.main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "--site", site.url, "Hello"],
        capture_output=True, text=True, env=ENVIRONMENT | {"TERM": "xterm"}, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "chatgptes: the command line needs rich: pip install click rich prompt_toolkit"
    )
    assert site.messages == []
