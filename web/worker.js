// Runs the page's program as its planner, beside the page. What the page asks before the program is ready is kept for it.
self.early = [];
self.onmessage = (message) => self.early.push(message);

importScripts("/wasm_exec.js");

const go = new Go();
WebAssembly.instantiateStreaming(fetch("/web/app.wasm"), go.importObject)
  .then((program) => go.run(program.instance))
  .finally(() => self.postMessage({ ended: true }));
