// Many calls at the same time: the details of every order that is on its way, each
// by a call of its own. A call that fails costs its own row and no other.
//
//   cargo build --release --examples
//   MCP_CONDUCTOR_MCP_CONFIG=$PWD/examples/upstreams/mcp.json \
//     target/release/mcp-conductor run examples/upstreams/fan_out.ts

import { getOrder, listOrders } from "mcp:shop";

interface Detailed {
  id: number;
  carrier: string;
  days: number;
}

/** Days after which a delivery is late. */
const LATE = 6;

const months = Array.from({ length: 12 }, (_, month) => `2026-${String(month + 1).padStart(2, "0")}`);
const pages = await Promise.all(months.map((month) => listOrders({ month })));
const shipped: number[] = pages
  .flatMap(({ orders }) => orders)
  .filter((order: { status: string }) => order.status === "shipped")
  .map((order: { id: number }) => order.id);
console.log(`${shipped.length} orders are on their way`);

const results = await Promise.allSettled(shipped.map((id) => getOrder({ id })));
const found: Detailed[] = results
  .filter((result) => result.status === "fulfilled")
  .map((result) => result.value);
const failed = results
  .map((result, index) => ({ id: shipped[index], result }))
  .filter(({ result }) => result.status === "rejected")
  .map(({ id, result }) => ({ id, why: String((result as PromiseRejectedResult).reason) }));

const carriers = Object.groupBy(found, ({ carrier }) => carrier);
const late = Object.entries(carriers).map(([carrier, orders = []]) => ({
  carrier,
  orders: orders.length,
  late: orders.filter(({ days }) => days > LATE).length,
  meanDays: Math.round((orders.reduce((sum, { days }) => sum + days, 0) / orders.length) * 10) / 10,
}));

({
  shipped: shipped.length,
  carriers: late.sort((a, b) => b.late - a.late),
  latest: found.sort((a, b) => b.days - a.days || a.id - b.id).slice(0, 5).map(({ id }) => id),
  failed,
});
