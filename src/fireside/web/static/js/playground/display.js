// @ts-check
/** How answers are shown on this browser. */

const KEY = "fireside.plain";

class Display extends EventTarget {
  #markdown = read() !== "true";

  get markdown() {
    return this.#markdown;
  }

  set markdown(on) {
    this.#markdown = on;
    try {
      localStorage.setItem(KEY, String(!on));
    } catch {
      // It holds for this page, then.
    }
    this.dispatchEvent(new Event("change"));
  }
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const display = new Display();
