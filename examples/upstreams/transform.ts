// A transformation of files in the workspace: every CSV file of inbox/ becomes JSON
// lines in outbox/, cleaned on the way. The default grant allows it.
//
//   target/release/mcp-conductor run examples/upstreams/transform.ts
//
// The first run puts a file into inbox/, if there is none.

declare const WORKSPACE_DIR: string;

const inbox = `${WORKSPACE_DIR}/inbox`;
const outbox = `${WORKSPACE_DIR}/outbox`;

const SAMPLE = `date,product,amount
2026-01-05,"Lamp, brass",129.90
2026-01-07,"Desk ""Oslo""",480
not a date,Chair,75
2026-01-09,Rug,
`;

/** Cells of one line of CSV (RFC 4180), without line breaks in them. */
function cells(line: string): string[] {
  const found: string[] = [];
  for (const [, quoted, plain] of `,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    found.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'));
  }
  return found;
}

function records(text: string): Record<string, string>[] {
  const [head = "", ...lines] = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const names = cells(head);
  return lines.map((line) => {
    const values = cells(line);
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
  });
}

/** A clean record, or why there is none. */
function clean(record: Record<string, string>): { date: string; product: string; amount: number } | string {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(record.date)) return `"${record.date}" is no date`;
  if (record.amount === "") return "there is no amount";
  const amount = Number(record.amount);
  if (!Number.isFinite(amount)) return `"${record.amount}" is no amount`;
  return { date: record.date, product: record.product, amount };
}

async function csvFiles(): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(inbox)) {
    if (entry.isFile && entry.name.endsWith(".csv")) names.push(entry.name);
  }
  return names.sort();
}

async function transform(name: string) {
  const rows = records(await Deno.readTextFile(`${inbox}/${name}`)).map(clean);
  const good = rows.filter((row) => typeof row !== "string");
  const skipped = rows.flatMap((row, index) =>
    typeof row === "string" ? [`line ${index + 2}: ${row}`] : []
  );
  // A reader sees the old file or the new one, never half of one.
  const target = `${outbox}/${name.replace(/\.csv$/, ".jsonl")}`;
  const draft = await Deno.makeTempFile({ dir: outbox });
  await Deno.writeTextFile(draft, good.map((row) => JSON.stringify(row) + "\n").join(""));
  await Deno.rename(draft, target);
  console.log(`${name}: ${good.length} rows, ${skipped.length} skipped`);
  return { file: target.slice(WORKSPACE_DIR.length + 1), rows: good.length, skipped };
}

await Deno.mkdir(inbox, { recursive: true });
await Deno.mkdir(outbox, { recursive: true });
if ((await csvFiles()).length === 0) await Deno.writeTextFile(`${inbox}/sample.csv`, SAMPLE);

await Promise.all((await csvFiles()).map(transform));
