// @ts-check
/** What is typed into a parameter's field and is not a value (yet): it is shown, told, and keeps a request from being sent. */

export class Drafts extends EventTarget {
  /** @type {Map<string, {problem: string, local: boolean}>} by the parameter's name */
  #found = new Map();
  /** Counts how often all were forgotten: a field that has an older draft drops it. */
  epoch = 0;

  /** @returns {{name: string, problem: string}[]} */
  get problems() {
    return [...this.#found].map(([name, { problem }]) => ({ name, problem }));
  }

  /**
   * @param {string} name
   * @param {string} problem nothing: it is right
   */
  tell(name, problem) {
    if (problem) this.#found.set(name, { problem, local: true });
    else this.#found.delete(name);
    this.#changed();
  }

  /**
   * What the server says of values that are well formed; what it no longer says is right.
   *
   * @param {Map<string, string>} problems by the parameter's name
   */
  tellFromServer(problems) {
    for (const [name, { local }] of [...this.#found]) if (!local) this.#found.delete(name);
    for (const [name, problem] of problems) {
      if (!this.#found.has(name)) this.#found.set(name, { problem, local: false });
    }
    this.#changed();
  }

  /** @param {string} name */
  problemOf(name) {
    return this.#found.get(name)?.problem ?? "";
  }

  /** Other settings are shown: all drafts are gone. */
  forget() {
    this.#found.clear();
    this.epoch += 1;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
