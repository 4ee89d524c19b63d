"use strict";

// Everything is made with textContent, so nothing of the document can become markup.

const VERBS = ["get", "post", "put", "delete", "patch"];

function make(name, text, attributes) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  return element;
}

function resolved(document, schema) {
  let found = schema || {};
  while (found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((place, part) => place[part], document);
  }
  return found;
}

function plain(document, schema) {
  const found = resolved(document, schema);
  const options = found.anyOf || found.oneOf;
  if (!options) return found;
  const first = options.map((each) => resolved(document, each)).find((each) => each.type !== "null");
  return { ...first, ...found, type: (first || {}).type };
}

function kind(document, schema) {
  const found = resolved(document, schema);
  if (found.anyOf) return found.anyOf.map((each) => kind(document, each)).join(" or ");
  if (found.enum) return found.enum.map((each) => JSON.stringify(each)).join(", ");
  if (found.type === "array") return `list of ${kind(document, found.items || {})}`;
  return found.format || found.type || found.title || "any";
}

function example(document, schema, name) {
  const found = plain(document, schema);
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  if (found.type === "object" && found.properties) {
    return Object.fromEntries(
      Object.entries(found.properties)
        .filter(([each]) => (found.required || []).includes(each))
        .map(([each, inner]) => [each, example(document, inner, each)]),
    );
  }
  if (found.type === "object") return {};
  if (found.type === "array") return [example(document, found.items, name)];
  if (found.type === "number" || found.type === "integer") return 1;
  if (found.type === "boolean") return false;
  return name || "text";
}

function fieldTable(document, schema) {
  const found = resolved(document, schema);
  const table = make("table");
  for (const [name, inner] of Object.entries(found.properties || {})) {
    const row = table.appendChild(make("tr"));
    const needed = (found.required || []).includes(name) ? ", required" : "";
    row.append(make("th", name, { scope: "row" }), make("td", kind(document, inner) + needed));
    row.append(make("td", plain(document, inner).description || ""));
    const items = resolved(document, (plain(document, inner) || {}).items || {});
    if (items.properties) {
      row.lastChild.append(fieldTable(document, items));
    }
  }
  return table;
}

function field(form, label, value, rows) {
  const wrapper = form.appendChild(make("label", label));
  const input = make(rows ? "textarea" : "input", null, { spellcheck: "false" });
  if (rows) input.rows = rows;
  input.value = value;
  wrapper.append(input);
  return input;
}

async function ask(verb, path, body, output) {
  const headers = {};
  const key = document.getElementById("key").value.trim();
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  output.textContent = "…";
  try {
    const answer = await fetch(`.${path}`, { method: verb.toUpperCase(), headers, body });
    let text = await answer.text();
    try {
      text = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // not JSON: shown as it is
    }
    const id = answer.headers.get("X-Request-ID") || "";
    output.textContent = `${answer.status} ${answer.statusText}\nX-Request-ID: ${id}\n\n${text}`;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function tryOut(document_, verb, path, operation, parameters) {
  const form = make("form");
  const inputs = parameters.map((each) => [each.name, field(form, each.name, "")]);
  const media = ((operation.requestBody || {}).content || {})["application/json"];
  let body;
  if (media) {
    const sample = JSON.stringify(example(document_, media.schema), null, 2);
    body = field(form, "Body", sample, Math.min(16, sample.split("\n").length + 1));
  }
  form.append(make("button", "Send", { type: "submit" }));
  const output = make("pre", "", { "aria-live": "polite" });
  form.append(output);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const filled = inputs.reduce(
      (address, [name, input]) => address.replace(`{${name}}`, encodeURIComponent(input.value)),
      path,
    );
    ask(verb, filled, body && body.value, output);
  });
  return form;
}

function operationPanel(document_, verb, path, item) {
  const operation = item[verb];
  const panel = make("details", null, { class: "operation", id: operation.operationId });
  const summary = panel.appendChild(make("summary"));
  summary.append(make("span", verb.toUpperCase(), { class: "verb" }), " ");
  summary.append(make("span", path, { class: "path" }));
  summary.append(make("span", operation.summary || "", { class: "note" }));
  const parameters = [...(item.parameters || []), ...(operation.parameters || [])];
  const media = ((operation.requestBody || {}).content || {})["application/json"];
  if (media) panel.append(make("h3", "Body"), fieldTable(document_, media.schema));
  panel.append(make("h3", "Answers"));
  const answers = panel.appendChild(make("table"));
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    const row = answers.appendChild(make("tr"));
    row.append(make("th", status, { scope: "row" }));
    const cell = row.appendChild(make("td", answer.description));
    const shown = Object.values(answer.content || {})[0];
    if (shown && status < "300") cell.append(fieldTable(document_, shown.schema));
  }
  panel.append(make("h3", "Try it"), tryOut(document_, verb, path, operation, parameters));
  return panel;
}

async function start() {
  const state = document.getElementById("state");
  try {
    const found = await (await fetch("openapi.json")).json();
    document.title = document.getElementById("title").textContent = found.info.title;
    const main = document.getElementById("operations");
    const sections = new Map();
    // what a shop or a team asks first, what machines ask last
    const ofMachines = ([, item]) => (Object.values(item)[0].tags || [])[0] === "Health";
    const paths = Object.entries(found.paths);
    for (const [path, item] of [...paths.filter((each) => !ofMachines(each)), ...paths.filter(ofMachines)]) {
      for (const verb of VERBS.filter((each) => item[each])) {
        const tag = (item[verb].tags || ["Other"])[0];
        if (!sections.has(tag)) {
          const section = main.appendChild(make("section"));
          section.append(make("h2", tag));
          sections.set(tag, section);
        }
        sections.get(tag).append(operationPanel(found, verb, path, item));
      }
    }
    state.remove();
  } catch (error) {
    state.textContent = `The document could not be read: ${error.message}`;
  }
}

start();
