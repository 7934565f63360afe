//! Clocks, and waiting.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::Call;
use super::errno::{Done, Errno};

/// `clockid`.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const PROCESS_CPU: u32 = 2;
const THREAD_CPU: u32 = 3;

/// All clocks of Linux have this resolution (clock_getres(2)).
const RESOLUTION_NANOS: u64 = 1;

/// Things that are waited for at once. Python's own loop is not made of this call, and
/// `select` has 1024 at most.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Bytes of a `subscription`: userdata, tag, and of a clock: id, timeout, precision, flags.
const SUBSCRIPTION_BYTES: u32 = 48;
const TAG: u32 = 8;
const CLOCK_ID: u32 = 16;
const DESCRIPTOR: u32 = 16;
const TIMEOUT: u32 = 24;
const CLOCK_FLAGS: u32 = 40;

/// Tags.
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// The timeout is a time of its clock, and not from now.
const ABSOLUTE: u16 = 1;

/// Bytes of an `event`.
const EVENT_BYTES: u32 = 32;

/// Something that is waited for.
struct Subscription {
    userdata: u64,
    tag: u8,
    errno: u16,
    /// None: it is there.
    wait: Option<Duration>,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Call<'_> {
    pub(super) fn clock_res_get(&mut self) -> Done {
        self.now(self.word(0))?;
        Ok(self.memory.put_u64(self.word(1), RESOLUTION_NANOS)?)
    }

    pub(super) fn clock_time_get(&mut self) -> Done {
        let now = self.now(self.word(0))?;
        Ok(self.memory.put_u64(self.word(2), nanos(now))?)
    }

    fn now(&self, clock: u32) -> Done<Duration> {
        let of_system = |clock| {
            let time = clock_gettime(clock).map_err(|_| Errno::Inval)?;
            let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
            Ok(Duration::new(seconds, u32::try_from(time.tv_nsec()).unwrap_or(0)))
        };
        match clock {
            REALTIME => Ok(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            MONOTONIC => Ok(self.wasi.since.elapsed()),
            PROCESS_CPU => of_system(ClockId::CLOCK_PROCESS_CPUTIME_ID),
            THREAD_CPU => of_system(ClockId::CLOCK_THREAD_CPUTIME_ID),
            _ => Err(Errno::Inval.into()),
        }
    }

    /// Waits for times. What is open is always ready: no read or write here waits for others.
    pub(super) fn poll_oneoff(&mut self) -> Done {
        let (from, to, count) = (self.word(0), self.word(1), self.word(2));
        if count == 0 || count > MAX_SUBSCRIPTIONS {
            return Err(Errno::Inval.into());
        }
        self.memory.check(from, count * SUBSCRIPTION_BYTES)?;
        self.memory.check(to, count * EVENT_BYTES)?;
        self.memory.check(self.word(3), 4)?;
        let subscriptions = (0..count)
            .map(|index| self.subscription(from + index * SUBSCRIPTION_BYTES))
            .collect::<Done<Vec<_>>>()?;
        let shortest = subscriptions.iter().map(|of| of.wait.unwrap_or_default()).min();
        let shortest = shortest.unwrap_or_default();
        if !shortest.is_zero() {
            self.world.sleep(shortest)?;
        }
        let due = |of: &&Subscription| of.wait.unwrap_or_default() <= shortest;
        let mut at = to;
        for event in subscriptions.iter().filter(due) {
            self.event(at, event)?;
            at += EVENT_BYTES;
        }
        Ok(self.memory.put_u32(self.word(3), (at - to) / EVENT_BYTES)?)
    }

    fn subscription(&mut self, at: u32) -> Done<Subscription> {
        let (userdata, tag) = (self.memory.u64(at)?, self.memory.u8(at + TAG)?);
        let mut subscription = Subscription { userdata, tag, errno: 0, wait: None };
        match tag {
            CLOCK => subscription.wait = Some(self.clock_wait(at)?),
            FD_READ | FD_WRITE => {
                let number = self.memory.u32(at + DESCRIPTOR)?;
                if self.wasi.descriptors.get(number).is_err() {
                    subscription.errno = Errno::Badf as u16;
                }
            }
            _ => return Err(Errno::Inval.into()),
        }
        Ok(subscription)
    }

    fn clock_wait(&self, at: u32) -> Done<Duration> {
        let now = self.now(self.memory.u32(at + CLOCK_ID)?)?;
        let timeout = Duration::from_nanos(self.memory.u64(at + TIMEOUT)?);
        let is_absolute = self.memory.u16(at + CLOCK_FLAGS)? & ABSOLUTE != 0;
        Ok(if is_absolute { timeout.saturating_sub(now) } else { timeout })
    }

    fn event(&mut self, at: u32, event: &Subscription) -> Done {
        let mut bytes = [0; EVENT_BYTES as usize];
        bytes[..8].copy_from_slice(&event.userdata.to_le_bytes());
        bytes[8..10].copy_from_slice(&event.errno.to_le_bytes());
        bytes[10] = event.tag;
        Ok(self.memory.put(at, &bytes)?)
    }
}
