// Markdown, a small part of it, as nodes: no markup of an answer becomes markup of the page.

/** An element with properties or attributes, and children. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const INLINE = new RegExp(
  [
    "(?<ticks>`+)(?<code>.+?)\\k<ticks>",
    "\\*\\*(?<strong>.+?)\\*\\*",
    "\\*(?<em>[^\\s*](?:[^*]*[^\\s*])?)\\*",
    "(?<!\\w)_(?<under>[^\\s_](?:[^_]*[^\\s_])?)_(?!\\w)",
    "!?\\[(?<label>[^\\]]*)\\]\\((?<target>[^\\s()]+)\\)",
    "(?<bare>https?://[^\\s<>\"'()]*[^\\s<>\"'().,;:!?])",
  ].join("|"),
  "s",
);
const FENCE = /^\s*(`{3,}|~{3,})/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])\s+(.*)/;
const BLOCK = /^\s*(`{3,}|~{3,}|>|#{1,6}\s|[-*+]\s|\d{1,9}[.)]\s)/;
const DEEPEST = 6;

/** `label` as a link, or alone where `target` is no http address; a list of nodes. */
export function link(target, label) {
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) return [label];
  const rel = "noopener noreferrer nofollow";
  return [h("a", { href: target, target: "_blank", rel }, label || target)];
}

function inline(text, depth = 0) {
  const nodes = [];
  for (let match; depth < DEEPEST && (match = INLINE.exec(text));) {
    const { code, strong, em, under, label, target, bare } = match.groups;
    nodes.push(text.slice(0, match.index));
    if (code !== undefined) nodes.push(h("code", {}, code.trim()));
    else if (strong) nodes.push(h("strong", {}, ...inline(strong, depth + 1)));
    else if (em ?? under) nodes.push(h("em", {}, ...inline(em ?? under, depth + 1)));
    else nodes.push(...link(target ?? bare, label ?? bare));
    text = text.slice(match.index + match[0].length);
  }
  return [...nodes, text];
}

/** The nodes of a text. */
export function markdown(text, depth = 0) {
  const nodes = [], lines = text.split(/\r\n?|\n/);
  /** Take the lines from here on that `test` accepts. */
  const take = (test) => {
    const taken = [];
    while (lines.length && test(lines[0])) taken.push(lines.shift());
    return taken;
  };
  while (lines.length) {
    const line = lines[0], fence = FENCE.exec(line), heading = /^\s*(#{1,6})\s+(.*)/.exec(line);
    if (!line.trim()) {
      lines.shift();
    } else if (fence) {
      lines.shift();
      const code = take((each) => !each.trim().startsWith(fence[1]));
      lines.shift();
      nodes.push(h("pre", { tabIndex: 0 }, h("code", {}, code.join("\n"))));
    } else if (heading) {
      lines.shift();
      nodes.push(h(`h${Math.min(6, heading[1].length + 2)}`, {}, ...inline(heading[2])));
    } else if (/^\s*>/.test(line) && depth < DEEPEST) {
      const quoted = take((each) => /^\s*>/.test(each)).map((each) => each.replace(/^\s*> ?/, ""));
      nodes.push(h("blockquote", {}, ...markdown(quoted.join("\n"), depth + 1)));
    } else if (ITEM.test(line) && depth < DEEPEST) {
      nodes.push(list(lines, take, depth));
    } else {
      const first = lines.shift();
      const rest = take((each) => each.trim() && !(depth < DEEPEST && BLOCK.test(each)));
      nodes.push(h("p", {}, ...inline([first, ...rest].join("\n"))));
    }
  }
  return nodes;
}

function list(lines, take, depth) {
  const [, { length: indent }, mark] = ITEM.exec(lines[0]);
  const ordered = /\d/.test(mark);
  const made = h(ordered ? "ol" : "ul", ordered ? { start: Number.parseInt(mark, 10) } : {});
  const isItem = (line) => {
    const match = ITEM.exec(line);
    return match && match[1].length <= indent + 1 && /\d/.test(match[2]) === ordered;
  };
  while (lines.length && isItem(lines[0])) {
    const content = [ITEM.exec(lines.shift())[3]];
    const inside = take((line) => line.startsWith(" ".repeat(indent + 2)) && !isItem(line));
    content.push(...inside.map((line) => line.slice(indent + 2)));
    made.append(h("li", {}, ...markdown(content.join("\n"), depth + 1)));
  }
  return made;
}
