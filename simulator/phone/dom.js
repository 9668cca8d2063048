/** Make an element; attributes starting with "on" are listeners, children are nodes or texts. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const $ = (id) => document.getElementById(id);

let toastTimer;
export function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 3500);
}

/** Call the control API; a refusal is shown and thrown. */
export async function control(path, method = "GET", body) {
  const answer = await fetch(`/control${path}`, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const result = await answer.json();
  if (!answer.ok) {
    toast(result.detail || `The stand-in answered ${answer.status}`);
    throw new Error(result.detail);
  }
  return result;
}

const COLORS = ["#1f4e52", "#8a4b38", "#5b5a8c", "#3f6b3a", "#8b5a83", "#7a6420", "#2f5f86"];
export function face(name, key) {
  const code = [...key].reduce((sum, char) => sum + char.charCodeAt(0), 0);
  return h("span", { class: "face", style: { background: COLORS[code % COLORS.length] }, "aria-hidden": "true" }, [...name].slice(-1)[0] || "?");
}
