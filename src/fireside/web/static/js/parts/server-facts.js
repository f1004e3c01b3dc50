// @ts-check
/** `<fs-address>`: where the API is, to copy. `<fs-version>`: which Fireside this is, and where to read about it. */

import { states } from "../api/states.js";
import { copyButton } from "../lib/copy-button.js";
import { fill, h } from "../lib/dom.js";

class Address extends HTMLElement {
  connectedCallback() {
    const url = `${location.origin}/client/v4`;
    fill(this, h("span", { class: "faint" }, "Base URL"), h("code", {}, url), copyButton("Copy the base URL", () => url));
  }
}

class Version extends HTMLElement {
  connectedCallback() {
    const draw = () => {
      const { version, documentation } = states.server;
      const guide = documentation && h("a", { href: documentation, rel: "noopener noreferrer", target: "_blank" }, "Documentation");
      fill(this, version && h("span", {}, `Fireside ${version}`), h("a", { href: "/docs" }, "API reference"), guide);
    };
    states.addEventListener("change", draw);
    draw();
  }
}

customElements.define("fs-address", Address);
customElements.define("fs-version", Version);
