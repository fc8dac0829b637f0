// Keeps a page up to date, and sends forms without leaving it. Every page is whole without this.
//
// The server renders; this asks for the page again when something has changed and takes over the parts that differ, so
// that there is one rendering. A part is an element with data-part and an id; rows of a part with data-rows are known by
// data-key.

const say = document.body.dataset;
const announcer = document.getElementById("announcer");
const toast = document.getElementById("toast");
const lost = document.getElementById("lost");

/** Tells screen readers, once the reader is silent. */
function announce(text) {
  announcer.textContent = text;
}

let toastTimer = 0;

/** Shows a message at the bottom right for three seconds. */
function showToast(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, 3000);
}

/** Times in the reader's zone; the machine-readable one stays. */
function localise(root) {
  const language = document.documentElement.lang;
  const locale = navigator.language.startsWith(language) ? navigator.language : language;
  const format = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.textContent = format.format(moment);
  }
}

// MARK: - Taking over what has changed

/** A link or field that keeps the focus while the element around it is replaced. */
function focusedWithin(element) {
  const focused = document.activeElement;
  if (!focused || !element.contains(focused)) return null;
  if (focused.id) return `#${CSS.escape(focused.id)}`;
  return focused.tagName === "A" ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null;
}

function replace(old, fresh) {
  const place = focusedWithin(old);
  old.replaceWith(fresh);
  if (place) fresh.querySelector(place)?.focus({ preventScroll: true });
}

/** Whether somebody is typing here: then it is not taken away. */
function isInUse(element) {
  const focused = document.activeElement;
  return element.contains(focused) && focused.matches("input, select, textarea") && focused.type !== "hidden";
}

/** What is shown, without the tokens that differ in each rendering. */
function shown(element) {
  const copy = element.cloneNode(true);
  for (const input of copy.querySelectorAll("input[type=hidden]")) input.remove();
  return copy.outerHTML;
}

function takeRows(old, fresh) {
  const known = new Map([...old.children].map((row) => [row.dataset.key, row]));
  const changed = [];
  let place = old.firstElementChild;
  for (const row of [...fresh.children]) {
    const before = known.get(row.dataset.key);
    known.delete(row.dataset.key);
    if (before && (shown(before) === shown(row) || isInUse(before))) {
      if (before === place) place = place.nextElementSibling;
      else old.insertBefore(before, place);
      continue;
    }
    if (row.dataset.say) changed.push(row.dataset.say);
    row.classList.add("fresh");
    if (before) {
      if (before === place) place = place.nextElementSibling;
      replace(before, row);
      old.insertBefore(row, place);
    } else {
      old.insertBefore(row, place);
    }
  }
  for (const row of known.values()) if (!isInUse(row)) row.remove();
  return changed;
}

/** Takes the parts of another rendering of this page over. */
function take(page, { isAnnounced = true } = {}) {
  localise(page);
  const changed = [];
  for (const old of document.querySelectorAll("[data-part]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    if ("rows" in old.dataset) {
      changed.push(...takeRows(old, fresh));
    } else if (shown(old) !== shown(fresh) && !isInUse(old)) {
      if (fresh.dataset.say && fresh.dataset.say !== old.dataset.say) changed.push(fresh.dataset.say);
      replace(old, fresh);
    }
  }
  if (!isAnnounced || changed.length === 0) return;
  announce(changed.length <= 3 ? changed.join("; ") : `${changed.length} ${say.sayChanged}`);
}

async function load(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { Accept: "text/html" }, redirect: "follow" });
  return { answer, page: new DOMParser().parseFromString(await answer.text(), "text/html") };
}

let isLoading = false;
let isStale = false;

/** Asks for the page again, at most twice a second. */
async function refresh() {
  isStale = true;
  if (isLoading) return;
  isLoading = true;
  while (isStale) {
    isStale = false;
    try {
      const { answer, page } = await load(location.href);
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) take(page);
      heed(answer.ok ? page : document);
    } catch {
      // The stream says when the server is back; a page without one asks again.
      heed(document);
    }
    await new Promise((resume) => setTimeout(resume, 500));
  }
  isLoading = false;
}

// MARK: - Forms

const spinner = '<svg class="icon spin" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d="M12 4a8 8 0 108 8"/></svg>';

