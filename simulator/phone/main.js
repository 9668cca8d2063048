import { $, control, face, h, toast } from "./dom.js";
import { isWide, renderMessage } from "./messages.js";
import { startPanel } from "./panel.js";
import { STICKERS, icon, stickerPicture } from "./pictures.js";

const state = { accounts: [], slug: null, user: null, stream: null, menuId: undefined, menuOpen: true };
const STATES = { friend: "Friend", blocked: "Blocked", stranger: "Not a friend" };
const path = () => `/${state.slug}/users/${state.user.userId}`;

async function act(action) {
  if (!state.user) return;
  const kind = action.type;
  if (kind === "postback") {
    await send("postback", { data: action.data, display_text: action.displayText || action.text });
    if (action.inputOption === "openKeyboard") { $("text").value = action.fillInText || ""; $("text").focus(); }
  } else if (kind === "message") await send("text", { text: action.text });
  else if (kind === "uri") openPage(action.uri);
  else if (kind === "datetimepicker") await pickTime(action);
  else if (kind === "camera" || kind === "cameraRoll") $("photo").click();
  else if (kind === "location") await send("location", { title: "Here", address: "台北市信義區松仁路 1 號" });
  else if (kind === "richmenuswitch") await send("menu_switch", { alias: action.richMenuAliasId, data: action.data });
  else if (kind === "clipboard") { await navigator.clipboard.writeText(action.clipboardText); toast("Copied"); }
}

async function send(action, params = {}) {
  $("quick").hidden = true;
  return control(`${path()}/${action}`, "POST", params);
}

async function pickTime(action) {
  const kinds = { date: "date", time: "time", datetime: "datetime-local" };
  const field = $("picker-value");
  field.type = kinds[action.mode];
  $("picker-label").textContent = action.label || "When";
  for (const [key, name] of [["initial", "value"], ["min", "min"], ["max", "max"]]) field[name] = (action[key] || "").replace("t", "T");
  const dialog = $("picker");
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue === "ok" && field.value) await send("postback", { data: action.data, params: { [action.mode]: field.value } });
}

let pagesLoaded = 0;
let leadsToAddFriend = false;
const isAddFriend = (url) => url.hostname === "line.me" && url.pathname.startsWith("/R/ti/p/");

/** Stand in for LINE's add-friend screen, which a source link leads to. */
function offerFriend() {
  closePage();
  if (state.user.state === "friend") { toast(`${$("chat-title").textContent} is a friend already`); return; }
  toast("LINE asks here whether to add the account as a friend");
  $("friend").focus();
}

function openPage(address) {
  const url = new URL(address, location.href);
  if (url.protocol !== "http:" && url.protocol !== "https:") { toast(`The phone would open ${address}`); return; }
  if (isAddFriend(url)) { offerFriend(); return; }
  pagesLoaded = 0;
  leadsToAddFriend = /^\/(s|liff)\//.test(url.pathname);
  $("sheet-url").textContent = url.href;
  $("sheet-out").href = url.href;
  $("sheet-frame").src = url.href;
  $("sheet").hidden = false;
  $("sheet-close").focus();
}

function closePage() {
  $("sheet").hidden = true;
  $("sheet-frame").src = "about:blank";
}

let atEnd = true;
function keepEnd() {
  if (atEnd) $("chat").scrollTop = $("chat").scrollHeight;
}

