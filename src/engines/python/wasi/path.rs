//! Where a path leads: into the image, to what is known without asking, or to the broker.

use super::errno::{Done, Errno};
use crate::engines::python::image::{Image, Node, ROOT};

/// A path as the guest means it.
#[derive(Debug)]
pub(super) struct Target {
    pub place: Place,
    /// It ends as only that of a directory does.
    pub is_directory: bool,
}

/// Who has what a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The image, whether it is there or not.
    Image(String),
    /// A directory on the way to the image or to the workspace. It is there, and that is all
    /// a program may know of it.
    Ancestor(String),
    /// The broker, by an absolute path. `..` is in it as the guest wrote it.
    World(String),
}

/// The path of a name that is relative to a directory.
pub(super) fn resolve(directory: &str, name: &str, workspace: &str) -> Done<Target> {
    if name.is_empty() {
        return Err(Errno::Noent.into());
    }
    if name.starts_with('/') {
        // wasi-libc has found the directory that an absolute path is below.
        return Err(Errno::Notcapable.into());
    }
    let whole = format!("{}/{name}", directory.trim_end_matches('/'));
    let is_directory = name.ends_with('/') || matches!(last(name), "." | "..");
    Ok(Target { place: place(&whole, workspace), is_directory })
}

/// Who has what an absolute path names. The image's directory can be above a workspace.
pub(super) fn place(path: &str, workspace: &str) -> Place {
    let normal = normalized(path);
    if is_above(ROOT, workspace) && (normal == workspace || is_above(workspace, &normal)) {
        Place::World(shortened(path))
    } else if Image::owns(&normal) && !is_above(&normal, workspace) {
        Place::Image(normal)
    } else if is_above(&normal, ROOT) || is_above(&normal, workspace) {
        Place::Ancestor(normal)
    } else {
        Place::World(shortened(path))
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Whether something is below a directory, both without a slash at their end.
fn is_above(directory: &str, path: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    path.strip_prefix(directory).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

/// Without `.`, without `..`, and without what is empty.
fn normalized(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Without `.` and what is empty; `..` stays.
fn shortened(path: &str) -> String {
    let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    format!("/{}", names.collect::<Vec<_>>().join("/"))
}

impl Target {
    /// The path for the broker. What is the image's cannot be changed.
    pub(super) fn writable(self) -> Done<String> {
        match self.place {
            Place::World(path) | Place::Ancestor(path) => Ok(path),
            Place::Image(_) => Err(Errno::Rofs.into()),
        }
    }
}

/// What the image has at a path.
pub(super) fn in_image(image: &Image, target: &str, is_directory: bool) -> Done<Node> {
    match image.get(target) {
        Some(Node::File(_)) if is_directory => Err(Errno::Notdir.into()),
        Some(node) => Ok(node),
        None => Err(Errno::Noent.into()),
    }
}
