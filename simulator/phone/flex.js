import { h } from "./dom.js";

const WIDTHS = { nano: 120, micro: 160, deca: 220, hecto: 241, kilo: 260, mega: 300, giga: 386 };
const FONT = { xxs: 11, xs: 13, sm: 14, md: 16, lg: 19, xl: 22, xxl: 29, "3xl": 35, "4xl": 48, "5xl": 74 };
const SPACE = { none: 0, xs: 2, sm: 4, md: 8, lg: 12, xl: 16, xxl: 20 };
const IMAGE = { xxs: 40, xs: 60, sm: 80, md: 100, lg: 120, xl: 140, xxl: 160, "3xl": 180, "4xl": 200, "5xl": 220 };
const ALIGN = { start: "flex-start", end: "flex-end", center: "center" };
const RADIUS = { none: 0, xs: 2, sm: 4, md: 8, lg: 12, xl: 16, xxl: 20 };
const BORDER = { none: 0, light: 0.5, normal: 1, medium: 2, "semi-bold": 3, bold: 4 };

const size = (value, table) => (value === undefined ? undefined : value in table ? `${table[value]}px` : String(value));

/** Render a Flex container: one bubble, or a strip of them. */
export function renderFlex(container, act) {
  if (container.type === "carousel") {
    return h("div", { class: "strip" }, (container.contents || []).map((bubble) => renderBubble(bubble, act)));
  }
  return renderBubble(container, act);
}

function renderBubble(bubble, act) {
  const styles = bubble.styles || {};
  const element = h("div", {
    class: `flex-bubble${bubble.direction === "rtl" ? " rtl" : ""}`,
    style: { width: `${WIDTHS[bubble.size || "mega"] || 300}px` },
  });
  for (const name of ["header", "hero", "body", "footer"]) {
    const block = bubble[name];
    if (!block) continue;
    const style = styles[name] || {};
    const holder = h("div", { style: { background: style.backgroundColor, borderTop: style.separator ? `1px solid ${style.separatorColor || "#d4d6da"}` : "" } });
    const shown = render(block, act, "vertical");
    if (name !== "hero" && !block.paddingAll) shown.classList.add("fx-block", name);
    if (name === "body") holder.style.flex = "1";
    holder.append(shown);
    element.append(holder);
  }
  tappable(element, bubble.action, act);
  return element;
}

function tappable(element, action, act) {
  if (!action) return;
  element.classList.add("tap");
  element.tabIndex = 0;
  element.setAttribute("role", "button");
  element.addEventListener("click", (event) => { event.stopPropagation(); act(action); });
  element.addEventListener("keydown", (event) => { if (event.key === "Enter") act(action); });
}

function render(part, act, parentLayout) {
  const make = { box, text, button, image, icon, separator, filler, video, spacer: filler }[part.type];
  const element = make ? make(part, act, parentLayout) : h("span", {}, `[${part.type}]`);
  place(element, part, parentLayout);
  if (part.type !== "button") tappable(element, part.action, act);
  return element;
}

function place(element, part, parentLayout) {
  const style = element.style;
  if (part.margin !== undefined) style[parentLayout === "vertical" ? "marginTop" : "marginLeft"] = size(part.margin, SPACE);
  const flex = part.flex ?? (parentLayout === "horizontal" && part.type !== "icon" ? 1 : undefined);
  if (flex !== undefined && !part.width) style.flex = flex === 0 ? "0 0 auto" : `${flex} 1 0`;
  if (parentLayout === "baseline" && part.flex === undefined && part.type === "text") style.flex = "1 1 0";
  if (part.position === "absolute") style.position = "absolute";
  for (const [key, css] of [["offsetTop", "top"], ["offsetBottom", "bottom"], ["offsetStart", "left"], ["offsetEnd", "right"]]) {
    if (part[key] === undefined) continue;
    if (part.position !== "absolute") style.position = "relative";
    style[css] = size(part[key], SPACE);
  }
  if (part.gravity) style.alignSelf = { top: "flex-start", bottom: "flex-end", center: "center" }[part.gravity];
}

