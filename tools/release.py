"""Build a release, check it, and test it from its sdist.

tox run -e release                      # all of it; the files are in dist/
python tools/release.py --tag v1.1.0    # do tag, version and changelog agree?

Building twice must give the same bytes. An advisory service that can't be reached is said, and does
not fail the run, unless `--need-audit` is given.
"""

from __future__ import annotations

import argparse
import email
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
NEEDED = (
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "tox.ini",
    "mkdocs.yml", "docs/index.md", "docs/sandbox.png", "docs/terminal.svg", "docs/make_help.py",
    "examples/hello.py", "examples/notebook.ipynb", "tests/conftest.py", "tests/support/servers.py",
    "tests/project/test_docs.py", "benchmarks/soak.py", "tools/wording.py", "chatgptes/py.typed",
)  # fmt: skip
"""Files that an sdist without them would be useless for."""
QUICK_TESTS = ("tests/values", "tests/sites/test_sites_sse.py")


def version() -> str:
    """The version that the package has."""
    text = (ROOT / "chatgptes" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    assert found is not None
    return found[1]


def tag_problem(tag: str) -> str | None:
    """Why a tag can't be released; None if it can."""
    if tag != f"v{version()}":
        return f"The tag is {tag}, the package is {version()} (chatgptes/_version.py)."
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version())} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        return f"CHANGELOG.md has no heading '## {version()} - DATE'."
    return None


def run(*command: str, folder: Path = ROOT, **environment: str) -> None:
    """Run a command, and end if it fails."""
    print("+", " ".join(command), flush=True)
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True)


def source_date() -> str:
    """The time of the last commit, so that a build can be repeated; else that of the changelog."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    command = ["git", "log", "-1", "--format=%ct"]
    try:
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return str(int((ROOT / "CHANGELOG.md").stat().st_mtime))
    return asked.stdout.strip()


def copy_sources(to: Path) -> None:
    """The files under version control, or all but what was built where there is no git.

    A `chatgptes.egg-info` from before would add the files that it lists to an sdist.
    """
    try:
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        built = shutil.ignore_patterns("*.egg-info", "build", "dist", "site", ".*", "__pycache__")
        shutil.copytree(ROOT, to, ignore=built)
        return
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def repository() -> str | None:
    """The address of the repository, as continuous integration knows it; None elsewhere."""
    server, name = map(os.environ.get, ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    return f"{server}/{name}" if server and name else None


def readme_for_index(readme: str, address: str) -> str:
    """The README with absolute addresses: a package index has no file to show or to link to."""

    def absolute(found: re.Match[str]) -> str:
        kind = "raw" if found["picture"] else "blob"
        return f"{found['picture']}{found['text']}({address}/{kind}/v{version()}/{found['file']})"

    link = r"(?P<picture>!?)(?P<text>\[[^\]]*\])\((?P<file>(?!\w+:|#)[^)\s]+)\)"
    return re.sub(link, absolute, readme)


def build(out: Path, date: str) -> None:
    """An sdist, and a wheel from it, with times and owners that don't depend on the machine."""
    with tempfile.TemporaryDirectory() as name:
        sources = Path(name) / "sources"
        copy_sources(sources)
        if address := repository():
            readme = sources / "README.md"
            text = readme_for_index(readme.read_text(encoding="utf-8"), address)
            readme.write_text(text, encoding="utf-8")
        run(
            sys.executable, "-m", "build", "--quiet", "--outdir", str(out),
            folder=sources, SOURCE_DATE_EPOCH=date,
        )  # fmt: skip
    for path in out.glob("*.tar.gz"):
        settle(path, int(date))


def settle(path: Path, date: int) -> None:
    """Rewrite an sdist with one time and no owner: setuptools takes both from the file system."""
    with tarfile.open(path) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        contents = {each.name: old.extractfile(each).read() for each in members if each.isfile()}  # type: ignore[union-attr]
    plain = path.with_suffix("")
    with tarfile.open(plain, "w", format=tarfile.GNU_FORMAT) as new:
        for member in members:
            member.mtime, member.uid, member.gid, member.uname, member.gname = date, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            if member.isfile():
                new.addfile(member, io.BytesIO(contents[member.name]))
            else:
                new.addfile(member)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", mtime=date, fileobj=raw) as packed:
        packed.write(plain.read_bytes())
    plain.unlink()


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def requirements() -> list[str]:
    """What the wheel requires, without extras."""
    (wheel,) = DIST.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    return [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]


def audit(folder: Path, *, needed: bool) -> None:
    """Look the requirements up in the advisory database; end if one has a known vulnerability."""
    wanted = folder / "requirements.txt"
    wanted.write_text("\n".join(requirements()) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json",
               "--requirement", str(wanted)]  # fmt: skip
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"SKIPPED: pip-audit got no answer from the advisory service: {reason[:300]}")
        if needed:
            raise SystemExit("The audit is needed (--need-audit).") from None
        return
    bad = [each for each in found if each.get("vulns")]
    for each in bad:
        names = ", ".join(vulnerability["id"] for vulnerability in each["vulns"])
        print(f"{each['name']} {each['version']}: {names}")
    if bad:
        raise SystemExit("A requirement has a known vulnerability.")
    print(f"pip-audit: {len(found)} packages, no known vulnerability")


def test_sdist(folder: Path) -> None:
    """Unpack the sdist, see that nothing is missing, and run tests of the package in it."""
    (sdist,) = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = [path for path in folder.iterdir() if path.is_dir()]
    missing = [name for name in NEEDED if not (unpacked / name).exists()]
    if missing:
        raise SystemExit(f"The sdist lacks {', '.join(missing)}.")
    place = "import chatgptes, sys; sys.exit(not chatgptes.__file__.startswith(sys.argv[1]))"
    here = {"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": ""}
    run(sys.executable, "-c", place, str(unpacked), folder=unpacked, **here)
    run(sys.executable, "-m", "pytest", *QUICK_TESTS, folder=unpacked, **here)
    run(sys.executable, "examples/hello.py", folder=unpacked, **here)


def main() -> None:
    """Do all of it, or look at a tag."""
    parser = argparse.ArgumentParser(description="Build and check a release (see CONTRIBUTING.md).")
    parser.add_argument("--tag", help="only check that this tag can be released")
    parser.add_argument("--need-audit", action="store_true", help="fail if pip-audit can't run")
    options = parser.parse_args()
    if options.tag is not None:
        if problem := tag_problem(options.tag):
            raise SystemExit(problem)
        print(f"{options.tag}: tag, version and changelog agree")
        return
    date = source_date()
    shutil.rmtree(DIST, ignore_errors=True)
    build(DIST, date)
    with tempfile.TemporaryDirectory() as name:
        again = Path(name) / "again"
        build(again, date)
        if digests(DIST) != digests(again):
            raise SystemExit(f"Two builds differ: {digests(DIST)} and {digests(again)}.")
        for file, digest in digests(DIST).items():
            print(f"{digest}  {file}")
        run(sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
        audit(Path(name), needed=options.need_audit)
        unpacked = Path(name) / "unpacked"
        unpacked.mkdir()
        test_sdist(unpacked)
    print("The release is in dist/.")


if __name__ == "__main__":
    main()
