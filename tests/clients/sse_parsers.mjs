// Reads one stream with the ways of reading server-sent events that people use, through a proxy that cuts it again.
//
// Each HTTP chunk arrives as a piece of its own, so that the cuts here are the cuts that the parsers see.
import { EventSourceParserStream } from "eventsource-parser/stream";
import { events } from "fetch-event-stream";
import { createServer } from "node:http";

const { url, body } = JSON.parse(process.argv[2]);

const proxy = createServer(async (request, response) => {
  const [size, newline] = request.url.slice(1).split("/");
  const answer = await fetch(url, { method: "POST", body });
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") });
  const original = Buffer.from(await answer.arrayBuffer());
  const bytes = newline === "crlf" ? Buffer.from(original.toString().replaceAll("\n", "\r\n")) : original;
  for (let at = 0; at < bytes.length; at += Number(size)) response.write(bytes.subarray(at, at + Number(size)));
  response.end();
});

// The first two know the format; the others are what one finds in tutorials, and know "\n" only.
const parsers = {
  async "eventsource-parser"(response) {
    const stream = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    return collect(stream, ({ data }) => data);
  },
  async "fetch-event-stream"(response) {
    return collect(events(response), ({ data }) => data);
  },
  async "split at blank lines"(response) {
    const found = [];
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    let buffer = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return found;
      buffer += decoder.decode(value, { stream: true });
      const frames = buffer.split("\n\n");
      buffer = frames.pop();
      for (const frame of frames) if (frame.startsWith("data: ")) found.push(frame.slice("data: ".length));
    }
  },
  async "async iterator, line by line"(response) {
    const found = [];
    let rest = "";
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data: ")) found.push(line.replace(/^data: /, ""));
    }
    return found;
  },
  async "a regular expression over a buffer"(response) {
    const found = [];
    const decoder = new TextDecoder("utf-8");
    let buffer = "";
    for await (const piece of response.body) {
      buffer += decoder.decode(piece, { stream: true });
      let match;
      while ((match = /^(?:.*\n)*?data: (.*)\n\n/.exec(buffer))) {
        found.push(match[1]);
        buffer = buffer.slice(match[0].length);
      }
    }
    return found;
  },
};

async function collect(iterable, map) {
  const found = [];
  for await (const one of iterable) found.push(map(one));
  return found;
}

proxy.listen(0, "127.0.0.1", async () => {
  const { port } = proxy.address();
  const told = {};
  for (const [name, parse] of Object.entries(parsers)) {
    for (const newline of Object.keys(parsers).indexOf(name) < 2 ? ["lf", "crlf"] : ["lf"]) {
      for (const size of [1, 2, 3, 7, 1000000]) {
        told[`${name} ${newline} ${size}`] = await parse(await fetch(`http://127.0.0.1:${port}/${size}/${newline}`));
      }
    }
    told[`${name} direct`] = await parse(await fetch(url, { method: "POST", body }));
  }
  console.log(JSON.stringify(told));
  proxy.close();
  process.exit();
});
