// @ts-check
/** Line icons on a grid of 24. */

const SVG = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} */
const PATHS = {
  alert: "M12 4 2.8 20h18.4L12 4Zm0 6v4.5m0 2.8v.2",
  arrow: "M5 12h14m-6-6 6 6-6 6",
  check: "m5 13 4.5 4.5L19 7",
  chevron: "m6 9 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  code: "m8 7-5 5 5 5m8-10 5 5-5 5",
  columns: "M4 5h16v14H4V5Zm8 0v14",
  copy: "M9 9h10v11H9V9Zm-4 6V4h10",
  dice: "M5 5h14v14H5V5Zm4 4v.1m6 5.9v.1M12 12v.1m3-3.1v.1M9 15v.1",
  download: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14",
  edit: "M4 20l1-4L16.5 4.5l3 3L8 19l-4 1Z",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Zm9.5 2.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6Z",
  file: "M6 3h8l4 4v14H6V3Zm8 0v4h4",
  key: "M14.5 13.5a4.5 4.5 0 1 0-4.2-2.9L4 17v3h3v-2h2v-2h2l1.8-1.8c.5.2 1.1.3 1.7.3Zm.5-5.5v.1",
  forward: "M6 5l7 7-7 7m6-14 7 7-7 7",
  keyboard: "M3 6h18v12H3V6Zm4 4v.1m3.3-.1v.1m3.4-.1v.1m3.3-.1v.1M8 14.5h8",
  left: "m14 6-6 6 6 6",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M5 12h.1m6.9 0h.1m6.9 0h.1",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z",
  plus: "M12 5v14M5 12h14",
  refresh: "M20 11a8 8 0 1 0-.8 5M20 5v6h-6",
  right: "m10 6 6 6-6 6",
  send: "M12 19V5m-6 6 6-6 6 6",
  sliders: "M4 7h10m4 0h2M4 17h2m4 0h10M16 5v4M8 15v4",
  stop: "M7 7h10v10H7V7Z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm0-13v2m0 14v2m9-9h-2M5 12H3m15.4-6.4L17 7M7 17l-1.4 1.4m12.8 0L17 17M7 7 5.6 5.6",
  trash: "M5 7h14M10 7V4h4v3m-7 0 1 13h8l1-13",
  upload: "M12 15V4m-4.5 4.5L12 4l4.5 4.5M5 20h14",
};

/**
 * An icon, hidden from screen readers: what it stands for is said beside it.
 *
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
