// Runs the planner's program beside the page. What the page asks before the program is ready is kept for it.
self.early = [];
self.onmessage = (message) => self.early.push(message);

importScripts("/wasm_exec.js");

const go = new Go();
WebAssembly.instantiateStreaming(fetch("/web/planner.wasm"), go.importObject)
  .then((program) => go.run(program.instance))
  .finally(() => self.postMessage({ ended: true }));
