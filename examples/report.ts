// A report on sales records. The records are a global:
//
//   mcp-conductor run examples/report.ts --globals examples/sales.json

interface Sale {
  date: string;
  region: string;
  product: string;
  units: number;
  price: number;
}

declare const sales: Sale[];

const revenue = ({ units, price }: Sale): number => units * price;
const round = (amount: number): number => Math.round(amount * 100) / 100;

function totals(records: Sale[], key: (sale: Sale) => string): Record<string, number> {
  const sums = new Map<string, number>();
  for (const sale of records) {
    sums.set(key(sale), (sums.get(key(sale)) ?? 0) + revenue(sale));
  }
  const sorted = [...sums].sort(([a], [b]) => a.localeCompare(b));
  return Object.fromEntries(sorted.map(([name, sum]) => [name, round(sum)]));
}

const usable = sales.filter((sale) => sale.units > 0);
console.log(`${sales.length} records, ${sales.length - usable.length} without units skipped`);

const byRegion = totals(usable, (sale) => sale.region);
console.log("by region:", byRegion);

const byProduct = totals(usable, (sale) => sale.product);
const [product, amount] = Object.entries(byProduct).reduce((best, next) =>
  next[1] > best[1] ? next : best
);
console.log(`best product: ${product}`);

({
  total: round(usable.reduce((sum, sale) => sum + revenue(sale), 0)),
  byRegion,
  bestProduct: { product, revenue: amount },
  byMonth: totals(usable, (sale) => sale.date.slice(0, 7)),
});
