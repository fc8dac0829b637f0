// Shows the OpenAPI document that the page links to. All text goes in as text, never as HTML.

const deepest = 6;

let api = {};

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(part) {
  let found = part;
  for (let hops = 0; found?.$ref && hops < 16; hops += 1) {
    found = found.$ref.slice(2).split("/").reduce(
      (place, step) => place?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  }
  return found ?? {};
}

// Text with `code` in it.
function words(text) {
  return (text ?? "").split("`").map((piece, index) => (index % 2 ? make("code", {}, piece) : piece));
}

function prose(text) {
  return (text ?? "").split("\n\n").filter(Boolean).map((paragraph) => make("p", {}, ...words(paragraph)));
}

// Schemas

const isNull = (schema) => schema.type === "null";

function range(schema, low, high, unit) {
  const [from, to] = [schema[low], schema[high]];
  if (from === undefined && to === undefined) return "";
  if (from === to) return ` of ${from}${unit}`;
  if (to === undefined) return `, from ${from}${unit}`;
  return from === undefined ? `, at most ${to}${unit}` : `, ${from} to ${to}${unit}`;
}

function typeOf(given) {
  const schema = resolve(given);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.oneOf) return [...new Set(schema.oneOf.map(typeOf))].join(" or ");
  const types = [schema.type ?? (schema.properties ? "object" : "any")].flat();
  const plain = types.map((type) => (type === "array" ? `array of ${typeOf(schema.items ?? {})}` : type)).join(" or ");
  const format = schema.format && !schema.format.startsWith("int") ? ` (${schema.format})` : "";
  return plain + format + range(schema, "minimum", "maximum", "") + range(schema, "minLength", "maxLength", " characters");
}

function fieldsOf(given, depth = 0) {
  const schema = resolve(given);
  if (depth > deepest) return null;
  if (schema.allOf) return schema.allOf.map((each) => fieldsOf(each, depth));
  if (schema.oneOf) {
    const objects = schema.oneOf.filter((each) => !isNull(resolve(each)) && fieldsOf(each, depth));
    return objects.length
      ? objects.map((each) => [objects.length > 1 ? prose(resolve(each).description) : null, fieldsOf(each, depth)])
      : null;
  }
  if (schema.items) return fieldsOf(schema.items, depth);
  if (!schema.properties) return null;
  const required = new Set(schema.required ?? []);
  return make("ul", { className: "fields" }, Object.entries(schema.properties).map(([name, field]) => make(
    "li", {},
    make("code", {}, name), " ",
    make("span", { className: "quiet" }, typeOf(field), required.has(name) ? ", required" : ""), " ",
    ...words(field.description ?? resolve(field).description),
    fieldsOf(field, depth + 1))));
}

// The codes of a problem.
function codesOf(schema) {
  return (schema?.allOf ?? []).flatMap((part) => part.properties?.code?.enum ?? []);
}

// Calls

