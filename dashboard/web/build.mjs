// Builds dashboard/static/build: bundled scripts and styles under content-hashed names, the world map, the API docs
// viewer, and manifest.json, which maps plain names to hashed ones. The manifest is written last: no manifest, no build.

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { worldMap } from "./world.mjs";

const HERE = new URL("./", import.meta.url);
const OUT = new URL("../static/build/", import.meta.url);
const MAX_GZIP_BYTES = 100 * 1024;
const SWAGGER = ["swagger-ui-bundle.js", "swagger-ui.css"];
const SWAGGER_NOTICES = {
  "swagger-ui-LICENSE.txt": "LICENSE",
  "swagger-ui-NOTICE.txt": "NOTICE",
  "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
};

// Not for pages: the letters of label sheets, which codes/label_text.py reads from the build folder.
const FONT = { "fonts/DejaVuSansCondensed.ttf": "ttf/DejaVuSansCondensed.ttf", "fonts/LICENSE.txt": "LICENSE" };

const packageFile = (name) => readFile(fileURLToPath(import.meta.resolve(name)));

async function bundled() {
  const result = await build({
    entryPoints: ["app.js", "docs.js", "app.css"].map((name) => fileURLToPath(new URL(name, HERE))),
    bundle: true,
    minify: true,
    write: false,
    outdir: fileURLToPath(OUT),
    format: "esm",
    target: ["es2022", "chrome111", "firefox113", "safari16.4"],
    legalComments: "inline",
  });
  return result.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]);
}

async function main() {
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });

  const own = [...(await bundled()), ["favicon.svg", await readFile(new URL("favicon.svg", HERE))]];
  const world = Buffer.from(JSON.stringify(await worldMap()));
  const swagger = await Promise.all(SWAGGER.map(async (name) => [name, await packageFile(`swagger-ui-dist/${name}`)]));

  const manifest = {};
  for (const [name, content] of [...own, ...swagger]) {
    manifest[name] = hashedName(name, content);
    await writeFile(new URL(manifest[name], OUT), content);
  }
  for (const [name, source] of Object.entries(SWAGGER_NOTICES)) {
    await writeFile(new URL(name, OUT), await packageFile(`swagger-ui-dist/${source}`));
  }
  await mkdir(new URL("fonts/", OUT));
  for (const [name, source] of Object.entries(FONT)) {
    await writeFile(new URL(name, OUT), await packageFile(`dejavu-fonts-ttf/${source}`));
  }
  await writeFile(new URL("world.json", OUT), world);
  await writeFile(new URL("manifest.json", OUT), JSON.stringify(manifest, null, 2) + "\n");
  reportSizes([...own, ["world.json", world]]);
}

function hashedName(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
  const extension = extname(name);
  return `${basename(name, extension)}-${hash}${extension}`;
}

function reportSizes(files) {
  let total = 0;
  for (const [name, content] of files) {
    const bytes = gzipSync(content, { level: 9 }).length;
    total += bytes;
    console.log(`${name.padEnd(12)} ${(bytes / 1024).toFixed(1).padStart(6)} KB gzip`);
  }
  console.log(`${"total".padEnd(12)} ${(total / 1024).toFixed(1).padStart(6)} KB gzip`);
  if (total > MAX_GZIP_BYTES) throw new Error("the dashboard's own assets are over 100 KB gzip: make them smaller");
}

await main();
