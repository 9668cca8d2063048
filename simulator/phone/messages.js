import { h } from "./dom.js";
import { renderFlex } from "./flex.js";
import { icon, stickerPicture } from "./pictures.js";

const WIDE = new Set(["carousel", "image_carousel"]);

/** Whether a message needs the chat's whole width. */
export function isWide(message) {
  return (message.type === "template" && WIDE.has(message.template.type)) || (message.type === "flex" && message.contents.type === "carousel");
}

/** Render the inside of a line; `act` is called with an action object when something is pressed. */
export function renderMessage(message, id, act) {
  const make = { text, textV2, sticker, image, video, audio, file, location, template, flex, imagemap, coupon }[message.type];
  return make ? make(message, id, act) : h("div", { class: "bubble" }, `[${message.type}]`);
}

function linked(words) {
  return words.split(/(https?:\/\/[^\s]+)/).map((piece, index) => (index % 2 ? h("a", { href: piece, "data-link": piece }, piece) : piece));
}

function text(message) {
  return h("div", { class: "bubble" }, linked(message.text));
}

function textV2(message) {
  const pieces = message.text.split(/(\{\w+\})/).map((piece) => {
    const found = /^\{(\w+)\}$/.exec(piece);
    const put = found && (message.substitution || {})[found[1]];
    if (!put) return piece.replaceAll("{{", "{").replaceAll("}}", "}");
    return put.type === "mention" ? h("span", { class: "at" }, "@member") : "(emoji)";
  });
  return h("div", { class: "bubble" }, pieces);
}

function sticker(message) {
  const known = stickerPicture(message.stickerId);
  return h("div", { class: "sticker" }, known || icon("sticker"), known ? null : h("small", {}, `${message.packageId} / ${message.stickerId}`));
}

const contentOf = (message, id) => message.originalContentUrl || `/control/content/${id}`;

function image(message, id) {
  return h("a", { class: "media", href: contentOf(message, id), target: "_blank", rel: "noreferrer" },
    h("img", { src: message.previewImageUrl || contentOf(message, id), alt: "Photo", loading: "lazy" }));
}

function video(message, id) {
  return h("div", { class: "media" }, h("video", { src: contentOf(message, id), poster: message.previewImageUrl, controls: true, preload: "none" }));
}

function audio(message, id) {
  return h("div", { class: "bubble doc" }, icon("audio"), h("span", {}, `Voice, ${Math.round((message.duration || 0) / 1000)} s`),
    h("a", { href: contentOf(message, id), target: "_blank", rel: "noreferrer" }, "Play"));
}

function file(message, id) {
  return h("a", { class: "bubble doc", href: contentOf(message, id), target: "_blank", rel: "noreferrer" }, icon("file"),
    h("span", {}, message.fileName, h("br"), h("small", { class: "quiet" }, `${message.fileSize} bytes`)));
}

function location(message) {
  return h("div", { class: "bubble place" }, h("div", { class: "map" }, icon("location")),
    h("strong", {}, message.title || "Place"), message.address || `${message.latitude}, ${message.longitude}`);
}

function coupon(message) {
  return h("div", { class: "card" }, h("div", { class: "words" }, h("strong", {}, "Coupon"), icon("coupon"), ` ${message.couponId}`));
}

function buttons(actions, act, two = false) {
  return h("div", { class: `actions${two ? " two" : ""}` }, actions.map((action) => h("button", { type: "button", onclick: () => act(action) }, action.label)));
}

function picture(holder, template) {
  if (!holder.thumbnailImageUrl) return null;
  const square = template.imageAspectRatio === "square" ? " square" : "";
  return h("img", { class: `pic${square}`, src: holder.thumbnailImageUrl, alt: "", style: { objectFit: template.imageSize === "contain" ? "contain" : "cover", background: holder.imageBackgroundColor } });
}

function cardOf(holder, template, act, two) {
  return h("div", { class: "card" }, picture(holder, template),
    h("div", { class: "words" }, holder.title ? h("strong", {}, holder.title) : null, holder.text), buttons(holder.actions, act, two));
}

function template(message, id, act) {
  const shape = message.template;
  if (shape.type === "carousel") return h("div", { class: "strip" }, shape.columns.map((column) => cardOf(column, shape, act)));
  if (shape.type === "image_carousel") {
    return h("div", { class: "strip" }, shape.columns.map((column) => h("button", { class: "tile", type: "button", onclick: () => act(column.action) },
      h("img", { src: column.imageUrl, alt: "" }), column.action.label ? h("span", {}, column.action.label) : null)));
  }
  return cardOf(shape, shape, act, shape.type === "confirm");
}

function flex(message, id, act) {
  return renderFlex(message.contents, act);
}

function imagemap(message, id, act) {
  const { width, height } = message.baseSize;
  const areas = message.actions.map((action) => h("button", {
    type: "button", "aria-label": action.label || action.text || action.linkUri || "Area",
    style: { left: `${(100 * action.area.x) / width}%`, top: `${(100 * action.area.y) / height}%`, width: `${(100 * action.area.width) / width}%`, height: `${(100 * action.area.height) / height}%` },
    onclick: () => act(action.type === "uri" ? { type: "uri", uri: action.linkUri } : action),
  }));
  return h("div", { class: "imagemap", style: { aspectRatio: `${width} / ${height}` } }, h("img", { src: `${message.baseUrl}/700`, alt: message.altText }), areas);
}