function box(part, act) {
  const element = h("div", { class: `fx-box ${part.layout}` });
  const style = element.style;
  style.gap = size(part.spacing, SPACE) || "";
  style.padding = size(part.paddingAll, SPACE) || "";
  for (const [key, css] of [["paddingTop", "paddingTop"], ["paddingBottom", "paddingBottom"], ["paddingStart", "paddingLeft"], ["paddingEnd", "paddingRight"]]) {
    if (part[key] !== undefined) style[css] = size(part[key], SPACE);
  }
  for (const key of ["width", "height", "maxWidth", "maxHeight"]) if (part[key]) style[key] = part[key];
  if (part.backgroundColor) style.background = part.backgroundColor;
  if (part.background && part.background.type === "linearGradient") {
    const { angle, startColor, centerColor, endColor } = part.background;
    style.background = `linear-gradient(${[angle, startColor, centerColor, endColor].filter(Boolean).join(",")})`;
  }
  if (part.cornerRadius) { style.borderRadius = size(part.cornerRadius, RADIUS); style.overflow = "hidden"; }
  if (part.borderWidth || part.borderColor) style.border = `${size(part.borderWidth || "normal", BORDER)} solid ${part.borderColor || "#000"}`;
  if (part.justifyContent) style.justifyContent = part.justifyContent;
  if (part.alignItems) style.alignItems = part.alignItems;
  element.append(...(part.contents || []).map((child) => render(child, act, part.layout)));
  return element;
}

function letters(style, part) {
  style.fontSize = size(part.size, FONT) || "";
  if (part.color) style.color = part.color;
  if (part.weight === "bold") style.fontWeight = "700";
  if (part.style === "italic") style.fontStyle = "italic";
  if (part.decoration && part.decoration !== "none") style.textDecoration = part.decoration;
}

function text(part) {
  const element = h("div", { class: `fx-text${part.wrap ? " wrap" : ""}` });
  letters(element.style, { size: "md", ...part });
  if (part.align) element.style.textAlign = part.align;
  if (part.lineSpacing) element.style.lineHeight = `calc(1.2em + ${part.lineSpacing})`;
  if (part.maxLines) Object.assign(element.style, { display: "-webkit-box", webkitBoxOrient: "vertical", webkitLineClamp: part.maxLines });
  if (!part.contents || !part.contents.length) element.textContent = part.text || "";
  for (const span of part.contents || []) {
    const piece = h("span", {}, span.text || "");
    letters(piece.style, span);
    element.append(piece);
  }
  return element;
}

function button(part, act) {
  const kind = part.style || "link";
  const element = h("button", { class: `fx-button ${kind} ${part.height === "sm" ? "sm" : ""}`, type: "button", onclick: (event) => { event.stopPropagation(); act(part.action); } }, part.action.label || "");
  if (part.color) element.style[kind === "link" ? "color" : "background"] = part.color;
  return element;
}

function ratio(text) {
  const [width, height] = (text || "1:1").split(":").map(Number);
  return width && height ? `${width} / ${height}` : "1 / 1";
}

function image(part) {
  const element = h("div", { class: "fx-image", style: { aspectRatio: ratio(part.aspectRatio), background: part.backgroundColor } },
    h("img", { src: part.url, alt: "", loading: "lazy", style: { objectFit: part.aspectMode === "cover" ? "cover" : "contain" } }));
  element.style.width = part.size === "full" ? "100%" : size(part.size || "md", IMAGE);
  element.style.alignSelf = ALIGN[part.align || "center"];
  return element;
}

function icon(part) {
  return h("img", { src: part.url, alt: "", style: { height: size(part.size || "md", FONT), width: "auto", alignSelf: "center" } });
}

function video(part) {
  return image({ url: part.previewUrl, size: "full", aspectRatio: part.aspectRatio, aspectMode: "cover" });
}

function separator(part, act, parentLayout) {
  const element = h("div", { class: "fx-separator", style: { background: part.color } });
  element.style[parentLayout === "horizontal" || parentLayout === "baseline" ? "width" : "height"] = "1px";
  return element;
}

function filler() {
  return h("div", { style: { flex: "1" } });
}