function showLine(line) {
  const chat = $("chat");
  if (chat.querySelector(`[data-id="${line.id}"]`)) return;
  chat.querySelector(".empty")?.remove();
  const mine = line.from !== "bot";
  const sender = !mine && line.message.sender?.name;
  const time = new Date(line.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const element = h("article", { class: `line${mine ? " mine" : ""}${isWide(line.message) ? " full" : ""}`, "data-id": line.id },
    sender ? h("span", { class: "sender" }, sender) : null, renderMessage(line.message, line.id, act), h("time", {}, time));
  chat.append(element);
  element.querySelectorAll("img").forEach((img) => img.addEventListener("load", keepEnd, { once: true }));
  atEnd = true;
  keepEnd();
  showQuick(mine ? null : line.message.quickReply);
}

function showQuick(quickReply) {
  const items = quickReply?.items || [];
  $("quick").replaceChildren(...items.map((item) => h("button", { class: "pill", type: "button", onclick: () => act(item.action) },
    item.imageUrl ? h("img", { src: item.imageUrl, alt: "" }) : null, item.action.label)));
  $("quick").hidden = items.length === 0;
}

function showState(friendState) {
  state.user.state = friendState;
  $("chat-sub").textContent = `${state.user.displayName} · ${STATES[friendState]}`;
  $("friend").hidden = false;
  $("friend").textContent = { friend: "Block", blocked: "Unblock", stranger: "Add as friend" }[friendState];
  $("composer").inert = friendState === "blocked";
  $("text").placeholder = friendState === "blocked" ? "Unblock to write" : "Message";
  const entry = document.querySelector(`[data-user="${state.user.userId}"] .state`);
  if (entry) entry.textContent = STATES[friendState];
}

async function showMenu(menuId) {
  const shown = state.user.state === "friend" ? menuId || null : null;
  if (shown === state.menuId) return;
  state.menuId = shown;
  $("menu").hidden = !shown;
  if (!shown) return;
  const menu = await control(`/${state.slug}/menus/${shown}`);
  if (state.menuId !== shown) return;
  const { width, height } = menu.size;
  const inner = h("div", { class: "menu-inner" }, h("img", { src: `/control/${state.slug}/menus/${shown}/image`, alt: menu.name }));
  for (const area of menu.areas) {
    const { x, y, width: w, height: t } = area.bounds;
    const box = { left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`, width: `${(100 * w) / width}%`, height: `${(100 * t) / height}%` };
    inner.append(h("button", { type: "button", style: box, "aria-label": area.action.label || area.action.text || area.action.data || "Area", onclick: () => act(area.action) }));
  }
  $("menu-body").replaceChildren(inner);
  $("menu-bar").dataset.text = menu.chatBarText;
  toggleMenu(menu.selected);
}

function toggleMenu(open) {
  state.menuOpen = open;
  $("menu-body").hidden = !open;
  $("menu-bar").textContent = `${$("menu-bar").dataset.text} ${open ? "▾" : "▴"}`;
  $("menu-bar").setAttribute("aria-expanded", String(open));
}

function hear(news) {
  if (news.kind === "line") showLine(news.line);
  else if (news.kind === "state") { showState(news.state); showMenu(news.richMenuId); }
  else if (news.kind === "menu") showMenu(news.richMenuId);
  else if (news.kind === "unsent") document.querySelector(`[data-id="${news.id}"]`)?.remove();
  else if (news.kind === "loading") {
    const dots = h("p", { class: "quiet" }, "● ● ●");
    $("chat").append(dots);
    setTimeout(() => dots.remove(), news.seconds * 1000);
  }
}

/** Open a chat: listen first, then read what stands in it, so that nothing falls between; again after each break. */
function openChat(userId) {
  state.stream?.close();
  document.cookie = `sim_user=${userId}; path=/; samesite=lax`;
  location.hash = `${state.slug}/${userId}`;
  const stream = new EventSource(`/control/${state.slug}/stream/${userId}`);
  state.stream = stream;
  let early = [];
  stream.onmessage = (event) => (early ? early.push(event) : hear(JSON.parse(event.data)));
  stream.onopen = async () => {
    early = [];
    const user = await control(`/users/${state.slug}/${userId}`);
    if (state.stream !== stream) return;
    await showChat(user);
    const missed = early;
    early = null;
    missed.forEach((event) => hear(JSON.parse(event.data)));
  };
  stream.onerror = () => { if (state.stream === stream) $("chat-sub").textContent = "Connecting again"; };
}

async function showChat(user) {
  state.user = user;
  state.menuId = undefined;
  $("chat").replaceChildren();
  $("quick").hidden = true;
  showState(user.state);
  const hint = user.state === "stranger" ? "Add the account as a friend, or just write." : "No messages yet. Say hello.";
  if (!user.chat.length) $("chat").append(h("p", { class: "empty" }, hint));
  user.chat.forEach(showLine);
  document.querySelectorAll("#user-list button").forEach((button) => button.setAttribute("aria-current", String(button.dataset.user === user.userId)));
  document.querySelector(`[data-user="${user.userId}"]`)?.scrollIntoView({ block: "nearest" });
  $("people").classList.remove("open");
  await showMenu(user.rich_menu.effective);
  control(`${path()}/seen`, "POST", {});
}

async function listUsers() {
  const query = new URLSearchParams({ channel: state.slug, limit: "60", q: $("search").value.trim() });
  const page = await control(`/users?${query}`);
  $("user-list").replaceChildren(...page.items.map((user) => h("li", {}, h("button", { type: "button", "data-user": user.userId, "aria-current": String(user.userId === state.user?.userId), onclick: () => openChat(user.userId) },
    face(user.displayName, user.userId), h("span", { class: "grow", style: { display: "block" } }, h("span", { class: "name" }, user.displayName), h("span", { class: "state" }, STATES[user.state]))))));
  $("user-count").textContent = page.total ? `${page.items.length} of ${page.total} people` : "Nobody yet. Make the first person above.";
  return page.items;
}

async function chooseAccount(slug) {
  state.slug = slug;
  const account = state.accounts.find((each) => each.slug === slug);
  $("account").value = slug;
  $("chat-title").textContent = account.name;
  const people = await listUsers();
  if (state.user) openChat(state.user.userId);
  return people;
}

async function sendPhoto(file) {
  const data = await new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(file);
  });
  await send("image", { data, media_type: file.type });
}

function togglePlus(open) {
  $("plus").hidden = !open;
  $("stickers").hidden = true;
  $("more").setAttribute("aria-expanded", String(open));
}

function listen() {
  new ResizeObserver(keepEnd).observe($("chat"));
  for (const gesture of ["wheel", "touchmove", "keydown"]) {
    $("chat").addEventListener(gesture, () => { atEnd = $("chat").scrollHeight - $("chat").scrollTop - $("chat").clientHeight < 40; }, { passive: true });
  }
  $("account").addEventListener("change", () => chooseAccount($("account").value));
  $("search").addEventListener("input", listUsers);
  $("new-user").addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = $("new-name").value.trim();
    const made = await control("/users", "POST", name ? { name } : { count: 1 });
    $("new-name").value = "";
    await listUsers();
    openChat(made.user_ids[0]);
  });
  $("composer").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    if (!text || !state.user) { if (!state.user) toast("Pick or make a person first"); return; }
    $("text").value = "";
    await send("text", { text });
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("composer").requestSubmit(); }
  });
  $("friend").addEventListener("click", () => send(state.user.state === "friend" ? "block" : "follow"));
  $("more").addEventListener("click", () => togglePlus($("plus").hidden && $("stickers").hidden));
  $("plus").addEventListener("click", async (event) => {
    const kind = event.target.closest("button")?.dataset.send;
    if (!kind || !state.user) return;
    if (kind === "sticker") { $("plus").hidden = true; $("stickers").hidden = false; return; }
    togglePlus(false);
    if (kind === "photo") $("photo").click();
    else await send(kind, kind === "location" ? { title: "Here", address: "台北市信義區松仁路 1 號" } : {});
  });
  $("stickers").replaceChildren(...Object.keys(STICKERS).map((id) => h("button", {
    type: "button",
    onclick: () => { togglePlus(false); send("sticker", { sticker_id: id }); },
  }, stickerPicture(id))));
  document.querySelectorAll("[data-send]").forEach((button) => button.prepend(icon(button.dataset.send)));
  $("photo").addEventListener("change", async () => { if ($("photo").files[0]) await sendPhoto($("photo").files[0]); $("photo").value = ""; });
  $("menu-bar").addEventListener("click", () => toggleMenu(!state.menuOpen));
  $("chat").addEventListener("click", (event) => {
    const link = event.target.closest("[data-link]");
    if (link) { event.preventDefault(); openPage(link.dataset.link); }
  });
  $("sheet-close").addEventListener("click", closePage);
  $("sheet-frame").addEventListener("load", () => {
    if ($("sheet").hidden || !leadsToAddFriend) return;
    pagesLoaded += 1;
    if (pagesLoaded === 2) offerFriend();
  });
  $("visit").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!state.user) { toast("Pick or make a person first"); return; }
    $("panel").classList.remove("open");
    openPage($("visit-url").value);
  });
  window.addEventListener("message", (event) => { if (event.data?.sim === "close") closePage(); });
  window.addEventListener("keydown", (event) => { if (event.key === "Escape" && !$("sheet").hidden) closePage(); });
  for (const side of ["people", "panel"]) {
    $(`open-${side}`).addEventListener("click", () => $(side).classList.add("open"));
    document.querySelector(`[data-close=${side}]`).addEventListener("click", () => $(side).classList.remove("open"));
  }
}

async function start() {
  listen();
  state.accounts = (await control("/accounts")).items;
  $("account").replaceChildren(...state.accounts.map((account) => h("option", { value: account.slug }, account.name)));
  const [slug, userId] = location.hash.slice(1).split("/");
  const known = state.accounts.some((account) => account.slug === slug) ? slug : state.accounts[0]?.slug;
  if (!known) { toast("The channels file names no account"); return; }
  const people = await chooseAccount(known);
  if (userId && people.some((person) => person.userId === userId)) openChat(userId);
  else $("chat").append(h("p", { class: "empty" }, "Pick a person, or make one."));
  startPanel(() => state.slug);
}

start();
