// Writes FILE.br and FILE.gz beside each FILE named on the command line, for a server that sends them as they are.
import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

for (const file of process.argv.slice(2)) {
  const raw = readFileSync(file);
  writeFileSync(file + ".gz", gzipSync(raw, { level: 9 }));
  writeFileSync(
    file + ".br",
    brotliCompressSync(raw, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_LGWIN]: 24,
        [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
      },
    }),
  );
}
