"use strict";
// The page of the dashboard. Text from the cluster is only ever set as text, never as markup.

const FIRST = 200;
const SILENCE = 15000;
const ORDER = { bad: 0, warn: 1, good: 2 };

const state = {
  token: "",
  cards: new Map(),
  rows: new Map(),
  tokens: new Map(),
  events: new Map(),
  open: new Set(),
  busy: new Set(),
  tone: "",
  search: "",
  shown: FIRST,
  skew: 0,
  heard: 0,
  listed: false,
};

const $ = (id) => document.getElementById(id);
const keyOf = (card) => card.namespace + "/" + card.name;
const now = () => Date.now() + state.skew;

function el(tag, options, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (value === undefined || value === null) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function span(milliseconds) {
  const seconds = Math.floor(Math.abs(milliseconds) / 1000);
  const [d, h, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  if (d) return h ? `${d} d ${h} h` : `${d} d`;
  if (h) return m ? `${h} h ${m} min` : `${h} h`;
  if (m) return m < 5 && s ? `${m} min ${s} s` : `${m} min`;
  return `${s} s`;
}

function relative(time) {
  if (!time) return "";
  const difference = Date.parse(time) - now();
  return difference >= 0 ? `in ${span(difference)}` : `${span(difference)} ago`;
}

function clock(time) {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  const hours = date.toLocaleTimeString([], { hour12: false });
  return today ? hours : `${date.toLocaleDateString()} ${hours}`;
}

// --- what comes from the server

async function listen() {
  for (;;) {
    try {
      await stream();
    } catch (error) {
      if (error.final) {
        link("bad", "Not connected");
        trouble(error.message);
        return;
      }
    }
    link("bad", "Connection lost; trying again");
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function stream() {
  const response = await fetch("/api/news", { headers: { "x-dashboard-token": state.token }, cache: "no-store" });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    const error = new Error(body.error || `HTTP ${response.status}`);
    error.final = true;
    throw error;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line));
  }
}

function take(news) {
  state.heard = Date.now();
  state.skew = Date.parse(news.now) - Date.now();
  if (news.api) {
    $("where").textContent = `${news.namespace ? "Namespace " + news.namespace : "All namespaces"} at ${news.api}`;
    $("version").textContent = `Version ${news.version}.`;
    return;
  }
  if (news.anew) state.cards.clear();
  for (const card of news.cards) {
    remember(card);
    state.cards.set(keyOf(card), card);
    if (state.open.has(keyOf(card))) events(card);
  }
  for (const [namespace, name] of news.gone) state.cards.delete(namespace + "/" + name);
  for (const notice of news.notices) tell(notice.tone, notice.text);
  state.listed = state.listed || news.listed;
  trouble(news.trouble);
  link(news.trouble ? "bad" : "good", news.trouble ? "Kubernetes API out of reach" : "Live");
  if (news.anew || news.cards.length || news.gone.length || !state.listed) render();
}

// The tokens of a resource that this page has seen, the newest first.
function remember(card) {
  if (!card.issuedTime) return;
  const seen = state.tokens.get(keyOf(card)) || [];
  if (!seen.length || seen[0].issued !== card.issuedTime) {
    if (seen.length) seen[0].replaced = new Date(now()).toISOString();
    seen.unshift({ issued: card.issuedTime, refresh: card.refreshTime, expires: card.expirationTime });
  }
  state.tokens.set(keyOf(card), seen.slice(0, 8));
}

// --- what goes to the server

async function ask(path, card) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-dashboard-token": state.token },
    body: JSON.stringify({ namespace: card.namespace, name: card.name }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

async function press(path, card) {
  const mark = path + keyOf(card);
  state.busy.add(mark);
  update(card);
  try {
    const answer = await ask(path, card);
    if (answer.url) invite(card, answer.url);
    else tell("good", answer.text);
  } catch (error) {
    tell("bad", error.message);
  }
  state.busy.delete(mark);
  if (state.cards.has(keyOf(card))) update(state.cards.get(keyOf(card)));
}

function invite(card, url) {
  const target = new URL(url);
  if (target.protocol !== "https:" && target.protocol !== "http:") return;
  const opened = window.open(url, "_blank", "noopener");
  const anchor = el("a", { href: url, target: "_blank", rel: "noopener noreferrer", text: "Open the login page of " + target.host });
  tell("", `Log in for ${keyOf(card)} within 5 minutes. The answer comes back to this machine. `, anchor);
  if (!opened) anchor.focus();
}

async function events(card) {
  const key = keyOf(card);
  try {
    state.events.set(key, (await ask("/api/events", card)).events);
  } catch (error) {
    state.events.set(key, error.message);
  }
  if (state.cards.has(key)) update(state.cards.get(key));
}

// --- what is shown

function link(tone, text) {
  $("link").className = "link " + tone;
  if ($("link-text").textContent !== text) $("link-text").textContent = text;
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text || "";
}

function tell(tone, text, extra) {
  const box = el("div", { class: tone }, el("span", {}, text, extra || ""));
  box.append(el("button", { type: "button", text: "×", "aria-label": "Close this message", on: { click: () => box.remove() } }));
  $("notices").append(box);
  while ($("notices").childElementCount > 4) $("notices").firstElementChild.remove();
}

function fits(card) {
  if (state.tone && card.tone !== state.tone) return false;
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [card.namespace, card.name, card.reason, card.provider, card.tokenSecret, card.failure ? card.failure.reason : ""].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function render() {
  const all = [...state.cards.values()];
  filters(all);
  const rank = (card) => ORDER[card.tone] + (card.shown === "Suspended" ? 0.5 : 0);
  const found = all.filter(fits).sort((a, b) => rank(a) - rank(b) || keyOf(a).localeCompare(keyOf(b)));
  const visible = found.slice(0, state.shown);
  const list = $("list");
  const focused = document.activeElement && document.activeElement.id;
  const keep = new Set(visible.map(keyOf));
  for (const [key, row] of state.rows) {
    if (!keep.has(key)) {
      row.remove();
      state.rows.delete(key);
    }
  }
  visible.forEach((card, index) => {
    update(card);
    const row = state.rows.get(keyOf(card));
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] || null);
  });
  if (focused && document.activeElement.id !== focused && $(focused)) $(focused).focus();
  $("more").hidden = found.length <= state.shown;
  $("more").textContent = `Show more (${found.length - visible.length} are left)`;
  $("empty").hidden = visible.length > 0;
  $("empty").textContent = !state.listed ? "Loading" : all.length ? "No OAuthClient fits." : "There is no OAuthClient here yet. To make one, run: kubectl oauthclient create";
}

function filters(all) {
  const names = [["", "All"], ["bad", "Not ready"], ["warn", "Needs attention"], ["good", "Ready"]];
  const box = $("filters");
  if (!box.childElementCount) {
    for (const [tone, text] of names) {
      const button = el("button", { type: "button", class: tone, id: "filter-" + tone, on: { click: () => { state.tone = tone; render(); } } }, text, el("b"));
      box.append(button);
    }
  }
  names.forEach(([tone], index) => {
    const button = box.children[index];
    const count = tone ? all.filter((card) => card.tone === tone).length : all.length;
    button.lastElementChild.textContent = count;
    button.setAttribute("aria-pressed", String(state.tone === tone));
  });
}

// Draws a card anew, if what it shows has changed.
function update(card) {
  const key = keyOf(card);
  const row = state.rows.get(key) || el("li", { class: "card" });
  state.rows.set(key, row);
  const drawn = JSON.stringify([card, state.open.has(key), state.events.get(key), state.tokens.get(key), [...state.busy].filter((mark) => mark.endsWith(key))]);
  if (row.drawn === drawn) return;
  row.drawn = drawn;
  const focused = row.contains(document.activeElement) ? document.activeElement.id : "";
  row.className = "card " + card.tone;
  row.replaceChildren(...parts(card, key).filter(Boolean));
  tick(row, card);
  if (focused && $(focused)) $(focused).focus();
}

function parts(card, key) {
  const open = state.open.has(key);
  const toggle = () => {
    if (open) state.open.delete(key);
    else {
      state.open.add(key);
      events(card);
    }
    update(state.cards.get(key) || card);
  };
  const waits = (path) => state.busy.has(path + key);
  const button = (text, path, label) => {
    const made = el("button", { type: "button", id: path + key, text: waits(path) ? text + " ..." : text, "aria-label": `${label} ${key}`, on: { click: () => press(path, card) } });
    made.disabled = waits(path);
    return made;
  };
  const word = !card.ready ? card.shown : card.shown === "TokenValid" ? "Ready" : card.failure ? `Ready, but ${card.shown}` : `Ready, ${card.shown}`;
  const head = el("div", { class: "head" },
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("h2", {}, el("button", { type: "button", class: "name", id: "name-" + key, "aria-expanded": String(open), on: { click: toggle } }, el("span", { class: "space", text: card.namespace + "/" }), card.name)),
    el("span", { class: "badge", text: card.suspended && card.shown !== "Suspended" ? word + ", suspended" : word }),
    el("span", { class: "grow" }),
    el("div", { class: "buttons" },
      card.takesLogin ? button("Log in", "/api/login", "Log in for") : null,
      card.suspended ? null : button("Refresh", "/api/refresh", "Request a new token for")));
  const all = [head, timeline(card)];
  if (card.tone !== "good") {
    all.push(el("p", { class: "says", text: card.says }));
    if (card.command) all.push(command(card.command));
  }
  if (open) all.push(details(card, key));
  return all;
}

function command(text) {
  const copy = el("button", { type: "button", text: "Copy", "aria-label": "Copy the command", on: { click: async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  } } });
  return el("div", { class: "command" }, el("code", { text }), copy);
}

