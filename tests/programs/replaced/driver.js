// Runs the scenarios, first as they are.

// A scenario that a replacement has broken may never end. Nothing is looked up on
// these promises, whatever stands in for Promise.prototype.constructor.
function settled(promise) {
  const result = new Later(mine((done) => {
    const end = mine((value) => quietly(() => (never(timer), done(value))));
    const timer = later(mine(() => end(LATE)), patience);
    quietly(() => then(pinned(promise, undefined), end, end));
  }));
  return pinned(result, Later);
}
const LATE = { late: true };
let patience = 10_000;
function pinned(promise, constructor) {
  defineProperty(promise, "constructor", { __proto__: null, value: constructor });
  return promise;
}

let steps = 0;
function run(name) {
  where = name;
  steps = 0;
  return settled(attempt(scenarios[name]));
}

// Whatever fails late is part of the game.
const preventDefault = uncurry(Event.prototype.preventDefault);
for (const name of ["unhandledrejection", "error"]) {
  addEventListener(name, mine((event) => quietly(() => preventDefault(event))));
}

const broken = [];
function judge(name, result) {
  if (result === LATE) broken.push(`${name} does not end`);
  else if (result instanceof Error) broken.push(`${name}: ${result.stack ?? result}`);
}

const names = Object.keys(scenarios);
for (const name of names) {
  const result = await run(name);
  judge(name, result);
  learn(result);
}
learn([globalThis, import.meta, new Proxy({}, {})]);

// Every property of everything that has a name, with a name for it.
const properties = new Map();
for (const [object, name] of targets()) {
  learn(object);
  for (const key of ownKeys(object)) {
    properties.set(`${name}.${typeof key === "symbol" ? `[${key.description}]` : key}`, [object, key]);
  }
}

// Names that the platform's own scripts use, and that no object inherits.
const nowhere = new Map();
{
  const words = new Set(WORDS);
  const name = /\.([A-Za-z_$][\w$]*)|[{,]\s*([A-Za-z_$][\w$]*)\s*[,}:=]/g;
  for (const text of knownTexts) for (const [, a, b] of text.matchAll(name)) words.add(a ?? b);
  for (let i = 0; i < 9; i++) {
    words.add(String(i));
    nowhere.set(`Array.prototype[${i}]`, [Array.prototype, String(i)]);
  }
  for (const word of words) nowhere.set(`Object.prototype.${word}`, [Object.prototype, word]);
  for (const key of ownKeys(Symbol)) {
    if (typeof Symbol[key] === "symbol") nowhere.set(`Object.prototype[Symbol.${key}]`, [Object.prototype, Symbol[key]]);
  }
}

const undo = [];
function put(way, id, [object, key]) {
  const back = quietly(() => way(object, key, id));
  if (back) undo[undo.length] = back;
}
function restore() {
  quietly(() => undo.reverse().forEach((back) => back()));
  undo.length = 0;
}

// A function of the platform's scripts that leads to nothing does no harm: each is
// called, and what it answers and what it does with its arguments is looked at.
async function follow(f, how) {
  where = how;
  for (let i = 0; i < 4; i++) {
    steps = 0;
    const receiver = i % 2 ? anything(how) : undefined;
    const args = i < 2 ? [] : [anything(how), anything(how), anything(how)];
    const answer = await settled(attempt(() => apply(f, receiver, args)));
    if (answer !== LATE) quietly(() => look(answer, `${how} answers`));
  }
}

// Has every property and can be called; notes what it is handed. Who goes on and
// on with it is stopped.
const MAX_STEPS = 500;
function anything(how) {
  if (++steps > MAX_STEPS) throw new Error("enough");
  const handed = (...values) => quietly(() => values.forEach((value) => look(value, how)));
  return mine(new Proxy(mine(function () {}), mine({
    get: (_, key) => key === Symbol.toPrimitive ? mine(() => 1) : key === "then" ? undefined : anything(how),
    set: (_, key, value) => (handed(value), true),
    apply: (_, receiver, args) => (handed(receiver, ...args), anything(how)),
    construct: (_, args) => (handed(...args), anything(how)),
    defineProperty: (_, key, descriptor) => (handed(descriptor.value), true),
  })));
}

// Ends the run: what a replacement has broken may wait for ever.
async function report() {
  restore();
  for (const [f, how] of [...foreign.values()]) await follow(f, how);
  const result = {
    broken,
    properties: properties.size,
    nowhere: nowhere.size,
    hits: hits.size,
    foreign: foreign.size,
    leaks: [...leaks].map(([what, how]) => `${what}: ${how}`),
  };
  console.log(JSON.stringify(result));
  Deno.exit(0);
}
