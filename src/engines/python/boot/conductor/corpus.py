"""Usual programs: what they touch is compiled, specialised and in memory when a worker is forked.

Each runs as a caller's program would. None has state that a later program could see.
"""

EXPRESSION = "1 + 1"

PLAIN = """
import json, math, re, statistics
from collections import Counter, defaultdict, namedtuple
from dataclasses import asdict, dataclass, field

@dataclass
class Order:
    id: int
    customer: str
    amount: float
    tags: list = field(default_factory=list)

orders = [Order(i, f"customer {i % 7}", i * 1.25, ["a", "b"][: i % 3]) for i in range(300)]
totals = defaultdict(float)
for order in orders:
    totals[order.customer] += order.amount
text = json.dumps([asdict(order) for order in orders], indent=1)
back = json.loads(text)
words = Counter(re.findall(r"[a-z]+", text))
Point = namedtuple("Point", "x y")
points = sorted((Point(math.sin(i), i % 5) for i in range(200)), key=lambda p: (p.y, p.x), reverse=True)
squares = [i * i for i in range(20_000) if i % 3]
print(f"{len(orders)} orders", round(statistics.mean(o.amount for o in orders), 2), end="\\n")
result = {
    "totals": dict(sorted(totals.items())), "words": words.most_common(3), "point": points[0], "sum": sum(squares),
    "set": {3, 1, 2}, "big": 2**80, "nan": float("nan"), "bytes": b"abc", "object": object(), "orders": orders[:5],
}
result
"""

TIMES_AND_TEXTS = """
import base64, csv, hashlib, io, itertools, random, string, textwrap, uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

rows = [{"name": f"n{i}", "when": (datetime(2024, 1, 1) + timedelta(hours=i)).isoformat(), "qty": i % 9} for i in range(2000)]
file = io.StringIO()
writer = csv.DictWriter(file, fieldnames=list(rows[0]))
writer.writeheader()
writer.writerows(rows)
read = list(csv.DictReader(io.StringIO(file.getvalue())))
days = itertools.groupby(read, key=lambda row: datetime.strptime(row["when"], "%Y-%m-%dT%H:%M:%S").date())
counts = {day: sum(int(row["qty"]) for row in group) for day, group in days}
digest = hashlib.sha256(file.getvalue().encode()).hexdigest()
print(textwrap.shorten("a long text " * 20, 60), f"{Decimal('1.10') * 3:>10}", f"{1234567.891:,.2f}")
random.Random(1).shuffle(rows)
name = "".join(random.Random(2).choices(string.ascii_lowercase, k=8))
[counts, digest[:8], base64.b64encode(digest.encode()), date(2024, 2, 29), datetime.now(timezone.utc), Path("a") / "b.txt", name, uuid.uuid4()]
"""

ASYNC = """
import asyncio

async def fetch(n):
    await asyncio.sleep(0)
    return n * 2

async def main():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(n)) for n in range(5)]
    queue = asyncio.Queue()
    await queue.put(sum(task.result() for task in tasks))
    return await asyncio.wait_for(queue.get(), 5)

print(await asyncio.gather(*(fetch(n) for n in range(5)), return_exceptions=True))
asyncio.run(main())
"""

THREADS = """
from concurrent.futures import ThreadPoolExecutor, as_completed

with ThreadPoolExecutor(4) as pool:
    results = list(pool.map(lambda n: n + 1, range(4)))
    done = [future.result() for future in as_completed([pool.submit(pow, 2, n) for n in range(4)])]
results, done
"""

RAISES = """
import json

def parse(text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise RuntimeError(f"cannot read {text!r}") from error

parse("{bad")
"""

DOES_NOT_PARSE = "values = [1, 2\nprint(values)"

