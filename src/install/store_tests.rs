use super::*;

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("conductor-store-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a generation current that holds one file.
fn install(store: &Store) -> u64 {
    let staging = store.stage().unwrap();
    write(&staging.directory.join("manifest.json"), b"{}").unwrap();
    store.activate(&staging).unwrap();
    staging.number
}

fn names(store: &Store) -> Vec<String> {
    let mut names = store.names().unwrap();
    names.sort();
    names
}

#[test]
fn a_generation_is_current_once_it_is_complete_and_not_before() {
    let scratch = Scratch::new("current");
    let store = Store::open(&scratch.0).unwrap();
    let staging = store.stage().unwrap();
    assert!(staging.directory.is_dir());
    assert_eq!(store.current(), None);
    store.activate(&staging).unwrap();
    assert_eq!(store.current().unwrap(), store.directory.join("generations/1"));
    assert_eq!(fs::read_link(store.directory.join("current")).unwrap(), Path::new("generations/1"));
}

#[test]
fn what_a_killed_installation_has_left_is_removed_by_the_next() {
    let scratch = Scratch::new("leftovers");
    let store = Store::open(&scratch.0).unwrap();
    install(&store);
    let staging = store.stage().unwrap();
    fs::create_dir_all(staging.directory.join("node_modules/.store")).unwrap();
    make(&staging.output).unwrap();
    symlink("generations/7", store.directory.join("current.new")).unwrap();
    fs::write(store.old_lock_file(), "old").unwrap();
    drop(store);
    let store = Store::open(&scratch.0).unwrap();
    assert_eq!(names(&store), ["1"]);
    assert!(!store.directory.join("current.new").is_symlink());
    assert_eq!(fs::read_to_string(store.lock_file()).unwrap(), "old");
    assert_eq!(install(&store), 2);
}

#[test]
fn the_generation_before_the_current_one_is_kept_and_older_ones_are_not() {
    let scratch = Scratch::new("old");
    let store = Store::open(&scratch.0).unwrap();
    for _ in 0..4 {
        let number = install(&store);
        store.remove_old(number).unwrap();
    }
    assert_eq!(names(&store), ["3", "4"]);
}

#[test]
fn a_generation_that_a_server_reads_is_kept() {
    let scratch = Scratch::new("read");
    let store = Store::open(&scratch.0).unwrap();
    install(&store);
    let opened = File::open(store.directory.join("generations/1")).unwrap();
    let held = Flock::lock(opened, FlockArg::LockSharedNonblock).unwrap();
    install(&store);
    store.remove_old(install(&store)).unwrap();
    assert_eq!(names(&store), ["1", "2", "3"]);
    drop(held);
    store.remove_old(3).unwrap();
    assert_eq!(names(&store), ["2", "3"]);
}

#[test]
fn a_second_installation_is_told_who_is_at_work() {
    let scratch = Scratch::new("lock");
    let _store = Store::open(&scratch.0).unwrap();
    let error = Store::open(&scratch.0).err().unwrap().to_string();
    let holder = format!("process {} is installing in", std::process::id());
    assert!(error.starts_with(&holder), "{error}");
}

#[test]
fn a_number_is_not_given_twice_although_what_had_it_is_gone() {
    let scratch = Scratch::new("numbers");
    let store = Store::open(&scratch.0).unwrap();
    let staging = store.stage().unwrap();
    store.give_up(&staging).unwrap();
    assert_eq!(names(&store), Vec::<String>::new());
    install(&store);
    assert_eq!(install(&store), 2);
}

#[test]
fn a_lock_file_that_was_put_aside_comes_back_unless_another_is_current() {
    let scratch = Scratch::new("aside");
    let store = Store::open(&scratch.0).unwrap();
    fs::write(store.lock_file(), "one").unwrap();
    store.put_lock_file_aside().unwrap();
    assert!(!store.lock_file().exists());
    store.restore_lock_file().unwrap();
    assert_eq!(fs::read_to_string(store.lock_file()).unwrap(), "one");
    store.put_lock_file_aside().unwrap();
    fs::write(store.lock_file(), "two").unwrap();
    install(&store);
    store.restore_lock_file().unwrap();
    assert_eq!(fs::read_to_string(store.lock_file()).unwrap(), "two");
}

#[test]
fn a_directory_that_its_maker_has_closed_is_removed() {
    let scratch = Scratch::new("closed");
    let outer = scratch.0.join("outer");
    fs::create_dir_all(outer.join("inner/more")).unwrap();
    symlink("/", outer.join("inner/link")).unwrap();
    for directory in ["inner/more", "inner", ""] {
        fs::set_permissions(outer.join(directory), Permissions::from_mode(0o0)).unwrap();
    }
    remove(&outer).unwrap();
    assert!(!outer.exists());
}

#[test]
fn a_leftover_that_stays_is_in_nobodys_way() {
    let scratch = Scratch::new("stays");
    let store = Store::open(&scratch.0).unwrap();
    install(&store);
    // A file is not removed as a directory, by root neither.
    fs::write(store.directory.join("generations/7.output"), "").unwrap();
    drop(store);
    let store = Store::open(&scratch.0).unwrap();
    assert_eq!(names(&store), ["1", "7.output"]);
    assert_eq!(install(&store), 8);
}
