const SVG = "http://www.w3.org/2000/svg";

function draw(viewBox, body, label) {
  const holder = document.createElement("span");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", viewBox);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = body;
  holder.className = "picture";
  holder.append(svg);
  return holder;
}

const LINE = 'fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"';
const ICONS = {
  photo: '<rect x="3" y="6" width="18" height="14" rx="3"/><circle cx="12" cy="13" r="4"/><path d="M8.5 6 10 3.5h4L15.5 6"/>',
  sticker: '<circle cx="12" cy="12" r="9"/><path d="M8.5 14.500a4.2 4.2 0 0 0 7 0M9 9.500v.5M15 9.500v.5"/>',
  location: '<path d="M12 21s7-6.3 7-11.500a7 7 0 0 0-14 0C5 14.7 12 21 12 21Z"/><circle cx="12" cy="9.5" r="2.5"/>',
  audio: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.5 11.500a6.5 6.5 0 0 0 13 0M12 18v3"/>',
  video: '<rect x="3" y="6" width="12.5" height="12" rx="3"/><path d="m15.5 11 5.5-3v8l-5.5-3"/>',
  file: '<path d="M7 3h7l4 4v14H7ZM14 3v4h4M10 12h5M10 16h5"/>',
  coupon: '<path d="M3 7h18v3a2 2 0 0 0 0 4v3H3v-3a2 2 0 0 0 0-4Z"/><path d="M14 7v10" stroke-dasharray="1.5 2.5"/>',
};

/** Return one of the page's own icons. */
export function icon(name) {
  return draw("0 0 24 24", `<g ${LINE}>${ICONS[name]}</g>`);
}

const FACES = {
  hello: ["M36 58v3M64 58v3", "M42 67q8 7 16 0", '<path d="M86 40l9-11M90 50l10-3" stroke="#b8472c" stroke-width="3"/>'],
  happy: ["M33 60q4-6 8 0M59 60q4-6 8 0", "M42 66q8 9 16 0", ""],
  thanks: ["M33 59q4 4 8 0M59 59q4 4 8 0", "M44 68h12", '<path d="M50 74v14M45 79l5-6 5 6" stroke="#b8472c" stroke-width="3"/>'],
  party: ["M36 58v3M64 58v3", "M42 65q8 11 16 0", '<path d="M14 20l6 6M84 14l-4 8M50 3v7M24 6l3 6" stroke="#b8472c" stroke-width="3"/>'],
  sad: ["M36 60v2M64 60v2", "M43 71q7-6 14 0", '<path d="M33 66q-3 6 0 8 3-2 0-8Z" fill="#6fa8c4" stroke="none"/>'],
  love: ["M33 60q4-6 8 0M59 60q4-6 8 0", "M45 67q5 4 10 0", '<path d="M84 26c-6-9-16 0 0 12 16-12 6-21 0-12Z" fill="#b8472c" stroke="none"/>'],
  wow: ["M36 57v4M64 57v4", "M47 68a3 4 0 1 0 6 0 3 4 0 1 0-6 0", ""],
  sleepy: ["M32 60h9M59 60h9", "M46 68h8", '<path d="M80 30h10l-10 12h10M92 12h7l-7 9h7" stroke="#5b5a8c" stroke-width="3"/>'],
};

/** The stickers a person can send: rice balls in several moods, by sticker id. */
export const STICKERS = { 1988: "hello", 1989: "happy", 1990: "thanks", 1991: "party", 1992: "sad", 1993: "love", 1994: "wow", 1995: "sleepy" };

/** Return the drawing of a sticker, or null where the page has none for this id. */
export function stickerPicture(stickerId) {
  const mood = STICKERS[stickerId];
  if (!mood) return null;
  const [eyes, mouth, extra] = FACES[mood];
  return draw("0 0 104 100", `<path d="M50 10q10 0 17 12l24 44q8 26-16 26H25Q1 92 9 66l24-44Q40 10 50 10Z" fill="#fffdf9" stroke="#1c2b2d" stroke-width="3"/>
    <path d="M32 76h36v16H32Z" fill="#1f4e52"/><g fill="none" stroke="#1c2b2d" stroke-width="3.5" stroke-linecap="round"><path d="${eyes}"/><path d="${mouth}"/>${extra}</g>
    <circle cx="29" cy="67" r="4" fill="#f0b8a5"/><circle cx="71" cy="67" r="4" fill="#f0b8a5"/>`, `Sticker: ${mood}`);
}
