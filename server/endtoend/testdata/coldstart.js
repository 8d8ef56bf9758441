// Runs an ONNX file once in onnxruntime-node: node coldstart.js LIBRARY MODEL INPUT SHAPE < numbers. It prints the
// number of elements of the output as soon as it has it.
const [library, model, name, shape] = process.argv.slice(2);
const ort = require(library);

async function main() {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential", graphOptimizationLevel: "all" });
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const bytes = new Uint8Array(Buffer.concat(chunks));
  const input = new ort.Tensor("float32", new Float32Array(bytes.buffer, 0, bytes.length / 4), shape.split(",").map(Number));
  const output = await session.run({ [name]: input });
  console.log("elements " + output[session.outputNames[0]].data.length);
}

main();
