// Runs a state machine of the form "asl" with functions that only record what they are sent, and prints what happened.
// It knows the states that the form uses, and evaluates their expressions with JSONata as Step Functions does.
import { readFileSync } from "node:fs";
import jsonata from "jsonata";

const machine = JSON.parse(readFileSync(process.argv[2], "utf8"));
const request = JSON.parse(readFileSync(process.argv[3], "utf8"));
const seen = [];

async function value(template, states, variables) {
  if (typeof template === "string") {
    const expression = /^\{%(.*)%\}$/s.exec(template);
    if (!expression) return template;
    const result = await jsonata(expression[1]).evaluate(undefined, { states, ...variables });
    if (result === undefined) throw new Error("no value: " + template);
    return JSON.parse(JSON.stringify(result));
  }
  if (Array.isArray(template)) return Promise.all(template.map((item) => value(item, states, variables)));
  if (template && typeof template === "object") {
    const out = {};
    for (const [key, item] of Object.entries(template)) out[key] = await value(item, states, variables);
    return out;
  }
  return template;
}

function answer(resource, args) {
  seen.push({ resource, arguments: args });
  if (resource === "arn:aws:states:::aws-sdk:s3:deleteObjects") return {};
  const event = args.Payload;
  if (event.kind === "wake") return { Payload: { format: "partita.reply/1", cold: true } };
  // A stage with two outputs in S3, or one in its answer.
  const tensors = event.transportOut === "s3"
    ? [0, 1].map((n) => ({ name: "t" + n, dtype: "float32", shape: [1], object: { bucket: event.bucket, key: event.keyPrefix + n, bytes: 4 } }))
    : [{ name: "t", dtype: "float32", shape: [1], data: "AACAPw==" }];
  return { Payload: { format: "partita.reply/1", cold: false, tensors } };
}

async function run(states, name, input, outer) {
  const variables = { ...outer };
  for (;;) {
    const state = states[name];
    const context = { input, context: { Execution: { Name: "e1" } } };
    let next = state.Next;
    if (state.Type === "Succeed") return input;
    if (state.Type === "Choice") {
      next = state.Default;
      for (const choice of state.Choices) if (await value(choice.Condition, context, variables)) { next = choice.Next; break; }
      name = next;
      continue;
    }
    if (state.Type === "Task") context.result = answer(state.Resource, await value(state.Arguments, context, variables));
    if (state.Type === "Parallel") context.result = await Promise.all(state.Branches.map((b) => run(b.States, b.StartAt, input, variables)));
    const output = state.Output === undefined ? context.result ?? input : await value(state.Output, context, variables);
    if (state.Assign) Object.assign(variables, await value(state.Assign, context, variables));
    if (state.End) return output;
    input = output;
    name = next;
  }
}

const output = await run(machine.States, machine.StartAt, request, {});
process.stdout.write(JSON.stringify({ seen, output }));
