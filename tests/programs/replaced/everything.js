// Everything at once: replacements do what the originals do.
for (const [id, at] of properties) put(replace, id, at);
for (const name of names) {
  const result = await run(name);
  quietly(() => judge(name, result));
}
// Ops take no array that is a proxy, so what ends otherwise now is right.
spying = true;
for (const name of names) await run(name);
await report()
