// A page with the EventSource handler of the models' pages, in a real browser. Prints what the page showed, and erred.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const { executable, url, handler } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: executable,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  // The Worker answers every path with its stream: the page itself is put in front of it.
  await page.route("**/page", async (route) =>
    route.fulfill({
      contentType: "text/html",
      body: `<!doctype html><p id="el"></p><script>const el = document.getElementById("el");${await readFile(handler)}
        </script>`,
    }),
  );
  const streams = [];
  page.on("request", (request) => request.resourceType() === "eventsource" && streams.push(request.url()));
  await page.goto(new URL("page", url).href);
  await page.waitForFunction(() => source.readyState === EventSource.CLOSED, null, { timeout: 60000 });
  const text = await page.textContent("#el");
  console.log(JSON.stringify({ text, errors, streams }));
} finally {
  await browser.close();
}
