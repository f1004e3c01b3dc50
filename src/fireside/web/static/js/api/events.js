// @ts-check
/** Server-sent events out of a fetch: EventSource can neither post nor send a token. */

/**
 * The data of each event, as it arrives. Comments (the server's keep-alive) are skipped.
 *
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<string, void, void>}
 */
export async function* eventData(stream) {
  let rest = "";
  /** @type {string[]} */
  let data = [];
  for await (const text of decoded(stream)) {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length) yield data.join("\n");
        data = [];
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  }
}

/**
 * Whole characters, wherever the network cut. (Not every browser can iterate over a stream.)
 *
 * @param {ReadableStream<Uint8Array>} stream
 */
async function* decoded(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    // Whoever stops reading wants no more of it.
    reader.cancel().catch(() => {});
  }
}
