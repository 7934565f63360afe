// Runs the scenarios: as they are, with everything replaced, and with one thing
// replaced by what misbehaves.

// A scenario that a replacement has broken may never end.
const PATIENCE_MS = 250;
async function settled(promise) {
  let timer;
  const late = new Later((done) => timer = later(mine(() => done(LATE)), PATIENCE_MS));
  const end = mine(() => never(timer));
  then(promise, end, end);
  return await Later_race([promise, late]);
}
const LATE = { late: true };
const Later_race = Later.race.bind(Later);

async function run(name) {
  where = name;
  try {
    return await settled(attempt(scenarios[name]));
  } catch (error) {
    return error;
  }
}

// Whatever fails late is part of the game.
addEventListener("unhandledrejection", mine((event) => event.preventDefault()));
addEventListener("error", mine((event) => event.preventDefault()));

const names = Object.keys(scenarios);

// What every program can come by.
const WARM = [];
for (const name of names) {
  const before = console.log;
  const result = await run(name);
  WARM.push(result instanceof Error || result === LATE ? `${name}: ${result?.stack ?? "late"}` : "");
  learn(result);
}
learn([globalThis, import.meta, noop, arguments_(), new Proxy({}, {})]);
function arguments_() { return arguments; }
for (const [o] of targets()) learn(o);

const undo = [];
const all = targets();
const ids = new Map();
for (const [object, name] of all) {
  for (const key of ownKeys(object)) {
    const id = `${name}.${typeof key === "symbol" ? `[${key.description}]` : key}`;
    ids.set(id, [object, key]);
  }
}
