"""Server-sent events: bytes in, cut anywhere; (event, data) pairs out.

The stream format is the HTML standard's, section 9.2.6; where this decoder differs from a
browser's it says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ResponseTooLargeError

__all__ = ["EventDecoder"]

_BOM = b"\xef\xbb\xbf"
_IGNORED = frozenset({b"id", b"retry"})  # There is no reconnecting here.

Event = tuple[str | None, str]


class EventDecoder:
    """An incremental decoder of an event stream.

    `feed` and `end` give pairs (event, data):

    * `("done", "…")`: an event with its name; `("", "…")`: one without an `event` field (a browser
      would call it "message"; here the two can be told apart);
    * `(None, "…")`: a line that is neither a field nor a comment, which the standard ignores:
      sites put notices and envelopes there.  It comes in its place, but behind the event of the
      block that it stands in.

    Take every pair of one `feed` before the next.  Time is linear in the bytes, however cut.
    """

    def __init__(self, max_event: int = 4 << 20) -> None:
        """max_event: bytes of one event, or of one line, before `ResponseTooLargeError`."""
        self._max = max_event
        self._parts: list[bytes] = []  # Of a line whose end has not come.
        self._size = 0  # Bytes in _parts.
        self._held = 0  # Bytes in the event under way.
        self._first = True
        self._skip_lf = False
        self._name = ""
        self._data: list[bytes] = []
        self._late: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[Event]:
        """The pairs that are whole with these bytes.

        Raises:
            ResponseTooLargeError: an event is larger than `max_event`; the pairs before it have
                been given.
        """
        if self._skip_lf and data:
            # "\r" ended its line as soon as it came; the "\n" of a "\r\n" cut in two is its rest.
            self._skip_lf = False
            if data[:1] == b"\n":
                data = data[1:]
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = data.rfind(b"\n")
        if cut < 0:
            self._keep(data)
            return
        lines = data[:cut].split(b"\n")
        if self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
        if self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        yield from self._take(lines)
        self._keep(data[cut + 1 :])

    def end(self) -> Iterator[Event]:
        """What is left at the end of the body.

        A browser throws away an event that no blank line ends; sites close without one, so here
        it is given.
        """
        if self._parts:
            line = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            yield from self._take([line.removeprefix(_BOM) if self._first else line])
        yield from self._take([b""])

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size + self._held > self._max:
                raise self._too_large()

    def _too_large(self) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"The site sent an event of more than {self._max} bytes (Limits.event)."
        )

    def _take(self, lines: list[bytes]) -> Iterator[Event]:  # noqa: C901
        # One loop: a call per line would double its time.
        data = self._data
        for line in lines:
            if not line:
                if data:
                    body = data[0] if len(data) == 1 else b"\n".join(data)
                    data.clear()
                    yield self._name, body.decode("utf-8", "replace")
                self._name = ""
                self._held = 0
                if self._late:
                    late, self._late = self._late, []
                    for stray in late:
                        yield None, stray.decode("utf-8", "replace")
                continue
            self._held += len(line)
            if self._held > self._max:
                raise self._too_large()
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b":"):
                self._held -= len(line)
            else:
                field, _, value = line.partition(b":")
                if field == b"event":
                    self._name = value.removeprefix(b" ").decode("utf-8", "replace")
                elif field == b"data":
                    data.append(b"")
                elif field not in _IGNORED:
                    if data:
                        self._late.append(line)
                    else:
                        self._held -= len(line)
                        yield None, line.decode("utf-8", "replace")
