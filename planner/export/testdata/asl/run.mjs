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

const times = { initUs: 1000, inputUs: 100, computeUs: 2000, outputUs: 300 };

// A function fails when its name is given as the third argument, with the error type of the fourth.
function answer(args) {
  seen.push({ arguments: args });
  const event = args.Payload;
  if (args.FunctionName === process.argv[4] && event.kind !== "abandon") throw { Error: process.argv[5], Cause: '{"errorMessage":"broken"}' };
  if (event.kind === "abandon") return { Payload: {} };
  if (event.kind === "answer") return { Payload: { format: "partita.reply/1", outputs: event.tensors, top: [], trace: { steps: event.steps, top: event.top, startedMs: event.startedMs } } };
  const reply = { format: "partita.reply/1", cold: event.kind !== "run", times };
  if (event.kind === "wake") return { Payload: reply };
  if (event.kind === "prepare") return { Payload: { ...reply, top: 5, tensors: [{ name: "image", dtype: "float32", shape: [1], data: "AAAAAA==" }] } };
  // A stage with two outputs in S3, or one in its answer.
  const tensors = event.transportOut === "s3"
    ? [0, 1].map((n) => ({ name: "t" + n, dtype: "float32", shape: [1], object: { bucket: event.bucket, key: event.keyPrefix + n, bytes: 4 } }))
    : [{ name: "t", dtype: "float32", shape: [1], data: "AACAPw==" }];
  return { Payload: { ...reply, tensors } };
}

async function run(states, name, input, outer) {
  const variables = { ...outer };
  for (;;) {
    const state = states[name];
    const context = { input, context: { Execution: { Name: "e1", StartTime: "2026-11-24T00:00:00.000Z" }, State: { EnteredTime: "2026-11-24T00:00:01.500Z", Name: name, RetryCount: 0 } } };
    let output = input;
    let next = state.Next;
    try {
      if (state.Type === "Fail") throw { Error: await value(state.Error, context, variables), Cause: await value(state.Cause, context, variables) };
      if (state.Type === "Task") context.result = answer(await value(state.Arguments, context, variables));
      if (state.Type === "Parallel") context.result = await Promise.all(state.Branches.map((b) => run(b.States, b.StartAt, input, variables)));
      if (state.Type === "Choice") {
        next = state.Default;
        let chosen = {};
        for (const c of state.Choices) {
          if ((await value(c.Condition, context, variables)) === true) {
            chosen = c;
            next = c.Next;
            break;
          }
        }
        input = chosen.Output === undefined ? input : await value(chosen.Output, context, variables);
        name = next;
        continue;
      }
      output = state.Output === undefined ? context.result ?? input : await value(state.Output, context, variables);
      if (state.Assign) Object.assign(variables, await value(state.Assign, context, variables));
    } catch (failure) {
      if (failure.Error === undefined || !state.Catch) throw failure;
      context.errorOutput = failure;
      output = await value(state.Catch[0].Output, context, variables);
      next = state.Catch[0].Next;
      input = output;
      name = next;
      continue;
    }
    if (state.End || state.Type === "Succeed") return output;
    input = output;
    name = next;
  }
}

let output, failed;
try {
  output = await run(machine.States, machine.StartAt, request, {});
} catch (failure) {
  if (failure.Error === undefined) throw failure;
  failed = failure;
}
process.stdout.write(JSON.stringify({ seen, output, failed }));