function parametersOf(call) {
  const all = [...(call.item.parameters ?? []), ...(call.operation.parameters ?? [])].map(resolve);
  if (!all.length) return [];
  return [
    make("h3", {}, "Parameters"),
    make("ul", { className: "fields" }, all.map((each) => make(
      "li", {},
      make("code", {}, each.name), " ",
      make("span", { className: "quiet" }, `${each.in}, ${typeOf(each.schema)}${each.required ? ", required" : ""}`), " ",
      ...words(each.description)))),
  ];
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curl(call, value) {
  const server = new URL(api.servers?.[0]?.url ?? "/", location.href);
  const url = new URL(call.path.replaceAll(/\{(\w+)\}/g, "$1"), server).href;
  const parts = [`curl -s ${call.method === "get" ? "" : `-X ${call.method.toUpperCase()} `}${quoted(url)}`];
  const schemes = (call.operation.security ?? api.security ?? []).flatMap(Object.keys);
  for (const scheme of schemes.map((name) => api.components.securitySchemes[name].scheme)) {
    parts.push(scheme === "basic" ? "-u USER:PASSWORD" : `-H "Authorization: Bearer $PAYSAGA_API_KEY"`);
  }
  for (const parameter of (call.operation.parameters ?? []).map(resolve)) {
    if (parameter.in === "header" && parameter.required) {
      parts.push(`-H ${quoted(`${parameter.name}: ${parameter.example ?? ""}`)}`);
    }
  }
  parts.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(value, null, 2))}`);
  return parts.join(" \\\n  ");
}

function examplesOf(media) {
  const named = Object.entries(media?.examples ?? {}).map(([name, each]) => [each.summary ?? name, each.value]);
  return media?.example === undefined ? named : [["", media.example], ...named];
}

function requestOf(call) {
  const body = resolve(call.operation.requestBody);
  return Object.entries(body.content ?? {}).map(([type, media]) => [
    make("h3", {}, `Body, ${type}`),
    fieldsOf(media.schema),
    examplesOf(media).map(([name, value]) => make(
      "details", {}, make("summary", {}, `Example: ${name}`), make("pre", {}, curl(call, value)))),
  ]);
}

function responseOf([status, given]) {
  const response = resolve(given);
  const [type, media] = Object.entries(response.content ?? {})[0] ?? [];
  const codes = codesOf(media?.schema);
  const headers = Object.keys(response.headers ?? {});
  return make(
    "li", {},
    make("p", {}, make("span", { className: "status" }, status), " ", ...words(response.description)),
    codes.length ? make("p", {}, codes.flatMap((code) => [make("code", {}, code), " "])) : null,
    headers.length ? make("p", { className: "quiet" }, `Header fields: ${headers.join(", ")}`) : null,
    media && !codes.length ? make("details", {}, make("summary", {}, type), fieldsOf(media.schema)) : null,
    examplesOf(media).map(([name, value]) => make(
      "details", {}, make("summary", {}, `Example${name ? `: ${name}` : ""}`),
      make("pre", {}, JSON.stringify(value, null, 2)))));
}

function show(call) {
  const { operation } = call;
  const scopes = (operation.security ?? []).flatMap((each) => Object.values(each).flat());
  const details = make(
    "details", {},
    make(
      "summary", {}, make("span", { className: "method" }, call.method.toUpperCase()), " ", make("code", {}, call.path),
      " ", make("span", { className: "quiet" }, operation.summary ?? "")),
    make(
      "div", {}, prose(operation.description),
      scopes.length ? make("p", { className: "quiet" }, `Scope of the API key: ${scopes.join(", ")}`) : null,
      parametersOf(call), requestOf(call),
      make("h3", {}, "Answers"),
      make("ul", { className: "fields" }, Object.entries(operation.responses ?? {}).map(responseOf))));
  return make("article", { id: operation.operationId }, details);
}

function callsOf(paths) {
  const methods = ["get", "post", "put", "patch", "delete"];
  return Object.entries(paths ?? {}).flatMap(([path, item]) => methods
    .filter((method) => item[method])
    .map((method) => ({ path, method, item, operation: item[method] })));
}

// The page

function openNamed() {
  const details = document.getElementById(location.hash.slice(1))?.querySelector("details");
  if (!details) return;
  details.open = true;
  details.scrollIntoView();
}

function filter(text) {
  const wanted = text.trim().toLowerCase();
  for (const node of document.querySelectorAll("article, nav li")) {
    node.classList.toggle("gone", !node.textContent.toLowerCase().includes(wanted));
  }
}

function showAll() {
  const calls = callsOf(api.paths);
  const main = document.getElementById("document");
  document.title = `${api.info.title} API`;
  document.querySelector("h1").textContent = document.title;
  document.getElementById("calls").replaceChildren(make("ul", {}, calls.map((call) => make(
    "li", {}, make("a", { href: `#${call.operation.operationId}` }, call.operation.summary ?? call.path)))));
  main.replaceChildren(...prose(api.info.description));
  for (const tag of api.tags ?? [{ name: undefined }]) {
    main.append(make(
      "section", {}, make("h2", {}, tag.name ?? "Calls"), prose(tag.description),
      calls.filter((call) => !tag.name || call.operation.tags?.includes(tag.name)).map(show)));
  }
  document.getElementById("find").addEventListener("input", (event) => filter(event.target.value));
  addEventListener("hashchange", openNamed);
  openNamed();
}

try {
  const answer = await fetch(document.getElementById("source").href);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  api = await answer.json();
  showAll();
} catch (error) {
  document.getElementById("document").replaceChildren(make("p", { role: "alert" }, `There is no document: ${error.message}`));
}
