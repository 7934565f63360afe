// All at once: replacements do what the originals do.
const back = [];
for (const [id, [object, key]] of ids) {
  if (object === globalThis && typeof key === "string" && SELF.has(key)) continue;
  const f = quietly(() => replace(object, key, id));
  if (f) back.push(f);
}
const outcome = [];
for (let i = 0; i < names.length; i++) {
  looked = new WeakSet();
  const r = await run(names[i]);
  busy++; outcome.push(r instanceof Error || r === LATE ? `${names[i]}: ${r?.stack ?? "late"}` : ""); busy--;
}
busy++;
back.reverse().forEach((f) => f());
busy--;
