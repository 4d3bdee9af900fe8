// The openai npm package against the server at the URL given: prints what it saw as JSON.
import OpenAI from "openai";

const [url, model, prompt] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
const messages = [{ role: "user", content: prompt }];

const whole = await client.chat.completions.create({ model, messages, temperature: 0 });

const parts = [];
const stream = await client.chat.completions.create({
  model, messages, temperature: 0, stream: true,
});
for await (const chunk of stream) parts.push(chunk.choices[0]?.delta?.content ?? "");

const completion = await client.completions.create({
  model, prompt: "Hello", max_tokens: 4, temperature: 0,
});

const names = [];
for await (const entry of client.models.list()) names.push(entry.id);

const error = await client.chat.completions
  .create({ model: "other", messages })
  .then(() => null, (reason) => reason);

console.log(JSON.stringify({
  text: whole.choices[0].message.content,
  streamed: parts.join(""),
  parts: parts.length,
  completion: completion.choices[0].finish_reason,
  models: names,
  error: { notFound: error instanceof OpenAI.NotFoundError, code: error?.code },
}));
