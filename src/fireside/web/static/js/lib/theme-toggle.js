// @ts-check
/** `<fs-theme-toggle>`: light or dark. What the system says counts until somebody chooses otherwise. */

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const KEY = "fireside.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

class ThemeToggle extends HTMLElement {
  connectedCallback() {
    const button = h("button", { type: "button", class: "icon-button" });
    const show = () => {
      const label = isDark() ? "Light colours" : "Dark colours";
      button.setAttribute("aria-label", label);
      button.title = label;
      fill(button, icon(isDark() ? "sun" : "moon"));
    };
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(KEY, /** @type {string} */ (document.documentElement.dataset.theme));
      } catch {
        // It holds for this page, then.
      }
      show();
    });
    system.addEventListener("change", show);
    show();
    fill(this, button);
  }
}

customElements.define("fs-theme-toggle", ThemeToggle);
