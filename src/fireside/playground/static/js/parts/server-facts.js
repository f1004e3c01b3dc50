/** `<fs-address>`: where the API is, to copy. `<fs-version>`: which Fireside this is. */

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
    const draw = () => fill(this, states.server.version && `Fireside ${states.server.version}`);
    states.addEventListener("change", draw);
    draw();
  }
}

customElements.define("fs-address", Address);
customElements.define("fs-version", Version);
