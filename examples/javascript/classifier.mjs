// From raw RGB pixels to a class, for Node and for a page: the file holds all the preprocessing.
//
// `ort` is onnxruntime-node or onnxruntime-web; both have the same interface.

/** Read the class names out of the file: the JSON under the metadata key "kerascnn". */
export function readCard(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true });
  const METADATA_PROPS = 14; // of ModelProto, in onnx.proto
  for (const [field, value] of fields(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const entry = new Map(fields(value));
    if (text.decode(entry.get(1)) === "kerascnn") return JSON.parse(text.decode(entry.get(2)));
  }
  throw new Error("no card in this file: expected one that kerascnn exported");
}

/** Walk through the fields of a protobuf message that hold bytes. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let number = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("not an ONNX file, or a truncated one");
      number += (byte & 0x7f) * factor; // no bit operations: lengths may pass 2^31
      if (byte < 0x80) return number;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error("not an ONNX file, or a truncated one");
      yield [(tag - wire) / 8, bytes.subarray(at, at + length)];
      at += length;
    } else throw new Error("not an ONNX file");
  }
}

/** Classify one picture: `rgb` is a Uint8Array of height x width x 3 values, row by row. */
export async function classify(ort, session, classes, rgb, height, width) {
  if (rgb.length !== height * width * 3) {
    throw new Error(`${rgb.length} bytes; expected ${height} x ${width} x 3`);
  }
  const image = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const { probabilities } = await session.run({ image }, ["probabilities"]);
  const values = probabilities.data;
  const best = values.indexOf(Math.max(...values));
  return { label: classes[best], probability: values[best] };
}

/** Take the alpha away from RGBA pixels; what is transparent is laid on white. */
export function toRgb(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const alpha = rgba[from + 3];
    for (let channel = 0; channel < 3; channel++) {
      // Pillow's rounding: the same bytes as in training.
      const sum = rgba[from + channel] * alpha + 255 * (255 - alpha) + 128;
      rgb[to++] = ((sum >> 8) + sum) >> 8;
    }
  }
  return rgb;
}
