// Requests to the page's own site, and reading what it answers.  No other host is asked.

export const MOST = 200_000; // Characters of an answer: some faults never end.
export const WRONG_FORM = "The site answered with something that is no answer.";

/** A sentence for the visitor: the site has refused, or could not answer. */
export class Failure extends Error {}
/** The nonce is dead: a fresh one may help. */
export class StaleNonce extends Failure {}

export function parsed(text) {
  for (const part of [text, text.slice(Math.max(0, text.indexOf('{"')))]) {
    try { return JSON.parse(part); } catch { /* Perhaps a notice of PHP's stands before it. */ }
  }
  return null;
}

/** What markup says: its text, in one line. */
export function plain(markup) {
  const spaced = markup.replace(/<(?=\/?(p|div|br|li|h\d)\b)/gi, " <");
  const page = new DOMParser().parseFromString(spaced, "text/html");
  for (const element of page.querySelectorAll("script, style")) element.remove();
  return page.body.textContent.replace(/\s+/g, " ").trim();
}

export const random = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0"))
    .join("");

/** Who asks: quotas hang on it, so it outlives the page. */
export const visitor = (() => {
  try { return (localStorage.sandboxVisitor ??= random()); } catch { return random(); }
})();

/** `address`, if it is on this page's own origin: nothing typed here goes anywhere else. */
export function own(address) {
  const url = new URL(address, location.href);
  if (url.origin === location.origin) return url;
  throw new Failure(
    `This page says that its bot is at ${url.origin}, which is not where the page is. `
    + "Nothing was sent there.");
}

/** Send a request; a redirect is not followed, since it may lead to another host. */
export async function send(url, options) {
  const response = await fetch(url, { ...options, redirect: "manual" });
  if (response.type !== "opaqueredirect") return response;
  throw new Failure("The site sends the message on to another address. That was not followed.");
}

export function failure(response, text) {
  const said = parsed(text);
  const wait = response.headers.get("retry-after");
  if (said?.code && said.message) return new Failure(plain(said.message));
  const message = said?.message ?? said?.data?.message;
  if (message) return new Failure(message);
  if (response.status === 429) {
    const when = /^\d+$/.test(wait) ? `in ${wait} s` : wait ? `after ${wait}` : "later";
    return new Failure(`Too many requests. Try again ${when}.`);
  }
  if (response.ok) return new Failure(WRONG_FORM);
  return new Failure(`The site answered with status ${response.status}.`);
}

// Event streams.

export const isStream = (response) =>
  (response.headers.get("content-type") ?? "").startsWith("text/event-stream");

export async function* pieces(response) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  for (;;) {
    const { value, done } = await reader.read();
    yield decoder.decode(value, { stream: !done });
    if (done) return;
  }
}

export async function* events(texts) {
  let buffer = "", name = "", data = [];
  for await (const text of texts) {
    // A `\r` at the end may be half of a line's end, so it waits for what follows.
    const lines = (buffer + text).split(/\r\n|\n|\r(?=[^\n])/);
    buffer = lines.pop();
    if (buffer.length > MOST) throw new Failure("One event of the answer does not end.");
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (!line) {
        if (data.length) yield { name, text: data.join("\n"), data: parsed(data.join("\n")) };
        name = "", data = [];
      }
    }
  }
  if (buffer.startsWith("data:")) data.push(buffer.slice(5).trimStart());
  if (data.length) yield { name, text: data.join("\n"), data: parsed(data.join("\n")) };
}

/** A file as a `data:` address. */
export function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Failure(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
