//! How many processes and threads commands have, all that they started included.
//!
//! Linux counts them by user or by control group. The user is the server's own, and a
//! control group is not the server's to make, in most containers. So they are counted
//! in `/proc`, by process group: nothing leaves the group of its command
//! (`sandbox/command_sys.rs`). A run that has too many is killed as far as commands go.
//! In between looks it can have more; the limit is so far below those of a container
//! that others are not hit meanwhile.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::protocol::Failure;

/// Processes and threads of all commands of one run: make on 32 processors (four for
/// each rule), twice; npm, node and what they start have some dozens. A quarter of the
/// container's limit (docker-compose.yml, `pids_limit`).
const RUN_TASKS: usize = 256;

/// Processes and threads of all commands of all runs: half of the container's limit,
/// whose other half the server and its workers have. Beyond it the largest run goes of
/// the principal that has most, so that nobody takes others' away, with however many
/// runs.
const ALL_TASKS: usize = 512;

/// How often the kernel's own count is read, which says whether there can be too many
/// (5 µs). A shell starts some twenty processes in that time.
const GLANCE_EVERY: Duration = Duration::from_millis(20);

/// How often all processes are looked at in any case: others may have ended while new
/// ones were made.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Between two looks at all processes, in times of the processor time that one takes: at
/// most 5 % of one processor, while one takes less than 25 ms (some thousands of
/// processes). Never longer than [`LOOK_EVERY`], or whoever makes looks slow would not be
/// seen.
const LOOK_SHARE: u32 = 20;

/// Whose runs they are. Its clones are the same, and no two others are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owner(Arc<()>);

/// The commands of one run.
#[derive(Debug, Default)]
pub(in crate::broker) struct Crowd {
    owner: Owner,
}

impl Crowd {
    pub(in crate::broker) fn of(owner: &Owner) -> Arc<Self> {
        Arc::new(Self { owner: owner.clone() })
    }
}

/// A command's process group.
#[derive(Debug)]
pub(super) struct Member {
    pub crowd: Arc<Crowd>,
    /// Killed for the number of processes of its run.
    pub of_too_many: Arc<AtomicBool>,
}

/// By their numbers, which are the pids of their leaders.
pub(super) type Groups = HashMap<i32, Member>;

/// A run's commands were killed for their number.
pub(super) fn too_many() -> Failure {
    Failure::limit(format!(
        "The run's commands were killed: they had more than {RUN_TASKS} processes and threads, \
         or those of all runs more than {ALL_TASKS}. Start fewer at the same time"
    ))
}

/// When to look at all processes, and what was found.
#[derive(Debug, Default)]
pub(super) struct Watch {
    glanced: Option<Instant>,
    looked: Option<Look>,
}

#[derive(Debug)]
struct Look {
    /// When it ended.
    at: Instant,
    /// Processor time, in which others' is not.
    took: Duration,
    /// The kernel's count before it.
    tasks: Option<usize>,
    /// Most of one run, and of all.
    most: usize,
    all: usize,
}

impl Watch {
    /// How long the next [`Watch::too_many`] can wait.
    pub(super) fn pause(&self) -> Duration {
        self.glanced.map_or(Duration::ZERO, |at| GLANCE_EVERY.saturating_sub(at.elapsed()))
    }

    /// Which of these groups, by their numbers, are to be killed.
    pub(super) fn too_many(&mut self, groups: &Groups) -> Vec<i32> {
        if !self.pause().is_zero() {
            return Vec::new();
        }
        self.glanced = Some(Instant::now());
        let tasks = tasks_of_all();
        if self.looked.as_ref().is_some_and(|look| look.suffices(tasks)) {
            return Vec::new();
        }
        let before = processor_time();
        let counts = count(groups);
        let took = processor_time().saturating_sub(before);
        let most = counts.values().copied().max().unwrap_or_default();
        let all = counts.values().sum();
        self.looked = Some(Look { at: Instant::now(), took, tasks, most, all });
        over(&counts, groups)
    }
}