NUMPY = """
import numpy as np

a = np.arange(10_000, dtype=float).reshape(100, 100)
b = np.linspace(0, 1, 100)
print(a.mean(axis=0)[:3], (a @ b).shape, np.sort(a.ravel())[-3:], np.where(a > 5, 1, 0).sum(), a.std(), a[a % 2 == 0].size)
rng = np.random.default_rng(1)
values = rng.normal(size=1000)
{"mean": a.mean(), "percentiles": np.percentile(values, [5, 50, 95]), "solved": np.linalg.solve(np.eye(3), np.ones(3)), "unique": np.unique([1, 2, 2])}
"""

PANDAS = """
import io
import numpy as np
import pandas as pd

rng = np.random.default_rng(1)
df = pd.DataFrame({
    "region": rng.choice(["north", "south", "east"], 10_000), "product": rng.integers(0, 20, 10_000),
    "amount": rng.normal(100, 20, 10_000), "day": pd.date_range("2024-01-01", periods=10_000, freq="h"),
})
grouped = df.groupby("region").agg(total=("amount", "sum"), mean=("amount", "mean"), n=("amount", "count"))
by_two = df.groupby(["region", "product"])["amount"].sum().reset_index().sort_values("amount", ascending=False).head(5)
pivot = df.pivot_table(index="region", columns="product", values="amount", aggfunc="mean")
merged = df.merge(pd.DataFrame({"product": range(20), "name": [f"p{i}" for i in range(20)]}), on="product", how="left")
df["month"] = df["day"].dt.to_period("M").astype(str)
monthly = df.set_index("day")["amount"].resample("ME").sum()
df["double"] = df["amount"].apply(lambda v: v * 2)
df.loc[df["amount"] > 150, "region"] = None
text = df.head(50).to_csv(index=False)
again = pd.read_csv(io.StringIO(text), parse_dates=["day"])
print(grouped)
print(df.head(), df.describe(), df.dtypes, df.isna().sum(), sep="\\n")
print(df["region"].value_counts(), merged["name"].str.upper().nunique(), again.shape, pd.concat([again, again]).drop_duplicates().shape)
[grouped, by_two, monthly, pivot.round(2).iloc[:2], df.sort_values(["region", "amount"]).fillna({"region": "?"}).query("product == 3").head(3)]
"""

FIGURE = """
import io
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(4, 3))
ax.plot([1, 2, 3], label="line")
ax.bar(["a", "b"], [3, 4])
ax.set_title("Title")
ax.legend()
fig.savefig(io.BytesIO(), format="png")
plt.close(fig)
"""

#: Data of the size that programs have: what is hot in it is compiled by the optimizing compiler, before
#: the fork and not in each worker.
MANY = """
import csv, io, json
import pandas as pd

rows = pd.DataFrame({"g": [i % 7 for i in range(10000)], "v": [float(i) for i in range(10000)], "s": [f"n{i % 50}" for i in range(10000)]})
sums = rows.groupby("g").agg({"v": ["sum", "mean", "max"]})
names = rows.groupby(["s", "g"])["v"].sum().reset_index().sort_values("v")
objects = [{"id": i, "name": f"n{i}", "value": i * 1.5} for i in range(500)]
again = json.loads(json.dumps(objects))
text = io.StringIO()
writer = csv.writer(text)
writer.writerows([i, f"n{i}", i * 0.5] for i in range(2000))
total = sum(float(row[2]) for row in csv.reader(io.StringIO(text.getvalue())))
words = sorted(set(f"w{i % 97}" for i in range(5000)))
squares = sum(i * i for i in range(50000))
[sums, names.head(), len(again), total, len(words), squares]
"""

#: Often enough for that. A function that is used U of V8's budget each time, and not compiled after n times,
#: is compiled in each worker if U is between 1/(n + 1) and 1/n of the budget: few are with 40.
MANY_TIMES = 40

#: Each runs twice: the second time in the code that the first has specialised.
PROGRAMS = [EXPRESSION, PLAIN, TIMES_AND_TEXTS, ASYNC, THREADS, RAISES, DOES_NOT_PARSE, NUMPY, PANDAS, FIGURE] * 2 + [MANY] * MANY_TIMES
