//! Buckets of tokens and parts of limits as Redis keeps them, by its own clock: the scripts do
//! what `bucket` and `holders` do, in one step each.

use std::time::Duration;

use bytes::Bytes;
use redis::Cmd;

use super::coding::encode;
use crate::{Claim, Held, Refill, StoreError, Taken};

/// Takes ARGV[1] tokens, of which one comes back in ARGV[2] µs, from KEYS[1], which gets full in
/// ARGV[3] µs. Returns the tokens, and the µs until the next; or nil if it is not a counter.
const TAKE: &str = "\
local there = redis.call('GET', KEYS[1])
if there and not string.find(there, '^-?%d+$') then return false end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wanted, interval, whole = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local missing = math.min(math.max(tonumber(there or 0) - now, 0), whole)
local granted = math.min(wanted, math.floor((whole - missing + 0.5) / interval))
missing = math.floor(math.max(missing + granted * interval, 0) + 0.5)
local wait = 0
if granted < wanted then wait = math.ceil(math.max(missing + interval - whole, 0)) end
if missing > 0 then
  local keep = string.format('%.0f', math.floor(missing / 1000) + 1)
  redis.call('SET', KEYS[1], string.format('%.0f', now + missing), 'PX', keep)
elseif there then redis.call('DEL', KEYS[1]) end
return {granted, wait}";

/// Holds for ARGV[2], which uses ARGV[3] and wants ARGV[4] of ARGV[5], for ARGV[6] ms. ARGV[1] is
/// the head of a new value. Returns what it holds, what others do, and the least of those that want
/// more, or -1; or nil if there is no value.
const HOLD: &str = "\
local there = redis.call('GET', KEYS[1])
if there and string.sub(there, 1, 1) ~= 'v' then return false end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lines, others, last, neediest = {ARGV[1]}, 0, 0, -1
local function keep(holder, held, wanted, expires)
  lines[#lines + 1] = string.format('%s %.0f %.0f %.0f;', holder, held, wanted, expires)
  last = math.max(last, expires)
end
local line = '(%w+) (%d+) (%d+) (%d+);'
for holder, held, wanted, expires in string.gmatch(string.sub(there or '', 10), line) do
  held, wanted, expires = tonumber(held), tonumber(wanted), tonumber(expires)
  if holder ~= ARGV[2] and expires > now then
    others = others + held
    if wanted > held and (neediest < 0 or held < neediest) then neediest = held end
    keep(holder, held, wanted, expires)
  end
end
local wanted = tonumber(ARGV[4])
local held = math.max(math.min(wanted, ARGV[5] - others), tonumber(ARGV[3]))
if held > 0 or wanted > 0 then keep(ARGV[2], held, wanted, now + ARGV[6]) end
if last > 0 then
  redis.call('SET', KEYS[1], table.concat(lines), 'PX', string.format('%.0f', last - now))
elseif there then redis.call('DEL', KEYS[1]) end
return {held, others, neediest}";

pub(super) fn take(key: &str, wanted: i32, refill: Refill) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(TAKE).arg(1).arg(key).arg(wanted);
    command.arg(refill.interval().to_string()).arg(refill.whole().to_string());
    command
}

/// What the server says was taken, within what can be.
pub(super) fn taken(wanted: i32, (granted, wait): (i64, i64)) -> Taken {
    let wanted = u32::try_from(wanted).unwrap_or_default();
    let micros = u64::try_from(wait).unwrap_or_default();
    Taken { granted: whole(granted).min(wanted), wait: Duration::from_micros(micros) }
}

pub(super) fn hold(key: &str, claim: &Claim<'_>) -> Result<Cmd, StoreError> {
    let (_, head) = encode(&Bytes::new())?;
    let mut command = redis::cmd("EVAL");
    command.arg(HOLD).arg(1).arg(key).arg(head).arg(claim.holder);
    command.arg(claim.used).arg(claim.wanted).arg(claim.limit).arg(claim.millis());
    Ok(command)
}

/// What the server says is held, within what can be.
pub(super) fn held(claim: &Claim<'_>, (held, others, neediest): (i64, i64, i64)) -> Held {
    Held {
        held: whole(held).min(claim.wanted.max(claim.used)),
        others: whole(others),
        neediest: u32::try_from(neediest).ok(),
    }
}

fn whole(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