impl Look {
    /// Whether there can be no more than allowed now, or it is too early to look again.
    fn suffices(&self, tasks: Option<usize>) -> bool {
        let age = self.at.elapsed();
        if age < (self.took * LOOK_SHARE).min(LOOK_EVERY) {
            return true;
        }
        let (Some(before), Some(now)) = (self.tasks, tasks) else { return age < LOOK_EVERY };
        let new = now.saturating_sub(before);
        age < LOOK_EVERY && self.most + new <= RUN_TASKS && self.all + new <= ALL_TASKS
    }
}

/// Of the calling thread.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Processes and threads of the machine, or of its container: the second number of
/// `running/all` (proc_loadavg(5)).
fn tasks_of_all() -> Option<usize> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

type Counts = HashMap<*const Crowd, usize>;

/// Processes and threads by run, without those that were killed for their number: until
/// they are reaped, what the run starts next would be killed for them too.
fn count(groups: &Groups) -> Counts {
    let mut counts = Counts::new();
    let mut text = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        text.clear();
        let read = fs::File::open(entry.path().join("stat"))
            .and_then(|mut stat| stat.read_to_end(&mut text));
        // It may have ended meanwhile.
        let Some((group, threads)) = read.ok().and_then(|_| group_and_threads(&text)) else {
            continue;
        };
        let member = groups.get(&group);
        let is_killed = |member: &&Member| member.of_too_many.load(Ordering::Acquire);
        if let Some(member) = member.filter(|member| !is_killed(member)) {
            *counts.entry(Arc::as_ptr(&member.crowd)).or_default() += threads;
        }
    }
    counts
}

/// Two fields of /proc/PID/stat (proc_pid_stat(5)). The name before them may have any
/// byte in it.
fn group_and_threads(stat: &[u8]) -> Option<(i32, usize)> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    // From the third field on: state, parent, group; threads is the twentieth.
    let mut fields = rest.split_ascii_whitespace();
    let group = fields.nth(2)?.parse().ok()?;
    // A process that has ended and was not reaped still has its place.
    let threads = fields.nth(14)?.parse().unwrap_or(1);
    Some((group, threads))
}

