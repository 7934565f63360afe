//! The way to a file: every directory on it, and every link.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Links on the way to a file, as the kernel follows at most (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Shows all directories and links on the way to a file, and the file, each before
/// anything behind it is looked at. Returns the file's real path.
///
/// # Errors
/// Something is not there or cannot be looked at, there are too many links, or it is the
/// error of whom it is shown to.
pub(crate) fn follow(
    path: &Path,
    mut show: impl FnMut(&Path, &Metadata) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let mut rest: VecDeque<OsString> = names_in(&std::path::absolute(path)?).collect();
    let mut at = PathBuf::from("/");
    show(&at, &at.symlink_metadata()?)?;
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let found = next.symlink_metadata()?;
        show(&next, &found)?;
        if !found.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let target = next.read_link()?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names_in(&target).collect::<Vec<_>>().into_iter().rev() {
            rest.push_front(name);
        }
    }
    Ok(at)
}

/// All directories and links on the way to a file, and the file.
///
/// # Errors
/// As [`follow`].
pub(crate) fn places(path: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut places = Vec::new();
    follow(path, |place, found| {
        places.push((place.to_owned(), found.clone()));
        Ok(())
    })?;
    Ok(places)
}

fn names_in(path: &Path) -> impl Iterator<Item = OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name)
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, create_dir_all, remove_dir_all, write};
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory that goes with the test, by its real path.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("conductor-links-{name}-{}", std::process::id());
            let root = std::env::temp_dir().canonicalize().unwrap().join(name);
            let _ = remove_dir_all(&root);
            create_dir(&root).unwrap();
            Self(root)
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.join(below)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = remove_dir_all(&self.0);
        }
    }

    /// `one/way` is a link to the directory `two/own`, by way of `one`, and `two/own/file`
    /// one to `../end`.
    fn two_links(name: &str) -> Scratch {
        let scratch = Scratch::new(name);
        create_dir_all(scratch.path("one")).unwrap();
        create_dir_all(scratch.path("two/own")).unwrap();
        write(scratch.path("two/end"), "").unwrap();
        symlink("../one/../two/own", scratch.path("one/way")).unwrap();
        symlink("../end", scratch.path("two/own/file")).unwrap();
        scratch
    }

    #[test]
    fn every_place_on_the_way_is_shown_in_its_order_and_the_real_path_returned() {
        let scratch = two_links("way");
        let mut shown = Vec::new();
        let real = follow(&scratch.path("one/way/file"), |place, _| {
            shown.extend(place.strip_prefix(&scratch.0).map(Path::to_owned));
            Ok(())
        });
        assert_eq!(real.unwrap(), scratch.path("two/end"));
        let expected = ["", "one", "one/way", "one", "two", "two/own", "two/own/file", "two/end"];
        assert_eq!(shown, expected.map(PathBuf::from));
    }

    #[test]
    fn nothing_behind_a_refused_link_is_looked_at() {
        let scratch = two_links("refused");
        symlink("nowhere", scratch.path("one/planted")).unwrap();
        let mut last = PathBuf::new();
        let refused = follow(&scratch.path("one/planted/file"), |place, found| {
            last = place.to_owned();
            if found.is_symlink() { Err(io::Error::other("planted")) } else { Ok(()) }
        });
        assert_eq!(refused.unwrap_err().to_string(), "planted");
        assert_eq!(last, scratch.path("one/planted"));
    }

    #[test]
    fn links_without_end_are_an_error() {
        let scratch = Scratch::new("loop");
        symlink("loop", scratch.path("loop")).unwrap();
        let error = follow(&scratch.path("loop"), |_, _| Ok(())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    }
}
