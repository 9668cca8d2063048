import { $, control, h, toast } from "./dom.js";

const KINDS = new Map([
  ["slow", "Slow answer"],
  ["500", "500: internal error"],
  ["503", "503: unavailable"],
  ["429_rate", "429: rate limit"],
  ["429_quota", "429: monthly limit"],
  ["429_concurrent", "429: too many at once"],
  ["429_same_user", "429: same user"],
  ["accept_then_timeout", "Accepts, never answers"],
  ["accept_then_reset", "Accepts, cuts off"],
  ["malformed_2xx", "2xx with a broken body"],
  ["401", "401: token refused"],
  ["400", "400: refused"],
]);
const APIS = ["*", "reply", "push", "multicast", "narrowcast", "broadcast", "profile", "link_menu", "unlink_menu", "content", "link_token"];
const FACTS = { sent: "Sent", ok: "Delivered", failed: "Failed", redelivered: "Sent again", pending: "Pending", abandoned: "Given up" };
const EVERY_MS = 2000;

const number = (id) => ($(id).value === "" ? undefined : Number($(id).value));

async function showFaults() {
  const { items } = await control("/faults");
  $("fault-list").replaceChildren(...items.map((fault) => h("li", {}, `${KINDS.get(fault.kind)} · ${fault.api} · hit ${fault.hits}${fault.count ? ` of ${fault.count}` : ""}`,
    h("button", { type: "button", onclick: async () => { await control(`/faults/${fault.id}`, "DELETE"); showFaults(); } }, "Off"))));
}

async function showFacts() {
  const facts = await control("/deliveries");
  $("deliveries").replaceChildren(...Object.entries(FACTS).map(([key, name]) => h("div", {}, h("dt", {}, name), h("dd", {}, facts[key].toLocaleString()))));
}

let since = 0;
async function showAccepts() {
  const summary = await control("/accepts/summary");
  if (summary.last_seq === since) return;
  since = summary.last_seq;
  const { items } = await control(`/accepts?since=${Math.max(0, since - 12)}`);
  $("accepts").replaceChildren(...items.reverse().map((entry) => h("li", {}, h("strong", {}, entry.api),
    h("code", {}, entry.kinds.join(", ") || entry.detail?.rich_menu_id || ""), h("span", {}, `→ ${entry.delivered_to.length}`))));
}

/** Fill the test bench and keep it fresh while it can be seen. */
export function startPanel(slugOf) {
  $("fault-kind").replaceChildren(...[...KINDS].map(([value, name]) => h("option", { value }, name)));
  $("fault-api").replaceChildren(...APIS.map((api) => h("option", { value: api }, api === "*" ? "Every call" : api)));
  $("fault").addEventListener("submit", async (event) => {
    event.preventDefault();
    await control("/faults", "POST", { api: $("fault-api").value, kind: $("fault-kind").value, channel: slugOf(), count: number("fault-count"), delay_ms: number("fault-delay") });
    await showFaults();
  });
  $("trouble").addEventListener("submit", async (event) => {
    event.preventDefault();
    await control("/faults/webhooks", "PUT", { duplicate_every: number("duplicate") || 0, shuffle_window: number("shuffle") || 0, delay_ms: number("delay") || 0 });
    toast("Webhooks will be troubled as set");
  });
  $("revoke").addEventListener("click", async () => { await control(`/${slugOf()}/token/revoke`, "POST", {}); toast("The account's token is revoked"); });
  $("restore").addEventListener("click", async () => { await control(`/${slugOf()}/token/restore`, "POST", {}); toast("The account's token is valid again"); });
  $("calm").addEventListener("click", async () => { await control("/faults", "DELETE"); await showFaults(); toast("All faults are off"); });
  const refresh = async () => {
    if (document.visibilityState === "visible" && getComputedStyle($("panel")).visibility === "visible") await Promise.all([showFaults(), showFacts(), showAccepts()]);
  };
  const loop = async () => {
    try { await refresh(); } catch (error) { console.warn("The stand-in does not answer", error); }
    setTimeout(loop, EVERY_MS);
  };
  loop();
}
