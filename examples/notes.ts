// Notes in files of the workspace. What it does, the default grant allows:
//
//   mcp-conductor run examples/notes.ts
//
// Run it again: the notes of the run before are there, and one more is added.

interface Note {
  at: string;
  text: string;
}

declare const WORKSPACE_DIR: string;

const directory = `${WORKSPACE_DIR}/notes`;
const journal = `${directory}/journal.txt`;
const index = `${directory}/index.json`;

async function list(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(path)) {
    names.push(entry.isDirectory ? `${entry.name}/` : entry.name);
  }
  return names.sort();
}

async function notesBefore(): Promise<Note[]> {
  try {
    return JSON.parse(await Deno.readTextFile(index));
  } catch (error) {
    // The first run. Anything else is an error of its own.
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

await Deno.mkdir(directory, { recursive: true });
console.log("before:", await list(directory));

const notes = await notesBefore();
const note: Note = { at: new Date().toISOString(), text: `note number ${notes.length + 1}` };

if (notes.length === 0) {
  await Deno.writeTextFile(journal, "# Journal\n");
  console.log("wrote", journal);
}
await Deno.writeTextFile(journal, `${note.at} ${note.text}\n`, { append: true });
console.log("appended:", note.text);

// A reader sees the old index or the new one, never half of one.
const draft = await Deno.makeTempFile({ dir: directory, suffix: ".json" });
await Deno.writeTextFile(draft, JSON.stringify([...notes, note], null, 2));
await Deno.rename(draft, index);
console.log("after:", await list(directory));

const lines = (await Deno.readTextFile(journal)).trimEnd().split("\n");
console.log("last line of the journal:", lines.at(-1));

({
  directory,
  notes: notes.length + 1,
  first: (notes[0] ?? note).at,
  journal: { lines: lines.length, bytes: (await Deno.stat(journal)).size },
});
