// packages/workers-ai-provider/test/e2e/fixtures/binding-worker/src/index.ts of github.com/cloudflare/ai at 917c02430090e7d511abf138091a2c17135515b2.
// Changed: the package is the published one; routes for other kinds of models are left out.

/**
 * Test worker exercising workers-ai-provider through the env.AI binding.
 *
 * Each endpoint uses the provider internally and returns results as JSON.
 * This worker is started by wrangler dev during integration tests.
 */
import { createWorkersAI } from "workers-ai-provider";
import {
	generateText,
	streamText,
	isStepCount,
	Output,
} from "ai";
import { z } from "zod/v4";

interface Env {
	AI: Ai;
}

function jsonResponse(data: unknown, status = 200) {
	return new Response(JSON.stringify(data, null, 2), {
		status,
		headers: { "Content-Type": "application/json" },
	});
}

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const url = new URL(request.url);

		if (url.pathname === "/health") {
			return jsonResponse({ ok: true });
		}

		if (request.method !== "POST") {
			return jsonResponse({ error: "POST required" }, 405);
		}

		const body = (await request.json()) as { model?: string };
		const model = body.model || "@cf/meta/llama-4-scout-17b-16e-instruct";

		const provider = createWorkersAI({ binding: env.AI });

		try {
			switch (url.pathname) {
				// ----- Basic chat -----
				case "/chat": {
					const result = await generateText({
						model: provider(model as any),
						messages: [{ role: "user", content: "Say hello in one sentence." }],
					});
					return jsonResponse({
						text: result.text,
						finishReason: result.finishReason,
						usage: result.usage,
					});
				}

				// ----- Streaming chat -----
				case "/chat/stream": {
					const result = streamText({
						model: provider(model as any),
						messages: [{ role: "user", content: "Say hello in one sentence." }],
					});

					let text = "";
					for await (const chunk of result.textStream) {
						text += chunk;
					}

					return jsonResponse({
						text,
						finishReason: await result.finishReason,
					});
				}

				// ----- Multi-turn -----
				case "/chat/multi-turn": {
					const result = await generateText({
						model: provider(model as any),
						messages: [
							{ role: "user", content: "My name is Alice." },
							{ role: "assistant", content: "Hello Alice! Nice to meet you." },
							{ role: "user", content: "What is my name?" },
						],
					});
					return jsonResponse({ text: result.text });
				}

				// ----- Tool call (first round only) -----
				case "/chat/tool-call": {
					const result = await generateText({
						model: provider(model as any),
						messages: [
							{
								role: "user",
								content:
									"What is 2 + 3? You MUST use the calculator tool to answer.",
							},
						],
						tools: {
							calculator: {
								description:
									"Add two numbers. Returns their sum. Always use this tool for math.",
								inputSchema: z.object({
									a: z.number().describe("first number"),
									b: z.number().describe("second number"),
								}),
							},
						},
					});

					return jsonResponse({
						text: result.text,
						toolCalls: result.toolCalls,
						finishReason: result.finishReason,
					});
				}

				// ----- Tool round-trip (uses maxSteps for full loop) -----
				case "/chat/tool-roundtrip": {
					const result = await generateText({
						model: provider(model as any),
						messages: [
							{
								role: "user",
								content: "What time is it? Use the get_current_time tool.",
							},
						],
						tools: {
							get_current_time: {
								description:
									"Get the current UTC time. Always use this tool when asked about the time.",
								inputSchema: z.object({}),
								execute: async () => ({
									time: "2026-02-10T15:30:00.000Z",
								}),
							},
						},
						stopWhen: isStepCount(2),
					});

					return jsonResponse({
						text: result.text,
						steps: result.steps.length,
						toolCalls: result.toolCalls,
					});
				}

				// ----- Multi-step agentic tool loop -----
				case "/chat/tool-multistep": {
					const result = await generateText({
						model: provider(model as any),
						messages: [
							{
								role: "user",
								content:
									"I need two calculations done separately. First, what is 2 + 3? Second, what is 10 + 20? You MUST use the calculator tool for EACH calculation. Do NOT do math in your head.",
							},
						],
						tools: {
							calculator: {
								description:
									"Add two numbers together. Returns their sum. You MUST use this tool for every math operation.",
								inputSchema: z.object({
									a: z.number().describe("first number"),
									b: z.number().describe("second number"),
								}),
								execute: async ({ a, b }: { a: number; b: number }) => ({
									result: a + b,
								}),
							},
						},
						stopWhen: isStepCount(4),
					});

					const toolCallCount = result.steps.reduce(
						(sum, step) => sum + (step.toolCalls?.length || 0),
						0,
					);
					return jsonResponse({
						text: result.text,
						steps: result.steps.length,
						toolCallCount,
					});
				}

				// ----- toolChoice: "required" -----
				case "/chat/tool-required": {
					const result = await generateText({
						model: provider(model as any),
						messages: [
							{
								role: "user",
								content: "What is 7 + 8? You MUST use the calculator tool.",
							},
						],
						tools: {
							calculator: {
								description: "Add two numbers. Returns their sum.",
								inputSchema: z.object({
									a: z.number().describe("first number"),
									b: z.number().describe("second number"),
								}),
							},
						},
						toolChoice: "required",
					});

					return jsonResponse({
						text: result.text,
						toolCalls: result.toolCalls,
						finishReason: result.finishReason,
					});
				}

				// ----- toolChoice forced to a specific tool (named-function form) -----
				case "/chat/tool-forced": {
					const result = await generateText({
						model: provider(model as any),
						messages: [
							{ role: "system", content: "You are a warm, encouraging coach." },
							{
								role: "user",
								content: "That went really well! How do you think I did?",
							},
						],
						tools: {
							record_feedback: {
								description: "Record structured coaching feedback.",
								inputSchema: z.object({
									score: z.number().describe("score out of 10"),
									note: z.string().describe("short feedback note"),
								}),
							},
							lookup_schedule: {
								description: "Look up the practice schedule.",
								inputSchema: z.object({ day: z.string() }),
							},
						},
						toolChoice: { type: "tool", toolName: "record_feedback" },
					});

					return jsonResponse({
						text: result.text,
						toolCalls: result.toolCalls,
						finishReason: result.finishReason,
					});
				}

				// ----- Structured output -----
				case "/chat/structured": {
					const result = await generateText({
						model: provider(model as any),
						prompt: "Give me info about France. Return JSON with name, capital, and population.",
						output: Output.object({
							schema: z.object({
								name: z.string(),
								capital: z.string(),
								population: z.number(),
							}),
						}),
					});

					return jsonResponse({ result: result.output });
				}

				default:
					return jsonResponse({ error: `Unknown path: ${url.pathname}` }, 404);
			}
		} catch (err: unknown) {
			return jsonResponse(
				{
					error: (err as Error).message,
					stack: (err as Error).stack,
				},
				500,
			);
		}
	},
};
