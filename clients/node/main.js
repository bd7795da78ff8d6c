// Sends the life of one request to Tidegate: node main.js BROKER [PREFIX]
import { Kafka, CompressionTypes } from "kafkajs";

const [broker, prefix = "tidegate."] = process.argv.slice(2);
const producer = new Kafka({ clientId: "chat-service", brokers: [broker] }).producer();
const waiting = [];
let dropped = 0;

// Never waits: when too much is waiting, the event is dropped. Fields: docs/schemas/RequestEvent.json
function emit(event) {
  if (waiting.length >= 20_000) dropped += 1;
  else waiting.push(JSON.stringify({ at_us: Date.now() * 1000, ...event }));
}

// One message of JSON lines for all that has gathered costs far less than one message for each.
async function flush() {
  const lines = waiting.splice(0, 500);
  if (lines.length === 0) return;
  await producer
    .send({ topic: prefix + "requests", compression: CompressionTypes.GZIP, messages: [{ value: lines.join("\n") }] })
    .catch((error) => console.error("dropped", lines.length, error.message));
}

await producer.connect();
const timer = setInterval(flush, 200);
const began = performance.now();
emit({ kind: "arrived", pool: "chat", model: "m", prompt_tokens: 12 });
emit({
  kind: "finished", pool: "chat", model: "m", status: 200, output_tokens: 40,
  ttft_s: 0.2, duration_s: (performance.now() - began) / 1000,
});
clearInterval(timer);
await flush();
await producer.disconnect();
