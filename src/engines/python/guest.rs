//! All that an interpreter has around it: its system interface, the world, the door.

use std::rc::Rc;

use super::door::Door;
use super::image::Image;
use super::wasi::{Arguments, Import, Wasi};
use super::world::{End, NoWorld, RunWorld, World};
use crate::protocol::{Outcome, Program, Unfinished};
use crate::worker::Connection;

/// Variables that the interpreter itself starts with; no program sees them as they are. Time
/// zones come from the package tzdata, as there are no files of the system's.
const ENVIRONMENT: &[(&str, &str)] = &[("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("PYTHONTZPATH", "")];

/// One interpreter's surroundings: of the zygote, and after [`Guest::enter`] of a program.
pub(super) struct Guest {
    image: Rc<Image>,
    wasi: Wasi,
    world: Around,
    door: Door,
}

enum Around {
    Zygote(NoWorld),
    Run(Rc<RunWorld>),
}

impl Guest {
    /// Without a world.
    pub(super) fn in_zygote(image: Rc<Image>) -> Self {
        Self {
            wasi: Wasi::new(image.clone(), ENVIRONMENT),
            image,
            world: Around::Zygote(NoWorld::default()),
            door: Door::default(),
        }
    }

    /// Gives it the world of a program.
    pub(super) fn enter(&mut self, connection: Rc<Connection>, program: Program) {
        self.wasi.begin_time();
        self.wasi.set_workspace(&program.workspace);
        let world = Rc::new(RunWorld::new(connection, &program));
        self.door = Door::open(self.image.clone(), world.clone(), program);
        self.world = Around::Run(world);
    }

    /// Where programs import from: the interpreter's `sys.path`.
    pub(super) fn search_path(&self) -> Vec<String> {
        self.image.search_path()
    }

    /// A call of WASI, and its error number: 0 is success.
    ///
    /// # Errors
    /// The guest does not run on.
    pub(super) fn wasi(
        &mut self,
        memory: &mut [u8],
        import: Import,
        arguments: &Arguments,
    ) -> Result<u32, End> {
        let world: &dyn World = match &self.world {
            Around::Zygote(world) => world,
            Around::Run(world) => &**world,
        };
        self.wasi.call(memory, import, arguments, world)
    }

    /// A call of `host.call`.
    ///
    /// # Errors
    /// The guest does not run on.
    pub(super) fn host_call(&mut self, frame: &[u8]) -> Result<Vec<u8>, End> {
        self.wasi.forget();
        self.door.call(frame)
    }

    /// Where the objects are that are to be immortal, as the last call of the door has said.
    pub(super) fn take_immortals(&mut self) -> Vec<u32> {
        self.door.take_immortals()
    }

    /// How the program ended, if it has said so.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        self.door.outcome()
    }

    /// The source of the program.
    pub(super) fn source(&self) -> Option<&str> {
        self.door.source()
    }

    /// What the program has left behind, if the server has its value; it runs at that line.
    pub(super) fn left(&mut self, running: Option<u32>) -> Option<Vec<Unfinished>> {
        self.door.left(running)
    }

    /// What the interpreter printed in the zygote, the end of it: why a load failed.
    pub(super) fn printed(&self) -> String {
        match &self.world {
            Around::Zygote(world) => world.printed(),
            Around::Run(_) => String::new(),
        }
    }
}
