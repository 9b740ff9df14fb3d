// The page: what is asked, what was found, and why. All text goes in as text, never as HTML.

import { PairView } from "/why.js";

const at = (id) => document.getElementById(id);
const state = { facts: null, query: null, result: null, view: null, turn: 0 };

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: is qaconv serve still running?");
  }
  const told = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(told.error);
  return told;
}

// Run a step; what goes wrong is said in a sentence and does not stop the page.
async function step(action) {
  at("problem").hidden = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    at("problem").textContent = error.message;
    at("problem").hidden = false;
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

const cameraName = (camera) => (camera === null ? "unknown" : String(camera));
const rowImage = (row) => `/api/rows/${row}/image`;
const queryImage = (query) => `/api/queries/${query}/image`;

function showFacts(facts) {
  const chance = facts.calibrated
    ? "Probabilities are calibrated: at even odds, by cameras like those they were fitted on."
    : "Probabilities are not calibrated: in order, but no probability that holds (qaconv calibrate RUN).";
  at("facts").textContent =
    `${facts.rows.toLocaleString("en")} images of ${facts.identities.toLocaleString("en")} known identities in ` +
    `${facts.gallery}, by the model ${facts.model}. ${chance}`;
  const types = facts.limits.types.map((type) => type.replace("image/", "").toUpperCase()).join(", ");
  at("limits").textContent = `${types}; up to ${facts.limits.bytes / 1e6} MB.`;
  at("sample").replaceChildren(
    ...facts.sample.map((row, number) =>
      element(
        "button",
        { type: "button", onclick: () => step(() => ask(`/api/rows/${row}/query`, { method: "POST" })) },
        element("img", { src: rowImage(row), alt: `Crop ${number + 1} of the gallery`, loading: "lazy" }),
      ),
    ),
  );
  for (const { camera, rows } of facts.cameras) {
    const box = element("input", { type: "checkbox", name: "camera", value: cameraName(camera) });
    at("cameras").append(element("label", {}, box, `${cameraName(camera)} (${rows.toLocaleString("en")})`));
  }
  at("cameras").hidden = facts.cameras.length < 2;
  at("times").hidden = facts.times === null;
  if (facts.times) {
    at("after").placeholder = Math.floor(facts.times[0]);
    at("before").placeholder = Math.ceil(facts.times[1]);
  }
}

async function upload(file) {
  if (!file) return;
  const { limits } = state.facts;
  if (!limits.types.includes(file.type)) throw new Error(`Got ${file.type || "something else"}, wanted ${limits.types.join(", ")}.`);
  if (file.size > limits.bytes) throw new Error(`Got ${(file.size / 1e6).toFixed(1)} MB, wanted at most ${limits.bytes / 1e6} MB.`);
  await ask("/api/queries", { method: "POST", body: file, headers: { "Content-Type": file.type } });
}

async function ask(path, options) {
  at("status").textContent = "Searching…";
  try {
    state.query = (await call(path, options)).id;
  } catch (error) {
    at("status").textContent = "";
    throw error;
  }
  at("asked").src = queryImage(state.query);
  at("asked").alt = "The query";
  at("asked").hidden = false;
  await search();
}

async function search() {
  if (!state.query) throw new Error("Choose a crop to search with first.");
  const wanted = new URLSearchParams({ k: at("count").value || "12" });
  for (const box of at("filter").querySelectorAll("[name=camera]:checked")) wanted.append("camera", box.value);
  for (const name of ["after", "before"]) if (at(name).value !== "") wanted.append(name, at(name).value);
  const turn = ++state.turn;
  const ranking = await call(`/api/queries/${state.query}/ranking?${wanted}`);
  if (turn !== state.turn) return;
  const { found } = ranking;
  const filter = ranking.where ? ` Filter: ${ranking.where}.` : "";
  at("status").textContent = found.length
    ? `${found.length} found, the best first.${filter}`
    : `Nothing fulfils the filter.${filter}`;
  at("found").replaceChildren(...found.map(tile));
  at("why").hidden = !found.length;
  if (found.length) await explain(found[0], 1, false);
}

function tile(row, number) {
  const rank = number + 1;
  const facts = [
    row.identity === null ? null : `identity ${row.identity}`,
    row.camera === null ? null : `camera ${row.camera}`,
    row.time === null ? null : `${row.time.toFixed(1)} s`,
  ].filter((fact) => fact !== null);
  const chance = `${(100 * row.probability).toFixed(1)}\u00a0%${state.facts.calibrated ? "" : "*"}`;
  const button = element(
    "button",
    { type: "button", title: row.name, onclick: () => step(() => explain(row, rank, true)) },
    element("img", { src: rowImage(row.row), alt: `Result ${rank}`, loading: "lazy" }),
    element("b", {}, `${rank}. ${chance}`),
    element("span", {}, `score ${row.score.toFixed(2)}`),
    ...facts.map((fact) => element("span", {}, fact)),
  );
  button.dataset.row = row.row;
  button.setAttribute("aria-pressed", "false");
  return element("li", {}, button);
}

// Take a result's score apart; move: bring it into view where it lies below.
async function explain(row, rank, move) {
  const turn = ++state.turn;
  const pair = await call(`/api/queries/${state.query}/rows/${row.row}?plain=${at("plain").checked}`);
  if (turn !== state.turn) return;
  state.result = { row, rank };
  for (const button of at("found").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.row === String(row.row)));
  }
  const sum = (part) => part.reduce((total, value) => total + value, 0);
  const signed = (value) => `${value < 0 ? "−" : "+"} ${Math.abs(value).toFixed(2)}`;
  at("sum").textContent =
    `Score ${pair.score.toFixed(2)} = ${sum(pair.query.part).toFixed(2)} locations of the query ` +
    `${signed(sum(pair.result.part))} of the result ${signed(pair.bias)} the same for all pairs.`;
  at("result-name").textContent = `result ${rank}: ${row.name}`;
  state.view.show(pair, [
    { name: "Query", source: queryImage(state.query) },
    { name: `Result ${rank}`, source: rowImage(row.row) },
  ]);
  const location = (number) => `${Math.floor(number / state.view.columns) + 1} · ${(number % state.view.columns) + 1}`;
  at("matches").replaceChildren(
    ...pair.matches.slice(0, 40).map((match) =>
      element(
        "tr",
        {},
        ...[location(match.query), location(match.result), match.correlation.toFixed(3), match.part.toFixed(4)].map((text) =>
          element("td", {}, text),
        ),
      ),
    ),
  );
  const below = at("why").getBoundingClientRect();
  if (move && (below.top > innerHeight * 0.8 || below.top < 0)) at("why").scrollIntoView();
}

function listen() {
  const drop = at("drop");
  at("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same file again is a change too
    step(() => upload(file));
  });
  // All of the page takes it: a browser would leave the page for an image dropped beside the place.
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
  document.addEventListener("dragover", () => drop.classList.add("over"));
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    step(() => upload(event.dataTransfer.files[0]));
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) step(() => upload(file));
  });
  at("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    step(search);
  });
  at("cameras").addEventListener("change", () => state.query && step(search));
  at("heat").addEventListener("change", (event) => {
    state.view.heat = event.target.checked;
    state.view.draw();
  });
  at("lines").addEventListener("input", (event) => {
    state.view.lines = Number(event.target.value);
    state.view.draw();
  });
  at("plain").addEventListener("change", () => step(() => explain(state.result.row, state.result.rank, false)));
  at("again").addEventListener("click", () =>
    step(() => ask(`/api/rows/${state.result.row.row}/query`, { method: "POST" })),
  );
}

step(async () => {
  state.facts = await call("/api/gallery");
  showFacts(state.facts);
  state.view = new PairView(at("pair"), at("told"), state.facts);
  listen();
});
