// Cells of the `openai` Node client: node openai_node.mjs URL KEY, where npm installed `openai`.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, key, folder, cells] = process.argv.slice(2);
const find = createRequire(`${folder}/package.json`);
const { default: OpenAI } = await import(pathToFileURL(find.resolve("openai")).href);
const { cases, arguments: wanted, text: TEXT, advice, pixel, schema, parameters, deliveries } = JSON.parse(cells);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const image = `data:image/png;base64,${pixel}`;
const question = (name, ...tag) => `Should I help her? case:${name} tag:openai Node/${tag.join("/")}`;
const fn = { name: "f", parameters, strict: false };

async function cell(row, delivery, name, work) {
  let result;
  try {
    const why = (await work()) ?? "";
    result = { ok: !why, why };
  } catch (error) {
    result = { ok: false, why: "", failure: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify({ row, delivery, case: name, ...result }));
}

const fails = (name, ask) =>
  name === "error"
    ? assert.rejects(ask, (e) => e instanceof OpenAI.BadRequestError && /no such thing/.test(e.message))
    : assert.rejects(ask, (e) => e instanceof OpenAI.APIConnectionTimeoutError || e instanceof OpenAI.APIUserAbortError);
const options = (name) => (name === "disconnect" ? { timeout: 400 } : {});

async function chat(name, delivery) {
  const text = question(name, "chat", delivery);
  const body = {
    model: "m",
    messages: [{ role: "user", content: name === "image" ? [{ type: "text", text }, { type: "image_url", image_url: { url: image } }] : text }],
    ...(name === "tools" && { tools: [{ type: "function", function: fn }] }),
    ...(name === "schema" && { response_format: { type: "json_schema", json_schema: { name: "advice", schema, strict: true } } }),
    ...(name === "n2" && { n: 2 }),
  };
  const ask = () =>
    delivery === "json"
      ? client.chat.completions.create(body, options(name))
      : client.chat.completions.stream(body, options(name)).finalChatCompletion();
  if (name === "error" || name === "disconnect") return void (await fails(name, ask));
  const found = await ask();
  const { message } = found.choices[0];
  if (name === "tools") assert.equal(message.tool_calls[0].function.arguments, wanted);
  else if (name === "refusal") assert.equal(message.refusal, "No.");
  else if (name === "schema") assert.equal(message.content, advice);
  else assert.deepEqual(found.choices.map((c) => c.message.content), Array(name === "n2" ? 2 : 1).fill(TEXT));
}

async function responses(model, name, delivery) {
  if (name === "n2") return "the API has no `n`";
  const text = question(name, "responses", model, delivery);
  const body = {
    model,
    input: name === "image" ? [{ role: "user", content: [{ type: "input_text", text }, { type: "input_image", image_url: image, detail: "auto" }] }] : text,
    ...(name === "tools" && { tools: [{ type: "function", ...fn }] }),
    ...(name === "schema" && { text: { format: { type: "json_schema", name: "advice", schema, strict: true } } }),
  };
  const ask = () =>
    delivery === "json" ? client.responses.create(body, options(name)) : client.responses.stream(body, options(name)).finalResponse();
  if (name === "error" || name === "disconnect") return void (await fails(name, ask));
  const found = await ask();
  if (name === "tools") assert.deepEqual(found.output.filter((i) => i.type === "function_call").map((i) => i.arguments), [wanted]);
  else if (name === "refusal") assert.equal(found.output.at(-1).content[0].refusal, "No.");
  else {
    const texts = found.output.filter((i) => i.type === "message").flatMap((i) => i.content.map((c) => c.text));
    assert.deepEqual(texts, [name === "schema" ? advice : TEXT]);
  }
}

async function completions(name, delivery) {
  if (["tools", "schema", "image", "refusal"].includes(name)) return "the API has text alone";
  const stream = delivery === "stream";
  const body = { model: "m", prompt: question(name, "completions", delivery), stream, ...(name === "n2" && { n: 2 }) };
  const ask = async () => {
    const found = await client.completions.create(body, options(name));
    if (!stream) return found.choices.map((c) => c.text);
    const texts = [""];
    for await (const chunk of found) for (const c of chunk.choices) texts[c.index] = (texts[c.index] ?? "") + c.text;
    return texts;
  };
  if (name === "error" || name === "disconnect") return void (await fails(name, ask));
  assert.deepEqual(await ask(), Array(name === "n2" ? 2 : 1).fill(TEXT));
}

async function embeddings(name) {
  if (!["text", "error", "disconnect"].includes(name)) return "the API embeds text alone";
  const ask = () =>
    client.embeddings.create({ model: "m", input: question(name, "embeddings", "json"), encoding_format: "float" }, options(name));
  if (name !== "text") return void (await fails(name, ask));
  assert.deepEqual((await ask()).data[0].embedding, [0.5, -1.0]);
}

for (const name of cases) {
  for (const delivery of deliveries) {
    await cell("chat/completions", delivery, name, () => chat(name, delivery));
    await cell("responses", delivery, name, () => responses("m", name, delivery));
    await cell("responses, translated", delivery, name, () => responses("chat-only", name, delivery));
    await cell("completions", delivery, name, () => completions(name, delivery));
  }
  if (deliveries.includes("json")) await cell("embeddings", "json", name, () => embeddings(name));
}
if (deliveries.includes("json")) await cell("models", "json", "text", async () => {
  assert.equal((await client.models.list()).data[0].id, "m");
  await assert.rejects(client.models.retrieve("x"), OpenAI.NotFoundError);
});