/// The groups of runs that have more than theirs; and while all together have more than
/// there is, of the largest run of the principal that has most.
fn over(counts: &Counts, groups: &Groups) -> Vec<i32> {
    let mut left: HashMap<_, Vec<_>> = HashMap::new();
    let mut all = 0;
    for (crowd, member) in groups.values().map(|member| (Arc::as_ptr(&member.crowd), member)) {
        let runs = left.entry(Arc::as_ptr(&member.crowd.owner.0)).or_default();
        let Some(&count) = counts.get(&crowd).filter(|&&count| count <= RUN_TASKS) else {
            continue;
        };
        if !runs.contains(&(count, crowd)) {
            runs.push((count, crowd));
            all += count;
        }
    }
    while all > ALL_TASKS {
        let size = |runs: &&mut Vec<(usize, _)>| runs.iter().map(|(count, _)| count).sum::<usize>();
        let Some(runs) = left.values_mut().max_by_key(size) else { break };
        runs.sort_unstable();
        all -= runs.pop().map_or(all, |(count, _)| count);
    }
    let left: Vec<_> = left.into_values().flatten().map(|(_, crowd)| crowd).collect();
    let is_killed = |crowd: *const Crowd| counts.contains_key(&crowd) && !left.contains(&crowd);
    let of_killed = groups.iter().filter(|(_, member)| is_killed(Arc::as_ptr(&member.crowd)));
    of_killed.map(|(&group, _)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_counted_with_its_threads_whatever_its_name_is() {
        let stat = b"7 (a) 1 2 3 (\xff) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 13 0 5 6";
        assert_eq!(group_and_threads(stat), Some((42, 13)));
        assert_eq!(group_and_threads(b"7 (a"), None);
        assert_eq!(group_and_threads(b""), None);
    }

    #[test]
    fn this_process_and_its_threads_are_found() {
        let own = nix::unistd::getpgrp().as_raw();
        let crowd = Arc::<Crowd>::default();
        let groups = Groups::from([(own, member(&crowd))]);
        assert!(count(&groups)[&Arc::as_ptr(&crowd)] >= 1);
        assert!(tasks_of_all().is_some_and(|all| all >= 1));
        groups[&own].of_too_many.store(true, Ordering::Release);
        assert_eq!(count(&groups), Counts::new(), "a group that was killed");
    }

    fn member(crowd: &Arc<Crowd>) -> Member {
        Member { crowd: crowd.clone(), of_too_many: Arc::default() }
    }

    /// Runs with as many tasks each, all of different principals, and the indices of
    /// those that are killed.
    fn killed(sizes: &[usize]) -> Vec<i32> {
        killed_of(&sizes.iter().map(|&size| (Owner::default(), size)).collect::<Vec<_>>())
    }

    fn killed_of(runs: &[(Owner, usize)]) -> Vec<i32> {
        let crowds: Vec<_> = runs.iter().map(|(owner, _)| Crowd::of(owner)).collect();
        let sizes = runs.iter().map(|(_, size)| *size);
        let counts = crowds.iter().map(Arc::as_ptr).zip(sizes).collect();
        let mut killed = over(&counts, &(0..).zip(crowds.iter().map(member)).collect());
        killed.sort_unstable();
        killed
    }

    #[test]
    fn a_run_with_more_than_its_own_is_killed_and_others_are_not() {
        assert_eq!(killed(&[]), [0; 0]);
        assert_eq!(killed(&[RUN_TASKS, RUN_TASKS]), [0; 0]);
        assert_eq!(killed(&[10, RUN_TASKS + 1, 10]), [1]);
        assert_eq!(killed(&[RUN_TASKS + 1, 10, RUN_TASKS + 9]), [0, 2]);
    }

    #[test]
    fn the_largest_goes_when_all_together_have_too_many() {
        assert_eq!(killed(&[200, 201, 112]), [1]);
        assert_eq!(killed(&[250, 251, 252, 253]), [2, 3]);
    }

    #[test]
    fn a_principal_with_many_runs_takes_nothing_from_one_with_a_larger_run() {
        let [many, honest] = [(); 2].map(|()| Owner::default());
        let run = |owner: &Owner, size| (owner.clone(), size);
        let runs = [run(&many, 168), run(&honest, 170), run(&many, 169), run(&many, 167)];
        assert_eq!(killed_of(&runs), [2]);
        // What a run has too many is not its principal's any more.
        let runs = [run(&many, RUN_TASKS + 1), run(&many, 200), run(&honest, 210)];
        assert_eq!(killed_of(&runs), [0]);
        let runs = [run(&honest, 90), run(&many, 251), run(&many, 250), run(&honest, 91)];
        assert_eq!(killed_of(&runs), [1]);
    }

    #[test]
    fn a_glance_suffices_until_there_can_be_too_many() {
        let look =
            |most, all, tasks| Look { at: Instant::now(), took: Duration::ZERO, tasks, most, all };
        assert!(look(10, 10, Some(100)).suffices(Some(100 + RUN_TASKS - 10)));
        assert!(!look(10, 10, Some(100)).suffices(Some(101 + RUN_TASKS - 10)));
        assert!(!look(10, ALL_TASKS, Some(100)).suffices(Some(101)));
        // Without the kernel's count, time decides.
        assert!(look(10, 10, None).suffices(None));
        let slow = Look { took: Duration::from_secs(60), ..look(10, 10, Some(100)) };
        assert!(slow.suffices(Some(100_000)));
    }

    #[test]
    fn a_look_that_took_long_is_soon_followed_by_another() {
        let at = Instant::now().checked_sub(LOOK_EVERY).expect("the machine has just started");
        let took = Duration::from_secs(60);
        let slow = Look { at, took, tasks: Some(100), most: 10, all: 10 };
        assert!(!slow.suffices(Some(100)));
    }
}
