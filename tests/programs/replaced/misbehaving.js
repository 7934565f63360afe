// One at a time, what is used at all: replacements that misbehave.
for (const [id, at] of properties) put(replace, id, at);
for (const [id, at] of nowhere) put(trap, id, at);
for (const name of names) await run(name);
restore();
// What a replacement has broken may not end, and nothing else waits for so long.
patience = 30;
// What is printed has all of its properties read, so printing uses everything.
const used = [...hits].filter(([, [place]]) => place !== "printing");
// Until a scenario first waits, or once: what fails is reported later, and the
// report uses the same things.
const fail = () => { throw new Error("replaced") };
const ways = [
  { once: true, act: fail },
  { once: true, act: () => anything(where) },
  { once: false, act: () => undefined },
  { once: false, act: () => anything(where) },
];
for (let i = HALF; i < used.length; i += 2) {
  const [id, [place]] = used[i];
  const base = id.replace(/^(get|set) /, "");
  const at = properties.get(base) ?? nowhere.get(base);
  if (at === undefined) continue;
  for (const { once, act } of ways) {
    hostile = { id, once, act };
    put(properties.has(base) ? replace : trap, base, at);
    const result = run(place);
    if (!once) hostile = null;
    await result;
    restore();
    hostile = null;
  }
}
await report()
