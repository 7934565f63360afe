// A year's report over two MCP servers: orders come from one, customers from the
// other. A thousand rows are read, and one short report is returned.
//
//   cargo build --release --examples
//   MCP_CONDUCTOR_MCP_CONFIG=$PWD/examples/upstreams/mcp.json \
//     target/release/mcp-conductor run examples/upstreams/report.ts
//
// A model passes the same program to run_deno_code. It finds the tools with
// search_tools, and their types with get_tools and format: "typescript".

import * as crm from "mcp:crm";
import * as shop from "mcp:shop";

interface Order {
  customer: number;
  date: string;
  product: string;
  quantity: number;
  unitPrice: number;
  status: string;
}

interface Customer {
  id: number;
  name: string;
  region: string;
}

async function allCustomers(): Promise<Customer[]> {
  const all: Customer[] = [];
  for (let page: number | null = 1; page !== null;) {
    const { customers, nextPage } = await crm.listCustomers({ page });
    all.push(...customers);
    page = nextPage;
  }
  return all;
}

const revenue = (order: Order): number => order.quantity * order.unitPrice;
const round = (amount: number): number => Math.round(amount * 100) / 100;
const total = (orders: Order[]): number =>
  round(orders.reduce((sum, order) => sum + revenue(order), 0));

function largest(groups: Record<string, Order[] | undefined>, count: number) {
  return Object.entries(groups)
    .map(([name, orders = []]) => ({ name, orders: orders.length, revenue: total(orders) }))
    .sort((a, b) => b.revenue - a.revenue)
    .slice(0, count);
}

// All months and all customers at the same time.
const months = Array.from({ length: 12 }, (_, month) => `2026-${String(month + 1).padStart(2, "0")}`);
const [customers, ...pages] = await Promise.all([
  allCustomers(),
  ...months.map(async (month): Promise<Order[]> => (await shop.listOrders({ month })).orders),
]);
const orders = pages.flat();
console.log(`${orders.length} orders of ${customers.length} customers`);

const known = new Map(customers.map((customer) => [customer.id, customer]));
const name = (order: Order): string => known.get(order.customer)?.name ?? "unknown";
const region = (order: Order): string => known.get(order.customer)?.region ?? "unknown";

const sold = orders.filter(({ status }) => status !== "cancelled" && status !== "returned");
const returned = orders.filter(({ status }) => status === "returned");

({
  orders: orders.length,
  sold: sold.length,
  revenue: total(sold),
  returned: `${round((returned.length / orders.length) * 100)} %`,
  regions: largest(Object.groupBy(sold, region), 4),
  bestMonths: largest(Object.groupBy(sold, (order) => order.date.slice(0, 7)), 3),
  bestCustomers: largest(Object.groupBy(sold, name), 5),
  products: largest(Object.groupBy(sold, (order) => order.product), 5),
});
