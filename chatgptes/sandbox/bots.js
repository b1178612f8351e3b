// The bots of a sandbox page, as its elements describe them: one more client of the site.
// Each `ask` yields {text}, {whole}, {status}, {note}, {sources}, and throws a Failure.
import {
  dataUrl, events, Failure, failure, isStream, own, parsed, pieces, plain, random, send,
  StaleNonce, visitor, WRONG_FORM,
} from "./wire.js";

class Classic {
  constructor(element, index) {
    const data = element.dataset;
    const floating = data.type === "widget";
    Object.assign(this, { element, index, floating, history: [], nonce: data.nonce });
    this.label = data.botId === "0" ? "The site's bot" : `Bot ${data.botId}`;
    this.images = element.querySelector("[data-takes-image]") ? 1 : 0;
    this.types = "image/png,image/jpeg,image/webp,image/gif";
    const shown = (selector) => [...element.querySelectorAll(selector)]
      .map((each) => each.textContent.trim());
    [this.greeting] = shown("[class$=ai-message] .wpaicg-chat-message");
    this.starters = shown(".wpaicg-conversation-starter");
    if (!this.nonce) throw new Failure("This bot's element has no nonce.");
  }

  forget() { this.history = []; }

  async refresh(element) { this.nonce = element?.dataset.nonce; }

  /** A text as it survives the site: it removes backslashes, tags and more before it reads. */
  static safe(text) {
    return text.replaceAll('"', "'").replaceAll("\\", "/").replaceAll("<", "&lt;")
      .replace(/%(?=[0-9a-f]{2})/gi, "% ").replace(/[\s\p{Cc}]+/gu, " ").trim() || "...";
  }

  async *ask(message, files, signal) {
    const { botId, postId, url, type } = this.element.dataset;
    const history = this.history.map(
      ([who, said]) => ({ id: "", text: `${who}: ${Classic.safe(said)}` }));
    const body = new FormData();
    const fields = {
      action: this.floating ? "wpaicg_chatbox_message" : "wpaicg_chat_shortcode_message",
      _wpnonce: this.nonce, post_id: postId, url, message, bot_id: botId,
      chatbot_identity: botId === "0" ? type : `custom_bot_${botId}`,
      wpaicg_chat_history: JSON.stringify(history), wpaicg_chat_client_id: visitor.slice(0, 10),
      chat_id: String(10_000 + Math.floor(Math.random() * 90_000)),
    };
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    if (files.length) body.append("image", files[0]);
    const ajax = own(window.wpaicgParams?.ajax_url ?? "/wp-admin/admin-ajax.php");
    const response = await send(ajax, { method: "POST", body, signal });
    let answer = "";
    if (isStream(response) && response.ok) {
      for await (const text of this.#stream(response)) yield { text }, answer += text;
    } else {
      const text = await response.text(), said = parsed(text);
      if (response.status === 403) throw new StaleNonce(plain(text));
      if (said?.status !== "success" && said?.msg) throw new Failure(plain(said.msg));
      if (said?.status !== "success") throw failure(response, text);
      yield { text: answer = said.data };
    }
    this.history.push(["Human", message], ["AI", answer]);
  }

  async *#stream(response) {
    let ended = false, failed = "";
    for await (const { name, text, data } of events(pieces(response))) {
      const choice = data?.choices?.[0], said = choice?.delta?.content ?? "";
      // A quota or a refusal, which an answer may follow; but old versions end with a summary.
      if (data?.msg && data.status !== "success") throw new Failure(data.msg);
      if (data?.error) throw new Failure(data.error.message);
      if (name === "thread.message.delta") yield data.delta.content[0].text.value;
      else if (name === "message" && !data?.id) failed += said; // No model's frame.
      else if (said) yield said;
      ended ||= text === "[DONE]" || Boolean(choice?.finish_reason);
      if (failed && ended) break;
    }
    if (failed) throw new Failure(failed);
    if (!ended) throw new Failure("The answer broke off.");
  }
}