function timeline(card) {
  if (!card.issuedTime || !card.expirationTime) return null;
  const label = `Issued ${clock(card.issuedTime)}, refresh ${clock(card.refreshTime)}, expires ${clock(card.expirationTime)}`;
  const track = el("div", { class: "track", role: "img", "aria-label": label },
    el("div", { class: "past" }), el("div", { class: "mark refresh" }), el("div", { class: "mark now" }));
  const legend = el("div", { class: "legend" },
    el("span", { text: `issued ${clock(card.issuedTime)}` }), el("span", { class: "refresh" }), el("span", { class: "expires" }));
  return el("div", { class: "time" }, track, legend);
}

// What moves with time.
function tick(row, card) {
  const track = row.querySelector(".track");
  if (!track) return;
  const [from, refresh, to] = [card.issuedTime, card.refreshTime, card.expirationTime].map((time) => Date.parse(time));
  const place = (time) => `${Math.max(0, Math.min(100, (100 * (time - from)) / Math.max(1, to - from)))}%`;
  track.querySelector(".past").style.width = place(now());
  track.querySelector(".now").style.left = place(now());
  track.querySelector(".mark.refresh").style.left = place(refresh);
  const legend = row.querySelector(".legend");
  const planned = card.suspended ? "no refresh while suspended" : `refresh ${refresh > now() ? "" : "was due "}${relative(card.refreshTime)}`;
  legend.querySelector(".refresh").textContent = planned;
  legend.querySelector(".expires").textContent = `${to > now() ? "expires" : "expired"} ${relative(card.expirationTime)}`;
}

