// The page: pictures to the server, answers on the screen. No library, no storage, no other host.
"use strict";

const element = id => document.getElementById(id);
const MOST = 50; // answers that stay on the page
let token = "", models = [], current = null, tab = "curl", sentences = {};

// As kerascnn.language.tr: a sentence in the server's language, its values named.
function tr(sentence, values = {}) {
  return (sentences[sentence] ?? sentence).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// As kerascnn.language.count: one alone is not said in the plural.
function count(number, noun) {
  const plural = `{count} ${noun}${noun.endsWith("s") ? "es" : "s"}`;
  const one = number === 1 && !(plural in sentences);
  return one ? `1 ${noun}` : tr(plural, { count: number.toLocaleString() });
}

async function translate() {
  const response = await fetch("page/language.json");
  if (!response.ok) return;
  const { language, table } = await response.json();
  sentences = table;
  document.documentElement.lang = language;
  for (const marked of document.querySelectorAll("[data-tr]")) marked.textContent = tr(marked.textContent);
}

function headers() {
  const language = { "Accept-Language": document.documentElement.lang };
  return token ? { ...language, Authorization: `Bearer ${token}` } : language;
}

// As the report writes it: ties go to the even digit.
const percent = new Intl.NumberFormat("en", {
  style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1, roundingMode: "halfEven",
});

async function explain(response) {
  const text = await response.text();
  try { return JSON.parse(text).error || text; } catch { return text || response.statusText; }
}

function say(text, bad = false) {
  element("status").textContent = text;
  element("status").classList.toggle("bad", bad);
}

async function load() {
  const response = await fetch("v1/models", { headers: headers() });
  if (response.status === 401) {
    if (token) say(tr("Wrong token."), true);
    element("about").textContent = tr("A token is needed.");
    element("token-form").hidden = false;
    element("token").focus();
    return;
  }
  if (response.status === 503) { // it is being loaded
    setTimeout(() => load().catch(lost), 1000);
    return;
  }
  if (!response.ok) { say(await explain(response), true); return; }
  element("token-form").hidden = true;
  say("");
  models = (await response.json()).models;
  const select = element("model");
  select.replaceChildren(...models.map(model => new Option(model.name, model.name)));
  element("choose-model").hidden = models.length < 2;
  show(models[0]);
}

function lost() { say(tr("The server does not respond."), true); }

function show(model) {
  current = model;
  const card = model.card, metrics = card.metrics || {};
  const size = `${card.image_size} × ${card.image_width ?? card.image_size}`;
  document.title = `${model.name} · kerascnn`;
  element("title").textContent = model.name;
  element("about").textContent =
    tr("{classes}, {network} at {size}", { classes: count(card.classes.length, "class"), network: card.network, size });
  const names = { top1: tr("Accuracy"), val_top1: tr("Validation accuracy"), train_top1: tr("Training accuracy") };
  const facts = {
    [tr("Network")]: card.network,
    [tr("Input")]: tr("{size} pixels, {resize}", { size, resize: card.resize }),
    [tr("Precision")]: card.precision,
    [tr("Runs on")]: model.provider,
    [tr("Version")]: model.version,
    [tr("Trained on")]: card.data && card.data.name,
    [tr("Made with")]: card.versions && card.versions.kerascnn && `kerascnn ${card.versions.kerascnn}`,
  };
  for (const [name, value] of Object.entries(metrics)) {
    if (names[name]) facts[names[name]] = percent.format(value);
  }
  if (card.parity) {
    facts[tr("Compared with Keras")] = tr("on {pictures}, {count} top-1 predictions differ",
      { pictures: count(card.parity.images, "picture"), count: card.parity.top1_mismatches });
  }
  const list = element("card");
  list.replaceChildren();
  for (const [name, value] of Object.entries(facts)) {
    if (!value) continue;
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  element("count").textContent = card.classes.length;
  element("classes").replaceChildren(...card.classes.map(name => {
    const item = document.createElement("li");
    item.textContent = name;
    return item;
  }));
  showCode();
}

function code() {
  const base = location.href.replace(/[#?].*$/, "").replace(/\/$/, "");
  const url = `${base}/v1/models/${encodeURIComponent(current.name)}/predict`;
  const host = base.replace(/^https?:\/\//, "");
  const bearer = token ? " -H 'Authorization: Bearer TOKEN'" : "";
  const python = token ? `, headers={"Authorization": "Bearer TOKEN"}` : "";
  return {
    curl: `curl${bearer} --data-binary @picture.jpg '${url}'\n` +
      `curl${bearer} -F a=@one.jpg -F b=@two.jpg '${url}'`,
    python: `import urllib.request, json\n\n` +
      `request = urllib.request.Request("${url}", open("picture.jpg", "rb").read()${python})\n` +
      `print(json.load(urllib.request.urlopen(request))["label"])`,
    triton: `import numpy as np, tritonclient.http as triton\nfrom PIL import Image\n\n` +
      `picture = np.asarray(Image.open("picture.jpg").convert("RGB"))[None]  # any size\n` +
      `image = triton.InferInput("image", picture.shape, "UINT8")\n` +
      `image.set_data_from_numpy(picture)\n` +
      `answer = triton.InferenceServerClient("${host}").infer(${JSON.stringify(current.name)}, [image]` +
      `${python})\nprint(answer.as_numpy("probabilities"))`,
  }[tab];
}

function showCode() {
  if (!current) return;
  element("code").textContent = code();
  element("code").setAttribute("aria-labelledby", `tab-${tab}`);
}

async function classify(file) {
  const article = element("answer").content.cloneNode(true).firstElementChild;
  const image = article.querySelector("img");
  image.onload = () => {
    image.classList.toggle("small", image.naturalWidth < 160);
    URL.revokeObjectURL(image.src);
  };
  image.onerror = () => { image.hidden = true; };
  image.src = URL.createObjectURL(file);
  article.querySelector("h3").textContent = file.name || tr("pasted picture");
  article.querySelector(".verdict").textContent = "…";
  element("answers").prepend(article);
  while (element("answers").children.length > MOST) element("answers").lastElementChild.remove();
  const began = performance.now();
  let response;
  try {
    response = await fetch(`v1/models/${encodeURIComponent(current.name)}/predict`,
      { method: "POST", headers: headers(), body: file });
  } catch {
    fail(article, tr("The server does not respond."));
    return;
  }
  const milliseconds = performance.now() - began;
  if (!response.ok) { fail(article, await explain(response)); return; }
  fill(article, await response.json(), milliseconds, response.headers.get("Server-Timing") || "");
}

function fail(article, text) {
  article.classList.add("bad");
  article.querySelector(".verdict").textContent = text;
}

function fill(article, answer, milliseconds, timing) {
  article.querySelector("img").alt = `${answer.label}`;
  article.querySelector(".verdict").textContent = answer.label ?? tr("unsure");
  article.querySelector("ol").replaceChildren(...answer.top.map((ranked, rank) => {
    const item = document.createElement("li"), name = document.createElement("span");
    const bar = document.createElement("progress"), share = document.createElement("span");
    item.classList.toggle("first", rank === 0);
    name.className = "name";
    name.textContent = ranked.label;
    bar.value = ranked.probability;
    bar.setAttribute("aria-hidden", "true");
    share.className = "share";
    share.textContent = percent.format(ranked.probability);
    item.append(name, bar, share);
    return item;
  }));
  const stages = [...timing.matchAll(/(\w+);dur=([\d.]+)/g)]
    .map(([, stage, time]) => `${tr(stage)} ${Number(time).toFixed(1)}`);
  article.querySelector(".times").textContent =
    tr("{time} ms round trip", { time: milliseconds.toFixed(0) }) +
    (stages.length ? tr("; in the server, ms: {stages}", { stages: stages.join(", ") }) : "");
}

async function take(files) {
  if (!current) { say(tr("There is no model yet."), true); return; }
  const chosen = [...files];
  if (!chosen.length) { say(tr("That was not a picture."), true); return; }
  let done = 0;
  for (const file of chosen) {
    say(chosen.length > 1 ? tr("{done} of {total}", { done, total: chosen.length }) : "");
    await classify(file);
    done += 1;
  }
  say(chosen.length > 1 ? count(done, "picture") : "");
}

function choose(name) {
  tab = name;
  for (const button of document.querySelectorAll("[role=tab]")) {
    const selected = button.id === `tab-${name}`;
    button.setAttribute("aria-selected", String(selected));
    button.tabIndex = selected ? 0 : -1;
  }
  showCode();
}

function listen() {
  const drop = element("drop"), tabs = [...document.querySelectorAll("[role=tab]")];
  element("choose").addEventListener("click", () => element("files").click());
  element("files").addEventListener("change", event => {
    take(event.target.files);
    event.target.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, event => { event.preventDefault(); drop.classList.add("over"); });
  }
  document.addEventListener("dragleave", event => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", event => {
    if (event.clipboardData.files.length) take(event.clipboardData.files);
  });
  element("model").addEventListener("change", event =>
    show(models.find(model => model.name === event.target.value)));
  element("token-form").addEventListener("submit", event => {
    event.preventDefault();
    token = element("token").value.trim();
    load().catch(lost);
  });
  tabs.forEach((button, index) => {
    button.addEventListener("click", () => choose(button.id.slice(4)));
    button.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      next.focus();
      choose(next.id.slice(4));
    });
  });
  element("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(element("code").textContent);
      element("copy").textContent = tr("Copied");
    } catch { // not on a page without TLS from another machine
      getSelection().selectAllChildren(element("code"));
      element("copy").textContent = tr("Selected");
    }
    setTimeout(() => { element("copy").textContent = tr("Copy"); }, 1500);
  });
}

listen();
translate().finally(() => load().catch(lost));