class Aipkit {
  constructor(element, index) {
    this.config = parsed(element.dataset.config ?? "");
    const { botId, nonce, headerName, text, starters, enableStarters } = this.config ?? {};
    if (!botId || !nonce) throw new Failure("This bot's element cannot be read.");
    Object.assign(this, { element, index, nonce, label: headerName || "Bot" });
    this.forget();
    this.floating = element.matches(".aipkit_popup_wrapper");
    this.greeting = [text?.initialGreeting, text?.initialSubgreeting].filter(Boolean).join("\n\n");
    this.starters = enableStarters === false ? [] : starters ?? [];
    this.images = this.config.imageUploadEnabledUI ? 4 : 0;
    this.types = "image/png,image/jpeg,image/webp";
    this.searches = this.config.allowWebSearchTool;
    this.consent = this.config.requireConsentCompliance;
    this.smallPrint = plain(this.config.footerText ?? "");
  }

  forget() { this.conversation = random(), this.previous = undefined; }

  async refresh(element) {
    const said = await (await this.#post({ action: "aipkit_get_frontend_chat_nonce" })).text();
    const config = parsed(element?.dataset.config ?? "");
    this.nonce = parsed(said)?.data?.nonce ?? config?.nonce; // Old versions: in the page only.
  }

  #post(fields, signal) {
    const body = new URLSearchParams({ ...fields, bot_id: this.config.botId });
    return send(own(this.config.ajaxUrl), { method: "POST", body, signal });
  }

  async *ask(message, files, signal, search) {
    const images = await Promise.all(files.map(async (file) =>
      ({ mime_type: file.type, base64_data: (await dataUrl(file)).split(",")[1] })));
    const fields = { action: "aipkit_cache_sse_message", message, _ajax_nonce: this.nonce };
    fields.user_client_message_id =
      `aipkit-client-msg-${this.config.botId}-${Date.now()}-${random().slice(0, 5)}`;
    if (images.length) fields.image_inputs = JSON.stringify(images);
    const first = await this.#post(fields, signal);
    const text = await first.text(), said = parsed(text);
    if (said?.data?.code?.startsWith("nonce_failure")) throw new StaleNonce(said.data.message);
    if (!said?.data?.cache_key) throw failure(first, text);
    const url = own(this.config.ajaxUrl);
    const query = {
      action: "aipkit_frontend_chat_stream", cache_key: said.data.cache_key,
      bot_id: this.config.botId, session_id: visitor, conversation_uuid: this.conversation,
      post_id: this.config.postId, _ts: Date.now(), _ajax_nonce: this.nonce,
    };
    if (this.previous && this.config.enableOpenAIConversationState) {
      query.previous_openai_response_id = this.previous;
    }
    if (search) query.frontend_web_search_active = "true";
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const response = await send(url, { signal });
    if (!isStream(response)) throw failure(response, await response.text());
    yield* this.#stream(response);
  }

  async *#stream(response) {
    let ended = false, began = false;
    for await (const { name, data } of events(pieces(response))) {
      if (name === "error") {
        throw new Failure(data?.quota_notice?.message ?? data?.error ?? WRONG_FORM);
      }
      if (!name && data?.delta) yield { text: data.delta }, began = true;
      if (name === "message_start" && began) yield { text: "\n\n" };
      if (data?.type?.includes("searching")) yield { status: "Searching the web…" };
      if (name === "openai_response_id") this.previous = data?.id;
      if (name === "warning") yield { note: data?.error };
      if (name === "display_form_event") yield { note: `A form: ${data?.form_definition?.title}` };
      if (data && name === "citations") yield { sources: data };
      if (name === "done") ended = true;
    }
    if (!ended) throw new Failure("The answer broke off.");
  }
}

class Engine {
  constructor(element, index) {
    this.system = parsed(element.dataset.system ?? "");
    const params = parsed(element.dataset.params ?? "") ?? {};
    if (!this.system?.restUrl) throw new Failure("This bot's element cannot be read.");
    Object.assign(this, { element, index, nonce: this.system.restNonce, floating: params.window });
    this.label = (params.aiName ?? "Bot").replace(/:\s*$/, "");
    this.greeting = params.startSentence;
    this.shortcuts = Object.fromEntries(
      (this.system.shortcuts ?? []).map(({ data }) => [data.label, data.shortcutId]));
    this.starters = Object.keys(this.shortcuts);
    this.images = params.imageUpload ? params.maxUploads ?? 1 : 0;
    this.types = "image/png,image/jpeg";
    this.longest = params.textInputMaxLength;
    this.consent = this.system.blocks?.some((block) => block.id?.startsWith("mwai_gdpr"));
    this.smallPrint = plain(params.textCompliance ?? "");
    this.forget();
  }

  forget() { this.history = [], this.chat = random().slice(0, 11), this.previous = undefined; }