function details(card, key) {
  const facts = [
    ["Meaning", card.meaning],
    ["Message", card.message],
    ["Provider", card.provider],
    ["Grant", card.grant],
    ["Token Secret", card.tokenSecret],
  ];
  if (card.failure) {
    facts.push(["Last failure", `${card.failure.reason}, ${card.failure.failures} in a row, at ${clock(card.failure.time)}`]);
    facts.push(["Next try", card.failure.nextTime ? clock(card.failure.nextTime) : "when the resource or its credentials change"]);
  }
  if (card.clientSecret && card.clientSecret.expirationTime) facts.push(["Client secret ends", clock(card.clientSecret.expirationTime)]);
  if (card.clientCertificate && card.clientCertificate.expirationTime) facts.push(["Client certificate ends", clock(card.clientCertificate.expirationTime)]);
  const list = el("dl");
  for (const [name, text] of facts) if (text) list.append(el("dt", { text: name }), el("dd", { text }));
  const box = el("div", { class: "details" }, list);
  const holds = card.conditions.filter((one) => one.holds);
  table(box, "Conditions", ["Condition", "Reason", "Message", "Since"], holds.map((one) => [one.kind, one.reason, one.message, clock(one.since)]));
  const tokens = state.tokens.get(key) || [];
  table(box, "Tokens since this page was opened", ["Issued", "Refresh planned", "Replaced", "Expires"],
    tokens.map((one) => [clock(one.issued), clock(one.refresh), one.replaced ? clock(one.replaced) : "in use", clock(one.expires)]));
  const found = state.events.get(key);
  if (typeof found === "string") box.append(el("h3", { text: "Events" }), el("p", { text: found }));
  else table(box, "Events", ["Time", "Reason", "Message"], (found || []).map((one) => [one.time ? clock(one.time) : "", one.reason, one.message]));
  return box;
}

function table(box, title, head, rows) {
  if (!rows.length) return;
  const lines = rows.map((row) => el("tr", {}, ...row.map((text) => el("td", { text }))));
  box.append(el("h3", { text: title }), el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col", text })))), el("tbody", {}, ...lines)));
}

// --- to begin

function begin() {
  // Out of the address bar and out of pictures of it; kept for a reload of this tab.
  if (location.hash.length > 20) {
    sessionStorage.setItem("token", location.hash.slice(1));
    history.replaceState(null, "", "/");
  }
  state.token = sessionStorage.getItem("token") || "";
  $("search").addEventListener("input", (event) => {
    state.search = event.target.value;
    state.shown = FIRST;
    render();
  });
  $("more").addEventListener("click", () => {
    state.shown += FIRST;
    render();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      $("search").focus();
    } else if (event.key === "Escape") {
      [state.search, state.tone, $("search").value] = ["", "", ""];
      render();
    }
  });
  setInterval(() => {
    for (const [key, row] of state.rows) {
      const card = state.cards.get(key);
      if (card) tick(row, card);
    }
    if (state.heard && Date.now() - state.heard > SILENCE) link("bad", "No answer; this may be old");
  }, 1000);
  render();
  listen();
}

begin();
