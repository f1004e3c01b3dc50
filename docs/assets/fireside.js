// @ts-check
// What the theme leaves out, for readers with a keyboard, a screen reader or a phone.

// Cells know their column's name: in a narrow window it stands before them. The roles outlast `display: block`.
for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (
  document.querySelectorAll(".md-typeset table:not([class])")
)) {
  const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
  table.setAttribute("role", "table");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, column) => {
      if (cell.tagName === "TH") return;
      cell.setAttribute("role", "cell");
      cell.dataset.label = names[column];
    });
  }
}

// The buttons of a narrow window, for menu, search and the page's contents, are labels, which no key reaches.
for (const [toggle, name] of [["__drawer", ""], ["__search", ""], ["__toc", "On this page"]]) {
  for (const label of document.querySelectorAll(`.md-header label[for=${toggle}], .md-sidebar-button[for=${toggle}]`)) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: label.className });
    button.classList.add(`fs${toggle}`);
    button.append(...label.childNodes);
    if (name) button.setAttribute("aria-label", name);
    button.addEventListener("click", () => document.getElementById(toggle)?.click());
    label.replaceWith(button);
  }
}

// The theme makes a landmark of each code block's copy button; they would bury the page's own.
const quiet = () => {
  for (const nav of document.querySelectorAll(".md-code__nav:not([role])")) nav.setAttribute("role", "none");
};
new MutationObserver(quiet).observe(document.body, { childList: true, subtree: true });
quiet();