  async refresh(element) {
    this.nonce = parsed(element?.dataset.system ?? "")?.restNonce;
  }

  async #post(route, body, signal) {
    const headers = this.nonce ? { "X-WP-Nonce": this.nonce } : {};
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    const url = own(`${this.system.restUrl}/${route}`);
    const response = await send(url, { method: "POST", headers, body, signal });
    this.nonce = response.headers.get("x-wp-nonce") ?? this.nonce;
    return response;
  }

  async #session(signal) {
    const response = await this.#post("mwai/v1/start_session", undefined, signal);
    const text = await response.text(), said = parsed(text);
    if (said?.code === "rest_no_route") {
      this.needsNone = true; // A version from before the nonces.
      return;
    }
    if (!said?.restNonce) throw failure(response, text);
    this.nonce = said.restNonce;
  }

  async *ask(message, files, signal) {
    if (!this.nonce && !this.needsNone) await this.#session(signal);
    const ids = [];
    for (const file of files) {
      const form = new FormData();
      form.append("file", file), form.append("purpose", "vision");
      const response = await this.#post("mwai-ui/v1/files/upload", form, signal);
      const text = await response.text(), said = parsed(text);
      if (!said?.data?.id) throw this.#refused(response, text);
      ids.push(said.data.id);
    }
    const { botId, customId, contextId, stream } = this.system;
    const body = { botId, customId, contextId, stream, newMessage: message, chatId: this.chat };
    body.messages = this.history;
    const shortcutId = !files.length && this.shortcuts[message];
    if (shortcutId) Object.assign(body, { newMessage: "", shortcutId, shortcutName: message });
    if (this.previous) body.previousResponseId = this.previous;
    if (ids.length) Object.assign(body, { newFileId: ids[0], newImageId: ids[0] });
    if (ids.length > 1) body.newFileIds = ids;
    const sent = JSON.stringify(body);
    const response = await this.#post("mwai-ui/v1/chats/submit", sent, signal);
    let answer;
    if (isStream(response)) {
      answer = yield* this.#stream(events(pieces(response)));
    } else {
      const text = await response.text(), said = parsed(text);
      // A stream may come under JSON's type.
      if (/^data: /m.test(text)) answer = yield* this.#stream(events([text]));
      else if (said?.success) answer = said;
      else throw this.#refused(response, text);
    }
    yield { whole: answer.reply || "" };
    this.previous = answer.responseId;
    this.nonce = answer.new_token ?? this.nonce;
    this.history.push(
      { role: "user", content: message }, { role: "assistant", content: answer.reply });
  }

  #refused(response, text) {
    const { code, message } = parsed(text) ?? {};
    const isStale = ["rest_forbidden", "rest_cookie_invalid_nonce"].includes(code);
    return isStale ? new StaleNonce(message) : failure(response, text);
  }

  async *#stream(frames) {
    for await (const { data } of frames) {
      if (data?.type === "error") throw new Failure(data.data);
      if (data?.type === "end") return parsed(data.data) ?? {};
      if (data?.type !== "live") continue;
      if (!data.subtype || data.subtype === "content") yield { text: data.data };
      else if (data.subtype === "status") yield { status: data.data };
    }
    throw new Failure("The answer broke off.");
  }
}

const KINDS = {
  ".wpaicg-chat-shortcode, .wpaicg-chatbox": Classic,
  ".aipkit_chat_container[data-config], .aipkit_popup_wrapper[data-config]": Aipkit,
  ".mwai-chatbot-container": Engine,
};
export const elements = (root) => [...root.querySelectorAll(Object.keys(KINDS).join(","))];

/** The bot of an element; throws a Failure where the element does not describe one. */
export function botOf(element, index) {
  const [, Kind] = Object.entries(KINDS).find(([selector]) => element.matches(selector));
  return new Kind(element, index);
}

/** Ask `bot`, once more with a fresh nonce where the site refuses the page's. */
export async function* turn(bot, message, files, signal, search) {
  try {
    yield* bot.ask(message, files, signal, search);
  } catch (error) {
    if (!(error instanceof StaleNonce)) throw error;
    const page = await (await fetch(location.href, { cache: "no-store", signal })).text();
    await bot.refresh(elements(new DOMParser().parseFromString(page, "text/html"))[bot.index]);
    yield* bot.ask(message, files, signal, search);
  }
}
