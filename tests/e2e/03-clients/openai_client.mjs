// npm openai against BASE_URL: one line for each thing tried, "ok NAME" or "FAILED NAME: why".
import { createRequire } from "node:module";

const OpenAI = createRequire(process.env.NPM_DIRECTORY + "/")("openai");
const client = new OpenAI({ baseURL: process.env.BASE_URL + "/v1", apiKey: "sk-test", maxRetries: 2 });
const messages = [{ role: "user", content: "hello" }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];

function want(condition, what) {
	if (!condition) throw new Error(what);
}

const tried = {
	async chat() {
		const answer = await client.chat.completions.create({ model: "tiny", messages, max_tokens: 4 });
		want(answer.choices[0].message.content && answer.usage.completion_tokens === 4, JSON.stringify(answer));
	},
	async chat_stream() {
		let text = "";
		for await (const e of await client.chat.completions.create({ model: "tiny", messages, max_tokens: 4, stream: true }))
			text += e.choices[0]?.delta.content ?? "";
		want(text, "no text");
	},
	async completions() {
		const answer = await client.completions.create({ model: "tiny", prompt: "once", max_tokens: 4 });
		want(answer.choices[0].text, JSON.stringify(answer));
	},
	async embeddings() {
		const answer = await client.embeddings.create({ model: "tiny", input: ["one", "two"], encoding_format: "float" });
		want(answer.data.length === 2 && answer.data[0].embedding.length, JSON.stringify(answer));
	},
	async responses() {
		const answer = await client.responses.create({ model: "tiny", input: "hello", max_output_tokens: 4 });
		want(answer.output_text, JSON.stringify(answer));
	},
	async responses_stream() {
		const types = [];
		for await (const e of await client.responses.create({ model: "tiny", input: "hello", max_output_tokens: 4, stream: true }))
			types.push(e.type);
		want(types[0] === "response.created" && types.at(-1) === "response.completed", types.join());
	},
	async tools() {
		const answer = await client.chat.completions.create({ model: "tools", messages, tools });
		want(answer.choices[0].message.tool_calls[0].function.name === "weather", JSON.stringify(answer));
	},
	async unknown_model() {
		try {
			await client.chat.completions.create({ model: "nobody", messages });
		} catch (error) {
			want(error instanceof OpenAI.NotFoundError && error.code === "model_not_found", String(error));
			return;
		}
		throw new Error("no error");
	},
	async own_retries_on_429() {
		const answer = await client.chat.completions.create({ model: "busy", messages });
		want(answer.choices[0].message.content === "at last", JSON.stringify(answer));
	},
	async leaving_a_stream() {
		const stream = await client.chat.completions.create({ model: "tiny", messages, max_tokens: 1000, stream: true });
		for await (const _ of stream) break;
	},
};

for (const [name, body] of Object.entries(tried)) {
	try {
		await body();
		console.log("ok", name);
	} catch (error) {
		console.log(`FAILED ${name}: ${error}`.replaceAll("\n", " "));
	}
}
process.exit(0);