/** Takes over what is wrong in a form from the page that the server answered. */
function takeFaults(form, page) {
  for (const old of form.querySelectorAll("[data-fault]")) {
    const fresh = page.getElementById(old.id);
    if (fresh) old.replaceWith(fresh);
  }
  const fresh = page.getElementById(form.id);
  for (const field of form.querySelectorAll("input:not([type=hidden]), select")) {
    const other = field.id ? fresh?.querySelector(`#${CSS.escape(field.id)}`) : null;
    if (other?.getAttribute("aria-invalid")) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

/** A new name for the next wish, and the token of this visit. */
function takeNames(form, page) {
  const fresh = page.getElementById(form.id);
  for (const name of ["key", "csrf"]) {
    const other = fresh?.elements[name];
    if (other && form.elements[name]) form.elements[name].value = other.value;
  }
}

/** Sends a form and takes over what came of it. */
async function send(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  let sent;
  try {
    sent = await load(form.getAttribute("action"), { method: "POST", body });
  } catch {
    // Whether it arrived is not known: the same key sends the same wish again.
    showToast(say.sayError);
    return;
  }
  if (new URL(sent.answer.url).pathname === "/login") {
    // Nothing was done: the visit has ended.
    location.reload();
    return;
  }
  takeNames(form, sent.page);
  takeFaults(form, sent.page);
  if (!sent.answer.ok) {
    showToast(say.sayError);
    (form.querySelector("[aria-invalid=true]") ?? form.querySelector("input:not([type=hidden])"))?.focus();
    return;
  }
  for (const field of form.querySelectorAll("[data-once], [autocomplete^=cc-]")) field.value = "";
  // The form was answered by another page: its name for the next wish comes from this one.
  const here = await load(location.href);
  if (!here.answer.ok) { refresh(); return; }
  takeNames(form, here.page);
  take(here.page);
  heed(here.page);
}

/** Shows that a form is on its way, and lets nobody send it twice. */
async function sendOnce(form, button) {
  const label = button.innerHTML;
  button.innerHTML = spinner + label;
  button.disabled = true;
  form.setAttribute("aria-busy", "true");
  try {
    await send(form, button);
  } finally {
    button.innerHTML = label;
    button.disabled = false;
    form.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  // By attribute: a field named "method" hides the property.
  if (!(form instanceof HTMLFormElement) || form.getAttribute("method") !== "post") return;
  if (form.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  if (!("stays" in form.dataset)) {
    form.setAttribute("aria-busy", "true");
    return;
  }
  event.preventDefault();
  sendOnce(form, event.submitter ?? form.querySelector("button[type=submit]"));
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-fill-number]");
  if (!button) return;
  const form = button.closest("form");
  for (const [key, value] of Object.entries(button.dataset)) {
    const field = form.elements[key.replace(/^fill/, "").toLowerCase()];
    if (field) field.value = value;
  }
  form.elements.amount?.focus();
});

// MARK: - Live

/** Hears of changes until the page says that there are none to come. */
class Live {
  static #firstPause = 1000;
  static #longestPause = 30000;
  /** How long the stream may be away before the reader is told. */
  static #patience = 5000;

  #source = null;
  #pause = Live.#firstPause;
  #next = 0;
  #lost = 0;

  constructor() {
    this.#listen();
  }

  #listen() {
    this.#source = new EventSource(say.live);
    this.#source.addEventListener("message", refresh);
    this.#source.addEventListener("open", () => {
      // Something may have changed while nobody listened.
      if (this.#lost) refresh();
      this.#pause = Live.#firstPause;
      this.#found();
    });
    this.#source.addEventListener("error", () => {
      if (!this.#lost) {
        this.#lost = setTimeout(() => this.#tell(), Live.#patience);
        refresh();
      }
      // The browser itself goes on after a connection that breaks, and gives up after an answer such as 503.
      if (this.#source.readyState !== EventSource.CLOSED) return;
      this.#next = setTimeout(() => { refresh(); this.#listen(); }, this.#pause * (0.5 + Math.random() / 2));
      this.#pause = Math.min(2 * this.#pause, Live.#longestPause);
    });
  }

  #tell() {
    lost.hidden = false;
    announce(lost.textContent);
  }

  #found() {
    clearTimeout(this.#lost);
    this.#lost = 0;
    lost.hidden = true;
  }

  close() {
    clearTimeout(this.#next);
    this.#found();
    this.#source.close();
  }
}

const live = say.live ? new Live() : null;

let again = 0;

/** Goes by what the newest rendering says about changes to come. */
function heed(page) {
  if (!page.body.dataset.live) live?.close();
  clearTimeout(again);
  if ("again" in page.body.dataset) again = setTimeout(refresh, 3000);
}

heed(document);

// A page that comes back from the browser's memory may be old, and its form sent.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
localise(document);
