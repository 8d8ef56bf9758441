// Runs the planner's program beside the page. What the page asks before the program is ready is kept for it. The address of this script
// names the page's version, and so do those of what it loads.
self.early = [];
self.onmessage = (message) => self.early.push(message);

importScripts("/wasm_exec.js" + self.location.search);

const go = new Go();
WebAssembly.instantiateStreaming(fetch("/web/planner.wasm" + self.location.search), go.importObject)
  .then((program) => go.run(program.instance))
  .finally(() => self.postMessage({ ended: true }));
