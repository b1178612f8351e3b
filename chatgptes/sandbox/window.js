// The chat windows of the sandbox's pages: one in each bot's element.
import { botOf, elements, turn } from "./bots.js";
import { h, link, markdown } from "./markdown.js";
import { Failure, MOST } from "./wire.js";

class Window {
  #bot; #log; #box; #send; #starters; #files = []; #chips; #picker; #search; #stop;

  constructor(bot) {
    this.#bot = bot;
    this.#log = h("div", { className: "cw-log", role: "log", tabIndex: 0,
      ariaLabel: `Conversation with ${bot.label}`, ariaLive: "polite" });
    this.#starters = h("div", { className: "cw-starters" });
    this.form = this.#makeForm();
    const again = h("button", { type: "button", className: "cw-quiet" }, "New chat");
    again.onclick = () => this.#begin();
    const title = h("h2", {}, bot.label);
    this.element = h("section", { className: "cw-window", ariaLabel: `Chat with ${bot.label}` },
      h("div", { className: "cw-head" }, title, again), this.#log, this.#starters, this.form);
    if (bot.smallPrint) this.element.append(h("p", { className: "cw-small" }, bot.smallPrint));
    if (bot.consent) this.#askConsent();
    this.#begin();
  }

  focus() { this.#box.focus(); }

  #makeForm() {
    const bot = this.#bot;
    this.#box = h("textarea", { rows: 1, placeholder: "Type a message", enterKeyHint: "send",
      ariaLabel: `Message to ${bot.label}` });
    if (bot.longest) this.#box.maxLength = bot.longest;
    this.#box.oninput = () => this.#grow();
    this.#box.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.form.requestSubmit();
    };
    this.#send = h("button", { type: "submit" }, "Send");
    this.#chips = h("div", { className: "cw-chips" });
    const tools = h("div", { className: "cw-tools" });
    if (bot.images) {
      this.#picker = h("input", { type: "file", accept: bot.types, multiple: bot.images > 1,
        className: "cw-hidden" });
      this.#picker.onchange = () => this.#attach();
      tools.append(h("label", { className: "cw-quiet" }, this.#picker,
        bot.images > 1 ? "Add images" : "Add an image"));
    }
    if (bot.searches) {
      this.#search = h("input", { type: "checkbox" });
      tools.append(h("label", {}, this.#search, " Search the web"));
    }
    if (bot.longest < 100) tools.append(h("span", {}, `At most ${bot.longest} characters`));
    const form = h("form", { className: "cw-form" }, this.#chips, this.#box, this.#send, tools);
    form.onsubmit = (event) => {
      event.preventDefault();
      if (this.#stop) this.#stop.abort();
      else this.#ask(this.#box.value);
    };
    return form;
  }

  #begin() {
    this.#stop?.abort();
    this.#bot.forget();
    this.#log.replaceChildren();
    if (this.#bot.greeting) this.#add("bot").replaceChildren(...markdown(this.#bot.greeting));
    const starter = (text) =>
      h("button", { type: "button", className: "cw-quiet", onclick: () => this.#ask(text) }, text);
    this.#starters.replaceChildren(...(this.#bot.starters ?? []).map(starter));
  }

  #askConsent() {
    const agree = h("button", { type: "button" }, "I agree");
    const note = h("div", { className: "cw-consent" },
      h("p", {}, "This site asks you to agree to its terms before you chat."), agree);
    this.form.hidden = this.#starters.hidden = true;
    agree.onclick = () => {
      note.remove();
      this.form.hidden = this.#starters.hidden = false;
      this.focus();
    };
    this.form.before(note);
  }

  #grow() {
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight + 2}px`;
  }

  #attach() {
    this.#files = [...this.#files, ...this.#picker.files].slice(0, this.#bot.images);
    this.#picker.value = "";
    this.#showFiles();
    this.focus();
  }

  #showFiles() {
    this.#chips.replaceChildren(...this.#files.map((file) => {
      const remove = h("button", { type: "button", ariaLabel: `Remove ${file.name}` }, "×");
      remove.onclick = () => {
        this.#files = this.#files.filter((each) => each !== file);
        this.#showFiles();
        this.focus();
      };
      return h("span", {}, file.name, remove);
    }));
  }

  /** A new message in the log; gives the element for what it says. */
  #add(who) {
    const said = h("div", { className: "cw-said" });
    const name = h("span", { className: "cw-hidden" }, who === "user" ? "You: " : "Bot: ");
    this.#log.append(h("div", { className: `cw-message cw-${who}` }, name, said));
    this.#log.scrollTop = this.#log.scrollHeight;
    return said;
  }

  #addNote(text, kind = "note") {
    this.#log.append(h("p", { className: `cw-${kind}` }, text));
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  async #ask(message) {
    if (this.#stop || !(message.trim() || this.#files.length)) return;
    const files = this.#files, stop = this.#stop = new AbortController();
    const asked = this.#add("user");
    asked.append(message, ...files.map((file) => {
      const picture = h("img", { src: URL.createObjectURL(file), alt: file.name });
      picture.onload = () => URL.revokeObjectURL(picture.src);
      return picture;
    }));
    this.#box.value = "", this.#files = [], this.#grow(), this.#showFiles();
    this.#starters.replaceChildren();
    this.#send.textContent = "Stop";
    this.#log.ariaBusy = "true"; // Read out when it is whole, not word by word.
    try {
      await this.#show(turn(this.#bot, message, files, stop.signal, this.#search?.checked));
    } catch (error) {
      if (stop.signal.aborted) this.#addNote("Stopped.");
      else if (error instanceof Failure) this.#addNote(error.message, "failed");
      else this.#addNote("The site cannot be reached, or the connection broke off.", "failed");
    } finally {
      this.#stop = undefined;
      stop.abort(); // What a refused answer still sends is of no use.
      this.#send.textContent = "Send";
      this.#log.ariaBusy = "false";
    }
  }

  /** Draw an answer while it arrives; what has arrived stays, whatever happens next. */
  async #show(parts) {
    const said = this.#add("bot"), message = said.parentElement, notes = [];
    let text = "", status = "Waiting for an answer…", sources = [], frame = 0;
    const draw = () => {
      const low = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 80;
      cancelAnimationFrame(frame);
      frame = 0;
      message.classList.toggle("cw-waiting", !text);
      said.replaceChildren(...(text ? markdown(text) : [status]));
      if (low) this.#log.scrollTop = this.#log.scrollHeight;
    };
    draw();
    try {
      for await (const part of parts) {
        text = part.whole ?? text + (part.text ?? "");
        status = part.status ?? status;
        sources = part.sources ?? sources;
        if (part.note) notes.push(part.note);
        if (text.length > MOST) throw new Failure("The answer does not end; the rest is left out.");
        frame ||= requestAnimationFrame(draw);
      }
      if (!text && !notes.length) throw new Failure("The site answered with nothing.");
    } finally {
      draw();
      if (!text) message.remove();
      if (sources.length) {
        const items = sources.map(
          ({ url, title }) => h("li", {}, ...link(url ?? "", title || url)));
        message.append(h("div", { className: "cw-sources" }, "Sources", h("ol", {}, ...items)));
      }
      for (const note of notes) this.#addNote(note);
    }
  }
}

// On the page.

const floats = h("div", { className: "cw-floats" });

function float(window) {
  const toggle = h("button", { type: "button", ariaExpanded: "false" },
    `Chat with ${window.element.querySelector("h2").textContent}`);
  const open = (isOpen) => {
    window.element.hidden = !isOpen;
    toggle.ariaExpanded = String(isOpen);
    (isOpen ? window : toggle).focus();
  };
  const close = h("button", { type: "button", className: "cw-quiet" }, "Close");
  close.onclick = () => open(false);
  window.element.querySelector(".cw-head").append(close);
  window.element.onkeydown = (event) => { if (event.key === "Escape") open(false); };
  toggle.onclick = () => open(window.element.hidden);
  window.element.hidden = true;
  floats.append(h("div", { className: "cw-float" }, window.element, toggle));
}

const found = elements(document), labels = new Map();
for (const [index, element] of found.entries()) {
  element.hidden = false;
  try {
    const bot = botOf(element, index), same = (labels.get(bot.label) ?? 0) + 1;
    labels.set(bot.label, same);
    if (same > 1) bot.label += ` (${same})`; // A name for each, for those who can't see which.
    const window = new Window(bot);
    element.replaceChildren(...(bot.floating ? [] : [window.element]));
    if (bot.floating) float(window);
  } catch (error) {
    element.append(h("p", { className: "cw-failed" }, error.message));
  }
}
if (!found.length) {
  const note = h("p", { className: "cw-note" }, "This page shows no bot.");
  document.querySelector("main").append(note);
}
document.body.append(floats);
