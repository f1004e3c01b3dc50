// @ts-check
/** `<fs-drawer-button>`: opens a side panel where the window is too narrow to show it all the time. */

import { h } from "../lib/dom.js";
import { icon } from "../lib/icons.js";

/** The style sheet has the same widths. */
const WIDE = {
  conversations: matchMedia("(min-width: 58rem)"),
  settings: matchMedia("(min-width: 72rem)"),
};

class DrawerButton extends HTMLElement {
  connectedCallback() {
    const id = /** @type {keyof typeof WIDE} */ (this.getAttribute("for"));
    const label = this.getAttribute("label");
    const button = h(
      "button",
      { type: "button", class: "icon-button", "aria-label": label, "aria-controls": id, title: label },
      icon(this.getAttribute("icon") ?? "menu"),
    );
    const drawer = () => /** @type {HTMLElement} */ (document.getElementById(id));
    const close = h(
      "button",
      { type: "button", class: "icon-button drawer-close", "aria-label": `Close ${label}`, onclick: () => set(false) },
      icon("close"),
    );
    let open = false;
    const show = () => {
      const wide = WIDE[id].matches;
      this.hidden = wide;
      button.setAttribute("aria-expanded", String(open));
      const element = drawer();
      close.hidden = wide;
      if (!close.isConnected) element.prepend(close);
      element.inert = !wide && !open;
      element.classList.toggle("open", open && !wide);
      document.body.classList.toggle(`shows-${id}`, open && !wide);
    };
    const set = (/** @type {boolean} */ now) => {
      if (open === now) return;
      open = now;
      show();
      if (WIDE[id].matches) return;
      if (open) /** @type {HTMLElement | null} */ (drawer().querySelector("button, select, input"))?.focus();
      else button.focus();
    };
    button.addEventListener("click", () => set(!open));
    addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && set(false));
    addEventListener("pointerdown", (event) => {
      const target = /** @type {Node} */ (event.target);
      // A dialog that the drawer opened belongs to it.
      const inside = drawer().contains(target) || this.contains(target);
      if (!inside && !(target instanceof Element && target.closest("dialog, .toasts"))) set(false);
    });
    addEventListener("fs-close-drawers", () => set(false));
    addEventListener("fs-open-drawer", (event) => /** @type {CustomEvent} */ (event).detail === id && !WIDE[id].matches && set(true));
    WIDE[id].addEventListener("change", show);
    this.append(button);
    // The panel stands behind this button in the page.
    queueMicrotask(show);
  }
}

/** Close what covers the conversation on a narrow window. */
export const closeDrawers = () => dispatchEvent(new Event("fs-close-drawers"));

/**
 * Show a side panel, if it is not on show anyway.
 *
 * @param {keyof typeof WIDE} id
 */
export const openDrawer = (id) => dispatchEvent(new CustomEvent("fs-open-drawer", { detail: id }));

customElements.define("fs-drawer-button", DrawerButton);
