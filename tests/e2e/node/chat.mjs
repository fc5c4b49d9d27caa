// The official Node SDK against Sluice: prints what it got as JSON, for the Python test that started it.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const model = process.env.MODEL;
const messages = [{ role: "user", content: "What is a sluice?" }];

const models = [];
for await (const known of client.models.list()) models.push(known.id);

const whole = await client.chat.completions.create({ model, messages, brand_new_field: { a: [1] } });

let streamed = "";
let usage = null;
const stream = await client.chat.completions.create({
  model, messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

let refused = null;
try {
  await client.chat.completions.create({ model: "no-such-model", messages });
} catch (error) {
  refused = { name: error.constructor.name, status: error.status, code: error.code };
}

console.log(JSON.stringify({ models, whole: whole.choices[0].message.content, usage, streamed, refused }));
