// node classify.mjs [--wasm] MODEL.onnx PICTURE.png ... | PICTURE.rgb:WIDTHxHEIGHT ...
//
// Prints one JSON object a picture. PNG and raw RGB bytes only: JPEG decoders differ, and with
// one that is not Pillow's the answers may differ a little.

import { readFile } from "node:fs/promises";
import { PNG } from "pngjs";
import { classify, readCard, toRgb } from "./classifier.mjs";

const wasm = process.argv[2] === "--wasm";
const [model, ...pictures] = process.argv.slice(wasm ? 3 : 2);
if (!model || !pictures.length) {
  console.error("usage: node classify.mjs [--wasm] MODEL.onnx PICTURE.png|PICTURE.rgb:WxH ...");
  process.exit(2);
}

const ort = await import(wasm ? "onnxruntime-web" : "onnxruntime-node");
const bytes = new Uint8Array(await readFile(model));
const { classes } = readCard(bytes);
const session = await ort.InferenceSession.create(bytes, {
  executionProviders: [wasm ? "wasm" : "cpu"],
});

async function read(name) {
  const raw = name.match(/^(.+):(\d+)x(\d+)$/);
  if (raw) return [new Uint8Array(await readFile(raw[1])), Number(raw[3]), Number(raw[2])];
  const png = PNG.sync.read(await readFile(name));
  return [toRgb(png.data), png.height, png.width];
}

let bad = 0;
for (const path of pictures) {
  try {
    const [rgb, height, width] = await read(path);
    const answer = await classify(ort, session, classes, rgb, height, width);
    console.log(JSON.stringify({ path, ...answer }));
  } catch (error) {
    bad += 1;
    console.log(JSON.stringify({ path, error: error.message }));
  }
}
process.exitCode = bad ? 3 : 0;
