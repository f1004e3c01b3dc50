// What protocol.py does, for Node.
import { createInterface } from "node:readline";

export const say = (line) => console.log(JSON.stringify(line));

export async function serve(calls) {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line);
    try {
      say({ done: await calls[ask.call](ask) });
    } catch (error) {
      const name = error.name === "Error" ? error.constructor.name : error.name;
      say({ raised: { name, message: error.message, body: "" } });
    }
  }
}
